"""An explanation that no model gave."""

import numpy as np

from captioner.explaining import CELLS, Beam, Candidate, Explanation, Step
from captioner.options import DecodingOptions

WORDS = ("a", "zebra", "jumps", "over", "ladders", "<end>")


def made_up_explanation(decoder="lstm", words=WORDS, attention=True, photo_shape=(60, 80), units=40):
    random, cell = np.random.default_rng(1), CELLS[decoder]
    parts = [name for names in cell.parts.values() for name in names]
    steps = [
        Step(read, Candidate(word, np.log(0.25)), (Candidate(f"not-{word}", np.log(0.5)), Candidate("nor", -7.0)))
        for read, word in zip(("<start>", *words[:-1]), words, strict=True)
    ]
    maps = random.random((len(words), 10, 10)).astype(np.float32)
    return Explanation(
        model="made up",
        decoder=decoder,
        num_heads=8,
        options=DecodingOptions(beam_size=3),
        photo=random.integers(0, 256, (32, 32, 3)).astype(np.uint8),
        photo_shape=photo_shape,
        steps=tuple(steps),
        attention=maps / maps.sum(axis=(1, 2), keepdims=True) if attention else None,
        first_state={name: random.normal(size=units) for name in cell.states},
        activations={name: random.random((len(words), units)) for name in parts},
        beams=(
            Beam(" ".join(words[:-1]), -8.25, -2.5, 0.25),
            Beam("what was turned down", -8.75, -3.125, 0.25),
        ),
    )
