"""Captions in a photo's own metadata: read, and written without a change to anything else."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from captioner.errors import ImageError
from captioner.outputs.metadata import jpeg, png, tiff, webp
from captioner.outputs.metadata.blocks import Blocks, BrokenMetadata, Data, FileBytes, Splice
from captioner.outputs.metadata.fields import CaptionsFound, CaptionsWritten, check_texts, fields_to_write, judged
from captioner.outputs.metadata.iim import caption_abstract
from captioner.outputs.metadata.rewriting import rewrite
from captioner.outputs.metadata.xmp import PACKET, is_blank, read_words, with_captions

# how a file begins that the module reads
_CONTAINERS = {
    rb"\xff\xd8\xff": jpeg,
    rb"\x89PNG\r\n\x1a\n": png,
    rb"RIFF.{4}WEBP": webp,
    rb"II\*\0|MM\0\*|II\+\0|MM\0\+": tiff,
}

_RAW_SUFFIXES = frozenset(
    (".dng", ".nef", ".nrw", ".cr2", ".arw", ".sr2", ".srf", ".orf", ".pef", ".srw", ".rw2", ".3fr", ".iiq", ".raw")
    + (".erf", ".mef", ".kdc", ".dcr", ".fff", ".mos", ".gpr", ".rwl", ".k25", ".dcs", ".drf", ".cap", ".eip", ".ari")
)


class ForeignFormat(ImageError):
    """A file of a format whose metadata we do not write, or no photo at all."""


def read_captions(path: str | os.PathLike) -> CaptionsFound:
    """What stands in the photo's fields, and whether it is ours.

    Raises: ImageError when the file cannot be read, is of another format, or is broken.
    """
    with _opened(Path(path)) as (data, container):
        return _found(container.read_blocks(data))


def write_captions(path: str | os.PathLike, texts: dict[str, str], replace_human: bool = False) -> CaptionsWritten:
    """Writes a text into each of the fields, but for those in which a person wrote.

    All else stays: pixels, other metadata, times, permissions; after an error, the whole file. Where EXIF has no room
    for a description, XMP alone has it. The file is replaced: further names of it (hard links) lead to the old one.
    texts: by field, of FIELDS. replace_human: a person's words give way, too.
    Raises: ImageError when the file cannot be read, is of another format, or is broken; CaptionerError when it
    cannot be written.
    """
    check_texts(texts)
    with _opened(Path(path)) as (data, container):
        blocks = container.read_blocks(data)
        writing = fields_to_write(texts, _found(blocks), replace_human)
        splices, is_in_xmp_only = _splices(data, container, blocks, writing)
    if splices:
        rewrite(Path(path), data.status, splices)
    kept = tuple(field for field in texts if field not in writing)
    had_links = bool(splices) and data.status.st_nlink > 1
    return CaptionsWritten(tuple(writing), kept, bool(splices), is_in_xmp_only, had_links)


def _found(blocks: Blocks) -> CaptionsFound:
    words, others = read_words(blocks.xmp), []
    for packet in blocks.other_xmps:
        with suppress(BrokenMetadata):
            others.append(read_words(packet))
    elsewhere = [text for exif in (blocks.exif, *blocks.other_exifs) for text in tiff.read_descriptions(exif)]
    elsewhere += map(caption_abstract, blocks.iims)
    return CaptionsFound(
        judged(words["alt"], others=[other["alt"] for other in others]),
        judged(words["description"], *elsewhere, others=[other["description"] for other in others]),
    )


def _splices(data: Data, container: ModuleType, blocks: Blocks, texts: dict[str, str]) -> tuple[list[Splice], bool]:
    """What writes the texts into the file, and whether EXIF is left out; nothing where it holds them already."""
    if not texts:
        return [], False
    packet = with_captions(PACKET if is_blank(blocks.xmp) else blocks.xmp, texts)
    xmp = packet if packet != blocks.xmp else None
    description = texts["description"].encode() if "description" in texts else None
    is_in_xmp_only = False
    try:
        splices = container.replace_blocks(data, xmp, description)
    except BrokenMetadata:
        # words that stayed in EXIF would contradict those in XMP
        if description is None or any(text.strip() for text in tiff.read_descriptions(blocks.exif)):
            raise
        splices, is_in_xmp_only = container.replace_blocks(data, xmp, None), True
    splices = [splice for splice in splices if splice.growth or data[splice.start : splice.stop] != splice.content]
    return splices, is_in_xmp_only


@contextmanager
def _opened(path: Path) -> Iterator[tuple[FileBytes, ModuleType]]:
    """The bytes of a photo, and the module that reads its container.

    Raises: ImageError, also for what the block raises as BrokenMetadata.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for without end
            raise ImageError(f"{path}: no photo, not even a file")
        with path.open("rb") as file:
            data = FileBytes(file)
            yield data, _container(path, data[:16])
    except BrokenMetadata as error:
        raise ImageError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file") from error
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror or error})") from error


def _container(path: Path, head: bytes) -> ModuleType:
    for beginning, container in _CONTAINERS.items():
        if re.match(beginning, head, re.DOTALL):
            if container is tiff and path.suffix.lower() in _RAW_SUFFIXES:
                raise ImageError(f"{path}: begins as TIFF does, but so do camera raws, which are left alone")
            return container
    raise ForeignFormat(f"{path}: metadata can be written to JPEG, PNG, WebP and TIFF only")
