"""A training run before it begins: what decides how it goes, and who is told of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from captioner.datasets import Dataset
from captioner.files import sha256_of
from captioner.model_folder import CONFIG, VOCABULARY, EncoderInfo, ModelFolder
from captioner.options import DecodingOptions, NetworkOptions, TrainingOptions
from captioner.tokenizer import Tokenizer


@dataclass(frozen=True)
class Listener:
    """Told how a run goes.

    say: takes a line. progress: `(batches, done, total, title)` -> the same batches, and a function that takes the
    mean loss of the last steps and the tokens a second after each.
    """

    say: Callable[[str], None] = lambda line: None
    progress: Callable[[Iterable, int, int, str], tuple[Iterable, Callable[[float, float], None]]] = (
        lambda batches, done, total, title: (batches, lambda loss, tokens_per_second: None)
    )


@dataclass(frozen=True)
class Run:
    """Everything that decides how a run goes, and where it ends."""

    dataset: Dataset
    output_dir: Path
    encoder: EncoderInfo
    encoder_graph_path: Path
    network: NetworkOptions
    training: TrainingOptions
    decoding: DecodingOptions
    init: ModelFolder | None = None  # a model to go on from, whose words keep their places

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The dataset's; with `init`, that model's with the dataset's other tokens behind."""
        return self.dataset.tokenizer if self.init is None else self.init.tokenizer.joined_by(self.dataset.tokenizer)

    def identity(self) -> dict:
        """What must be the same for an interrupted run to go on."""
        return {
            **self.network.to_json(),
            **self.training.to_json(),
            "encoder": self.encoder.key,
            "captions": sha256_of(self.dataset.folder / "captions.jsonl"),
            "vocabulary": sha256_of(self.dataset.folder / VOCABULARY),
            "init": None if self.init is None else sha256_of(self.init.path / CONFIG),
        }
