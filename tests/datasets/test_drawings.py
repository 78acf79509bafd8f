import itertools
import random

import numpy as np
import pytest
from PIL import Image

from captioner.datasets import read_annotations
from captioner.datasets.drawings import COLOURS, SHAPES, SIDE, Scene, draw_scene, write_drawings

THINGS = list(itertools.product(COLOURS, SHAPES))


def drawn(*args, **kwargs):
    return np.asarray(draw_scene(Scene(*args), random.Random(kwargs.get("seed", 0))))


def centre_of(pixels, colour):
    rows, columns = np.nonzero((pixels == COLOURS[colour]).all(-1))
    return rows.mean(), columns.mean()


def test_captions_say_the_same_from_both_sides():
    scene = Scene(("red", "circle"), ("yellow", "square"), is_row=True)
    assert scene.captions() == [
        "a red circle to the left of a yellow square",
        "a yellow square to the right of a red circle",
    ]
    scene = Scene(("red", "circle"), ("blue", "triangle"), is_row=False)
    assert scene.captions() == ["a red circle above a blue triangle", "a blue triangle below a red circle"]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("first", "second"), [("circle", "triangle"), ("triangle", "square")])
def test_drawings_show_what_their_captions_say(first, second, seed):
    row = drawn(("red", first), ("blue", second), True, seed=seed)
    assert row.shape == (SIDE, SIDE, 3)
    assert centre_of(row, "red")[1] + 60 < centre_of(row, "blue")[1]
    column = drawn(("red", first), ("blue", second), False, seed=seed)
    assert centre_of(column, "red")[0] + 60 < centre_of(column, "blue")[0]


@pytest.mark.parametrize("seed", range(10))
def test_things_stay_on_the_paper_and_apart(seed):
    for shape in SHAPES:
        pixels = drawn(("red", shape), ("blue", shape), True, seed=seed)
        edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert len(np.unique(edge.reshape(-1, 3), axis=0)) == 1
        red, blue = (np.nonzero((pixels == COLOURS[colour]).all(-1))[1] for colour in ("red", "blue"))
        assert red.max() < blue.min()


def test_shapes_look_different():
    sizes = {
        shape: int((drawn(("red", shape), ("blue", "circle"), True) == COLOURS["red"]).all(-1).sum())
        for shape in SHAPES
    }
    assert len(set(sizes.values())) == len(SHAPES)


def test_a_seed_gives_the_same_drawings_and_another_seed_others(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_drawings(tmp_path / name, 3, 1, 1, seed)

    def contents(name):
        return [path.read_bytes() for path in sorted((tmp_path / name).rglob("*.*"))]

    assert contents("a") == contents("b") != contents("c")


def test_no_combination_of_dev_or_test_is_trained_on(tmp_path):
    _, annotations = read_annotations(write_drawings(tmp_path, 300, 40, 40))
    drawn = {
        split: [e.captions for e in annotations.examples if e.split == split] for split in ("train", "dev", "test")
    }
    assert {split: len(captions) for split, captions in drawn.items()} == {"train": 300, "dev": 40, "test": 40}
    assert {split: len(set(captions)) for split, captions in drawn.items()} == {"train": 184, "dev": 40, "test": 40}
    assert len(set(itertools.chain(*drawn.values()))) == 264
    assert annotations.problems == []


def test_every_word_of_unseen_drawings_is_heard_in_training(tmp_path):
    _, annotations = read_annotations(write_drawings(tmp_path, 120, 40, 40))
    words = {split: set() for split in ("train", "dev", "test")}
    for example in annotations.examples:
        words[example.split].update(" ".join(example.captions).split())
    assert words["dev"] | words["test"] <= words["train"]


def test_drawings_are_png_files_with_sidecars(tmp_path):
    write_drawings(tmp_path, 1, 1, 1)
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert names == [f"{split}/0000.{suffix}" for split in ("dev", "test", "train") for suffix in ("png", "txt")]
    with Image.open(tmp_path / "train" / "0000.png") as image:
        assert image.format == "PNG" and image.size == (SIDE, SIDE)
    assert len((tmp_path / "train" / "0000.txt").read_text().splitlines()) == 2
