"""A shard of photos, captioned: what a worker does, wherever it runs."""

import io
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain

from captioner.ahead import map_ahead
from captioner.cluster.places import Place
from captioner.cluster.plan import Plan, mark_of_failures, mark_of_whole, part_name, read_plan, read_shard
from captioner.cluster.sources import Item, is_container, read_container, read_source
from captioner.errors import CaptionerError, ImageError
from captioner.inference import Captioner
from captioner.options import DecodingOptions, ShapeOptions
from captioner.outputs.forms import error_record, json_line, success_record
from captioner.outputs.shape import shaped
from captioner.outputs.tables import parquet_bytes, read_records, spelt_out
from captioner.quiet import without_native_chatter, without_pillow_s_warnings

_READERS = 8  # photos of an object store that are on their way at the same time
_MOST_FAILURES = 20  # of a shard that are told by name


@dataclass(frozen=True)
class Form:
    """How a shard is written, and read again.

    records: raises CaptionerError or ValueError for what was not written so, or was cut; name: as records have it.
    """

    content: Callable[[list[dict]], bytes]
    records: Callable[[bytes], list[dict]]
    name: Callable[[str], str] = str


def _json_records(content: bytes) -> list[dict]:
    if content and not content.endswith(b"\n"):
        raise ValueError("cut in its last line")
    return [json.loads(line) for line in content.splitlines()]


FORMS = {
    "jsonl": Form(lambda records: "".join(map(json_line, records)).encode(), _json_records),
    "parquet": Form(parquet_bytes, lambda content: read_records(io.BytesIO(content)), spelt_out),
}


@dataclass(frozen=True)
class Job:
    """All that a worker must know.

    plan: its id; folder: where paths begin, as on the machine that asked; run: names this run.
    """

    output: str
    plan: str
    form: str  # of FORMS
    model: str
    decoding: DecodingOptions
    shape: ShapeOptions
    batch_size: int
    threads: int
    folder: str
    run: str

    @property
    def place(self) -> Place:
        """Raises: CaptionerError when there can be none of that address."""
        return Place.of(self.output)

    @property
    def decides(self) -> dict:
        """What decides what the shards hold, as JSON."""
        return {"form": self.form, "decoding": self.decoding.to_json(), "shape": self.shape.to_json()}

    def to_json(self) -> dict:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict) -> "Job":
        kinds = {"decoding": DecodingOptions, "shape": ShapeOptions}
        return cls(**values | {name: kind.from_json(values[name]) for name, kind in kinds.items()})


class Worker:
    """Captions shards with one model, which is opened for the first of them."""

    def __init__(self, job: dict):
        self._job = Job.from_json(job)
        with suppress(OSError):  # where the folder is not shared, paths must be absolute
            os.chdir(self._job.folder)

    @cached_property
    def _captioner(self) -> Captioner:
        without_pillow_s_warnings()
        with without_native_chatter():
            return Captioner.load(self._job.model, self._job.threads)

    def __call__(self, row: dict) -> dict:
        """row: {"id": number of a shard} -> {"id", "said": JSON}, when the shard is there, made now or before.

        What cannot be done for a photo is in its record; what cannot be done for the shard is told as an error.
        """
        number = int(row["id"])
        try:
            return {"id": number, "said": json.dumps(self._summary(*self._records(number)))}
        except CaptionerError as error:
            return {"id": number, "said": json.dumps({"error": str(error)})}

    def _records(self, number: int) -> tuple[list[dict], int]:
        """`(records of the shard, how many of them an earlier run made)`"""
        output, failures = self._job.place, mark_of_failures(self._job.place, number)
        plan, shard = self._checked_plan(), read_shard(output, number)
        found = self._found(number, plan, shard)
        if found is None:
            records = list(self._captioned(found_in(shard)))
            self._write(number, records)
            return records, 0
        records, size = found
        whole = mark_of_whole(output, number, size)
        if failures.kind() == "file":
            if failures.read().decode() == self._job.run:
                return records, 0  # the machine that made it died before it could say so
            num_kept = sum("error" not in record for record in records)
            records = self._tried_again(shard, records)
            if self._write(number, records) != size and whole.kind() == "file":
                whole.remove()
            return records, num_kept
        if whole.kind() != "file":  # by an older version, or whoever made it died before it said so
            whole.write_whole(b"")
        return records, 0 if whole.read().decode() == self._job.run else len(records)

    def _found(self, number: int, plan: Plan, shard: list[Item]) -> tuple[list[dict], int] | None:
        """The records that are there of the shard, and their size in bytes; None where they are not whole."""
        part, form = self._job.place / part_name(number, self._job.form), FORMS[self._job.form]
        if part.kind() != "file":
            return None
        content = part.read()
        try:
            records = form.records(content)
            names = [record["file_name"] for record in records if {"text", "error"} & record.keys()]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, CaptionerError):
            return None
        if not is_container(shard[0]):
            is_whole = names == [form.name(item.file_name) for item in shard]
        else:  # nobody counted what it holds; an older version, whose plans have no id, left no mark of its size
            is_marked = mark_of_whole(self._job.place, number, len(content)).kind() == "file"
            is_whole = len(names) == len(records) and (is_marked or (plan.id == "" and bool(records)))
        return (records, len(content)) if is_whole else None

    def _write(self, number: int, records: list[dict]) -> int:
        """Writes the shard, and the marks that say what is to be known of it; its size. Raises: CaptionerError."""
        self._checked_plan()  # captioning takes its time
        output, content = self._job.place, FORMS[self._job.form].content(records)
        failures, run = mark_of_failures(output, number), self._job.run.encode()
        has_failed = any("error" in record for record in records)
        if has_failed:  # the mark first: it must not be missing
            failures.write_whole(run)
        (output / part_name(number, self._job.form)).write_whole(content)
        mark_of_whole(output, number, len(content)).write_whole(run)
        if not has_failed and failures.kind() == "file":
            failures.remove()
        return len(content)

    def _checked_plan(self) -> Plan:
        """Raises: CaptionerError when the plan that the run was asked to do is there no more."""
        plan = read_plan(self._job.place)
        if plan is None or plan.id != self._job.plan:
            raise CaptionerError(f"{self._job.place.name}: planned anew meanwhile; this run ends")
        return plan

    def _tried_again(self, shard: list[Item], records: list[dict]) -> list[dict]:
        """The records, those with errors made anew."""

        def is_made(index: int) -> bool:
            return index < len(records) and "error" not in records[index]

        anew = list(self._captioned(item for index, item in enumerate(found_in(shard)) if not is_made(index)))
        if is_container(shard[0]) and any(record["file_name"] == shard[0].file_name for record in anew):
            return records  # the file cannot be read, or not to its end: it may lack what it had then
        rest = iter(anew)
        return [record if is_made(index) else next(rest, record) for index, record in enumerate(records)] + list(rest)

    def _captioned(self, items: Iterable[Item]) -> Iterator[dict]:
        return caption_items(self._captioner, map_ahead(read_source, items, _READERS), self._job)

    def _summary(self, records: list[dict], num_kept: int) -> dict:
        failed = [record for record in records if "error" in record]
        lines = [record["error"]["message"] for record in failed[:_MOST_FAILURES]]
        num_captioned = len(records) - len(failed) - num_kept
        return {"captioned": num_captioned, "skipped": num_kept, "failed": len(failed), "failures": lines}


def found_in(shard: list[Item]) -> Iterator[Item]:
    """The photos of a shard, wherever they are to be read from."""
    return chain.from_iterable(read_container(item) if is_container(item) else [item] for item in shard)


def caption_items(captioner: Captioner, items: Iterable[Item], job: Job) -> Iterator[dict]:
    """The record of each photo, in order, as `captioner caption -f jsonl` writes it."""
    waiting: deque[Item] = deque()

    def sources() -> Iterator[str | bytes]:
        for item in items:
            waiting.append(item)
            if item.error is None:
                yield item.source

    for caption in captioner.caption_stream(sources(), job.decoding, job.batch_size):
        while waiting[0].error is not None:
            yield _failure(waiting.popleft())
        item = waiting.popleft()
        if isinstance(caption, ImageError):
            yield _failure(Item(item.file_name, item.source, caption))
        else:
            yield success_record(item.file_name, shaped(caption, job.shape))
    yield from map(_failure, waiting)


def _failure(item: Item) -> dict:
    message = str(item.error)
    if isinstance(item.source, bytes):  # which had no name where it was read
        message = message.replace("image:", f"{item.file_name}:", 1)
    return error_record(item.file_name, ImageError(message))
