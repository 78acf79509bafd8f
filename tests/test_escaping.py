"""What is shown to people obeys nobody, and what is written for programs can be read again."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.escaping import escape_path, spreadsheet_cell, text_of_cell, unescape_path, visible, visible_line

CONTROLS = [chr(n) for n in range(0x110000) if unicodedata.category(chr(n)) in ("Cc", "Cs", "Zl", "Zp")]
TURNING = [chr(n) for n in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]
TEXTS = st.text(st.characters())
FORMULAS = [f"{char}1+1" for char in "=+-@\t\r"]


def test_no_control_character_of_unicode_is_shown_raw():
    for char in [*CONTROLS, *TURNING]:
        assert visible_line(f"a{char}b").isprintable(), hex(ord(char))
        assert char in "\t\n" or visible(f"a{char}b").isprintable(), hex(ord(char))


def test_words_of_every_script_are_shown_as_they_are():
    for text in ["사진/a b.jpg", "כלב.jpg", "👩‍👩‍👧.jpg", "e\u0301.jpg", "C:\\new\\x1b.jpg", "two\nlines\tand a tab"]:
        assert visible(text) == text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x1b[31m.jpg", "\\x1b[31m.jpg"),
        ("\x1b]0;title\x07.jpg", "\\x1b]0;title\\x07.jpg"),
        ("\x9b31m.jpg", "\\x9b31m.jpg"),
        ("a\rb\nc\td.jpg", "a\\rb\\nc\\td.jpg"),
        ("caf\udce9.jpg", "caf\\xe9.jpg"),
        ("a\u202egpj.exe", "a\\u202egpj.exe"),
    ],
)
def test_a_control_character_is_spelt_as_python_spells_it(name, shown):
    assert visible_line(name) == shown


@given(TEXTS)
def test_what_is_shown_needs_no_second_escape(text):
    assert visible(visible(text)) == visible(text)
    assert "\n" not in visible_line(text)


@given(TEXTS)
def test_a_path_is_got_back_from_its_column(path):
    assert unescape_path(escape_path(path)) == path
    assert not set("\t\n\r") & set(escape_path(path))


@given(st.one_of(TEXTS, st.text("'=+-@\t\ra")))
def test_a_cell_is_got_back_from_its_spreadsheet(text):
    cell = spreadsheet_cell(text)
    assert text_of_cell(cell) == text
    assert cell[:1] not in tuple("=+-@\t\r")


def test_only_what_a_spreadsheet_runs_gets_an_apostrophe():
    assert [spreadsheet_cell(text) for text in FORMULAS] == [f"'{text}" for text in FORMULAS]
    for text in ["a=1", "", "'tis a dog", "-", "가", " =1"]:
        assert spreadsheet_cell(text) == (f"'{text}" if text == "-" else text)
