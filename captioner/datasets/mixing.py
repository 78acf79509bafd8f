"""Several sources as one dataset: each with its own format, photo folder and splits, names kept apart."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from captioner.datasets.examples import Annotations, Example, Problem
from captioner.errors import OptionsError
from captioner.tokenizer import caption_tokens, token_key

_NUM_COMMON_WORDS = 50  # of each source, that tell its language
_LEAST_SHARED = 0.1  # of those words, by two sources in one language


@dataclass(frozen=True)
class NamedSource:
    """A source as it was read. name: tells it apart from the others; path: as it was given."""

    name: str
    path: Path
    format_name: str
    annotations: Annotations

    @property
    def images_dir(self) -> Path:
        return self.annotations.images_dir

    def to_json(self) -> dict:
        return {
            "source": str(self.path.resolve()),
            "format": self.format_name,
            "images_dir": str(self.images_dir.resolve()),
        }


@dataclass(frozen=True)
class Mix:
    """The photos of all sources."""

    sources: tuple[NamedSource, ...]
    examples: list[Example]
    problems: list[Problem]

    @classmethod
    def of(cls, sources: Sequence[NamedSource]) -> "Mix":
        """With one source, names are as it has them; with several, behind the name of their source."""
        if len(sources) == 1:
            (only,) = sources
            return cls(tuple(sources), list(only.annotations.examples), list(only.annotations.problems))
        examples, problems = [], []
        for source in sources:
            examples += [
                replace(example, image=f"{source.name}/{example.image}", source=source.name)
                for example in source.annotations.examples
            ]
            problems += [replace(each, where=f"{source.name}: {each.where}") for each in source.annotations.problems]
        return cls(tuple(sources), examples, problems)

    @property
    def paths(self) -> dict[str, Path]:
        """Where each photo lies, by its name in the mix."""
        dirs = {source.name: source.images_dir for source in self.sources}
        if len(self.sources) == 1:
            dirs = {"": self.sources[0].images_dir}
        return {example.image: dirs[example.source] / example.name for example in self.examples}

    @property
    def title(self) -> str:
        """What errors call it."""
        return " and ".join(str(source.path) for source in self.sources)


def name_sources(given: Sequence[tuple[str | None, Path]]) -> list[tuple[str, Path]]:
    """Each source with its name: the one that was given, or else its stem.

    A source that is alone may have any: no photo is named by it.
    Raises: OptionsError when two sources have one name or are the same folder, or when a name cannot be one.
    """
    named = [(path.resolve().stem if name is None else name, path) for name, path in given]
    if len(named) == 1:
        return named
    real_paths = [os.path.realpath(path) for _, path in named]
    if twice := [path for path, count in Counter(real_paths).items() if count > 1]:
        raise OptionsError(f"{twice[0]}: added twice; --source-weights of `captioner train` has it seen more often")
    for name, path in named:
        if name in ("", ".", "..") or any(char in name for char in "/\\=,") or name != name.strip():
            raise OptionsError(f"{path}: a source cannot be named {name!r}; give --add NAME=SOURCE")
    if twice := [name for name, count in Counter(name for name, _ in named).items() if count > 1]:
        raise OptionsError(f"two sources are named {twice[0]!r}; give --add NAME=SOURCE")
    return named


def strange_to_each_other(sources: Sequence[NamedSource]) -> list[tuple[str, str]]:
    """The pairs of sources that share so few words that they are probably in different languages."""
    words = {source.name: _common_words(source.annotations.examples) for source in sources}
    names = list(words)
    return [
        (one, other)
        for place, one in enumerate(names)
        for other in names[place + 1 :]
        if len(words[one] & words[other]) < _LEAST_SHARED * min(len(words[one]), len(words[other]))
    ]


def _common_words(examples: Sequence[Example]) -> set[str]:
    counts = Counter(
        token_key(token)
        for example in examples
        for caption in example.captions
        for token in caption_tokens(caption)
        if token[0].isalpha()
    )
    return {word for word, _ in counts.most_common(_NUM_COMMON_WORDS)}
