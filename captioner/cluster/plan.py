"""Which photos make up which shard: decided once and written down, so that the same command goes on with the same."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from captioner.cluster.places import Place
from captioner.cluster.sources import Item, is_container
from captioner.errors import CaptionerError, ImageError

_PLAN = "plan"
_WHOLE = "plan.json"  # written last: a plan without it was broken off
_FAILED = "failed"  # a mark for each shard that holds errors
_PART = re.compile(r"part-(?P<number>\d{6,})\.(?P<form>jsonl|parquet)")
FORMAT = 1


@dataclass(frozen=True)
class Plan:
    """asked: what the command asked for, all that decides what the shards hold; counts: photos of each shard, 0 for a
    file of photos, which nobody has counted."""

    asked: dict
    counts: tuple[int, ...]


def shards_of(items: Iterable[Item], shard_size: int) -> Iterator[list[Item]]:
    """Photos in their order, `shard_size` together; a file that holds photos by itself."""
    shard: list[Item] = []
    for item in items:
        if is_container(item):
            if shard:
                yield shard
            yield [item]
            shard = []
            continue
        shard.append(item)
        if len(shard) == shard_size:
            yield shard
            shard = []
    if shard:
        yield shard


def planned(output: Place, asked: dict, items: Iterable[Item], shard_size: int, existing: str) -> Plan:
    """The plan of the output: the one that is there, or a new one.

    existing: with "skip" what was planned is gone on with, with "overwrite" all is planned and made anew, and with
    "error" there may be nothing. Raises: CaptionerError when what is there was asked for otherwise.
    """
    asked = json.loads(json.dumps(asked))
    plan = read_plan(output)
    if plan is not None and existing == "error":
        raise CaptionerError(f"{output.name} holds captions already; give another folder, or --existing skip")
    if plan is not None and existing == "skip":
        changed = [name for name in asked if asked[name] != plan.asked.get(name)]
        if changed:
            raise CaptionerError(
                f"{output.name} holds captions that were asked for with other {', '.join(changed)};"
                " give another folder, or --existing overwrite"
            )
        return plan
    if plan is not None:  # first of all: broken off between shards old and new, it would pass for theirs
        (output / _PLAN / _WHOLE).remove()
    for name in output.names():
        if _PART.fullmatch(name):
            (output / name).remove()
    for number in failed_shards(output):
        mark_of_failures(output, number).remove()
    return _write_plan(output, asked, shards_of(items, shard_size))


def finished_shards(output: Place, form: str) -> set[int]:
    """Raises: CaptionerError when the output cannot be listed."""
    found = map(_PART.fullmatch, output.names())
    return {int(match["number"]) for match in found if match and match["form"] == form}


def failed_shards(output: Place) -> set[int]:
    """Those that hold errors, or were about to. Raises: CaptionerError when the output cannot be listed."""
    return {int(name) for name in (output / _PLAN / _FAILED).names() if name.isdecimal()}


def mark_of_failures(output: Place, number: int) -> Place:
    """A file that is there before a shard with errors is; it names the run that met them."""
    return output / _PLAN / _FAILED / f"{number:06}"


def part_name(number: int, form: str) -> str:
    return f"part-{number:06}.{form}"


def _write_plan(output: Place, asked: dict, shards: Iterable[list[Item]]) -> Plan:
    """Writes shard after shard as they are found. Raises: CaptionerError."""
    counts = []
    for number, shard in enumerate(shards):
        rows = [[item.file_name, item.source, None if item.error is None else str(item.error)] for item in shard]
        _shard_place(output, number).write_whole(json.dumps(rows).encode())
        counts.append(0 if is_container(shard[0]) else len(shard))
    whole = {"format": FORMAT, "asked": asked, "counts": counts}
    (output / _PLAN / _WHOLE).write_whole(json.dumps(whole).encode())
    return Plan(asked, tuple(counts))


def read_plan(output: Place) -> Plan | None:
    """None where there is none, or it was broken off. Raises: CaptionerError when it is of another kind."""
    if (output / _PLAN / _WHOLE).kind() != "file":
        return None
    try:
        plan = json.loads((output / _PLAN / _WHOLE).read())
        if plan["format"] != FORMAT:
            raise ValueError(f"format {plan['format']}")
        return Plan(plan["asked"], tuple(plan["counts"]))
    except (ValueError, KeyError, TypeError) as error:
        raise CaptionerError(f"{output.name}/{_PLAN}/{_WHOLE}: not the plan of a run ({error})") from error


def read_shard(output: Place, number: int) -> list[Item]:
    """Raises: CaptionerError."""
    rows = json.loads(_shard_place(output, number).read())
    return [Item(name, source, None if error is None else ImageError(error)) for name, source, error in rows]


def _shard_place(output: Place, number: int) -> Place:
    return output / _PLAN / f"{number:06}.json"
