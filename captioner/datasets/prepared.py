"""The prepared dataset: a folder that holds captions, vocabulary and features; the photos stay where they are."""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from captioner.datasets.examples import Annotations, Example, Problem
from captioner.datasets.features import FeatureCache
from captioner.errors import DatasetError, ImageError
from captioner.files import make_folder, write_json, written_whole
from captioner.images import read_images
from captioner.options import SPLITS, PrepareOptions
from captioner.tokenizer import Tokenizer

DATASET_FORMAT = 1


@dataclass(frozen=True)
class Dataset:
    """A prepared dataset, opened."""

    folder: Path
    info: dict  # dataset.json
    examples: tuple[Example, ...]

    @classmethod
    def open(cls, folder: Path) -> "Dataset":
        """Raises: DatasetError when the folder is missing or is no prepared dataset."""
        if not folder.is_dir():
            raise DatasetError(f"{folder}: no such folder")
        try:
            info = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
            lines = (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError as error:
            name = Path(error.filename).name
            raise DatasetError(f"{folder}: no {name} in it; make one with `captioner prepare`") from error
        except (OSError, ValueError) as error:
            raise DatasetError(f"{folder}: not a prepared dataset ({error})") from error
        if not isinstance(info, dict) or info.get("format") != DATASET_FORMAT:
            raise DatasetError(f"{folder / 'dataset.json'}: not of a version this captioner reads")
        examples = []
        for number, line in enumerate(lines, start=1):
            try:
                entry = json.loads(line)
                examples.append(Example(entry["image"], tuple(entry["captions"]), entry["split"]))
            except (ValueError, KeyError, TypeError) as error:
                raise DatasetError(f"{folder / 'captions.jsonl'}, line {number}: not a line of a dataset") from error
        return cls(folder, info, tuple(examples))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer.load(self.folder / "vocabulary.txt")

    @property
    def splits(self) -> tuple[str, ...]:
        present = {example.split for example in self.examples}
        return tuple(split for split in SPLITS if split in present)

    def split(self, name: str) -> list[Example]:
        """The examples of a split. Raises: DatasetError naming the splits there are when it is not one of them."""
        if name not in self.splits:
            raise DatasetError(f"{self.folder}: no {name} split; it has {', '.join(self.splits)}")
        return [example for example in self.examples if example.split == name]

    def photo_path(self, example: Example) -> Path:
        return Path(self.info["images_dir"]) / example.image

    def feature_cache(self, encoder) -> FeatureCache:
        """The cache of an encoder: any object with `key`, `num_regions` and `depth`."""
        return FeatureCache(self.folder / "features", encoder.key, encoder.num_regions, encoder.depth)

    def features_of(self, examples: list[Example], encoder) -> tuple[np.ndarray, np.ndarray]:
        """All of the encoder's features, memory-mapped, and the row of each example among them.

        Raises: DatasetError when a photo has none.
        """
        cache = self.feature_cache(encoder)
        missing = [example.image for example in examples if example.image not in cache]
        if missing:
            raise DatasetError(
                f"{self.folder}: {len(missing)} photos have no features of {encoder.key}, the first {missing[0]};"
                " run `captioner prepare` again"
            )
        return cache.features(), np.array([cache.rows[example.image] for example in examples])


def prepare(
    annotations: Annotations,
    format_name: str,
    source: Path,
    output_dir: Path,
    options: PrepareOptions,
    encoder,
    threads: int,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Dataset:
    """The prepared dataset in `output_dir`; photos encoded by an earlier, broken-off run are not encoded again.

    encoder: `encoder(images: (photos, size, size, 3) uint8) -> (photos, regions, depth)`, with `key`,
    `image_size`, `num_regions` and `depth`. report: called with photos done and photos in all.
    Raises: DatasetError when nothing is left to train on.
    """
    make_folder(output_dir)
    cache = FeatureCache(output_dir / "features", encoder.key, encoder.num_regions, encoder.depth)
    problems = list(annotations.problems)
    corrupt = _encode_photos(annotations, cache, options, encoder, threads, report)
    problems += corrupt
    lost = {problem.where for problem in corrupt}
    examples = _with_splits([e for e in annotations.examples if e.image not in lost], options)
    train_captions = [caption for e in examples if e.split == "train" for caption in e.captions]
    if not train_captions:
        raise DatasetError(f"{source}: no photo of a train split can be used, so there is nothing to learn from")
    tokenizer = Tokenizer.learn(train_captions, options.min_count)
    if len(tokenizer) == len(Tokenizer.learn([], 1)):
        raise DatasetError(
            f"{source}: no word is seen {options.min_count} times in {len(train_captions)} train captions;"
            " lower --min-count"
        )
    tokenizer.save(output_dir / "vocabulary.txt")
    with written_whole(output_dir / "captions.jsonl") as temporary, temporary.open("w", encoding="utf-8") as file:
        for e in examples:
            line = {"image": e.image, "split": e.split, "captions": list(e.captions)}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    write_json(
        output_dir / "dataset.json",
        {
            "format": DATASET_FORMAT,
            "source": str(source.resolve()),
            "source_format": format_name,
            "images_dir": str(annotations.images_dir.resolve()),
            "encoder": encoder.key,
            "options": options.to_json(),
            "tokenizer": tokenizer.settings | {"vocabulary_size": len(tokenizer)},
            "counts": _counts(examples),
            "problems": [{"kind": p.kind, "where": p.where, "detail": p.detail, "lost": p.lost} for p in problems],
        },
    )
    return Dataset.open(output_dir)


def _encode_photos(annotations, cache, options, encoder, threads, report) -> list[Problem]:
    paths = {e.image: annotations.images_dir / e.image for e in annotations.examples}
    waiting = [image for image, path in paths.items() if path.exists() and not cache.is_fresh(image, path)]
    problems = [Problem("missing photo", image) for image, path in paths.items() if not path.exists()]
    num_done = len(paths) - len(waiting)
    report(num_done, len(paths))
    if not waiting:
        return problems
    write = cache.writer(len(waiting))
    photos = zip(waiting, read_images((paths[i] for i in waiting), encoder.image_size, threads), strict=True)
    while group := list(islice(photos, options.batch_size)):
        good = [(image, photo) for image, photo in group if not isinstance(photo, ImageError)]
        for image, photo in group:
            if isinstance(photo, ImageError):
                problems.append(Problem("corrupt photo", image, str(photo).rpartition(": ")[2]))
        if good:
            names = [image for image, _ in good]
            write(names, [paths[name] for name in names], encoder(np.stack([photo for _, photo in good])))
        num_done += len(group)
        report(num_done, len(paths))
    return problems


def _with_splits(examples: list[Example], options: PrepareOptions) -> list[Example]:
    """The examples, those without a split given one by photo, at random with the seed."""
    undecided = [example for example in examples if example.split is None]
    if not undecided:
        return examples
    order = list(range(len(undecided)))
    random.Random(options.seed).shuffle(order)
    total = sum(options.split)
    bounds = [round(len(order) * sum(options.split[: k + 1]) / total) for k in range(3)]
    splits = {}
    for place, index in enumerate(order):
        splits[undecided[index].image] = next(s for s, bound in zip(SPLITS, bounds, strict=True) if place < bound)
    return [replace(e, split=splits[e.image]) if e.split is None else e for e in examples]


def _counts(examples: list[Example]) -> dict:
    photos = Counter(example.split for example in examples)
    captions = Counter()
    for example in examples:
        captions[example.split] += len(example.captions)
    return {split: {"photos": photos[split], "captions": captions[split]} for split in SPLITS if photos[split]}
