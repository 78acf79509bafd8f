"""Captions in XMP sidecars: `photo.jpg.xmp` (digiKam, darktable, Immich) and `photo.xmp` (Lightroom)."""

import os
from contextlib import suppress
from pathlib import Path

from captioner.errors import CaptionerError, ImageError
from captioner.files import written_whole
from captioner.outputs.metadata.blocks import BrokenMetadata, FileBytes, Splice, check_size
from captioner.outputs.metadata.fields import (
    CaptionsFound,
    CaptionsWritten,
    check_texts,
    fields_to_write,
    first_human,
    judged,
)
from captioner.outputs.metadata.photos import read_captions
from captioner.outputs.metadata.rewriting import rewrite
from captioner.outputs.metadata.xmp import META, is_blank, read_words, with_captions


def default_xmp_sidecar(photo_path: str | os.PathLike, shared_stem: bool) -> list[Path]:
    """The sidecars to write for a photo: those that exist, or else the one to make.

    shared_stem: another photo has the same stem, so that `photo.xmp` may be its sidecar and is left alone.
    """
    photo_path = Path(photo_path)
    own, of_stem = photo_path.with_name(photo_path.name + ".xmp"), photo_path.with_suffix(".xmp")
    candidates = [own] if shared_stem else [own, of_stem]
    return [path for path in candidates if os.path.exists(path)] or [own]  # no for a name that is too long


def read_xmp_sidecar(sidecar_path: str | os.PathLike) -> CaptionsFound:
    """What stands in the sidecar's fields, and whether it is ours.

    Raises: CaptionerError when it cannot be read, or is broken.
    """
    packet, _ = _read(Path(sidecar_path))
    try:
        return _found(packet)
    except BrokenMetadata as error:
        raise CaptionerError(f"{sidecar_path}: {error}") from error


def read_sidecar_captions(photo_path: str | os.PathLike | None, sidecar_path: str | os.PathLike) -> CaptionsFound:
    """What `write_xmp_sidecar` goes by: the sidecar's fields, where there is one, and a person's words in the photo.

    Raises: CaptionerError when the sidecar cannot be read, or is broken.
    """
    found = read_xmp_sidecar(sidecar_path) if os.path.lexists(sidecar_path) else CaptionsFound()
    return first_human(found, _found_in_photo(photo_path))


def write_xmp_sidecar(
    photo_path: str | os.PathLike | None,
    sidecar_path: str | os.PathLike,
    texts: dict[str, str],
    replace_human: bool = False,
) -> CaptionsWritten:
    """Makes the sidecar of a photo, or merges the texts into it; all else in it stays.

    A field is left alone in which a person wrote, in the sidecar or in the photo itself: programs that know
    sidecars show what they say in place of what the photo says.
    photo_path: None for a photo that is no file. texts: by field, of FIELDS. replace_human: a person's words give way,
    too. Raises: CaptionerError when it cannot be read or written, or is broken; it is the old one then.
    """
    check_texts(texts)
    sidecar_path = Path(sidecar_path)
    is_new = not os.path.lexists(sidecar_path)
    packet, status = (b"", None) if is_new else _read(sidecar_path)
    try:
        found = first_human(_found(packet), _found_in_photo(photo_path))
        writing = fields_to_write(texts, found, replace_human)
        new = with_captions(META if is_blank(packet) else packet, writing) if writing else packet
    except BrokenMetadata as error:
        raise CaptionerError(f"{sidecar_path}: {error}") from error
    if new != packet and is_new:
        with written_whole(sidecar_path) as temporary:
            temporary.write_bytes(new)
    elif new != packet:
        rewrite(sidecar_path, status, [Splice(0, len(packet), new)], keeps_times=False)
    kept = tuple(field for field in texts if field not in writing)
    return CaptionsWritten(tuple(writing), kept, is_changed=new != packet)


def _found(packet: bytes) -> CaptionsFound:
    words = read_words(packet)
    return CaptionsFound(judged(words["alt"]), judged(words["description"]))


def _found_in_photo(photo_path: str | os.PathLike | None) -> CaptionsFound:
    if photo_path is None:
        return CaptionsFound()
    with suppress(ImageError):  # a format of which we read no metadata, or broken: the sidecar is all there is
        return read_captions(photo_path)
    return CaptionsFound()


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    try:
        if path.exists() and not path.is_file():
            raise CaptionerError(f"{path}: no XMP sidecar, not even a file")
        with path.open("rb") as file:
            data = FileBytes(file)
            check_size(len(data), "an XMP sidecar")
            return data[:], data.status
    except BrokenMetadata as error:
        raise CaptionerError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise CaptionerError(f"{path}: no such file") from error
    except OSError as error:
        raise CaptionerError(f"{path}: cannot be read ({error.strerror or error})") from error
