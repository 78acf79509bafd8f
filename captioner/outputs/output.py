"""What every place where captions go has in common."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from captioner.errors import CaptionerError
from captioner.inference import Caption
from captioner.photos import Photo


@contextmanager
def failing_alone(photo: Photo) -> Iterator[None]:
    """Whatever the block raises comes as a CaptionerError that names the photo: no photo ends a run of many.

    Files that lie beside photos, and metadata in them, are written by anyone, and may be broken in any way.
    """
    try:
        yield
    except CaptionerError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or "no reason is known"
        raise CaptionerError(f"{photo.file_name}: {reason} ({type(error).__name__})") from error


class Output:
    """A place where captions go, photo by photo.

    is_per_photo: whether each photo has a place of its own, so that whatever goes wrong there is its failure alone.
    """

    is_per_photo = False

    def check(self, photos: Iterable[Photo]) -> None:
        """Called when a batch is planned. Raises: CaptionerError when two of the photos would share a place."""

    def is_settled(self, photo: Photo, anew: bool) -> bool:
        """Whether nothing is to be written here: the photo has its caption, or `anew`, one that may not be replaced.

        Raises: CaptionerError when the photo can have none here.
        """
        return False

    def target(self, photo: Photo) -> str:
        """Where the photo's caption goes, as a path; "" for a stream."""
        return ""

    def begin(self, file_names: Collection[str]) -> None:
        """Called when the first caption of a batch is at hand. Raises: CaptionerError when it cannot be written.

        file_names: of the photos that are tried.
        """

    def write(self, photo: Photo, caption: Caption) -> None:
        """Gives the caption its last shape, and writes it. Raises: CaptionerError when it cannot be written."""
        raise NotImplementedError

    def write_error(self, photo: Photo, error: CaptionerError) -> None:
        """Nothing: only some have a place for it."""

    def remarks(self) -> list[str]:
        """Lines to be said at the end, of what became of some photos' captions here."""
        return []

    def close(self) -> None:
        """Called once, at the end."""
