"""What the picture of an explanation says, read from its SVG with the texts kept as texts."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from made_up import WORDS, made_up_explanation
from PIL import Image

from captioner.errors import OptionsError
from captioner.explaining import CELLS
from captioner.outputs.explanation_figure import draw_explanation
from captioner.outputs.inside_figure import LOOKS, units_that_change_most

SVG = "{http://www.w3.org/2000/svg}"
TITLES = {
    "lstm": ["Forget gate", "Input gate", "Output gate", "Memory cell", "Hidden state"],
    "gru": ["Update gate", "Reset gate", "Hidden state"],
    "rnn": ["Hidden state"],
}
LONG = tuple(f"word{number}" for number in range(20)) + ("<end>",)


@pytest.fixture
def texts_of(tmp_path):
    """A function `(explanation, ...) -> [(text, x, y)]` of its picture, from the top down."""

    def drawn(explanation, *arguments):
        with matplotlib.rc_context({"svg.fonttype": "none"}):
            draw_explanation(explanation, tmp_path / "explain.svg", *arguments)
        found = []
        for element in ElementTree.parse(tmp_path / "explain.svg").iter(f"{SVG}text"):
            place = re.search(r"translate\((\S+) (\S+)\)", element.get("transform", ""))
            x, y = place.groups() if place else (element.get("x"), element.get("y"))
            found.append(("".join(element.itertext()), float(x), float(y)))
        return sorted(found, key=lambda text: text[2])

    return drawn


def places(texts, word):
    return [x for text, x, _ in texts if text == word]


@pytest.mark.parametrize("decoder", TITLES)
def test_every_part_of_the_decoder_has_its_row_and_its_sentence(decoder, texts_of):
    said = [text for text, _, _ in texts_of(made_up_explanation(decoder))]
    assert [text for text in said if text in {look.title for look in LOOKS.values()}] == TITLES[decoder]
    for look in LOOKS.values():
        assert (look.sentence in said) is (look.title in TITLES[decoder])
    assert CELLS[decoder].source in said


def test_only_what_is_asked_for_is_drawn(texts_of):
    said = [text for text, _, _ in texts_of(made_up_explanation("gru"), ("hidden",))]
    assert "Hidden state" in said and "Update gate" not in said


def test_what_the_decoder_does_not_have_is_refused(tmp_path):
    with pytest.raises(OptionsError, match=r"^an RNN has no gates; what can be seen of it: hidden$"):
        draw_explanation(made_up_explanation("rnn"), tmp_path / "explain.png", ("gates",))
    assert not (tmp_path / "explain.png").exists()


def test_words_probabilities_runners_up_and_beams_are_told(texts_of):
    said = [text for text, _, _ in texts_of(made_up_explanation("rnn"))]
    assert "“a zebra jumps over ladders”" in said
    assert said.count("25%") == len(WORDS)
    assert "not-zebra 50%" in said and said.count("nor <1%") == len(WORDS)
    for text in ("-2.500", "(-8.25)", "a zebra jumps over ladders", "-3.125", "(-8.75)", "what was turned down"):
        assert text in said, text


def test_a_marker_says_where_the_memory_forgets_most(texts_of):
    for decoder, said in (
        ("lstm", "▼ forgets most after “jumps”: mean 0.10"),
        ("gru", "▼ replaces most after “jumps”"),
    ):
        explanation = made_up_explanation(decoder)
        explanation.activations[{"lstm": "forget_gate", "gru": "update_gate"}[decoder]][3] = 0.1
        assert any(text.startswith(said) for text, _, _ in texts_of(explanation, ("gates",)))
    assert not any("▼" in text for text, _, _ in texts_of(made_up_explanation("rnn")))


def test_words_stand_over_their_photos_and_over_their_columns(texts_of):
    texts = texts_of(made_up_explanation("rnn"))
    for word in WORDS[1:-1]:  # over its photo, where it is chosen, where it is read
        over_photo, chosen, read = places(texts, word)
        assert over_photo == pytest.approx(chosen, abs=3)  # points; centred, whatever its width in bold
        assert read > chosen + 50


def test_a_long_caption_has_several_rows_of_photos_and_one_axis_of_time(texts_of):
    texts = texts_of(made_up_explanation("rnn", words=LONG))
    rows_of_photos = [y for text, _, y in texts if text == "25%"]
    assert [rows_of_photos.count(y) for y in sorted(set(rows_of_photos))] == [7, 7, 7]
    chosen = [places(texts, word)[1] for word in LONG[:-1]]
    np.testing.assert_allclose(np.diff(chosen), np.diff(chosen)[0], atol=0.1)
    assert np.diff(chosen)[0] > 20  # points: words aslant do not meet


@pytest.mark.parametrize(
    ("words", "attention"), [(LONG, True), (LONG, False), (("dog", "<end>"), True), (("<end>",), False)]
)
def test_no_text_leaves_the_page_whatever_the_caption(words, attention, tmp_path):
    path = tmp_path / "explain.png"
    draw_explanation(made_up_explanation("rnn", words, attention=attention, photo_shape=(200, 50)), path)
    with Image.open(path) as image:
        assert image.width == 1500
        pixels = np.asarray(image.convert("L"))
    assert (pixels[:, -10:] > 250).all() and (pixels[:, :5] > 250).all()
    assert (pixels[:10] > 250).all() and (pixels[-5:] > 250).all()


def test_a_model_without_attention_shows_its_photo_once(texts_of, tmp_path):
    def number_of_images(explanation):
        texts_of(explanation)
        return len(list(ElementTree.parse(tmp_path / "explain.svg").iter(f"{SVG}image")))

    with_attention, without = (number_of_images(made_up_explanation("rnn", attention=a)) for a in (True, False))
    assert with_attention - without == len(WORDS) - 1
    said = " ".join(text for text, _, _ in texts_of(made_up_explanation("rnn", attention=False)))
    assert "This model has no attention" in said and "Colour:" not in said and "looks at the photo" not in said


def test_words_that_no_font_has_are_told_and_the_picture_is_drawn(tmp_path, monkeypatch, recwarn):
    monkeypatch.setattr("captioner.outputs.pages.fonts_for", lambda text: (["DejaVu Sans"], "개"))
    assert draw_explanation(made_up_explanation("rnn", words=("개", "<end>")), tmp_path / "explain.png") == "개"
    assert (tmp_path / "explain.png").exists()
    assert [str(warning.message) for warning in recwarn if "Glyph" in str(warning.message)] == []


def test_dollar_signs_in_words_are_words(texts_of):
    assert "$x_1$" in [text for text, _, _ in texts_of(made_up_explanation("rnn", words=("$x_1$", "<end>")))]


def test_the_units_that_change_most_come_by_when_they_change():
    explanation = made_up_explanation("lstm", units=5)
    memory = explanation.activations["memory"]
    explanation.first_state["memory"][:] = memory[:] = 0
    memory[4:, 3] = 2  # changes late
    memory[1:, 1] = 1  # changes early
    memory[:, 0] = 0.1
    assert units_that_change_most(explanation, 2).tolist() == [1, 3]


def test_matplotlib_is_not_imported_before_a_picture_is_drawn():
    program = "import captioner.outputs.explanation_figure, sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
