import os
from pathlib import Path

import pytest
from PIL import Image

from captioner.errors import CaptionerError, OptionsError
from captioner.outputs.pages import DPI, Section, page_format, text_width, wrapped, write_page


def section(height, drawn=None):
    return Section(height, lambda page, top: None if drawn is None else drawn.append(top))


def test_sections_stand_below_each_other_and_make_the_page_s_height(tmp_path):
    tops = []
    assert write_page(tmp_path / "page.png", 4, [section(1, tops), section(0.5, tops), section(2, tops)], "words") == ""
    assert tops == [0, 1, 1.5]
    with Image.open(tmp_path / "page.png") as image:
        assert image.format == "PNG"
        assert image.size == (4 * DPI, 3.5 * DPI)


def test_a_text_stands_where_it_was_put_in_inches(tmp_path):
    def draw(page, top):
        page.text(1, top + 1, "■", fontsize=20)

    write_page(tmp_path / "page.png", 4, [section(1), Section(2, draw)], "■")
    with Image.open(tmp_path / "page.png") as image:
        ink = image.convert("L").point(lambda level: 255 * (level < 128)).getbbox()
    assert 1 * DPI <= ink[0] < 1.1 * DPI and 2 * DPI <= ink[1] < 2.2 * DPI


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")])
def test_the_suffix_says_the_format(name, begins, tmp_path):
    write_page(tmp_path / name, 2, [section(1)], "")
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.jpg", "a.jpg: ends with .jpg; a picture is written as .png, .svg, .pdf"),
        ("picture", "picture: has no ending; a picture is written as .png, .svg, .pdf"),
    ],
)
def test_another_suffix_is_refused_with_those_that_are_accepted(name, message):
    with pytest.raises(OptionsError) as caught:
        page_format(Path(name))
    assert str(caught.value) == message


def test_a_page_replaces_an_older_one_and_leaves_nothing_beside_it(tmp_path):
    for height in (1, 2):
        write_page(tmp_path / "page.png", 2, [section(height)], "")
    with Image.open(tmp_path / "page.png") as image:
        assert image.size == (2 * DPI, 2 * DPI)
    assert os.listdir(tmp_path) == ["page.png"]


def test_a_place_that_cannot_be_written_is_one_plain_error(tmp_path):
    with pytest.raises(CaptionerError, match=r"page\.png: cannot be written \(No such file or directory\)"):
        write_page(tmp_path / "no" / "page.png", 2, [section(1)], "")


def test_lines_break_at_spaces_and_fit():
    text = "a man in a black jacket is looking at the camera " * 3
    lines = wrapped(text.strip(), 9, 2.0)
    assert " ".join(lines) == text.strip()
    assert len(lines) > 3 and all(text_width(line, 9) <= 2.0 for line in lines)


def test_a_word_wider_than_a_line_is_broken_inside():
    lines = wrapped("两只狗在草地上玩耍", 72, 3.0)
    assert lines == ["两只狗", "在草地", "上玩耍"]


def test_a_line_too_narrow_for_a_letter_still_ends():
    assert wrapped("abc d", 72, 0.1) == ["a", "b", "c", "d"]


def test_nothing_is_one_empty_line():
    assert wrapped("", 9, 2.0) == [""]
