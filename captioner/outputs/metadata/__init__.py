"""Captions in a photo's own metadata, and in XMP sidecars."""

from captioner.outputs.metadata.fields import FIELDS, CaptionsFound, CaptionsWritten, Found, first_human
from captioner.outputs.metadata.photos import ForeignFormat, read_captions, write_captions
from captioner.outputs.metadata.sidecars import (
    default_xmp_sidecar,
    read_sidecar_captions,
    read_xmp_sidecar,
    write_xmp_sidecar,
)

__all__ = [
    "FIELDS",
    "CaptionsFound",
    "CaptionsWritten",
    "ForeignFormat",
    "Found",
    "default_xmp_sidecar",
    "first_human",
    "read_captions",
    "read_sidecar_captions",
    "read_xmp_sidecar",
    "write_captions",
    "write_xmp_sidecar",
]
