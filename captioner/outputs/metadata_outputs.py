"""Captions as metadata: in the photo itself, and in XMP sidecars."""

import os
from pathlib import Path

from captioner.errors import CaptionerError, ImageError
from captioner.files import make_folder
from captioner.inference import Caption
from captioner.locks import changed_alone
from captioner.options import ShapeOptions
from captioner.options.outputs import METADATA_FIELDS, OutputOptions
from captioner.outputs.metadata import (
    FIELDS,
    CaptionsFound,
    default_xmp_sidecar,
    read_captions,
    read_xmp_sidecar,
    write_captions,
    write_xmp_sidecar,
)
from captioner.outputs.output import Output
from captioner.outputs.shape import ALT_TEXT_CHARS, shaped
from captioner.outputs.sidecars import Owners, SidecarNames
from captioner.photos import Photo


class Metadata(Output):
    """Alt text, description or both, in the photo's own file."""

    def __init__(self, options: OutputOptions, shape: ShapeOptions):
        self._fields, self._shape = METADATA_FIELDS[options.write_metadata], shape
        self._replaces_human = options.replace_human

    def is_settled(self, photo, anew):
        if not photo.is_file:
            raise ImageError(f"{photo.file_name}: bytes of stdin are no file whose metadata could be written")
        return is_settled(read_captions(photo.source), self._fields, anew, self._replaces_human)

    def target(self, photo):
        return photo.source if photo.is_file else ""

    def write(self, photo, caption):
        with changed_alone(photo.source):  # by one command alt texts, by another descriptions: both stay
            write_captions(photo.source, _texts(caption, self._fields, self._shape), self._replaces_human)


class XmpSidecars(Output):
    """Alt text and description in `photo.jpg.xmp`, or wherever the photo has its XMP sidecar already."""

    def __init__(self, names: SidecarNames, shape: ShapeOptions, replaces_human: bool):
        self._names, self._shape, self._replaces_human = names, shape, replaces_human
        self._owners = Owners(self.paths)

    def check(self, photos):
        self._names.look_again()
        self._owners.check(photos)

    def paths(self, photo: Photo) -> list[Path]:
        return default_xmp_sidecar(self._names.full(photo), self._names.shares_stem(photo))

    def target(self, photo):
        return str(self.paths(photo)[0])

    def is_settled(self, photo, anew):
        self._owners.check_own(photo)
        return all(
            os.path.exists(path) and is_settled(_found(path), FIELDS, anew, self._replaces_human)
            for path in self.paths(photo)
        )

    def write(self, photo: Photo, caption: Caption):
        texts = _texts(caption, FIELDS, self._shape)
        for path in self.paths(photo):
            make_folder(path.parent)
            with changed_alone(path):
                write_xmp_sidecar(photo.source, path, texts, self._replaces_human)


def _texts(caption: Caption, fields: tuple[str, ...], shape: ShapeOptions) -> dict[str, str]:
    """An alt text is short, where nobody asked for a length."""
    longest = {"alt": ALT_TEXT_CHARS, "description": None}
    return {field: shaped(caption, shape, longest[field]).text for field in fields}


def is_settled(found: CaptionsFound, fields: tuple[str, ...], anew: bool, replaces_human: bool) -> bool:
    """Whether nothing is to be written: every field is a person's, or ours where ours are to stay."""
    return all(found[field].text and (not anew if found[field].is_ours else not replaces_human) for field in fields)


def _found(path: Path) -> CaptionsFound:
    try:
        return read_xmp_sidecar(path)
    except CaptionerError as error:  # known beforehand: no photo need be captioned to meet it
        raise ImageError(str(error)) from error
