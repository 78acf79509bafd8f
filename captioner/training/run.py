"""A training run before it begins: what decides how it goes, and who is told of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from captioner.datasets import Dataset
from captioner.files import sha256_of
from captioner.model_folder import CONFIG, VOCABULARY, EncoderInfo, ModelFolder
from captioner.options import DecodingOptions, FineTuningOptions, NetworkOptions, TrainingOptions
from captioner.tokenizer import Tokenizer

CHECKPOINT = "checkpoint.npz"


@dataclass(frozen=True)
class Listener:
    """Told how a run goes.

    say: takes a line. progress: `(items, done, total, title, unit)` -> the same items, batches or photos, and a
    function that takes the mean loss of the last steps and the tokens a second after each batch.
    """

    say: Callable[[str], None] = lambda line: None
    progress: Callable[[Iterable, int, int, str, str], tuple[Iterable, Callable[[float, float], None]]] = (
        lambda items, done, total, title, unit: (items, lambda loss, tokens_per_second: None)
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
    fine_tuning: FineTuningOptions | None = None  # of the encoder, once the decoder has settled, as that of `init` has

    @property
    def checkpoint_path(self) -> Path:
        return self.output_dir / CHECKPOINT

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The dataset's; with `init`, that model's with the dataset's other tokens behind."""
        return self.dataset.tokenizer if self.init is None else self.init.tokenizer.joined_by(self.dataset.tokenizer)

    @property
    def begins_settled(self) -> bool:
        """Whether the decoder's own training is left out: a model that is given to be fine-tuned has settled."""
        return self.fine_tuning is not None and self.init is not None

    @property
    def sees_as_init(self) -> bool:
        """Whether the encoder is that of the model to go on from."""
        return self.init is not None and self.init.encoder.key == self.encoder.key

    @property
    def encoder_weights_path(self) -> Path | None:
        """Keras weights of the encoder, where it is one that was fine-tuned."""
        return self.init.encoder_weights_path if self.sees_as_init else None

    @property
    def num_epochs(self) -> int:
        """The most that are run, in all phases."""
        tuning = 0 if self.fine_tuning is None else self.fine_tuning.epochs
        return tuning + (0 if self.begins_settled else self.training.epochs)

    def identity(self) -> dict:
        """What must be the same for an interrupted run to go on."""
        tuning = {} if self.fine_tuning is None else self.fine_tuning.to_json()
        return {
            **self.network.to_json(),
            **self.training.to_json(),
            "encoder": self.encoder.key,
            "captions": sha256_of(self.dataset.folder / "captions.jsonl"),
            "vocabulary": sha256_of(self.dataset.folder / VOCABULARY),
            "init": None if self.init is None else sha256_of(self.init.path / CONFIG),
            **{f"fine_tuning_{name}": value for name, value in tuning.items()},
        }
