"""Options from `captioner.toml` and from variables: a flag counts most, then a variable, then the file."""

import click
import pytest
from click.testing import CliRunner

from captioner.cli import COMMANDS, main


@pytest.fixture(autouse=True)
def present_folder(tmp_path, monkeypatch):
    """Three photos that nothing opens, and no settings but those of the test."""
    for name in ("a.jpg", "b.jpg", "c.png"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def names(*arguments, **variables):
    result = CliRunner().invoke(main, ["caption", ".", "--dry-run", *arguments], env=variables)
    assert result.exit_code == 0, result.output
    return "".join(name[0] for name in result.stdout.splitlines())


def error(*arguments, **variables):
    result = CliRunner().invoke(main, ["caption", ".", "--dry-run", *arguments], env=variables)
    assert "Traceback" not in result.output
    return result.exit_code, result.stderr


def test_a_flag_counts_more_than_a_variable_and_that_more_than_the_file(present_folder):
    assert names() == "abc"
    (present_folder / "captioner.toml").write_text('[caption]\nexclude = ["a*"]\n')
    assert names() == "bc"
    assert names(CAPTIONER_CAPTION_EXCLUDE="b*") == "ac"
    assert names("--exclude", "c*", CAPTIONER_CAPTION_EXCLUDE="b*") == "ab"


def test_the_variable_of_the_command_counts_more_than_the_one_of_all(present_folder):
    assert names(CAPTIONER_EXCLUDE="a*") == "bc"
    assert names(CAPTIONER_EXCLUDE="a*", CAPTIONER_CAPTION_EXCLUDE="b*") == "ac"


def test_a_commands_table_counts_more_than_what_stands_before_it(present_folder):
    (present_folder / "captioner.toml").write_text('exclude = ["a*"]\nbeam-size = 3\n')
    assert names() == "bc"
    (present_folder / "captioner.toml").write_text('exclude = ["a*"]\n[caption]\nexclude = ["b*"]\n')
    assert names() == "ac"


def test_the_users_file_counts_where_the_folder_has_none(present_folder, monkeypatch):
    monkeypatch.setattr(click, "get_app_dir", lambda name: str(present_folder / "config"))
    (present_folder / "config").mkdir()
    (present_folder / "config" / "captioner.toml").write_text('[caption]\nexclude = ["a*"]\n')
    assert names() == "bc"
    (present_folder / "captioner.toml").write_text("")
    assert names() == "abc"


def test_flags_and_numbers_keep_their_kind(present_folder):
    (present_folder / "sub").mkdir()
    (present_folder / "sub" / "d.jpg").touch()
    (present_folder / "captioner.toml").write_text("[caption]\nrecursive = true\nmax-words = 5\n")
    assert names() == "abcs"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("beam-sise = 3", "unknown option 'beam-sise'"),
        ("[caption]\nunits = 3", "unknown option of caption 'units'"),
        ("[captions]\nx = 3", "unknown command 'captions'"),
        ('[caption]\nbeam-size = "wide"', "beam-size takes a whole number, not 'wide'"),
        ("[caption]\nbeam-size = 2.5", "beam-size takes a whole number, not 2.5"),
        ("[caption]\nbeam-size = true", "beam-size takes a whole number, not True"),
        ('[caption]\nexclude = "a*"', "exclude takes a list of text, not 'a*'"),
        ("[caption]\nprefix = [1, 2]", "prefix takes text, not [1, 2]"),
        ("[caption]\nrecursive = 1", "recursive takes true or false, not 1"),
        ('[caption]\nsidecar = "doc"', "sidecar: 'doc' is not one of"),
        ("[caption", "cannot be read"),
    ],
)
def test_what_is_wrong_in_the_file_is_one_line_that_names_it(present_folder, content, message):
    (present_folder / "captioner.toml").write_text(content)
    exit_code, said = error()
    assert exit_code == 2 and said.startswith(f"Error: captioner.toml: {message}") and said.count("\n") == 1


@pytest.mark.parametrize("asked", ["-h", "--help"])
def test_help_is_given_whatever_the_file_says(present_folder, asked):
    (present_folder / "captioner.toml").write_text("[caption")
    result = CliRunner().invoke(main, ["caption", asked])
    assert result.exit_code == 0 and result.stdout.startswith("Usage: ")


def test_a_wrong_variable_is_refused():
    exit_code, said = error(CAPTIONER_CAPTION_BEAM_SIZE="wide")
    assert exit_code == 2 and said.endswith("Error: Invalid value for '--beam-size': 'wide' is not a valid integer.\n")


def test_that_options_come_from_a_file_is_said(present_folder):
    (present_folder / "captioner.toml").write_text('[caption]\nexclude = ["a*"]\n')
    assert error()[1].splitlines()[0] == "options of captioner.toml: exclude"


def test_completion_is_printed_whatever_the_file_says(present_folder):
    (present_folder / "captioner.toml").write_text("[caption")
    assert CliRunner().invoke(main, ["completion", "bash"]).exit_code == 0


def test_help_is_shown_whatever_the_file_says(present_folder):
    (present_folder / "captioner.toml").write_text("[caption")
    assert CliRunner().invoke(main, ["--help"]).exit_code == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_its_variable(name):
    command = main.get_command(None, name)
    variables = {option.name: option.envvar for option in command.params if isinstance(option, click.Option)}
    assert variables.pop("model", "CAPTIONER_MODEL") in ("CAPTIONER_MODEL", [f"CAPTIONER_{name.upper()}_MODEL"])
    assert all(first.startswith(f"CAPTIONER_{name.upper()}_") for first, _ in variables.values())
