"""A file beside each photo, or in a tree like the photos' own, that holds its caption."""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from captioner.errors import CaptionerError, ImageError
from captioner.files import make_folder, write_text
from captioner.images import is_image_name
from captioner.inference import Caption
from captioner.options import OutputOptions, ShapeOptions
from captioner.outputs.forms import JsonLines, json_line, success_record
from captioner.outputs.output import Output
from captioner.outputs.shape import shaped
from captioner.photos import Photo

_MOST_BYTES = 1 << 20  # of a sidecar that are read; a caption and all its candidates take less


class SidecarNames:
    """Which sidecar belongs to a photo: `a.txt` to `a.jpg`, and where `a.png` lies beside it, `a.jpg.txt`.

    So no two photos ever share one.
    """

    def __init__(self, output_dir: Path | None = None):
        """output_dir: where the tree of the photos is made again; None for beside the photos."""
        self._output_dir = output_dir
        self._photos_by_stem: dict[str, Counter] = {}  # of each folder that was listed

    def look_again(self) -> None:
        """Folders are listed anew when they are needed: photos may have come since."""
        self._photos_by_stem.clear()

    def of(self, photo: Photo, suffix: str) -> Path:
        base = self.full(photo)
        return base.with_name(base.name + suffix) if self.shares_stem(photo) else base.with_suffix(suffix)

    def full(self, photo: Photo) -> Path:
        """Where the photo's own name would stand. Raises: ImageError for what is no file."""
        if self._output_dir is not None:
            return self._output_dir / _inside(photo.file_name)
        if not photo.is_file:
            raise ImageError(f"{photo.file_name}: bytes of stdin lie in no folder; give --output-dir")
        return Path(photo.source)

    def shares_stem(self, photo: Photo) -> bool:
        """Whether another photo of its folder has the same name but for the suffix."""
        if not photo.is_file:
            return False
        folder, name = os.path.split(photo.source)
        if folder not in self._photos_by_stem:
            self._photos_by_stem[folder] = _photos_by_stem(folder or os.curdir)
        return self._photos_by_stem[folder][os.path.splitext(name)[0]] > 1


def _inside(file_name: str) -> Path:
    """The name as a path that leads out of no folder: without root, `.` and `..`."""
    path = Path(file_name)
    return Path(*(part for part in path.parts if part not in (path.anchor, "..")))


def _photos_by_stem(folder: str) -> Counter:
    try:
        names = os.listdir(folder)
    except OSError:
        return Counter()
    return Counter(os.path.splitext(name)[0] for name in names if is_image_name(name))


class Owners:
    """Whose caption goes into which file, from the first batch to the last, so that no two photos ever share one."""

    def __init__(self, paths_of: Callable[[Photo], Iterable[Path]]):
        self._paths_of = paths_of
        self._owner_of: dict[str, Photo] = {}

    def check(self, photos: Iterable[Photo]) -> None:
        """Raises: CaptionerError when two of the photos would share a file."""
        batch: dict[str, Photo] = {}
        for photo in photos:
            with suppress(ImageError):  # it can have no file, which `is_settled` tells of it alone
                for path in map(str, self._paths_of(photo)):
                    owner = batch.setdefault(path, photo)
                    if owner.source != photo.source:
                        raise CaptionerError(f"{owner.file_name} and {photo.file_name} would share {path}")
                    self._owner_of.setdefault(path, photo)

    def check_own(self, photo: Photo) -> None:
        """Raises: ImageError when a file of the photo holds the caption of one of an earlier batch."""
        for path in map(str, self._paths_of(photo)):
            owner = self._owner_of.get(path, photo)
            if owner.source != photo.source:
                raise ImageError(f"{photo.file_name}: {path} is of {owner.file_name}")


class Sidecars(Output):
    """One file a photo, written whole or not at all; what holds something already is a caption."""

    suffix: str
    is_per_photo = True

    def __init__(self, names: SidecarNames, shape: ShapeOptions):
        self._names, self._shape = names, shape
        self._owners = Owners(lambda photo: [self.path(photo)])

    def path(self, photo: Photo) -> Path:
        return self._names.of(photo, self.suffix)

    def check(self, photos):
        self._names.look_again()
        self._owners.check(photos)

    def target(self, photo):
        return str(self.path(photo))

    def is_settled(self, photo, anew):
        """Raises: CaptionerError when what lies there is no file, such as a pipe, which is waited for without end."""
        self._owners.check_own(photo)
        return self.holds_caption(self.path(photo), self.beginning(photo)) and not anew

    def holds_caption(self, path: Path, content: bytes) -> bool:
        return bool(content.strip())

    def beginning(self, photo: Photo) -> bytes:
        """Of the file that lies there; empty where there is none. Raises: ImageError when it cannot be read."""
        path = self.path(photo)
        if os.path.exists(path) and not os.path.isfile(path):
            raise ImageError(f"{path}: no sidecar, not even a file")
        try:
            with path.open("rb") as file:
                return file.read(_MOST_BYTES)
        except FileNotFoundError:
            return b""
        except OSError as error:  # it may hold a caption: nothing is written over it
            raise ImageError(f"{path}: cannot be read ({error.strerror or error})") from error

    def write(self, photo, caption):
        path = self.path(photo)
        make_folder(path.parent)
        write_text(path, self.content(photo, shaped(caption, self._shape)))

    def content(self, photo: Photo, caption: Caption) -> str:
        return caption.text + "\n"


class TextSidecars(Sidecars):
    suffix = ".txt"


class CaptionSidecars(Sidecars):
    suffix = ".caption"


class JsonSidecars(Sidecars):
    suffix = ".json"

    def holds_caption(self, path, content):
        """Raises: ImageError when another program's JSON lies there, such as a photo album's export."""
        if content.strip():
            try:
                JsonLines().parse(content.decode())
            except (ValueError, RecursionError) as error:
                raise ImageError(f"{path}: holds no caption, but something of another program's") from error
        return bool(content.strip())

    def content(self, photo, caption):
        return json_line(success_record(os.path.basename(photo.file_name), caption))


SIDECARS: dict[str, type[Sidecars]] = {"txt": TextSidecars, "caption": CaptionSidecars, "json": JsonSidecars}


def open_sidecars(options: OutputOptions, shape: ShapeOptions) -> Output:
    names = SidecarNames(options.output_dir)
    if options.sidecar == "xmp":
        from captioner.outputs.metadata_outputs import XmpSidecars

        return XmpSidecars(names, shape, options.replace_human)
    return SIDECARS[options.sidecar](names, shape)
