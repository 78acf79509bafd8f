"""A model is a folder that speaks alone: its files, their hashes, and the checks on opening it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from captioner.confidence import Confidence
from captioner.errors import ModelError, OptionsError
from captioner.files import sha256_of, write_json
from captioner.known_hashes import KnownHashes
from captioner.options import DecodingOptions, NetworkOptions
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


@dataclass(frozen=True)
class EncoderInfo:
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
        shared_encoder = None
        if config.get(_SHARES_ENCODER) and not graph_path.exists():
            shared_encoder = (shared_encoders or {}).get(config["encoder"].get("precision", "float"))
            graph_path = shared_encoder or graph_path
        for name, expected in config["files"].items():
            file = graph_path if name == ENCODER_GRAPH else path / name
            try:
                found = hashes.sha256_of(file)
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
                name=config["name"],
                encoder=EncoderInfo(**config["encoder"]),
                network=NetworkOptions.from_json(config["network"]),
                decoding=DecodingOptions.from_json(config["decoding"]),
                vocabulary_size=config["vocabulary_size"],
                encoder_graph_path=graph_path,
                confidence=Confidence.from_json(config["confidence"]) if "confidence" in config else None,
            )
        except (KeyError, TypeError, AttributeError, OptionsError, ModelError) as error:
            raise ModelError(f"{path / CONFIG}: not the configuration of a model ({error})") from error
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
        """The record of the run that made the model."""
        return json.loads((self.path / TRAINING_RECORD).read_text(encoding="utf-8"))


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


def _read_config(path: Path) -> dict:
    if not path.is_dir():
        raise ModelError(f"{path}: {'not a model folder' if path.exists() else 'no such model folder'}")
    try:
        config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{path}: {CONFIG} is missing, so this is no finished model") from error
    except (OSError, ValueError) as error:
        reason = "not valid JSON" if isinstance(error, ValueError) else error.strerror
        raise ModelError(f"{path / CONFIG}: cannot be read ({reason})") from error
    if not isinstance(config, dict) or not isinstance(config.get("files"), dict):
        raise ModelError(f"{path / CONFIG}: not the configuration of a model")
    if config.get("format") != MODEL_FORMAT:
        raise ModelError(f"{path / CONFIG}: model format {config.get('format')!r}; this captioner reads {MODEL_FORMAT}")
    return config
