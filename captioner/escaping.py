"""Text made safe for where it is shown: paths in a column of text, anything on a terminal, cells of a spreadsheet."""

import re

_PATH_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_PATH_ESCAPED = {escaped: char for char, escaped in _PATH_ESCAPES.items()}

# What a terminal obeys instead of showing it: C0 and C1 controls, DEL, ends of lines, and marks that turn the direction
# of what follows. A lone surrogate stands for a byte that is no UTF-8, which may be a C1 control in an 8-bit terminal.
_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NAMED_CONTROLS = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}

# How a cell begins that Excel, LibreOffice and Google Sheets run as a formula; behind apostrophes, one was put before.
_FORMULA = re.compile("'*[=+\\-@\t\r]")


def escape_path(path: str) -> str:
    """The path on one line and in one column: backslash, tab and line ends as \\\\, \\t, \\n, \\r."""
    return re.sub(r"[\\\t\n\r]", lambda match: _PATH_ESCAPES[match[0]], path)


def unescape_path(text: str) -> str:
    return re.sub(r"\\[\\tnr]", lambda match: _PATH_ESCAPED[match[0]], text)


def visible(text: str) -> str:
    """The text as a terminal may show it, of any number of lines: control characters as \\x1b, and not obeyed."""
    return text if text.isascii() and text.isprintable() else _CONTROLS.sub(lambda match: _spelt(match[0]), text)


def visible_line(text: str) -> str:
    """The same on one line: tabs and line ends are spelt out, too."""
    return visible(re.sub(r"[\t\n\r]", lambda match: _NAMED_CONTROLS[match[0]], text))


def _spelt(char: str) -> str:
    number = ord(char)
    if 0xDC80 <= number <= 0xDCFF:  # the byte that it stands for
        number -= 0xDC00
    return _NAMED_CONTROLS.get(char) or (f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}")


def spreadsheet_cell(text: str) -> str:
    """The text as a cell that no spreadsheet runs: an apostrophe before what begins with = + - @, tab or return."""
    return f"'{text}" if _FORMULA.match(text) else text


def text_of_cell(cell: str) -> str:
    """What `spreadsheet_cell` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
