"""What a shell is told so that it completes commands and options."""

import os
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from captioner.cli import COMMANDS, main


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_of_its_own(shell):
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0 and f"_CAPTIONER_COMPLETE={shell}_complete" in result.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_script_is_valid(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = CliRunner().invoke(main, ["completion", shell]).stdout
    subprocess.run([shell, "-n"], input=script, text=True, check=True)


def completed(words):
    environment = os.environ | {
        "_CAPTIONER_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run([sys.executable, "-m", "captioner"], env=environment, capture_output=True, text=True)
    return [line.split(",")[1] for line in done.stdout.splitlines()]


def test_commands_and_options_are_completed():
    assert completed(["captioner", "ca"]) == ["caption"]
    assert set(completed(["captioner", "c"])) == {name for name in COMMANDS if name.startswith("c")}
    assert "--sidecar" in completed(["captioner", "caption", "--si"])


def test_another_shell_is_refused():
    result = CliRunner().invoke(main, ["completion", "tcsh"])
    assert result.exit_code == 2 and "'tcsh' is not one of 'bash', 'zsh', 'fish'" in result.stderr
