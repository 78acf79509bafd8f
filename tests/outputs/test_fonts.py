import pytest
from matplotlib import font_manager

from captioner.outputs import fonts
from captioner.outputs.fonts import OWN_FAMILY, font_for, fonts_for


@pytest.fixture
def only_matplotlib_s_own(monkeypatch):
    """No font but those that come with Matplotlib, whatever is installed here."""
    own = [f for f in font_manager.fontManager.ttflist if "mpl-data" in f.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    monkeypatch.setattr(fonts, "_learn_new_fonts", lambda: None)


def test_latin_cyrillic_and_greek_words_need_no_other_font(only_matplotlib_s_own):
    assert fonts_for("a dog, крошечная собака, μικρό σκυλί «été» <end>") == ([OWN_FAMILY], "")


def test_what_the_first_font_lacks_is_taken_from_another(only_matplotlib_s_own):
    lacking = fonts._characters(font_manager.findfont("STIXGeneral")) - fonts._characters(
        font_manager.findfont(OWN_FAMILY)
    )
    char = min(char for char in lacking if char.isprintable() and not char.isspace())
    families, missing = fonts_for(f"a {char}")
    assert families[0] == OWN_FAMILY and len(families) == 2
    assert missing == ""


def test_characters_that_no_font_has_are_told_once_each(only_matplotlib_s_own):
    assert fonts_for("개 한 마리 개") == ([OWN_FAMILY], "개리마한")


def test_a_font_of_boxes_for_everything_is_not_one_that_has_the_words(only_matplotlib_s_own):
    names = {font.name for font in font_manager.fontManager.ttflist}
    if not any("Last Resort" in name for name in names):
        pytest.skip("this Matplotlib brings no such font")
    assert fonts_for("狗")[1] == "狗"


def test_a_font_that_is_broken_has_no_characters(tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    assert fonts._characters(str(tmp_path / "broken.ttf")) == set()
    assert fonts._characters(str(tmp_path / "missing.ttf")) == set()


def test_pillow_writes_latin_letters_in_matplotlib_s_own_font():
    assert font_for("Hund läuft, dog's", 14).getname() == (OWN_FAMILY, "Book")
    assert font_for("dog", 14, bold=True).getname() == (OWN_FAMILY, "Bold")


def test_letters_that_no_font_has_are_no_error_for_pillow():
    assert font_for("\U0010fffd", 14).getname()[0] == OWN_FAMILY


def test_pillow_writes_korean_and_chinese_where_a_font_has_them():
    font = font_for("개狗", 14)
    if font.getname()[0] == OWN_FAMILY:
        pytest.skip("no installed font has Korean and Chinese letters")
    assert font.getmask("개").getbbox() != font.getmask("狗").getbbox()
