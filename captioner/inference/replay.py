"""A caption said once more, word by word, to see what the decoder did: how sure it was, and where it looked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
    constants = dict(decoder.begin(features))
    state = constants.pop("state")[:, None]  # (photos, 1 beam, width)
    token = np.full((len(captions), 1), START_ID, np.int32)
    log_probs, attention = [], []
    for chosen in said.T:
        outputs = decoder.step(token=token, state=state, **constants)
        log_probs.append(np.take_along_axis(outputs["log_probs"][:, 0], chosen[:, None], axis=1)[:, 0])
        attention.append(outputs["attention"][:, 0] if "attention" in outputs else None)
        token, state = chosen[:, None], outputs["state"]
    return [
        Replay(
            np.array([step[photo] for step in log_probs[: len(tokens) + 1]]),
            None if attention[0] is None else np.array([step[photo] for step in attention[: len(tokens) + 1]]),
        )
        for photo, tokens in enumerate(captions)
    ]
