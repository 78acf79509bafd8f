"""Captions in a photo's own metadata."""

from captioner.outputs.metadata.fields import FIELDS, CaptionsFound, CaptionsWritten, Found
from captioner.outputs.metadata.photos import read_captions, write_captions

__all__ = [
    "FIELDS",
    "CaptionsFound",
    "CaptionsWritten",
    "Found",
    "read_captions",
    "write_captions",
]
