"""The library's front door: a model opened with LiteRT, photos in, captions out."""

from captioner.inference.captioner import Caption, Captioner
from captioner.inference.litert import Decoder, Encoder, default_threads

__all__ = ["Caption", "Captioner", "Decoder", "Encoder", "default_threads"]
