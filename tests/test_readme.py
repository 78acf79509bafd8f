"""The README holds what it says."""

import re
from pathlib import Path

from click.testing import CliRunner

from captioner import Captioner
from captioner.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_caption_on_top_is_what_the_shipped_model_says():
    photo, caption = re.search(r"\$ captioner caption (\S+)\n\s+(.+)", README).groups()
    assert Captioner.load("flickr8k").caption(ROOT / photo).text == caption


def test_commands_and_options_of_the_examples_exist():
    for line in re.findall(r"^\s*(?:.*\| )?captioner (\w+)(.*)", README, re.MULTILINE):
        command, rest = line
        shown = CliRunner().invoke(main, [command, "--help"])
        assert shown.exit_code == 0, command
        for option in re.findall(r"\s(--?[a-z][a-z-]*)", rest.split("#")[0]):
            assert option in shown.output, f"{command} {option}"


def test_ci_runs_the_test_command_of_the_readme():
    command = re.search(r"<!-- test command -->\n```sh\n(.+)\n```", README).group(1)
    assert command.endswith("-m pytest") and "[test]" in command
    assert "<!-- test command -->" in (ROOT / ".ci" / "run").read_text()


def test_relative_links_lead_somewhere():
    for page in (ROOT / "README.md", ROOT / "data" / "README.md", ROOT / "data" / "photos" / "README.md"):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target}"
