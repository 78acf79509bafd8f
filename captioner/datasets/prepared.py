"""The prepared dataset: a folder that holds captions, vocabulary and features; the photos stay where they are."""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from captioner.datasets.encoding import View, WantedPhoto, encode_into
from captioner.datasets.examples import Example, Problem, first_of
from captioner.datasets.features import FeatureCache, Features, photo_stamp
from captioner.datasets.mixing import Mix, NamedSource
from captioner.datasets.prepared_files import (
    CAPTIONS_FILE,
    DATASET_FORMAT,
    FEATURES,
    INFO_FILE,
    LOCK_FILE,
    VOCABULARY_FILE,
    check_output,
    read_examples,
    read_info,
)
from captioner.datasets.report import REPORT_FILE, count_splits, describe
from captioner.datasets.splits import find_copies, find_leaks, with_splits
from captioner.errors import DatasetError
from captioner.files import json_text, locked, make_folder, write_texts
from captioner.options import SPLITS, PrepareOptions
from captioner.tokenizer import SPECIAL_TOKENS, Tokenizer

_MAX_LEAKS = 5  # that an error names; the report names all


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
        return cls(folder, read_info(folder), read_examples(folder))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer.load(self.folder / VOCABULARY_FILE)

    @property
    def tokenizer_settings(self) -> dict:
        """How the vocabulary came about: `rules`, `min_count`, `vocabulary_size`."""
        return self.info["tokenizer"]

    @property
    def splits(self) -> tuple[str, ...]:
        present = {example.split for example in self.examples}
        return tuple(split for split in SPLITS if split in present)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of what it was mixed of; one where it was not."""
        return tuple(self._sources)

    @property
    def _sources(self) -> dict[str, dict]:
        sources = self.info.get("sources")
        if not sources or not all(_says_where(source) for source in sources.values()):
            path = self.folder / INFO_FILE
            raise DatasetError(f"{path}: does not say where its photos are; run `captioner prepare` again")
        return sources

    @property
    def images_dir(self) -> Path:
        """The photo folder of its first source."""
        return Path(next(iter(self._sources.values()))["images_dir"])

    def split(self, name: str, source: str | None = None) -> list[Example]:
        """The examples of a split, those of one source where it is named.

        Raises: DatasetError naming what there is when there is no such split or source.
        """
        if name not in self.splits:
            raise DatasetError(f"{self.folder}: no {name} split; it has {', '.join(self.splits)}")
        examples = [example for example in self.examples if example.split == name]
        if source is None:
            return examples
        self.check_mixed(source)
        examples = [example for example in examples if example.source == source]
        if not examples:
            raise DatasetError(f"{self.folder}: {source} has no {name} split")
        return examples

    def check_mixed(self, source: str) -> None:
        """Raises: DatasetError when it is none of several sources that the dataset was mixed of."""
        if len(self.sources) == 1:
            raise DatasetError(f"{self.folder}: not mixed, so it has no source {source!r}")
        if source not in self.sources:
            raise DatasetError(f"{self.folder}: no source {source!r}; it has {', '.join(self.sources)}")

    def photo_path(self, example: Example) -> Path:
        source = self._sources.get(example.source or self.sources[0])
        if source is None:
            raise DatasetError(f"{self.folder}: {example.image} is of no source of its {INFO_FILE}")
        return Path(source["images_dir"]) / example.name

    def feature_cache(self, encoder) -> FeatureCache:
        """The cache of an encoder: any object with `key`, `num_regions` and `depth`."""
        return FeatureCache(self.folder / FEATURES, encoder)

    def features_of(self, examples: list[Example], encoder) -> tuple[Features, np.ndarray]:
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
    sources: Sequence[NamedSource],
    output_dir: Path,
    options: PrepareOptions,
    open_encoder: Callable[[Sequence[Path]], Any],
    threads: int,
    report: Callable[[int, int], None] = lambda done, total: None,
    say: Callable[[str], None] = lambda line: None,
    encode=encode_into,
) -> Dataset:
    """The prepared dataset in `output_dir`; photos encoded by an earlier, broken-off run are not encoded again.

    open_encoder: called with the paths of the train photos; gives what `encode_into` takes, with `key`, `num_regions`
    and `depth`. report: called with photos done and photos in all. say: takes a line.
    encode: who encodes them, as `encode_into` does.
    Raises: DatasetError when nothing is left to train on, or a photo is in two splits and the options do not allow
    it; OptionsError when the output is a source; CaptionerError when it holds what is not of this dataset.
    """
    check_output([source.path for source in sources], output_dir)
    mix = Mix.of(sources)
    paths = mix.paths
    copies = find_copies(paths)
    examples = with_splits(mix.examples, options, copies)
    if not options.allow_split_leaks:
        _refuse_split_leaks(copies, examples, mix.title)
    # refuses what cannot be learned from before photos are encoded
    _learn_vocabulary(examples, mix.title, options, mix.problems)
    make_folder(output_dir)
    with locked(output_dir / LOCK_FILE, str(output_dir), say):
        check_output([source.path for source in sources], output_dir)  # again: it may have waited for another's
        encoder = open_encoder([paths[example.image] for example in examples if example.split == "train"])
        cache = FeatureCache(output_dir / FEATURES, encoder)
        unusable = _encode_photos(paths, cache, encoder, threads, report, say, encode)
        problems = mix.problems + unusable
        lost = {problem.where for problem in unusable}
        examples = [example for example in examples if example.image not in lost]
        tokenizer = _learn_vocabulary(examples, mix.title, options, problems)
        info = {
            "format": DATASET_FORMAT,
            "sources": {source.name: source.to_json() for source in sources},
            "encoder": {
                "name": options.encoder,
                "key": encoder.key,
                "image_size": encoder.image_size,
                "num_regions": encoder.num_regions,
                "depth": encoder.depth,
                "precision": "float" if encoder.quantization is None else "int8",
            },
            "options": options.to_json(),
            "tokenizer": tokenizer.settings | {"vocabulary_size": len(tokenizer)},
            "counts": count_splits(examples),
            "problems": [{"kind": p.kind, "where": p.where, "detail": p.detail, "lost": p.lost} for p in problems],
        }
        write_texts(
            {  # together, so that a full disk leaves those of an earlier run as they fit each other
                output_dir / INFO_FILE: json_text(info),
                output_dir / CAPTIONS_FILE: "".join(_caption_line(example) for example in examples),
                output_dir / VOCABULARY_FILE: tokenizer.text,
                output_dir / REPORT_FILE: json_text(describe(examples, problems, copies)),
            }
        )
        return Dataset.open(output_dir)


def _says_where(source) -> bool:
    return isinstance(source, dict) and isinstance(source.get("images_dir"), str)


def _caption_line(example: Example) -> str:
    entry = {"image": example.image, "split": example.split, "captions": list(example.captions)}
    if example.source:
        entry["source"] = example.source
    return json.dumps(entry, ensure_ascii=False) + "\n"


def _refuse_split_leaks(copies: list[list[str]], examples: list[Example], title: str) -> None:
    """Raises: DatasetError when a photo is in two splits."""
    leaks = find_leaks(copies, examples)
    if leaks:
        named = "; ".join(" = ".join(f"{e.image} ({e.split})" for e in group) for group in leaks[:_MAX_LEAKS])
        count = "1 photo is" if len(leaks) == 1 else f"{len(leaks)} photos are"
        more = f"; and {len(leaks) - _MAX_LEAKS} more" if len(leaks) > _MAX_LEAKS else ""
        raise DatasetError(
            f"{title}: {count} in more than one split: {named}{more}; take the copies away, or give --allow-split-leaks"
        )


def _encode_photos(paths: dict[str, Path], cache, encoder, threads, report, say, encode) -> list[Problem]:
    """Fills the cache; gives back the photos that cannot be used."""
    stamps = {image: photo_stamp(path) for image, path in paths.items()}
    problems = [Problem("missing photo", image) for image, stamp in stamps.items() if stamp is None]
    wanted = [WantedPhoto(paths[image], stamp, {image: View()}) for image, stamp in stamps.items() if stamp is not None]
    num_missing = len(problems)
    report(num_missing, len(paths))
    with closing(encode(cache, wanted, encoder, threads, say)) as encoded:
        for num_done, (photo, error) in enumerate(encoded, start=num_missing + 1):
            if error is not None:
                (image,) = photo.views
                problems.append(Problem("corrupt photo", image, str(error).removeprefix(f"{photo.path}: ")))
            report(num_done, len(paths))
    return problems


def _learn_vocabulary(
    examples: list[Example], title: str, options: PrepareOptions, problems: list[Problem]
) -> Tokenizer:
    """Raises: DatasetError when the train captions give none."""
    captions = [caption for example in examples if example.split == "train" for caption in example.captions]
    if not captions:
        raise DatasetError(
            f"{title}: no photo of a train split can be used, so there is nothing to learn from{first_of(problems)}"
        )
    tokenizer = Tokenizer.learn(captions, options.min_count)
    if len(tokenizer) == len(SPECIAL_TOKENS):
        raise DatasetError(
            f"{title}: no word is seen {tokenizer.min_count} times in {len(captions)} train captions; lower --min-count"
        )
    return tokenizer
