"""The prepared dataset: a folder that holds captions, vocabulary and features; the photos stay where they are."""

import json
import os
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from captioner.datasets.encoding import View, WaitingPhoto, encode_into
from captioner.datasets.examples import Annotations, Example, Problem, first_of
from captioner.datasets.features import FeatureCache, photo_stamp
from captioner.datasets.prepared_files import (
    CAPTIONS_FILE,
    DATASET_FORMAT,
    FEATURES,
    INFO_FILE,
    VOCABULARY_FILE,
    check_output,
)
from captioner.datasets.report import REPORT_FILE, describe
from captioner.datasets.splits import find_copies, find_leaks, with_splits
from captioner.errors import DatasetError
from captioner.files import json_text, make_folder, write_texts
from captioner.options import SPLITS, PrepareOptions
from captioner.tokenizer import SPECIAL_TOKENS, Tokenizer

_MOST_LEAKS = 5  # that an error names; the report names all


@dataclass(frozen=True)
class Dataset:
    """A prepared dataset, opened."""

    folder: Path
    info: dict  # dataset.json
    examples: tuple[Example, ...]

    @classmethod
    def open(cls, folder: Path) -> "Dataset":
        """Raises: DatasetError when the folder is missing or is no prepared dataset."""
        if not os.path.isdir(folder):
            raise DatasetError(f"{folder}: no such folder")
        try:
            info, captions = (
                (folder / name).read_text(encoding="utf-8", errors="surrogateescape")
                for name in (INFO_FILE, CAPTIONS_FILE)
            )
            info = json.loads(info)
        except FileNotFoundError as error:
            name = Path(error.filename).name
            raise DatasetError(f"{folder}: no {name} in it; make one with `captioner prepare`") from error
        except (OSError, ValueError) as error:
            raise DatasetError(f"{folder}: not a prepared dataset ({error})") from error
        if not isinstance(info, dict) or info.get("format") != DATASET_FORMAT:
            raise DatasetError(f"{folder / INFO_FILE}: not of a version this captioner reads")
        examples = []
        for number, line in enumerate(captions.removesuffix("\n").split("\n"), start=1):
            try:
                entry = json.loads(line)
                examples.append(Example(entry["image"], tuple(entry["captions"]), entry["split"]))
            except (ValueError, KeyError, TypeError) as error:
                raise DatasetError(f"{folder / CAPTIONS_FILE}, line {number}: not a line of a dataset") from error
        return cls(folder, info, tuple(examples))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer.load(self.folder / VOCABULARY_FILE)

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
        return FeatureCache(self.folder / FEATURES, encoder.key, encoder.num_regions, encoder.depth)

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
    encode=encode_into,
) -> Dataset:
    """The prepared dataset in `output_dir`; photos encoded by an earlier, broken-off run are not encoded again.

    encoder: `encoder(images: (photos, size, size, 3) uint8) -> (photos, regions, depth)`, called from `threads`
    threads, with `key`, `image_size`, `num_regions` and `depth`. report: called with photos done and photos in all.
    encode: who encodes them, as `encode_into` does.
    Raises: DatasetError when nothing is left to train on, or a photo is in two splits and the options do not allow
    it; OptionsError when the output is the source; CaptionerError when it holds what is not of this dataset.
    """
    check_output(source, output_dir)
    copies = find_copies([example.image for example in annotations.examples], annotations.images_dir)
    examples = with_splits(annotations.examples, options, copies)
    if not options.allow_split_leaks:
        _refuse_split_leaks(copies, examples, source)
    _learn_vocabulary(
        examples, source, options, annotations.problems
    )  # refuses what cannot be learned from before photos are encoded
    make_folder(output_dir)
    cache = FeatureCache(output_dir / FEATURES, encoder.key, encoder.num_regions, encoder.depth)
    unusable = _encode_photos(annotations, cache, encoder, threads, report, encode)
    problems = annotations.problems + unusable
    lost = {problem.where for problem in unusable}
    examples = [example for example in examples if example.image not in lost]
    tokenizer = _learn_vocabulary(examples, source, options, problems)
    lines = ({"image": e.image, "split": e.split, "captions": list(e.captions)} for e in examples)
    info = {
        "format": DATASET_FORMAT,
        "source": str(source.resolve()),
        "source_format": format_name,
        "images_dir": str(annotations.images_dir.resolve()),
        "encoder": encoder.key,
        "encoder_info": {
            "name": options.encoder,
            "key": encoder.key,
            "image_size": encoder.image_size,
            "num_regions": encoder.num_regions,
            "depth": encoder.depth,
        },
        "options": options.to_json(),
        "tokenizer": tokenizer.settings | {"vocabulary_size": len(tokenizer)},
        "counts": _counts(examples),
        "problems": [{"kind": p.kind, "where": p.where, "detail": p.detail, "lost": p.lost} for p in problems],
    }
    write_texts(
        {  # together, so that a full disk leaves those of an earlier run as they fit each other
            output_dir / INFO_FILE: json_text(info),
            output_dir / CAPTIONS_FILE: "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines),
            output_dir / VOCABULARY_FILE: tokenizer.text,
            output_dir / REPORT_FILE: json_text(describe(examples, problems, copies)),
        }
    )
    return Dataset.open(output_dir)


def _refuse_split_leaks(copies: list[list[str]], examples: list[Example], source: Path) -> None:
    """Raises: DatasetError when a photo is in two splits."""
    leaks = find_leaks(copies, examples)
    if leaks:
        named = "; ".join(" = ".join(f"{e.image} ({e.split})" for e in group) for group in leaks[:_MOST_LEAKS])
        count = "1 photo is" if len(leaks) == 1 else f"{len(leaks)} photos are"
        more = f"; and {len(leaks) - _MOST_LEAKS} more" if len(leaks) > _MOST_LEAKS else ""
        raise DatasetError(
            f"{source}: {count} in more than one split: {named}{more};"
            " take the copies away, or give --allow-split-leaks"
        )


def _encode_photos(annotations, cache, encoder, threads, report, encode) -> list[Problem]:
    """Fills the cache; gives back the photos that cannot be used."""
    paths = {e.image: annotations.images_dir / e.image for e in annotations.examples}
    stamps = {image: photo_stamp(path) for image, path in paths.items()}
    problems = [Problem("missing photo", image) for image, stamp in stamps.items() if stamp is None]
    waiting = [
        WaitingPhoto(paths[image], stamp, {image: View()})
        for image, stamp in stamps.items()
        if stamp is not None and not cache.is_fresh(image, stamp)
    ]
    num_done = len(paths) - len(waiting)
    report(num_done, len(paths))
    if not waiting:
        return problems
    with closing(encode(cache, waiting, encoder, threads)) as encoded:
        for done, (photo, error) in enumerate(encoded, start=num_done + 1):
            if error is not None:
                (image,) = photo.views
                problems.append(Problem("corrupt photo", image, str(error).removeprefix(f"{photo.path}: ")))
            report(done, len(paths))
    return problems


def _learn_vocabulary(
    examples: list[Example], source: Path, options: PrepareOptions, problems: list[Problem]
) -> Tokenizer:
    """Raises: DatasetError when the train captions give none."""
    captions = [caption for example in examples if example.split == "train" for caption in example.captions]
    if not captions:
        raise DatasetError(
            f"{source}: no photo of a train split can be used, so there is nothing to learn from{first_of(problems)}"
        )
    tokenizer = Tokenizer.learn(captions, options.min_count)
    if len(tokenizer) == len(SPECIAL_TOKENS):
        raise DatasetError(
            f"{source}: no word is seen {options.min_count} times in {len(captions)} train captions; lower --min-count"
        )
    return tokenizer


def _counts(examples: list[Example]) -> dict:
    photos = Counter(example.split for example in examples)
    captions = Counter()
    for example in examples:
        captions[example.split] += len(example.captions)
    return {split: {"photos": photos[split], "captions": captions[split]} for split in SPLITS if photos[split]}
