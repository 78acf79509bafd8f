"""Captions as metadata: in the photo itself, and in XMP sidecars."""

import sys
from collections import Counter
from pathlib import Path

from captioner.errors import ImageError
from captioner.files import make_folder
from captioner.images import check_num_pixels
from captioner.inference import Caption
from captioner.locks import changed_alone
from captioner.options import ShapeOptions
from captioner.options.outputs import METADATA_FIELDS, OutputOptions
from captioner.outputs.metadata import (
    FIELDS,
    CaptionsFound,
    CaptionsWritten,
    ForeignFormat,
    default_xmp_sidecar,
    first_human,
    read_captions,
    read_sidecar_captions,
    write_captions,
    write_xmp_sidecar,
)
from captioner.outputs.output import Output
from captioner.outputs.shape import ALT_TEXT_CHARS, shaped
from captioner.outputs.sidecars import Owners, SidecarNames
from captioner.photos import Photo

_NAMES = {"alt": "alt text", "description": "description"}


class Remarks:
    """What is to be told of many photos, a line each."""

    def __init__(self):
        self._kept: Counter[str] = Counter()  # by field
        self._num_in_xmp_only = self._num_with_links = 0

    def add_found(self, found: CaptionsFound, fields: tuple[str, ...], replaces_human: bool) -> None:
        self._kept.update(field for field in fields if found[field].is_human and not replaces_human)

    def add_written(self, written: CaptionsWritten) -> None:
        self._num_in_xmp_only += written.is_in_xmp_only
        self._num_with_links += written.had_links

    def lines(self) -> list[str]:
        lines = []
        if self._kept:
            kept = [_counted(self._kept[field], _NAMES[field]) for field in FIELDS if self._kept[field]]
            lines.append(f"kept: {' and '.join(kept)} that a person wrote")
        if self._num_in_xmp_only:
            descriptions = _counted(self._num_in_xmp_only, "description")
            lines.append(f"in XMP only: {descriptions}, as EXIF has no room or could not be changed without a loss")
        if self._num_with_links:
            photos = _counted(self._num_with_links, "photo")
            lines.append(f"hard links: {photos} had further names, which still lead to the file as it was")
        return lines


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


class Metadata(Output):
    """Alt text, description or both, in the photo's own file."""

    is_per_photo = True

    def __init__(self, options: OutputOptions, shape: ShapeOptions):
        self._fields, self._shape = METADATA_FIELDS[options.write_metadata], shape
        self._replaces_human = options.replace_human
        self._remarks = Remarks()

    def is_settled(self, photo, anew):
        if not photo.is_file:
            raise ImageError(f"{photo.file_name}: bytes of stdin are no file whose metadata could be written")
        try:
            found = read_captions(photo.source)
        except ForeignFormat:
            check_num_pixels(photo.source, sys.maxsize, size=1)  # which says so of what is no image at all
            raise
        self._remarks.add_found(found, self._fields, self._replaces_human)
        return is_settled(found, self._fields, anew, self._replaces_human)

    def target(self, photo):
        return photo.source if photo.is_file else ""

    def write(self, photo, caption):
        texts = _texts(caption, self._fields, self._shape)
        with changed_alone(photo.source):  # by one command alt texts, by another descriptions: both stay
            written = write_captions(photo.source, texts, self._replaces_human)
        self._remarks.add_written(written)

    def remarks(self):
        return self._remarks.lines()


class XmpSidecars(Output):
    """Alt text and description in `photo.jpg.xmp`, or wherever the photo has its XMP sidecar already."""

    is_per_photo = True

    def __init__(self, names: SidecarNames, shape: ShapeOptions, replaces_human: bool):
        self._names, self._shape, self._replaces_human = names, shape, replaces_human
        self._owners = Owners(self.paths)
        self._remarks = Remarks()

    def check(self, photos):
        self._names.look_again()
        self._owners.check(photos)

    def paths(self, photo: Photo) -> list[Path]:
        return default_xmp_sidecar(self._names.full(photo), self._names.shares_stem(photo))

    def target(self, photo):
        return str(self.paths(photo)[0])

    def is_settled(self, photo, anew):
        self._owners.check_own(photo)
        found = [read_sidecar_captions(_path(photo), path) for path in self.paths(photo)]
        self._remarks.add_found(first_human(*found), FIELDS, self._replaces_human)
        return all(is_settled(each, FIELDS, anew, self._replaces_human) for each in found)

    def write(self, photo: Photo, caption: Caption):
        texts = _texts(caption, FIELDS, self._shape)
        for path in self.paths(photo):
            make_folder(path.parent)
            with changed_alone(path):
                written = write_xmp_sidecar(_path(photo), path, texts, self._replaces_human)
            self._remarks.add_written(written)

    def remarks(self):
        return self._remarks.lines()


def _path(photo: Photo) -> str | None:
    return photo.source if photo.is_file else None


def _texts(caption: Caption, fields: tuple[str, ...], shape: ShapeOptions) -> dict[str, str]:
    """An alt text is short, where nobody asked for a length."""
    longest = {"alt": ALT_TEXT_CHARS, "description": None}
    return {field: shaped(caption, shape, longest[field]).text for field in fields}


def is_settled(found: CaptionsFound, fields: tuple[str, ...], anew: bool, replaces_human: bool) -> bool:
    """Whether nothing is to be written: every field is a person's, or ours where ours are to stay."""
    return all(found[field].text and (not anew if found[field].is_ours else not replaces_human) for field in fields)
