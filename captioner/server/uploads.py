"""The photos of a request, read from its body while it comes, and no more of it than is allowed."""

from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from captioner.options import ServerOptions
from captioner.server.problems import Problem

RAW = "-"  # the name of a photo that came without one, as that of a photo on stdin
_MOST_FIELDS = 16  # of a form, that are no photos
_RAW_TYPES = ("image/", "application/octet-stream")
_FORM = "multipart/form-data"


@dataclass(frozen=True)
class Upload:
    name: str
    content: bytes


class Holding:
    """How many bytes of uploads are held by all requests together, and how many may be."""

    def __init__(self, most: int):
        self._most, self.num_bytes = most, 0

    @contextmanager
    def share(self):
        """Inside, a function that claims bytes; on leaving they are given back."""
        claimed = 0

        def claim(count: int) -> None:
            """Raises: Problem (503) when no more can be held."""
            nonlocal claimed
            if self.num_bytes + count > self._most:
                raise Problem(503, "busy", "too many uploads at once; try again shortly")
            claimed += count
            self.num_bytes += count

        try:
            yield claim
        finally:
            self.num_bytes -= claimed


class _Parser(MultiPartParser):
    spool_max_size = 0  # never into a file: what is taken has its limit already


async def read_uploads(request: Request, options: ServerOptions, claim: Callable[[int], None]) -> list[Upload]:
    """The photos in field `files` of a form, or the body itself, in order.

    claim: told of the bytes before they are kept. Raises: Problem for what is not allowed, as soon as it is seen.
    """
    content_type = request.headers.get("content-type", "").lower()
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > options.most_bytes:
        raise _too_large(options)
    body = _limited(request, options, claim)
    if content_type.startswith(_FORM):
        return await _read_form(request, body, options)
    if content_type.startswith(_RAW_TYPES):
        content = b"".join([chunk async for chunk in body])
        if not content:
            raise Problem(400, "no-photo", "the body is empty; send the bytes of an image")
        return [Upload(RAW, content)]
    wanted = f"{_FORM} with field `files`, or the bytes of an image as image/* or application/octet-stream"
    raise Problem(415, "unsupported-media-type", f"the content type must be {wanted}")


async def _limited(request: Request, options: ServerOptions, claim: Callable[[int], None]) -> AsyncIterator[bytes]:
    num_bytes = 0
    async for chunk in request.stream():
        num_bytes += len(chunk)
        if num_bytes > options.most_bytes:
            raise _too_large(options)
        claim(len(chunk))
        yield chunk


async def _read_form(request: Request, body: AsyncIterator[bytes], options: ServerOptions) -> list[Upload]:
    parser = _Parser(request.headers, body, max_files=options.most_photos, max_fields=_MOST_FIELDS)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            message = f"at most {options.most_photos} photos a request; send the others in another"
            # 400 for more than a request may have, 413 for more than the queue could ever hold
            status = 400 if options.most_photos == options.max_photos else 413
            raise Problem(status, "too-many-photos", message) from error
        raise Problem(400, "bad-form", f"the form cannot be read ({error.message.rstrip('.')})") from error
    try:
        files = form.getlist("files")
        if not files or any(isinstance(file, str) for file in files):
            raise Problem(400, "no-photo", "the form has no file in its field `files`")
        return [Upload(file.filename or RAW, await file.read()) for file in files]
    finally:
        await form.close()


def _too_large(options: ServerOptions) -> Problem:
    return Problem(413, "too-large", f"a request may have {options.max_upload_mb:g} MB; send fewer or smaller photos")
