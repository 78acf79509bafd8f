"""Photos encoded by a cluster, for the feature cache of a prepared dataset: the same rows as one machine writes.

<run>-000000.json   the photos of a shard; its name begins with that of the run, so that no run takes another's
<run>-000000.npz    the same photos, what became of each, and their rows; it carries checksums
"""

import json
import os
import re
import uuid
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path

import numpy as np

import captioner
from captioner.cluster.engine import run_on_ray
from captioner.datasets.encoding import View, WantedPhoto, look_at
from captioner.datasets.features import FeatureCache
from captioner.errors import CaptionerError, ImageError
from captioner.files import make_folder, written_whole
from captioner.inference import Encoder
from captioner.quiet import without_native_chatter, without_pillow_s_warnings

_WORKER = "captioner.cluster.features:FeatureWorker"
_PACKAGE = Path(captioner.__file__).parent
_VIEWS_A_SHARD = 256
# also of an older version, whose shards are not taken up, and of writes that were broken off
_OURS = re.compile(r"\.?([0-9a-f]{32}-)?\d{6}\.(npz|npy|json|done\.json)(\..+\.part)?")


class RayEncoding:
    """Stands in for `encode_into`: what it gives, and what it leaves in the cache, is the same."""

    def __init__(self, graph_path: Path, folder: Path, address: str | None):
        """graph_path: of the encoder; folder: for shards on their way, shared by all machines of the cluster."""
        self._graph_path, self._folder, self._address = graph_path, folder, address

    def __call__(
        self,
        cache: FeatureCache,
        wanted: Sequence[WantedPhoto],
        encoder: Encoder,
        threads: int,
        say: Callable[[str], None],
    ) -> Iterator[tuple[WantedPhoto, ImageError | None]]:
        """As `encode_into`. threads: of this machine alone, which has no say here.

        Raises: CaptionerError when the cluster fails; shards that are there are taken up by the next run.
        """
        with cache.writing(encoder.quantization, say) as write:
            lacking = [photo.lacking(cache) for photo in wanted]
            yield from ((photo, None) for photo, rest in zip(wanted, lacking, strict=True) if rest is None)
            waiting = [photo for photo in lacking if photo is not None]
            if waiting:
                yield from self._encode(write, waiting, encoder.key)

    def _encode(self, write, waiting: list[WantedPhoto], key: str):
        make_folder(self._folder)
        done = dict(self._left_behind(waiting))
        left = [photo for photo in waiting if id(photo) not in done]
        shards, run = list(_shards_of(left)), uuid.uuid4().hex
        for number, shard in enumerate(shards):
            _write_json(_asked_path(self._folder, run, number), [_as_json(photo) for photo in shard])
        job = {
            "graph": os.path.relpath(self._graph_path, _PACKAGE)
            if self._graph_path.is_relative_to(_PACKAGE)
            else str(self._graph_path.resolve()),
            "key": key,
            "folder": str(self._folder.resolve()),
            "run": run,
        }
        rows = run_on_ray(_WORKER, job, range(len(shards)), 1, self._address)
        for photo in waiting:
            if id(photo) in done:
                yield photo, self._put(write, photo, done[id(photo)])
        with closing(rows):
            for number in _in_order(rows):
                path = _made_path(self._folder, run, number)
                made = read_shard(path)
                if made is None or [photo for photo, _ in made] != [_as_json(photo) for photo in shards[number]]:
                    raise CaptionerError(f"{path}: not the whole shard that a worker wrote; run the command again")
                for photo, (_, said) in zip(shards[number], made, strict=True):
                    yield photo, self._put(write, photo, said)
                for done_with in (path, _asked_path(self._folder, run, number)):
                    done_with.unlink()
        with suppress(OSError):
            self._folder.rmdir()

    def _left_behind(self, waiting: list[WantedPhoto]) -> Iterator[tuple[int, np.ndarray | str]]:
        """What a run that was broken off has encoded, of photos that are as they were then; by their `id`.

        A shard that is damaged counts for nothing. Afterwards nothing of that run is there any more.
        """
        known = {os.path.abspath(photo.path): photo for photo in waiting}
        for path in sorted(self._folder.glob("*.npz")):
            for told, said in read_shard(path) or ():
                same = known.get(told.get("path"))
                if same is not None and told == _as_json(same):
                    yield id(same), said
        for path in self._folder.iterdir():
            if _OURS.fullmatch(path.name):
                path.unlink()

    def _put(self, write, photo: WantedPhoto, said: np.ndarray | str) -> ImageError | None:
        if isinstance(said, str):
            return ImageError(f"{photo.path}: {said}")
        write(list(photo.views), [photo.stamp] * len(photo.views), said)
        return None


def _asked_path(folder: Path, run: str, number: int) -> Path:
    return folder / f"{run}-{number:06}.json"


def _made_path(folder: Path, run: str, number: int) -> Path:
    return folder / f"{run}-{number:06}.npz"


def write_shard(path: Path, photos: list[dict], encoded: Sequence[np.ndarray | str]) -> None:
    """encoded: of each photo its rows, (views, regions, depth) int8 or float16, or what it met."""
    told = [
        {"photo": photo, "said": each if isinstance(each, str) else len(each)}
        for photo, each in zip(photos, encoded, strict=True)
    ]
    rows = [each for each in encoded if not isinstance(each, str)]
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            told=np.frombuffer(json.dumps(told).encode(), np.uint8),
            rows=np.concatenate(rows) if rows else np.zeros(0, np.int8),
        )


def read_shard(path: Path) -> list[tuple[dict, np.ndarray | str]] | None:
    """Each photo of a shard with its rows, or with what it met; None where the file is not whole."""
    try:
        with np.load(path, allow_pickle=False) as file:
            told, rows = json.loads(file["told"].tobytes()), file["rows"]
        found, start = [], 0
        for entry in told:
            said = entry["said"]
            found.append((dict(entry["photo"]), said if isinstance(said, str) else rows[start : start + said]))
            start += 0 if isinstance(said, str) else said
        return found if start == len(rows) else None
    except (OSError, ValueError, KeyError, TypeError, EOFError, AttributeError, RecursionError, zipfile.BadZipFile):
        return None


def _shards_of(photos: Sequence[WantedPhoto]) -> Iterator[list[WantedPhoto]]:
    shard, num_views = [], 0
    for photo in photos:
        shard.append(photo)
        num_views += len(photo.views)
        if num_views >= _VIEWS_A_SHARD:
            yield shard
            shard, num_views = [], 0
    if shard:
        yield shard


def _in_order(rows: Iterator[dict]) -> Iterator[int]:
    """Their ids, 0 first, whatever order they come in."""
    come, following = set(), 0
    for row in rows:
        come.add(row["id"])
        while following in come:
            come.discard(following)
            yield following
            following += 1


def _as_json(photo: WantedPhoto) -> dict:
    views = [{"box": list(view.box), "is_flipped": view.is_flipped} for view in photo.views.values()]
    return {"path": os.path.abspath(photo.path), "stamp": photo.stamp, "views": views}


def _write_json(path: Path, values) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(values), encoding="utf-8")


class FeatureWorker:
    """Encodes shards of photos with one encoder, which is opened for the first of them."""

    def __init__(self, job: dict):
        self._job, self._folder = job, Path(job["folder"])

    @cached_property
    def _encoder(self) -> Encoder:
        without_pillow_s_warnings()
        encoder = Encoder(_PACKAGE / self._job["graph"], self._job["key"], threads=1)
        with without_native_chatter():
            encoder.check()
        return encoder

    def __call__(self, row: dict) -> dict:
        """row: {"id": number of a shard} -> the same, when its rows are written."""
        number = int(row["id"])
        path = _made_path(self._folder, self._job["run"], number)
        if read_shard(path) is None:
            asked_path = _asked_path(self._folder, self._job["run"], number)
            photos = json.loads(asked_path.read_text(encoding="utf-8"))
            write_shard(path, photos, [self._encode(photo) for photo in photos])
        return {"id": number, "said": "{}"}

    def _encode(self, photo: dict) -> np.ndarray | str:
        views = {
            str(number): View(tuple(each["box"]), each["is_flipped"]) for number, each in enumerate(photo["views"])
        }
        try:
            images = look_at(WantedPhoto(Path(photo["path"]), photo["stamp"], views), self._encoder.image_size)
        except ImageError as error:
            return str(error).removeprefix(f"{photo['path']}: ")
        rows = np.concatenate([self._encoder.encode(image[None]) for image in images])
        return rows if rows.dtype == np.int8 else rows.astype("<f2")
