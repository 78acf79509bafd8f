import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from captioner.errors import CaptionerError
from captioner.outputs.figures import SCORE_LABELS, draw_learning_curves

LOSSES = [{"epoch": epoch, "loss": 5 / epoch} for epoch in (1, 2, 3)]
SCORED = [row | dict.fromkeys(SCORE_LABELS, 0.1 * row["epoch"]) for row in LOSSES]


def drawn(history, path, best_epoch=1):
    draw_learning_curves(history, best_epoch, path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def has_ink_of(pixels, colour):
    return (np.abs(pixels - colour).max(-1) < 20).sum() > 50


RED_LINE, BLUE_LINE = (214, 39, 40), (31, 119, 180)


def test_the_loss_alone_is_one_panel(tmp_path):
    pixels = drawn(LOSSES, tmp_path / "curves.png")
    assert pixels.shape[:2] == (480, 600)
    assert has_ink_of(pixels, RED_LINE) and not has_ink_of(pixels, BLUE_LINE)


def test_dev_scores_are_a_second_panel(tmp_path):
    pixels = drawn(SCORED, tmp_path / "curves.png")
    assert pixels.shape[:2] == (480, 1200)
    assert has_ink_of(pixels[:, :600], RED_LINE) and has_ink_of(pixels[:, 600:], BLUE_LINE)


def test_a_reward_is_a_panel_of_its_own(tmp_path):
    rows = [{"epoch": 4, "reward": 0.5}, {"epoch": 5, "reward": 0.6}]
    assert drawn(LOSSES + rows, tmp_path / "curves.png").shape[:2] == (480, 1200)
    assert drawn(rows, tmp_path / "curves.png").shape[:2] == (480, 600)


def test_the_epoch_that_is_kept_is_marked_where_it_is(tmp_path):
    first, last, none = (drawn(SCORED, tmp_path / "curves.png", best_epoch) for best_epoch in (1, 3, 0))
    changed = np.flatnonzero((first != last).any(axis=(0, 2)))  # columns
    assert 600 < changed.min() < 750 and changed.max() > 1050
    assert not np.array_equal(first, none)


def test_one_epoch_is_enough(tmp_path):
    assert drawn(SCORED[:1], tmp_path / "curves.png").shape[:2] == (480, 1200)


def test_scores_that_are_none_are_no_scores(tmp_path):
    history = [row | dict.fromkeys(SCORE_LABELS) for row in LOSSES]
    assert drawn(history, tmp_path / "curves.png").shape[:2] == (480, 600)


def test_the_figure_replaces_an_older_one_and_leaves_nothing_beside_it(tmp_path):
    drawn(LOSSES, tmp_path / "curves.png")
    assert drawn(SCORED, tmp_path / "curves.png").shape[:2] == (480, 1200)
    assert os.listdir(tmp_path) == ["curves.png"]


def test_a_place_that_cannot_be_written_is_one_plain_error(tmp_path):
    with pytest.raises(CaptionerError, match=r"curves.png: cannot be written \(No such file or directory\)"):
        draw_learning_curves(LOSSES, 1, tmp_path / "no" / "curves.png")


def test_matplotlib_is_not_imported_before_a_figure_is_drawn():
    program = "import captioner.outputs.figures, sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
