"""Options from `captioner.toml` and from the environment: a flag counts most, then a variable, then the file."""

import os
from collections.abc import Container
from pathlib import Path

import click

from captioner.errors import OptionsError

FILE_NAME = "captioner.toml"
_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def with_variables(command: click.Command) -> click.Command:
    """The command, its options also read from CAPTIONER_CAPTION_BEAM_SIZE, or else CAPTIONER_BEAM_SIZE."""
    for name, option in _options(command).items():
        if option.envvar is None:
            variable = name.replace("-", "_").upper()
            option.envvar = [f"CAPTIONER_{command.name.upper()}_{variable}", f"CAPTIONER_{variable}"]
    return command


def settings_path() -> Path | None:
    """The file that counts: the present folder's, or else the user's; None where there is none."""
    places = FILE_NAME, os.path.join(click.get_app_dir("captioner"), FILE_NAME)
    return next((Path(place) for place in places if os.path.isfile(place)), None)


def read_settings(path: Path, command: click.Command, commands: list[click.Command]) -> dict:
    """What the file says of a command's parameters: what stands before all tables, and over it the command's own table.

    commands: all there are, which the file may speak of. Raises: OptionsError.
    """
    import tomllib

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise OptionsError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error
    options = {each.name: _options(each) for each in commands}
    tables = {name: value for name, value in content.items() if isinstance(value, dict)}
    common = {name: value for name, value in content.items() if name not in tables}
    for name, table in tables.items():
        _check_known(path, "command", name, options)
        for option in table:
            _check_known(path, f"option of {name}", option, options[name])
    for option in common:
        _check_known(path, "option", option, {name for known in options.values() for name in known})
    known = options[command.name]
    asked = {name: value for name, value in common.items() if name in known} | tables.get(command.name, {})
    for name, value in asked.items():
        _check_value(path, known[name], name, value)
    return {known[name].name: value for name, value in asked.items()}


def _options(command: click.Command) -> dict[str, click.Option]:
    """By their long names, without the dashes."""
    options = [option for option in command.params if isinstance(option, click.Option)]
    return {max(option.opts, key=len).lstrip("-"): option for option in options}


def _check_known(path: Path, what: str, name: str, known: Container[str]) -> None:
    if name not in known:
        raise OptionsError(f"{path}: unknown {what} {name!r}")


def _check_value(path: Path, option: click.Option, name: str, value) -> None:
    """Click would take 2.5 for 2, and not say that it is the file that is wrong."""
    from captioner.options.base import is_a

    kind = bool if option.is_flag else {click.INT: int, click.FLOAT: float}.get(option.type, str)
    values = value if option.multiple and isinstance(value, list) else [value]
    fits = all(is_a(kind, each) for each in values) and isinstance(value, list) == option.multiple
    if not fits:
        what = f"a list of {_NAMES[kind]}" if option.multiple else _NAMES[kind]
        raise OptionsError(f"{path}: {name} takes {what}, not {value!r}")
    try:
        option.type_cast_value(click.Context(click.Command(None)), value)
    except click.BadParameter as error:
        raise OptionsError(f"{path}: {name}: {error.message}") from error
