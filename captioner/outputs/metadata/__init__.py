"""Captions in a photo's own metadata, and in XMP sidecars."""

from captioner.outputs.metadata.fields import FIELDS, CaptionsFound, CaptionsWritten, Found
from captioner.outputs.metadata.photos import read_captions, write_captions
from captioner.outputs.metadata.sidecars import default_xmp_sidecar, read_xmp_sidecar, write_xmp_sidecar

__all__ = [
    "FIELDS",
    "CaptionsFound",
    "CaptionsWritten",
    "Found",
    "default_xmp_sidecar",
    "read_captions",
    "read_xmp_sidecar",
    "write_captions",
    "write_xmp_sidecar",
]
