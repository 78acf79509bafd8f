"""A small dataset made on the spot: drawn scenes of two coloured shapes, with captions that say where they are.

Every scene of the dev and test splits is a combination never trained on, so a good score there means looking.
"""

import itertools
import random
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from captioner.files import make_folder, write_text, written_whole

COLOURS = {
    "red": (210, 40, 40),
    "green": (40, 150, 60),
    "blue": (40, 80, 200),
    "yellow": (235, 205, 40),
}
SHAPES = ("circle", "square", "triangle")
SIDE = 260  # pixels


@dataclass(frozen=True)
class Scene:
    """Two things, each (colour, shape): the first left of the second, or above it."""

    first: tuple[str, str]
    second: tuple[str, str]
    is_row: bool

    @property
    def things(self) -> tuple[tuple[str, str], tuple[str, str]]:
        return self.first, self.second

    def captions(self) -> list[str]:
        first, second = (f"a {colour} {shape}" for colour, shape in self.things)
        before, after = ("to the left of", "to the right of") if self.is_row else ("above", "below")
        return [f"{first} {before} {second}", f"{second} {after} {first}"]


def write_drawings(folder: Path, num_train: int = 480, num_dev: int = 40, num_test: int = 40, seed: int = 0) -> Path:
    """The folder, filled with drawings and their sidecars in `train`, `dev` and `test`.

    No combination appears in two splits. In dev and test each is drawn once, in train as often as it takes.
    """
    things = list(itertools.product(COLOURS, SHAPES))
    scenes = [Scene(a, b, is_row) for a, b in itertools.permutations(things, 2) for is_row in (True, False)]
    assert num_dev + num_test < len(scenes)
    chance = random.Random(seed)
    chance.shuffle(scenes)
    scenes_of = {"dev": scenes[:num_dev], "test": scenes[num_dev : num_dev + num_test]}
    scenes_of["train"] = itertools.islice(itertools.cycle(scenes[num_dev + num_test :]), num_train)
    for split, drawn in scenes_of.items():
        make_folder(folder / split)
        for number, scene in enumerate(drawn):
            path = folder / split / f"{number:04}.png"
            with written_whole(path) as temporary:  # another process may be reading what it drew before
                draw_scene(scene, chance).save(temporary, "PNG", compress_level=1)
            write_text(path.with_suffix(".txt"), "\n".join(scene.captions()) + "\n")
    return folder


def draw_scene(scene: Scene, chance: random.Random) -> Image.Image:
    """(SIDE, SIDE) RGB; places, sizes and the paper's shade vary by chance."""
    shade = chance.randint(225, 255)
    image = Image.new("RGB", (SIDE, SIDE), (shade, shade, shade))
    canvas = ImageDraw.Draw(image)
    for (colour, shape), along in zip(scene.things, (SIDE * 0.27, SIDE * 0.73), strict=True):
        along += chance.uniform(-12, 12)
        across = SIDE / 2 + chance.uniform(-30, 30)
        x, y = (along, across) if scene.is_row else (across, along)
        _draw_shape(canvas, shape, x, y, chance.uniform(34, 48), COLOURS[colour])
    return image


def _draw_shape(canvas: ImageDraw.ImageDraw, shape: str, x: float, y: float, radius: float, colour) -> None:
    box = (x - radius, y - radius, x + radius, y + radius)
    if shape == "circle":
        canvas.ellipse(box, fill=colour)
    elif shape == "square":
        canvas.rectangle(box, fill=colour)
    else:
        canvas.polygon([(x, y - radius), (x - radius, y + radius), (x + radius, y + radius)], fill=colour)
