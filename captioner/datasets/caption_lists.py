"""Cells and lines that hold a list of captions where others hold one."""

import json
import re

_STRING = r"""(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")"""
_STRINGS = rf"\s*{_STRING}(?:\s*,\s*{_STRING})*\s*,?\s*"
_PYTHON_LIST = re.compile(rf"\[{_STRINGS}\]|\({_STRINGS}\)")  # as pandas writes a column of lists
_DATA = re.compile(r"""\[\s*["'\[{].*\]|\{\s*["'].*\}""", re.DOTALL)  # which no caption looks like


def captions_in(text: str) -> list:
    """The captions of a JSON list, or of a list as Python writes it; otherwise the text alone.

    What the list holds is not checked. Raises: ValueError for other data, which must not be learned as words.
    """
    text = text.strip()
    if not (text.startswith(("[", "(", "{")) and text.endswith(("]", ")", "}"))):
        return [text]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = _python_list(text)
    if isinstance(value, list):
        return value
    if value is not None or _DATA.fullmatch(text):
        raise ValueError("a caption looks like data, and not like a list of captions")
    return [text]


def _python_list(text: str) -> list[str] | None:
    """None where it is none: strings without commas between them, as NumPy writes them, would run into each other."""
    if not _PYTHON_LIST.fullmatch(text) or (text[0] == "(" and "," not in text):
        return None
    from ast import literal_eval

    try:
        return list(literal_eval(text))
    except (ValueError, SyntaxError):
        return None
