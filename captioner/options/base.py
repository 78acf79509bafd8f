"""What all sets of options share."""

import dataclasses
from types import UnionType
from typing import get_args, get_origin

from captioner.errors import OptionsError


def require(condition, message):
    if not condition:
        raise OptionsError(message)


def _check_kind(field: dataclasses.Field, value) -> None:
    if get_origin(field.type) is tuple:
        fits = isinstance(value, list | tuple) and all(is_a(float, item) for item in value)
        require(fits, f"{field.name} must be a list of numbers, not {value!r}")
    else:
        kind = getattr(field.type, "__name__", field.type)
        require(is_a(field.type, value), f"{field.name} must be of type {kind}, not {value!r}")


def is_a(kind: type | UnionType, value) -> bool:
    """Whether the value is of that kind as JSON sees it: 1 is a float, too, and True no number."""
    if isinstance(kind, UnionType):
        return any(is_a(each, value) for each in get_args(kind))
    return isinstance(value, (int, float) if kind is float else kind) and isinstance(value, bool) == (kind is bool)


class Options:
    """What the option sets share: plain JSON out, checked JSON in."""

    def to_json(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict):
        """Raises: OptionsError when a name is unknown, or a value is of the wrong kind or fails its check."""
        require(isinstance(values, dict), f"options must be a JSON object, not {values!r}")
        names = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - names)
        require(not unknown, f"unknown options {unknown}; known are {sorted(names)}")
        for field in dataclasses.fields(cls):
            if field.name in values:
                _check_kind(field, values[field.name])
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})
