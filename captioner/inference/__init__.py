"""The library's front door: a model opened with LiteRT, photos in, captions out."""

from captioner.inference.captioner import Caption, Captioner
from captioner.inference.graphs import default_threads
from captioner.inference.litert import Decoder, Encoder
from captioner.inference.replay import Replay, replay_captions, replay_steps

__all__ = [
    "Caption",
    "Captioner",
    "Decoder",
    "Encoder",
    "Replay",
    "default_threads",
    "replay_captions",
    "replay_steps",
]
