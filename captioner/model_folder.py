"""A model is a folder that speaks alone: its files, their hashes, and the checks on opening it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from captioner.confidence import Confidence
from captioner.errors import ModelError, OptionsError
from captioner.files import check_regular, read_json, sha256_of, write_json
from captioner.known_hashes import KnownHashes
from captioner.options import DecodingOptions, NetworkOptions, Options
from captioner.options.base import in_short, is_a, require
from captioner.tokenizer import Tokenizer

MODEL_FORMAT = 1
CONFIG = "config.json"
VOCABULARY = "vocabulary.txt"
DECODER_WEIGHTS = "decoder.weights.h5"
ENCODER_GRAPH = "encoder.tflite"
DECODER_GRAPH = "decoder.tflite"
TRAINING_RECORD = "training.json"
MODEL_CARD = "README.md"
ENCODER_WEIGHTS = "encoder.weights.h5"  # only where the encoder is no longer the one its name says
_SHARES_ENCODER = "shares_encoder"  # in the configuration of a model without an encoder's graph of its own
FILES = (VOCABULARY, DECODER_WEIGHTS, ENCODER_GRAPH, DECODER_GRAPH, TRAINING_RECORD, MODEL_CARD)
_MAX_CONFIG_BYTES = 1 << 20
_MAX_BYTES = {VOCABULARY: 1 << 24, TRAINING_RECORD: 1 << 26, MODEL_CARD: 1 << 24}  # a folder may be a stranger's
_MAX_GRAPH_BYTES = 1 << 31  # what LiteRT's file format can hold; of weights as well
_LONGEST_REASON = 300  # characters: what an error quotes may have no end
_PLAIN_NAME = re.compile(r"\w[\w.+-]{0,200}", re.ASCII)  # that may name a folder, and leads nowhere else


@dataclass(frozen=True)
class EncoderInfo(Options):
    """Which encoder a model was trained with.

    key: its name and the beginning of the hash of its graph, or, where it computes in float, of its weights; it also
    names the feature cache in a prepared dataset. precision: of its arithmetic, "int8" or "float".
    """

    name: str
    key: str
    image_size: int
    num_regions: int
    depth: int
    precision: str = "float"  # of folders that do not say

    def __post_init__(self):
        for name, value in (("name", self.name), ("key", self.key), ("precision", self.precision)):
            require(_PLAIN_NAME.fullmatch(value), f"encoder {name} must be a plain name, not {in_short(value)}")
        for name, value, most in (
            ("image_size", self.image_size, 4096),
            ("num_regions", self.num_regions, 1 << 16),
            ("depth", self.depth, 1 << 16),
        ):
            require(1 <= value <= most, f"encoder {name} must be 1 to {most}, not {value}")


@dataclass(frozen=True)
class ModelFolder:
    """A model folder whose files are all there and unaltered.

    encoder_graph_path: of the folder's own encoder, or of the shipped one, which models that see through it may share.
    """

    path: Path
    name: str
    encoder: EncoderInfo
    network: NetworkOptions
    decoding: DecodingOptions
    vocabulary_size: int
    encoder_graph_path: Path
    confidence: Confidence | None = None  # how its captions' confidence is told; None is their mean probability

    @classmethod
    def open(cls, path: Path, shared_encoders: Mapping[str, Path] | None = None) -> "ModelFolder":
        """shared_encoders: by precision the graph that is used where the folder says that it shares one.

        Raises: ModelError naming the first file that is missing, altered or does not fit.
        """
        config = _read_config(path)
        for name in FILES:
            if name not in config["files"]:
                raise ModelError(f"{path / CONFIG}: does not list {name}")
        hashes, graph_path = KnownHashes(), path / ENCODER_GRAPH
        shared_encoder = _shared_encoder(config, shared_encoders or {})
        if shared_encoder is not None and not graph_path.exists():
            graph_path = shared_encoder
        for name, expected in config["files"].items():
            file = graph_path if name == ENCODER_GRAPH else path / name
            try:
                check_regular(file, _MAX_BYTES.get(name, _MAX_GRAPH_BYTES))
                found = hashes.sha256_of(file)
            except ValueError as error:
                raise ModelError(f"{file}: {error}") from error
            except OSError as error:
                if file is shared_encoder:
                    raise ModelError(f"{file}: cannot be read ({error.strerror})") from error
                raise ModelError(f"{path}: {name} is missing or cannot be read ({error.strerror})") from error
            if found != expected:
                raise ModelError(f"{file}: altered since the model was made (its sha256 does not fit {CONFIG})")
        hashes.save()
        try:
            folder = cls(
                path=path,
                name=_text(config["name"]),
                encoder=EncoderInfo.from_json(config["encoder"]),
                network=NetworkOptions.from_json(config["network"]),
                decoding=DecodingOptions.from_json(config["decoding"]),
                vocabulary_size=_count(config["vocabulary_size"]),
                encoder_graph_path=graph_path,
                confidence=Confidence.from_json(config["confidence"]) if "confidence" in config else None,
            )
        except (KeyError, TypeError, OptionsError) as error:
            reason = str(error) if len(str(error)) <= _LONGEST_REASON else f"{str(error)[:_LONGEST_REASON]}..."
            raise ModelError(f"{path / CONFIG}: not the configuration of a model ({reason})") from error
        if len(folder.tokenizer) != folder.vocabulary_size:
            raise ModelError(
                f"{path / VOCABULARY}: has {len(folder.tokenizer)} tokens, but the weights were made for"
                f" {folder.vocabulary_size}"
            )
        return folder

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer.load(self.path / VOCABULARY)

    @property
    def encoder_weights_path(self) -> Path | None:
        """The Keras weights of an encoder that was fine-tuned; None where it was not."""
        path = self.path / ENCODER_WEIGHTS
        return path if path.exists() else None

    @property
    def training(self) -> dict:
        """The record of the run that made the model. Raises: ModelError when it is none."""
        path = self.path / TRAINING_RECORD
        try:
            record = read_json(path, _MAX_BYTES[TRAINING_RECORD])
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: cannot be read ({_reason(error)})") from error
        if not isinstance(record, dict):
            raise ModelError(f"{path}: not the record of a run")
        return record


def is_model(path: Path) -> bool:
    """Whether the folder has the configuration of a model, whole or not."""
    try:
        return bool(_read_config(path))
    except ModelError:
        return False


def seal(
    path: Path,
    name: str,
    encoder: EncoderInfo,
    network: NetworkOptions,
    decoding: DecodingOptions,
    shared_encoder: Path | None = None,
    confidence: Confidence | None = None,
) -> None:
    """Writes the configuration of a folder whose other files are in place: from then on it is a model.

    shared_encoder: the encoder's graph, where it is not in the folder.
    """
    elsewhere = {} if shared_encoder is None else {ENCODER_GRAPH: shared_encoder}
    shares = {} if shared_encoder is None else {_SHARES_ENCODER: True}
    files = [*FILES, ENCODER_WEIGHTS] if (path / ENCODER_WEIGHTS).exists() else FILES
    write_json(
        path / CONFIG,
        {
            "format": MODEL_FORMAT,
            "name": name,
            "encoder": vars(encoder),
            **shares,
            "network": network.to_json(),
            "decoding": decoding.to_json(),
            **({} if confidence is None else {"confidence": confidence.to_json()}),
            "vocabulary_size": len(Tokenizer.load(path / VOCABULARY)),
            "files": {file: sha256_of(elsewhere.get(file, path / file)) for file in files},
        },
    )


def _shared_encoder(config: dict, shared_encoders: Mapping[str, Path]) -> Path | None:
    """The graph that a folder says it shares; None where it has its own."""
    if config.get(_SHARES_ENCODER) is not True or not isinstance(config.get("encoder"), dict):
        return None
    return shared_encoders.get(str(config["encoder"].get("precision", "float")))


def _read_config(path: Path) -> dict:
    if not path.is_dir():
        raise ModelError(f"{path}: {'not a model folder' if path.exists() else 'no such model folder'}")
    try:
        config = read_json(path / CONFIG, _MAX_CONFIG_BYTES)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: {CONFIG} is missing, so this is no finished model") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path / CONFIG}: cannot be read ({_reason(error)})") from error
    if not isinstance(config, dict) or not isinstance(config.get("files"), dict):
        raise ModelError(f"{path / CONFIG}: not the configuration of a model")
    if config.get("format") != MODEL_FORMAT:
        number = in_short(config.get("format"))
        raise ModelError(f"{path / CONFIG}: model format {number}; this captioner reads {MODEL_FORMAT}")
    for name, expected in config["files"].items():
        if name not in (*FILES, ENCODER_WEIGHTS):  # a path that leads elsewhere as well
            raise ModelError(f"{path / CONFIG}: lists {in_short(name)}, which is no file of a model")
        if not isinstance(expected, str):
            raise ModelError(f"{path / CONFIG}: the sha256 of {name} must be text, not {in_short(expected)}")
    return config


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _text(value) -> str:
    """Raises: OptionsError."""
    require(is_a(str, value) and 0 < len(value) <= 200, f"name must be a text, not {in_short(value)}")
    return value


def _count(value) -> int:
    """Raises: OptionsError."""
    require(is_a(int, value) and value > 0, f"vocabulary_size must be a whole number, not {in_short(value)}")
    return value
