"""Which photos make up which shard: decided once and written down, so that the same command goes on with the same.

    part-000000.jsonl        the records of a shard
    plan/000000.json         its photos
    plan/failed/000000       it holds errors, or was about to; which run met them
    plan/made/000000-5120    it is whole at 5120 bytes; which run made it
    plan/plan.json           what was asked for, and how many photos each shard has; written last
    plan/replaced.json       a plan whose shards are being removed

What is of the output is known by its plan alone: nothing else in the folder is removed or replaced.
"""

import json
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from captioner.cluster.places import Place
from captioner.cluster.sources import Item, is_container
from captioner.errors import CaptionerError, ImageError
from captioner.files import make_folder
from captioner.locks import claimed

_PLAN, _FAILED, _MADE = "plan", "failed", "made"
_WHOLE, _REPLACED, _LOCK = "plan.json", "replaced.json", ".lock"
_SHARD = re.compile(r"\d{6,}\.json")
_MADE_MARK = re.compile(r"(?P<number>\d{6,})-(?P<size>\d+)")
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{32}\.part")
FORMAT = 1


@dataclass(frozen=True)
class Plan:
    """What was decided.

    asked: what the command asked for, all that decides what the shards hold; counts: photos of each shard, 0 for a file
    of photos, which nobody has counted; id: tells it from one that replaces it, "" where an older version made it.
    """

    asked: dict
    counts: tuple[int, ...]
    id: str = ""

    def part_names(self) -> set[str]:
        """All files of records that are, or will be, its own."""
        forms = [self.asked["form"]] if "form" in self.asked else ["jsonl", "parquet"]
        return {part_name(number, form) for number in range(len(self.counts)) for form in forms}


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


def held(output: Place) -> AbstractContextManager:
    """No other command writes the output meanwhile; object stores know no locks.

    Raises: CaptionerError when another one does, naming it, or when nothing can be written there.
    """
    if not output.is_local:
        return nullcontext()
    return claimed(make_folder(Path(output.path)) / _LOCK, output.name)


def planned(output: Place, asked: dict, items: Iterable[Item], shard_size: int, existing: str) -> Plan:
    """The plan of the output: the one that is there, or a new one.

    existing: with "skip" what was planned is gone on with, with "overwrite" all is planned and made anew, and with
    "error" there may be nothing. Raises: CaptionerError when what is there was asked for otherwise, or is of another
    program.
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
        _remove_temporary(output, plan)
        return plan
    replaced = _read(output, _REPLACED) if plan is None else plan
    _check_nothing_else(output, replaced)
    if replaced is not None:
        _remove(output, replaced)
    return _write_plan(output, asked, shards_of(items, shard_size))


def _check_nothing_else(output: Place, plan: Plan | None) -> None:
    """Raises: CaptionerError when there are shards, or a plan, that are not of this plan: a reader would mix them."""
    own = set() if plan is None else plan.part_names()
    foreign = [name for name in output.names() if name.startswith("part-") and name not in own]
    if foreign:
        some = foreign[0] if len(foreign) == 1 else f"{foreign[0]} and {len(foreign) - 1:,} more"
        raise CaptionerError(f"{output.name} holds {some}, of no plan of captioner's; give another folder")
    if plan is None and not _is_broken_off(output):
        raise CaptionerError(f"{output.name}/{_PLAN} is of another program; give another folder")


def _is_broken_off(output: Place) -> bool:
    """Whether what lies in the folder of the plan is of planning that never ended, if there is anything."""
    names = [name for name in (output / _PLAN).names() if not _TEMPORARY.fullmatch(name)]
    if not all(map(_SHARD.fullmatch, names)):
        return False
    try:
        return not names or bool(read_shard(output, int(names[0].partition(".")[0])))
    except CaptionerError:
        return False


def _remove(output: Place, plan: Plan) -> None:
    """Removes all that is of the plan, which is written down until nothing of it is left."""
    folder = output / _PLAN
    (folder / _REPLACED).write_whole(json.dumps(_as_json(plan)).encode())
    if (folder / _WHOLE).kind() == "file":  # first of all: between shards old and new it would pass for theirs
        (folder / _WHOLE).remove()
    _remove_temporary(output, plan)
    own = plan.part_names()
    _remove_all(output, (name for name in output.names() if name in own))
    numbers = range(len(plan.counts))
    _remove_all(folder / _FAILED, (f"{number:06}" for number in failed_shards(output) if number in numbers))
    _remove_all(folder / _MADE, (name for name, number, _ in _marks(output) if number in numbers))
    shards = {f"{number:06}.json" for number in numbers}
    _remove_all(folder, (name for name in folder.names() if name in shards))
    (folder / _REPLACED).remove()


def _remove_all(folder: Place, names: Iterable[str]) -> None:
    for name in list(names):
        (folder / name).remove()


def _remove_temporary(output: Place, plan: Plan) -> None:
    """Removes what killed processes left of files that they were writing."""
    if not output.is_local:  # where an object is there whole or not at all
        return
    own, found = plan.part_names(), ((name, _TEMPORARY.fullmatch(name)) for name in output.names())
    _remove_all(output, (name for name, match in found if match and match["name"] in own))
    for folder in (output / _PLAN, output / _PLAN / _FAILED, output / _PLAN / _MADE):
        _remove_all(folder, filter(_TEMPORARY.fullmatch, folder.names()))


def finished_shards(output: Place, plan: Plan, form: str) -> set[int]:
    """Those that are as large as they were when they were whole.

    Raises: CaptionerError when the output cannot be listed.
    """
    sizes = {info.base_name: info.size for info in output.entries() if info.is_file}
    numbers = range(len(plan.counts))
    marks = ((number, size) for _, number, size in _marks(output) if number in numbers)
    return {number for number, size in marks if sizes.get(part_name(number, form)) == size}


def failed_shards(output: Place) -> set[int]:
    """Those that hold errors, or were about to. Raises: CaptionerError when the output cannot be listed."""
    return {int(name) for name in (output / _PLAN / _FAILED).names() if name.isdecimal()}


def mark_of_failures(output: Place, number: int) -> Place:
    """A file that is there before a shard with errors is; it names the run that met them."""
    return output / _PLAN / _FAILED / f"{number:06}"


def mark_of_whole(output: Place, number: int, size: int) -> Place:
    """A file that is there once a shard of so many bytes is whole; it names the run that made it."""
    return output / _PLAN / _MADE / f"{number:06}-{size}"


def _marks(output: Place) -> Iterator[tuple[str, int, int]]:
    """Name, number of the shard and size of each mark of a whole shard."""
    for name in (output / _PLAN / _MADE).names():
        if match := _MADE_MARK.fullmatch(name):
            yield name, int(match["number"]), int(match["size"])


def part_name(number: int, form: str) -> str:
    return f"part-{number:06}.{form}"


def _write_plan(output: Place, asked: dict, shards: Iterable[list[Item]]) -> Plan:
    """Writes shard after shard as they are found. Raises: CaptionerError."""
    counts = []
    for number, shard in enumerate(shards):
        rows = [[item.file_name, item.source, None if item.error is None else str(item.error)] for item in shard]
        _shard_place(output, number).write_whole(json.dumps(rows).encode())
        counts.append(0 if is_container(shard[0]) else len(shard))
    plan = Plan(asked, tuple(counts), uuid.uuid4().hex)
    (output / _PLAN / _WHOLE).write_whole(json.dumps(_as_json(plan)).encode())
    return plan


def _as_json(plan: Plan) -> dict:
    return {"format": FORMAT, "id": plan.id, "asked": plan.asked, "counts": plan.counts}


def read_plan(output: Place) -> Plan | None:
    """None where there is none, or it was broken off. Raises: CaptionerError when it is of another kind."""
    return _read(output, _WHOLE)


def _read(output: Place, name: str) -> Plan | None:
    if (output / _PLAN / name).kind() != "file":
        return None
    try:
        plan = json.loads((output / _PLAN / name).read())
        if plan["format"] != FORMAT:
            raise ValueError(f"format {plan['format']}")
        return Plan(dict(plan["asked"]), tuple(map(int, plan["counts"])), str(plan.get("id", "")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CaptionerError(f"{output.name}/{_PLAN}/{name}: not the plan of a run ({error})") from error


def read_shard(output: Place, number: int) -> list[Item]:
    """Raises: CaptionerError when it cannot be read, or is none."""
    place = _shard_place(output, number)
    try:
        rows = json.loads(place.read())
        return [Item(name, source, None if error is None else ImageError(error)) for name, source, error in rows]
    except (ValueError, TypeError, RecursionError) as error:
        raise CaptionerError(
            f"{place.name}: does not name the photos of a shard; --existing overwrite plans anew"
        ) from error


def _shard_place(output: Place, number: int) -> Place:
    return output / _PLAN / f"{number:06}.json"
