"""A training run before it begins: what decides how it goes, and who is told of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from captioner.datasets import Dataset
from captioner.datasets.prepared_files import CAPTIONS_FILE
from captioner.files import sha256_of
from captioner.model_folder import CONFIG, VOCABULARY, EncoderInfo, ModelFolder
from captioner.options import (
    DecodingOptions,
    FineTuningOptions,
    NetworkOptions,
    SelfCriticalOptions,
    SettlingOptions,
    TrainingOptions,
)
from captioner.search_rules import suitable_rules
from captioner.tokenizer import Tokenizer

CHECKPOINT = "checkpoint.npz"


@dataclass(frozen=True)
class Listener:
    """Told how a run goes.

    say: takes a line. progress: `(items, done, total, title, unit)` -> the same items, batches or photos, and a
    function that takes the mean of the last steps, as `{"loss": ...}`, and the tokens a second after each batch.
    """

    say: Callable[[str], None] = lambda line: None
    progress: Callable[[Iterable, int, int, str, str], tuple[Iterable, Callable[[dict, float], None]]] = (
        lambda items, done, total, title, unit: (items, lambda measured, tokens_per_second: None)
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
    # What follows once the decoder has settled, as that of `init` has: one phase, of one of these or of both.
    fine_tuning: FineTuningOptions | None = None  # of the encoder
    self_critical: SelfCriticalOptions | None = None
    settling: SettlingOptions | None = None  # alone, on an encoder that `part_of` has tuned and written in integers
    part_of: "Run | None" = None  # the run that this one is the end of
    devices: str = "one"  # or "all" of this machine: what is learned is the same
    source_weights: Mapping[str, float] = field(default_factory=dict)  # how often photos are seen in an epoch, if not 1

    @property
    def checkpoint_path(self) -> Path:
        return self.output_dir / CHECKPOINT

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The dataset's; with `init`, that model's with the dataset's other tokens behind."""
        return self.dataset.tokenizer if self.init is None else self.init.tokenizer.joined_by(self.dataset.tokenizer)

    @property
    def begins_settled(self) -> bool:
        """Whether teacher forcing of the decoder alone is left out: a model that is given has settled."""
        return self.has_second_phase and self.init is not None

    @property
    def learns_from_features(self) -> bool:
        """Whether a phase learns from what the whole encoder gives, and not only its first blocks."""
        return self.fine_tuning is None or not self.begins_settled

    @property
    def has_second_phase(self) -> bool:
        return any(each is not None for each in (self.fine_tuning, self.self_critical, self.settling))

    @property
    def ends_in_settling(self) -> bool:
        """Whether the encoder learns in float and is then written in integers."""
        return self.fine_tuning is not None and self.encoder.precision == "int8"

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
        return self.num_second_epochs + (0 if self.begins_settled else self.training.epochs)

    @property
    def num_second_epochs(self) -> int:
        second = self.settling or self.self_critical or self.fine_tuning
        return 0 if second is None else second.epochs

    @property
    def recorded_identity(self) -> dict:
        """What the finished model tells of it: of the whole run where this is the end of one."""
        return self.identity() if self.part_of is None else self.part_of.identity()

    def identity(self) -> dict:
        """What must be the same for an interrupted run to go on."""
        second = {"fine_tuning": self.fine_tuning, "self_critical": self.self_critical, "settling": self.settling}
        return {
            **self.network.to_json(),
            **self.training.to_json(),
            "encoder": self.encoder.key,
            "captions": sha256_of(self.dataset.folder / CAPTIONS_FILE),
            "vocabulary": sha256_of(self.dataset.folder / VOCABULARY),
            "init": None if self.init is None else sha256_of(self.init.path / CONFIG),
            **({"source_weights": dict(self.source_weights)} if self.source_weights else {}),
            **{
                f"{phase}_{name}": value
                for phase, options in second.items()
                if options is not None
                for name, value in options.to_json().items()
            },
        }


def suitable_decoding(dataset: Dataset) -> DecodingOptions:
    """How a model of the dataset's train captions searches, by what is known of them."""
    captions = (caption for example in dataset.split("train") for caption in example.captions)
    return DecodingOptions(rules=suitable_rules(dataset.tokenizer, captions))
