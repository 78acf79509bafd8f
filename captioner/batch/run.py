"""Doing what is planned, photo by photo: whatever fails is told, and the rest goes on."""

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain

from captioner.batch.plan import Failure, Job, Plan
from captioner.errors import CaptionerError, ImageError
from captioner.inference import Caption
from captioner.outputs.output import Output, failing_alone
from captioner.photos import Photo

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Outcome:
    """What became of a photo: its caption is written wherever no failure says otherwise."""

    photo: Photo
    caption: Caption | None
    failures: tuple[Failure, ...] = ()


def run_plan(
    plan: Plan,
    caption_all: Callable[[Iterable[str | bytes]], Iterator[Caption | ImageError]],
    outputs: Sequence[Output],
) -> Iterator[Outcome]:
    """Captions and writes, photo by photo, in order; an outcome is given when it is written.

    caption_all: sources -> their captions, in order. outputs: all there are; none is begun before the first caption
    has come. Raises: CaptionerError when an output has no room left: all that follows would fail alike.
    """
    captions = iter(())
    if any(job.needs_caption for job in plan.jobs):
        captions = caption_all(job.photo.source for job in plan.jobs if job.needs_caption)
        captions = chain([next(captions)], captions)  # opens the model
    names = {job.photo.file_name for job in plan.jobs}
    for output in outputs:
        output.begin(names)
    for job in plan.jobs:
        result = next(captions) if job.needs_caption else job.error
        failures = tuple(_written(job, result))
        if not isinstance(result, ImageError):  # which says it all of a photo that is broken
            failures = (*job.failures, *failures)
        yield Outcome(job.photo, result if isinstance(result, Caption) else None, failures)


def _written(job: Job, result: Caption | ImageError | None) -> Iterator[Failure]:
    """Writes a result wherever it is missing; what fails. None is for a photo that nothing is missing of."""
    if isinstance(result, ImageError):
        yield Failure(job.photo, result)
        for output in job.outputs:
            output.write_error(job.photo, result)
        return
    for output in job.outputs:
        try:
            with failing_alone(job.photo) if output.is_per_photo else nullcontext():
                output.write(job.photo, result)
        except CaptionerError as error:
            if _is_full(error):
                raise
            yield Failure(job.photo, error)


def _is_full(error: CaptionerError) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL
