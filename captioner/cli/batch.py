"""A batch as the command line shows it: progress while it runs, what it did when it ends."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.batch import Failure, Outcome, Plan, plan_jobs, run_plan
from captioner.batch.interrupt import finishing_first
from captioner.cli.shared import VisibleStream, decoding_options, echo, for_terminal, list_failures, progress_bar, say
from captioner.errors import ImageError, OptionsError
from captioner.images import is_image_name
from captioner.inference import Caption
from captioner.options import DecodingOptions, OutputOptions, ShapeOptions
from captioner.outputs import Output, open_outputs
from captioner.outputs.forms import JsonLines, escape_path
from captioner.outputs.streams import RecordFile
from captioner.photos import MissingInput, Photo
from captioner.quiet import without_native_chatter, without_pillow_s_warnings

if TYPE_CHECKING:  # one command of two needs it
    from captioner.batch.arrivals import Arrivals

_MOST_FAILURES = 20  # that are named, where a file names them all
_SHARE_OF_PAUSES = 4  # times as long as a look at the folders takes, at least, nothing is looked at


@dataclass
class Tally:
    """What became of the photos. listed_in: a file that names every failure."""

    listed_in: Path | None = None
    num_captioned: int = 0
    num_skipped: int = 0
    num_failed: int = 0
    failures: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def add(self, outcome: Outcome) -> None:
        self.num_failed += bool(outcome.failures)
        self.num_captioned += not outcome.failures

    def tell(self, remarks: Sequence[str] = ()) -> None:
        """The counts, what else is to be said of them, and last what failed."""
        if self.num_captioned + self.num_failed > 1 or self.num_skipped:
            seconds = time.monotonic() - self.started
            counts = f"captioned {self.num_captioned:,}, skipped {self.num_skipped:,}, failed {self.num_failed:,}"
            speed = f" ({self.num_captioned / seconds:.1f} photos a second)" if self.num_captioned > 1 else ""
            say(f"{counts} in {seconds:.1f} s{speed}")
        for line in remarks:
            say(line)
        most = len(self.failures) if self.listed_in is None else _MOST_FAILURES
        list_failures(self.failures, most=most, where=self.listed_in)


class Batch:
    """Photos captioned as a command asked for."""

    def __init__(
        self,
        where: OutputOptions,
        shape: ShapeOptions,
        *,
        model: str,
        batch_size: int,
        threads: int | None,
        errors: Path | None,
        progress: str,
        **search: int | None,
    ):
        """search: as `decoding_options` takes it. Raises: OptionsError for what does not go together."""
        for name, value in (("--batch-size", batch_size), ("--threads", threads)):
            if value is not None and value < 1:
                raise OptionsError(f"{name} must be at least 1, not {value}")
        if errors is not None and errors == where.output:
            raise OptionsError("--errors and --output cannot be the same file")
        for name, path in (("--output", where.output), ("--errors", errors)):
            if path is not None and is_image_name(path):
                raise OptionsError(f"{name} {path} has the name of a photo; captions are not written over photos")
        decoding_options(DecodingOptions(), **search)  # refuses contradictions before a model loads
        self._where, self._shape, self._search = where, shape, search
        self._model, self._batch_size, self._threads = model, batch_size, threads
        self._errors_path, self._progress = errors, progress
        self._captioner = None

    @contextmanager
    def opened(self, stdout, is_bare: bool, num_photos: int) -> Iterator["Batch"]:
        """Inside, there are outputs. is_bare: the one photo that was asked for needs no name."""
        where, candidates = self._where, self._search["candidates"] or 1
        is_shown = {"on": True, "off": False, "auto": sys.stderr.isatty() and num_photos > 1}[self._progress]
        stdout = _above_bar() if is_shown and stdout.isatty() else for_terminal(stdout)
        self._shows_bar = is_shown
        self._outputs: list[Output] = open_outputs(where, self._shape, stdout, is_bare, candidates)
        self._echo = None if where.speaks else open_outputs(OutputOptions(), self._shape, stdout, is_bare)[0]
        self._errors = None
        with ExitStack() as ends:
            for output in self._outputs:
                ends.callback(output.close)
            if self._errors_path is not None:
                self._errors = RecordFile(self._errors_path, JsonLines(), True, self._shape)
                self._errors.forget()  # what it held, which was of its kind
                ends.callback(self._errors.close)
            yield self

    def say_what_would_be_done(self, found: Sequence[Photo | MissingInput]) -> int:
        """Names each photo on stdout, with the places its caption would go to; exit code."""
        plan = self._plan(found)
        tally = Tally(num_skipped=plan.num_skipped)
        for job in plan.jobs:
            failures = job.failures if job.error is None else (Failure(job.photo, job.error),)
            tally.failures += [failure.line for failure in failures]
            if job.needs_caption:
                targets = [escape_path(target) for output in job.outputs if (target := output.target(job.photo))]
                echo("\t".join([escape_path(job.photo.file_name), *targets]))
        num_jobs = sum(job.needs_caption for job in plan.jobs)
        say(f"would caption {num_jobs:,}, skip {tally.num_skipped:,}, fail {len(tally.failures):,}")
        for line in self._remarks():
            say(line)
        list_failures(tally.failures, most=len(tally.failures))
        return 1 if tally.failures else 0

    def caption(self, found: Sequence[Photo | MissingInput]) -> int:
        """Captions what lacks a caption, tells what was done, and gives the exit code.

        Raises: CaptionerError when an output cannot be written; KeyboardInterrupt after an interrupt, when the photo
        in hand is done.
        """
        tally = Tally(self._errors_path)
        plan = self._plan(found)
        tally.num_skipped = plan.num_skipped
        try:
            bar = progress_bar(len(plan.jobs), "photos", shown=self._shows_bar)
            with finishing_first() as interrupted, bar:
                for outcome in self._outcomes(plan, tally):
                    tally.failures += [failure.line for failure in outcome.failures]
                    bar.set_postfix({"failed": tally.num_failed, "skipped": tally.num_skipped}, refresh=False)
                    bar.update()
                    if interrupted():
                        raise KeyboardInterrupt
        finally:
            tally.tell(self._remarks())
        return 1 if tally.num_failed else 0

    def watch(self, arrivals: "Arrivals", seconds: float) -> None:
        """Captions what arrives, until it is interrupted. seconds: between two looks, at least.

        Raises: as `caption`.
        """
        tally = Tally()
        try:
            with finishing_first() as interrupted:
                while True:
                    started = time.monotonic()
                    plan = self._plan(arrivals.look())
                    tally.num_skipped += plan.num_skipped
                    for outcome in self._outcomes(plan, tally):
                        arrivals.done_with(outcome.photo)
                        list_failures([failure.line for failure in outcome.failures])
                        if interrupted():
                            raise KeyboardInterrupt
                    # a look at very many photos takes its time, and the machine has other things to do
                    pause = max(seconds, _SHARE_OF_PAUSES * (time.monotonic() - started)) if not plan.jobs else seconds
                    _sleep(pause, interrupted)
        finally:
            tally.tell(self._remarks())

    def _remarks(self) -> list[str]:
        return [line for output in self._outputs for line in output.remarks()]

    def _plan(self, found: Sequence[Photo | MissingInput]) -> Plan:
        written = {os.path.realpath(path) for path in (self._where.output, self._errors_path) if path is not None}
        for item in found if written else ():
            if isinstance(item, Photo) and item.is_file and os.path.realpath(item.source) in written:
                raise OptionsError(f"{item.source} is to be captioned, and cannot be written as well")
        return plan_jobs(found, self._outputs, self._where.existing)

    def _outcomes(self, plan: Plan, tally: Tally) -> Iterator[Outcome]:
        """What became of each photo, counted, and told where that was asked for."""
        if self._errors is not None:
            self._errors.begin(())
        for outcome in run_plan(plan, self._captions, self._outputs):
            tally.add(outcome)
            if self._echo is not None and outcome.caption is not None:
                self._echo.write(outcome.photo, outcome.caption)
            if self._errors is not None:
                for failure in outcome.failures:
                    self._errors.write_error(failure.photo, failure.error)
            yield outcome

    def _captions(self, sources: Iterable[str | bytes]) -> Iterator[Caption | ImageError]:
        if self._captioner is not None:
            yield from self._captioner.caption_stream(sources, self._options, self._batch_size)
            return
        from captioner.inference import Captioner
        from captioner.presets import open_model

        without_pillow_s_warnings()
        with without_native_chatter():
            self._captioner = Captioner(open_model(self._model), self._threads)
            self._options = decoding_options(self._captioner.folder.decoding, **self._search)
            captions = self._captioner.caption_stream(sources, self._options, self._batch_size)
            first = next(captions)  # opens the graphs
        yield first
        yield from captions


def _sleep(seconds: float, interrupted: Callable[[], bool]) -> None:
    """Raises: KeyboardInterrupt after an interrupt, which would only be noted otherwise."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if interrupted():
            raise KeyboardInterrupt
        time.sleep(min(left, 0.1))


def _above_bar() -> VisibleStream:
    """Stdout on a terminal that shows a progress bar."""
    from tqdm import tqdm

    return VisibleStream(partial(tqdm.write, end=""), sys.stdout.flush)
