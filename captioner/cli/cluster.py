"""`captioner caption --engine ray`: shards of photos given to a cluster."""

import hashlib
import json
import os
import uuid
from contextlib import closing
from dataclasses import dataclass, replace

from captioner.cli.batch import Tally
from captioner.cli.shared import decoding_options, progress_bar, say
from captioner.errors import OptionsError
from captioner.options import OutputOptions, ShapeOptions

_FORMS = ("jsonl", "parquet")
_WORKER = "captioner.cluster.shards:Worker"
_MOST_INPUTS = 100  # that a plan names; of more it keeps a hash


@dataclass(frozen=True)
class Inputs:
    """What is to be captioned, as the command line has it."""

    names: tuple[str, ...]
    recursive: bool
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    shard_size: int

    def to_json(self) -> dict:
        names = list(self.names)
        if len(names) > _MOST_INPUTS:
            names = hashlib.sha256(json.dumps(names).encode()).hexdigest()
        # the same relative path is another folder's photos elsewhere; addresses and absolute paths are not
        is_relative = any("://" not in name and not os.path.isabs(name) for name in self.names)
        return {"inputs": names, "working_folder": os.getcwd() if is_relative else None} | {
            name: getattr(self, name) for name in ("recursive", "include", "exclude", "shard_size")
        }


def caption_on_ray(inputs: Inputs, where: OutputOptions, shape: ShapeOptions, address: str | None, work: dict) -> int:
    """Captions what has no shard yet, or only an error in one; the exit code.

    work: the options of a batch and of the search. Raises: OptionsError for what does not go together; CaptionerError
    when the cluster or the output fails, or another command writes the output, and then finished shards stay.
    """
    _check(inputs, where, work)
    from captioner.cluster.places import Place
    from captioner.cluster.plan import held

    with held(Place.of(str(where.output))):
        return _caption_on_ray(inputs, where, shape, address, work)


def _caption_on_ray(inputs, where, shape, address, work) -> int:
    """As `caption_on_ray`, of an output that no other command writes."""
    from captioner.cluster.engine import run_on_ray
    from captioner.cluster.plan import failed_shards, finished_shards, planned
    from captioner.cluster.shards import Job
    from captioner.cluster.sources import find_items
    from captioner.presets import open_model

    folder = open_model(work["model"])
    search = {name: work[name] for name in ("beam_size", "candidates", "min_words", "max_words")}
    job = Job(
        output=str(where.output),
        plan="",  # which is not known yet
        form=where.format or _FORMS[0],
        model=os.path.abspath(work["model"]) if os.path.isdir(work["model"]) else work["model"],
        decoding=decoding_options(folder.decoding, **search),
        shape=shape,
        batch_size=work["batch_size"],
        threads=work["threads"] or 1,
        folder=os.getcwd(),
        run=uuid.uuid4().hex,
    )
    asked = inputs.to_json() | {"model": folder.name, "encoder": folder.encoder.key} | job.decides
    items = find_items(inputs.names, inputs.recursive, inputs.include, inputs.exclude)
    plan = planned(job.place, asked, items, inputs.shard_size, where.existing)
    if not plan.counts:
        say("no photo found")
        return 0
    job = replace(job, plan=plan.id)
    done = finished_shards(job.place, plan, job.form) - failed_shards(job.place)
    tally = Tally(num_skipped=sum(plan.counts[number] for number in done))
    left = [number for number in range(len(plan.counts)) if number not in done]
    is_shown = {"on": True, "off": False, "auto": None}[work["progress"]]
    rows = run_on_ray(_WORKER, job.to_json(), left, job.threads, address)
    try:
        with closing(rows), progress_bar(len(left), "shards", shown=is_shown) as bar:
            for row in rows:
                tally.num_captioned += row["captioned"]
                tally.num_skipped += row["skipped"]
                tally.num_failed += row["failed"]
                tally.failures += row["failures"]
                bar.update()
    finally:
        tally.tell()
    return 1 if tally.num_failed else 0


def _check(inputs: Inputs, where: OutputOptions, work: dict) -> None:
    """Raises: OptionsError."""
    refused = {
        "--sidecar": where.sidecar,
        "--write-metadata": where.write_metadata,
        "--errors": work["errors"],
        '"-"': "-" in inputs.names,
    }
    for name, is_asked in refused.items():
        if is_asked:
            raise OptionsError(f"{name} does not go with --engine ray, which writes shards of records")
    if where.output is None:
        raise OptionsError("--engine ray writes shards of records: give --output DIR, a folder or an address")
    if where.format and where.format not in _FORMS:
        raise OptionsError(f"--engine ray writes {' or '.join(_FORMS)}, not {where.format}")
    if inputs.shard_size < 1:
        raise OptionsError(f"--shard-size must be at least 1, not {inputs.shard_size}")
