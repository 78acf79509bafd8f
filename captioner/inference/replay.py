"""A caption said once more, word by word, to see what the decoder did: how sure it was, and where it looked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from captioner.decoding import Step
from captioner.tokenizer import END_ID, START_ID


@dataclass(frozen=True)
class Replay:
    """What the decoder gave at each step of a caption; the last step chose the end.

    log_probs: (tokens + 1,) float, natural log, of what was said; attention: (tokens + 1, regions) float, a step sums
    to 1, None where the model has none.
    """

    log_probs: np.ndarray
    attention: np.ndarray | None


def replay_captions(decoder, features: np.ndarray, captions: Sequence[Sequence[int]]) -> list[Replay]:
    """Each photo's caption, said again in one batch.

    decoder: `begin` and `step`, as of `Decoder`. features: (photos, regions, depth). captions: ids without start and
    end, one caption a photo, none of which need be the decoder's own.
    """
    num_steps = 1 + max(map(len, captions))
    said = np.full((len(captions), num_steps), END_ID, np.int32)  # steps after the end are taken for nothing
    for row, tokens in zip(said, captions, strict=True):
        row[: len(tokens)] = tokens
    read = np.insert(said[:, :-1], 0, START_ID, axis=1)
    log_probs, attention = [], []
    for chosen, outputs in zip(said.T, replay_steps(decoder.step, decoder.begin(features), read), strict=True):
        log_probs.append(np.take_along_axis(outputs["log_probs"], chosen[:, None], axis=1)[:, 0])
        attention.append(outputs.get("attention"))
    return [
        Replay(
            np.array([step[photo] for step in log_probs[: len(tokens) + 1]]),
            None if attention[0] is None else np.array([step[photo] for step in attention[: len(tokens) + 1]]),
        )
        for photo, tokens in enumerate(captions)
    ]


def replay_steps(step: Step, image: Mapping[str, np.ndarray], read: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """What the decoder gives after each token that it reads, a beam a photo, without the axis of the beams:
    log_probs (photos, vocabulary), state (photos, width), and with attention, attention (photos, regions).

    image: what `begin` gave of the photos; read: (photos, steps) int32, a caption each with its start.
    """
    constants = {name: array for name, array in image.items() if name != "state"}
    state = image["state"][:, None]  # (photos, 1 beam, width)
    for token in read.T:
        outputs = step(token=token[:, None], state=state, **constants)
        state = outputs["state"]
        yield {name: array[:, 0] for name, array in outputs.items()}
