"""What all sets of options share."""

import dataclasses
import reprlib
from types import UnionType
from typing import get_args, get_origin

from captioner.errors import OptionsError


def require(condition, message):
    if not condition:
        raise OptionsError(message)


def _check_kind(field: dataclasses.Field, value) -> None:
    if get_origin(field.type) is tuple:
        kind = get_args(field.type)[0]
        fits = isinstance(value, list | tuple) and all(is_a(kind, item) for item in value)
        what = "text" if kind is str else "numbers"
        require(fits, f"{field.name} must be a list of {what}, not {in_short(value)}")
    else:
        kind = getattr(field.type, "__name__", field.type)
        require(is_a(field.type, value), f"{field.name} must be of type {kind}, not {in_short(value)}")


class _Short(reprlib.Repr):
    def __init__(self):
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist, self.maxstring = 2, 3, 3, 60


def in_short(value) -> str:
    """What JSON held, as an error shows it: on one line, and not without end, however deep or long it is."""
    return _Short().repr(value)


_MOST = 2**63  # what no count and no setting comes near


def is_a(kind: type | UnionType, value) -> bool:
    """Whether the value is of that kind as JSON sees it: 1 is a float, too, and True no number."""
    if isinstance(kind, UnionType):
        return any(is_a(each, value) for each in get_args(kind))
    if isinstance(value, int) and abs(value) >= _MOST:  # which no float may hold, and no line
        return False
    return isinstance(value, (int, float) if kind is float else kind) and isinstance(value, bool) == (kind is bool)


class Options:
    """What the option sets share: plain JSON out, checked JSON in."""

    def to_json(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict):
        """Raises: OptionsError when a name is unknown, or a value is of the wrong kind or fails its check."""
        require(isinstance(values, dict), f"options must be a JSON object, not {in_short(values)}")
        names = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - names)
        require(not unknown, f"unknown options {in_short(unknown)}; known are {sorted(names)}")
        for field in dataclasses.fields(cls):
            if field.name in values:
                _check_kind(field, values[field.name])
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})
