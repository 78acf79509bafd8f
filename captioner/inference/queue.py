"""Photos of many callers, captioned together by one model."""

import io
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue

import numpy as np

from captioner.decoding import Hypothesis, beam_search_stream
from captioner.errors import CaptionerError, ImageError
from captioner.images import check_num_pixels
from captioner.inference.captioner import DEFAULT_BATCH_SIZE, Caption, Captioner
from captioner.inference.replay import replay_captions


class QueueFull(CaptionerError):
    """No more photos are taken just now."""


@dataclass(frozen=True, eq=False)
class Said:
    """What became of a photo in the queue.

    caption: with all candidates the search found, as many as its beams at most. words: of the best one, a token each.
    attention: (tokens + 1, regions), of these tokens and the end, each step sums to 1; None where it was not asked for,
    or the model has none.
    """

    caption: Caption
    words: tuple[str, ...]
    attention: np.ndarray | None = None


@dataclass(eq=False)
class _Job:
    photo: bytes
    wants_attention: bool
    done: Future = field(default_factory=Future)
    features: np.ndarray | None = None  # (1, regions, depth)


class _WantedFile(io.BytesIO):
    """The photo of a job, which cannot be read further once nobody waits for it: decoders read a part at a time."""

    def __init__(self, job: _Job):
        super().__init__(job.photo)
        self._job = job

    def read(self, size: int | None = -1) -> bytes:
        if self._job.done.cancelled():
            raise ImageError("given up: nobody waits for it")
        return super().read(size)


class CaptionQueue:
    """One model for all who ask, in threads of its own: photos that come at the same time share its batches.

    Photos are read and encoded by a thread for each that may be encoded at the same time; captions are searched for by
    one more, which takes up photos as they come, and waits for none while it searches. Used as a context: on leaving,
    what was put in is done first.
    """

    def __init__(
        self,
        captioner: Captioner,
        num_places: int,
        most_pixels: int | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ):
        """num_places: photos that may be in the queue, those at work included; most_pixels: of a photo.

        Raises: ModelError when the model cannot be opened.
        """
        self._captioner, self._most_pixels, self._batch_size = captioner, most_pixels, batch_size
        decoding = captioner.folder.decoding
        # Every search goes on until it has all its captions: that takes no more steps, and each may ask for its number.
        self._options = replace(decoding, num_candidates=decoding.beam_size)
        self._num_places, self._num_taken, self._lock = num_places, 0, threading.Lock()
        self._unseen: SimpleQueue[_Job | None] = SimpleQueue()
        self._seen: SimpleQueue[_Job | None] = SimpleQueue()
        self._searching: deque[_Job] = deque()
        captioner.check()
        self._seers = [threading.Thread(target=self._see, name="see") for _ in range(captioner.encoder.max_calls)]
        self._searcher = threading.Thread(target=self._search, name="search")

    def __enter__(self) -> "CaptionQueue":
        for thread in (*self._seers, self._searcher):
            thread.start()
        return self

    def __exit__(self, *error) -> None:
        for _ in self._seers:
            self._unseen.put(None)
        for thread in self._seers:
            thread.join()
        self._seen.put(None)
        self._searcher.join()

    def __len__(self) -> int:
        """Photos that are waiting or at work."""
        return self._num_taken

    @property
    def most_candidates(self) -> int:
        return self._options.num_candidates

    def put(self, photos: list[bytes], wants_attention: bool = False) -> list["Future[Said]"]:
        """All of the photos, or none; each future gives what was said, or raises ImageError.

        A photo whose future is cancelled is dropped, also while it is read. Raises: QueueFull.
        """
        jobs = [_Job(photo, wants_attention) for photo in photos]
        with self._lock:
            if self._num_taken + len(jobs) > self._num_places:
                raise QueueFull(f"{self._num_taken} photos are waiting, of {self._num_places} that may")
            self._num_taken += len(jobs)
        for job in jobs:
            job.done.add_done_callback(self._leave)
            self._unseen.put(job)
        return [job.done for job in jobs]

    def _leave(self, done: Future) -> None:
        with self._lock:
            self._num_taken -= 1

    def _see(self) -> None:
        """The work of an encoding thread."""
        while (job := self._unseen.get()) is not None:
            if job.done.cancelled():
                continue
            error = None
            try:
                if self._most_pixels is not None:
                    check_num_pixels(job.photo, self._most_pixels, self._captioner.encoder.image_size)
                job.features = self._captioner.see(_WantedFile(job))
            except Exception as raised:  # whatever it is, it is this photo's, and the thread lives on
                error = raised
            finally:
                job.photo = b""
            if not job.done.set_running_or_notify_cancel():
                continue
            if error is None:
                self._seen.put(job)
            else:
                job.done.set_exception(error)

    def _search(self) -> None:
        """The work of the searching thread: what it meets is told to those it was searching for, and it lives on."""
        step, rules = self._captioner.decoder.step, self._captioner.rules(self._options)
        self._is_ending = False
        while not self._is_ending:
            try:
                for hypotheses in beam_search_stream(step, self._begun(), self._options, self._batch_size, rules):
                    job = self._searching[0]
                    said = self._said(job, hypotheses)
                    self._searching.popleft()
                    job.done.set_result(said)
            except Exception as error:
                while self._searching:
                    self._searching.popleft().done.set_exception(error)

    def _begun(self) -> Iterator[dict[str, np.ndarray] | None]:
        """What the decoder begins each photo's captions with; waits for one only while no search is under way."""
        while not self._is_ending:
            try:
                job = self._seen.get(block=not self._searching)
            except Empty:
                yield None
                continue
            if job is None:
                self._is_ending = True
                return
            self._searching.append(job)
            yield {name: array[0] for name, array in self._captioner.decoder.begin(job.features).items()}

    def _said(self, job: _Job, hypotheses: list[Hypothesis]) -> Said:
        caption = self._captioner.told(hypotheses)
        words = tuple(word.strip() for word in self._captioner.tokenizer.decode_words(caption.tokens))
        if not job.wants_attention:
            return Said(caption, words)
        (replay,) = replay_captions(self._captioner.decoder, job.features, [caption.tokens])
        return Said(caption, words, replay.attention)
