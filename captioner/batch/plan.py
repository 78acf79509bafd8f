"""What is to be done: which photos lack which captions."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from captioner.errors import CaptionerError, ImageError
from captioner.outputs.output import Output, failing_alone
from captioner.photos import MissingInput, Photo


@dataclass(frozen=True)
class Failure:
    """What did not work out, of which photo."""

    photo: Photo
    error: CaptionerError

    @property
    def line(self) -> str:
        message = str(self.error)
        return message if self.photo.is_file else message.replace("image:", f"{self.photo.file_name}:", 1)


@dataclass(frozen=True)
class Job:
    """A photo, where its caption is still missing, and what is known beforehand to fail.

    error: why the photo cannot be captioned at all. failures: of outputs that can have no caption of it.
    """

    photo: Photo
    outputs: tuple[Output, ...]
    error: ImageError | None = None
    failures: tuple[Failure, ...] = ()

    @property
    def needs_caption(self) -> bool:
        return bool(self.outputs) and self.error is None


@dataclass
class Plan:
    jobs: list[Job] = field(default_factory=list)
    num_skipped: int = 0


def plan_jobs(found: Sequence[Photo | MissingInput], outputs: Sequence[Output], existing: str) -> Plan:
    """What is to be done for what was found.

    existing: with "skip" a photo's caption goes where it is missing, with "overwrite" wherever it may be replaced, and
    with "error" no photo may have one.
    Raises: CaptionerError when, with "error", one has, or when two photos would share a place.
    """
    plan, everywhere = Plan(), tuple(outputs)
    for output in everywhere:
        output.check(item for item in found if isinstance(item, Photo))
    for item in found:
        if isinstance(item, MissingInput):
            plan.jobs.append(Job(Photo(item.file_name, item.file_name), everywhere, error=item))
            continue
        open_ones, failures = [], []
        for output in everywhere:
            try:
                with failing_alone(item):
                    is_settled = output.is_settled(item, anew=existing == "overwrite")
            except CaptionerError as error:
                failures.append(Failure(item, error))
                continue
            if not is_settled:
                open_ones.append(output)
            elif existing == "error":
                raise _has_caption(item, output)
        if open_ones or failures:
            is_everywhere = len(open_ones) == len(everywhere)  # most are: then they share what says so
            plan.jobs.append(Job(item, everywhere if is_everywhere else tuple(open_ones), failures=tuple(failures)))
        else:
            plan.num_skipped += 1
    return plan


def _has_caption(photo: Photo, output: Output) -> CaptionerError:
    return CaptionerError(
        f"{photo.file_name} has its caption already, in {output.target(photo)};"
        " --existing skip leaves such photos alone, --existing overwrite captions them anew"
    )
