"""What every place where captions go has in common."""

from collections.abc import Collection, Iterable

from captioner.errors import CaptionerError
from captioner.inference import Caption
from captioner.photos import Photo


class Output:
    """A place where captions go, photo by photo."""

    def check(self, photos: Iterable[Photo]) -> None:
        """Raises: CaptionerError when two of the photos would share a place."""

    def is_settled(self, photo: Photo, anew: bool) -> bool:
        """Whether nothing is to be written here: the photo has its caption, or `anew`, one that may not be replaced.

        Raises: ImageError when the photo can have none here.
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

    def close(self) -> None:
        """Called once, at the end."""
