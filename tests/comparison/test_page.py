"""The page says all that was measured, and leaves out what was not."""

import numpy as np
import pytest
from made_up_reports import facts, report_of, three
from PIL import Image

from captioner.comparison.figure import draw_comparison, spread_out
from captioner.comparison.findings import findings
from captioner.comparison.page import compare_page


def row(page, name):
    """The cells of the first table row of that name."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_it_begins_with_how_and_what_was_found():
    page = compare_page(three())
    assert page.startswith("# RNN, LSTM and GRU compared\n\nEach decoder was trained on the same 6,000 photos")
    assert "![Gradient through time, loss and scores of RNN, LSTM and GRU](compare.png)" in page
    assert [line[2:] for line in page.splitlines() if line.startswith("- ")] == findings(three())


def test_what_each_costs_is_a_column_a_decoder():
    page = compare_page(three())
    assert row(page, "parameters") == ["4,000,000", "6,000,000", "5,400,000"]
    assert row(page, "seconds an epoch, measured in turn") == ["64.0 to 66.0", "100.0 to 102.0", "82.0 to 84.0"]
    assert row(page, "seconds an epoch, as it was trained") == ["65.0 to 104.0", "101.0 to 140.0", "83.0 to 122.0"]
    assert row(page, "state a caption carries, bytes") == ["2,048", "4,096", "2,048"]
    assert row(page, "epochs (kept)") == ["2 (2)"] * 3


def test_matched_parameters_are_said_with_how_near_they_came():
    decoders = {
        "rnn": facts(units=640, parameters=5_781_493),
        "lstm": facts(units=512, parameters=5_806_837, memory=0.9),
    }
    page = compare_page(report_of(decoders, parameters_matched=True))
    assert "512 units for the largest, the others widened to as many parameters (within 0.44%)" in page


def test_what_is_left_of_the_gradient_stands_beside_its_norm():
    page = compare_page(three())
    assert "|  | norm at the last step | 1 back | 2 back | 4 back | 8 back | 12 back |" in page
    assert row(page, "RNN, trained") == ["0.3", "70%", "49%", "24%", "5.8%", "1.4%"]
    assert row(page, "LSTM, memory cell, before training")[:2] == ["0.3", "50%"]


def test_heads_that_differ_are_told_of():
    note = "where these differ, more differs than the cell"
    assert note not in compare_page(three())
    assert note in compare_page(report_of({"rnn": facts(heads=2), "lstm": facts(memory=0.9)}))


def test_differences_beyond_chance_are_bold():
    page = compare_page(three())
    assert row(page, "RNN less LSTM")[0] == "**-3.5** (-5.5 to -0.5)"
    assert row(page, "LSTM less GRU")[0] == "+0.7 (-1.3 to +3.7)"


def test_every_epoch_is_a_row_and_what_an_older_run_did_not_log_is_left_out():
    report = three()
    for epoch in report["decoders"]["gru"]["epochs"]:
        del epoch["dev_loss"]
    report["decoders"]["gru"]["peak_memory_mb"] = None
    page = compare_page(report)
    assert "| epoch | RNN<br>dev loss | LSTM<br>dev loss | RNN<br>BLEU-4 | LSTM<br>BLEU-4 | GRU<br>BLEU-4 |" in page
    assert row(page, "1")[:2] == ["3.500", "3.400"] and row(page, "2")[:2] == ["3.000", "2.900"]
    assert row(page, "peak memory of its training, MB") == ["2,100", "2,100", ""]
    assert row(page, "dev loss, nats a token")[-1] == "2.420"


def test_without_dev_there_are_no_tables_of_it(tmp_path):
    epochs = [{"epoch": 1, "loss": 3.0}]
    without = {"dev_loss": None, "scores": {}, "epochs": epochs}
    report = report_of({"rnn": facts(**without), "gru": facts(**without)})
    page = compare_page(report)
    assert "## Scores" not in page and "By epoch" not in page and "None" not in page
    draw_comparison(report, tmp_path / "compare.png")
    assert height_of(tmp_path / "compare.png") < 700


@pytest.mark.parametrize("attention", [True, False])
def test_heads_are_told_where_there_is_attention(attention):
    changes = {} if attention else {"heads": None}
    page = compare_page(report_of({"rnn": facts(**changes), "gru": facts(**changes)}))
    assert ("| attention heads |" in page) == attention


def test_a_photo_is_shown_where_its_path_is_known_and_its_captions_cannot_break_the_table():
    captions = [
        {"photo": "a b.jpg", "path": "../photos/a b.jpg", "captions": {"rnn": "a <dog> | a cat", "gru": "a cow"}},
        {"photo": "dev.jpg", "path": None, "captions": {"rnn": "a man", "gru": "a woman"}},
    ]
    page = compare_page(report_of({"rnn": facts(), "gru": facts()}, captions=captions))
    assert (
        '| <img src="../photos/a%20b.jpg" width="160" alt="a b.jpg"><br>a b.jpg | a &lt;dog> \\| a cat | a cow |'
    ) in page
    assert "\n| dev.jpg | a man | a woman |\n" in page


def height_of(path):
    with Image.open(path) as image:
        return image.height


def test_the_picture_has_every_decoder_in_its_colour(tmp_path):
    draw_comparison(three(), tmp_path / "compare.png")
    with Image.open(tmp_path / "compare.png") as image:
        assert image.format == "PNG" and image.width == 1500
        pixels = np.asarray(image.convert("RGB")).astype(int)
    for colour in ((213, 94, 0), (0, 114, 178), (0, 158, 115)):
        assert (np.abs(pixels - colour).max(-1) < 12).sum() > 500


def test_names_that_would_overlap_are_moved_apart_as_little_as_can_be():
    assert spread_out([0.5, 0.1], 0.2) == [0.5, 0.1]
    assert spread_out([0.5, 0.5], 0.2) == pytest.approx([0.4, 0.6])
    moved = spread_out([0.52, 0.5, 0.9, 0.45], 0.1)
    assert moved[2] == 0.9
    assert sorted(moved[:2] + moved[3:]) == pytest.approx([0.39, 0.49, 0.59], abs=0.01)
    assert moved[3] < moved[1] < moved[0]
