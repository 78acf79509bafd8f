"""Which photo is for training and which for judging; and the copies of a photo that must not be in both."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from captioner.datasets.examples import Example
from captioner.files import sha256_of
from captioner.options import SPLITS, PrepareOptions

_END = 4096  # bytes


def with_splits(examples: list[Example], options: PrepareOptions, copies: Iterable[list[str]] = ()) -> list[Example]:
    """The examples, those without a split given one by photo, at random with the seed; copies go together.

    Photos are drawn by a hash of their name in their source, so those that join later move few others to another
    split, and a source that is mixed with others is split as it is alone.
    copies: as `find_copies` gives them.
    """
    first = {image: group[0] for group in copies for image in group}
    splits = {first.get(e.image, e.image): e.split for e in examples if e.split is not None}
    undecided = defaultdict(dict)  # by source, photo to its name there
    for example in examples:
        image = first.get(example.image, example.image)
        if image == example.image and image not in splits:
            undecided[example.source][image] = example.name
    for names in undecided.values():
        splits |= _draw(names, options)
    return [replace(e, split=splits[first.get(e.image, e.image)]) if e.split is None else e for e in examples]


def _draw(names: dict[str, str], options: PrepareOptions) -> dict[str, str]:
    """names: of photos in their source, by photo -> the split of each."""
    order = sorted(names, key=lambda image: sha256(os.fsencode(f"{options.seed} {names[image]}")).digest())
    total = sum(options.split)
    bounds = [round(len(order) * sum(options.split[: k + 1]) / total) for k in range(3)]
    return {
        image: next(split for split, bound in zip(SPLITS, bounds, strict=True) if place < bound)
        for place, image in enumerate(order)
    }


def find_copies(paths: Mapping[str, Path]) -> list[list[str]]:
    """Groups of photos whose files are the same byte for byte, in the order of `paths`; missing photos are in none.

    Few files are read: the sizes of all, the last bytes of those of equal size, the whole of those that end alike.
    """
    groups = [list(paths)]
    for key_of in (os.path.getsize, _end_of, sha256_of):
        groups = [equal for group in groups for equal in _grouped(group, partial(_key, key_of, paths))]
    return groups


def _grouped(images: list[str], key_of) -> list[list[str]]:
    groups = defaultdict(list)
    for image in images:
        groups[key_of(image)].append(image)
    return [group for key, group in groups.items() if key is not None and len(group) > 1]


def _key(key_of, paths: Mapping[str, Path], image: str):
    try:
        return key_of(paths[image])
    except (OSError, ValueError):  # missing or unreadable: named where photos are encoded
        return None


def _end_of(path: Path) -> bytes:
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _END))
        return file.read()


def find_leaks(copies: Iterable[list[str]], examples: list[Example]) -> list[list[Example]]:
    """The groups of copies that are in more than one split."""
    example_of = {example.image: example for example in examples}
    groups = ([example_of[image] for image in group if image in example_of] for group in copies)
    return [group for group in groups if len({example.split for example in group}) > 1]
