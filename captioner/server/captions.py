"""`POST /api/captions`: photos in, an array of records out."""

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass, replace
from math import isqrt

import numpy as np
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from captioner.errors import ImageError
from captioner.inference.queue import CaptionQueue, QueueFull, Said
from captioner.options import ServerOptions
from captioner.outputs.forms import error_record, json_line, success_record
from captioner.server.problems import Problem
from captioner.server.uploads import Holding, Upload, read_uploads

_FLAGS = {"true": True, "false": False}
_LENIENT = "handling=lenient"
_DIGITS = 5  # behind the point, of attention
_UPLOADS_AT_ONCE = 10  # of the largest size


@dataclass(frozen=True)
class Asked:
    """What a request wants to know of each photo."""

    candidates: int = 1
    attention: bool = False
    is_lenient: bool = False  # whether it is 200 even if no photo could be captioned, as RFC 7240 (4.4) has it

    @classmethod
    def of(cls, request: Request, most_candidates: int) -> "Asked":
        """Raises: Problem (400)."""
        query, preferred = request.query_params, request.headers.get("prefer", "")
        candidates, attention = query.get("candidates", "1"), query.get("attention", "false")
        if not (candidates.isascii() and candidates.isdecimal() and 1 <= int(candidates[:9]) <= most_candidates):
            raise Problem(400, "bad-request", f"candidates must be 1 to {most_candidates}, not {candidates!r}")
        if attention not in _FLAGS:
            raise Problem(400, "bad-request", f"attention must be true or false, not {attention!r}")
        return cls(int(candidates), _FLAGS[attention], _LENIENT in preferred)


class Captions:
    """Captions for whoever asks, by the one queue."""

    def __init__(self, queue: CaptionQueue, options: ServerOptions):
        self._queue, self._options = queue, options
        self._holding = Holding(_UPLOADS_AT_ONCE * options.most_bytes)

    async def answer(self, request: Request) -> Response:
        """Raises: Problem."""
        asked = Asked.of(request, self._queue.most_candidates)
        is_read = False
        try:
            with self._holding.share() as claim:
                async with asyncio.timeout(self._options.timeout):
                    uploads = await read_uploads(request, self._options, claim)
                    is_read = True
                    results = await self._results(request, uploads, asked)
        except TimeoutError as error:
            if is_read:
                raise Problem(503, "busy", "captioning took too long; try again shortly") from error
            raise Problem(408, "slow", f"the request was not whole after {self._options.timeout:g} s") from error
        except QueueFull as error:
            raise Problem(503, "busy", f"the queue is full ({error}); try again shortly") from error
        records = [record_of(upload, result, asked) for upload, result in zip(uploads, results, strict=True)]
        is_ok = asked.is_lenient or any("text" in record for record in records)
        body = f"[{','.join(json_line(record).rstrip() for record in records)}]\n"
        return Response(body, 200 if is_ok else 422, media_type="application/json")

    async def _results(self, request: Request, uploads: list[Upload], asked: Asked) -> list[Said | ImageError]:
        """What became of each photo. Raises: QueueFull; ClientDisconnect when nobody waits for the answer any more."""
        futures = self._queue.put([upload.content for upload in uploads], asked.attention)
        results, gone = asyncio.create_task(_all_of(futures)), asyncio.create_task(_until_gone(request))
        try:
            await asyncio.wait((results, gone), return_when=asyncio.FIRST_COMPLETED)
            if not results.done():
                raise ClientDisconnect
            return [_unless_ours(result) for result in results.result()]
        finally:
            gone.cancel()
            results.cancel()  # photos whose turn has not come are dropped


def record_of(upload: Upload, result: Said | ImageError, asked: Asked) -> dict:
    """As a line of `--format jsonl`, and with the attention where it was asked for."""
    if isinstance(result, ImageError):
        message = str(result).replace("image:", f"{upload.name}:", 1)
        return error_record(upload.name, type(result)(message))
    candidates = result.caption.candidates[: asked.candidates] if asked.candidates > 1 else ()
    record = success_record(upload.name, replace(result.caption, candidates=candidates))
    if asked.attention:
        record["attention"] = None if result.attention is None else told_attention(result.words, result.attention)
    return record


def told_attention(words: tuple[str, ...], attention: np.ndarray) -> list[dict]:
    """A map a word, rows x columns over the photo squeezed to a square, which sums to 1.

    attention: (words + 1, regions), the last of the end.
    """
    side = isqrt(attention.shape[1])  # the regions of a square photo are a square grid, row by row
    maps = np.round(attention[:-1].astype(np.float64), _DIGITS).reshape(-1, side, side).tolist()
    return [{"word": word, "map": each} for word, each in zip(words, maps, strict=True)]


async def _all_of(futures: list[Future]) -> list[Said | BaseException]:
    return await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _unless_ours(result: Said | BaseException) -> Said | ImageError:
    """Raises: what is no photo's fault."""
    if isinstance(result, BaseException) and not isinstance(result, ImageError):
        raise result
    return result
