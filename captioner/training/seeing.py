"""The encoder's last blocks and the decoder as one network, so that both can learn from the same captions."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import keras

from captioner.encoders import build_encoder, encoder_key, encoder_spec, graph_key, key_of
from captioner.encoders.cut import cut_encoder
from captioner.encoders.export import export_encoder
from captioner.encoders.exported import downloads_told_on_stderr
from captioner.encoders.projection import project, read_projection
from captioner.encoders.weights_file import hash_weights
from captioner.errors import ModelError
from captioner.inference import Encoder
from captioner.model import CaptionNetwork, load_weights
from captioner.quiet import without_native_chatter
from captioner.training.photos import fill_cache
from captioner.training.run import Listener, Run
from captioner.training.views import views_of


class SeeingNetwork(keras.Model):
    """To whoever trains or asks it a `CaptionNetwork`, but its features are activations: what the trunk gives.

    features: (photos, positions, channels).
    """

    def __init__(self, rest: keras.Model, decoder: CaptionNetwork):
        super().__init__(name="seeing")
        self.rest, self.decoder = rest, decoder
        _, self.num_regions, self.depth = rest.input_shape
        self.vocabulary_size = decoder.vocabulary_size
        self.built = True

    def begin(self, features):
        return self.decoder.begin(self.rest(features, training=False))

    def step(self, token, state, keys=None, values=None):
        return self.decoder.step(token, state, keys, values)

    def call(self, features, tokens, packing, training=False):
        # the encoder never in training mode: batch normalisation keeps its statistics, nothing is dropped
        seen = self.rest(features, training=False)
        return self.decoder(seen, tokens, packing=packing, training=training)


@dataclass(frozen=True)
class Eyes:
    """An encoder in two. key, num_regions, depth: of what its trunk gives, as `Dataset.features_of` asks for them."""

    encoder: keras.Model
    trunk: keras.Model
    rest: keras.Model
    key: str

    @classmethod
    def of(cls, run: Run) -> "Eyes":
        """The encoder that the run's features are from, in Keras.

        Raises: ModelError when its weights cannot be had, or are not those that the features are from.
        """
        with downloads_told_on_stderr():
            encoder, key = _keras_encoder(run)
        if key != run.encoder.key:
            raise ModelError(f"the features are of {run.encoder.key}, and the encoder at hand is {key}")
        cut = encoder_spec(run.encoder.name).cut
        return cls(encoder, *cut_encoder(encoder, cut), f"{key}-{cut}")

    @property
    def num_regions(self) -> int:
        return self.rest.input_shape[1]

    @property
    def depth(self) -> int:
        return self.rest.input_shape[2]

    def open_trunk(self) -> Encoder:
        """The trunk by LiteRT, which is about twice as fast as Keras."""
        with TemporaryDirectory() as folder, without_native_chatter():
            path = Path(folder) / "trunk.tflite"
            export_encoder(self.trunk, path)
            return Encoder.a_photo_a_core(path, self.key)


def look_at_photos(run: Run, eyes: Eyes, listener: Listener) -> None:
    """Fills the dataset's cache of what the trunk gives, which no learning changes; its other views, too.

    Raises: DatasetError when a photo is missing or cannot be read, or the cache cannot be written.
    """
    examples = [example for example in run.dataset.examples if example.split in ("train", "dev")]
    views = views_of(run)
    num_views = len(examples) + sum(map(len, views.values()))

    def open_trunk():
        num_bytes = 2 * eyes.num_regions * eyes.depth * num_views
        listener.say(f"looking at the photos through the encoder's first blocks, once ({num_bytes / 1e9:.1f} GB)")
        return eyes.open_trunk()

    fill_cache(run.dataset.feature_cache(eyes), run.dataset, examples, open_trunk, listener, views)


def _keras_encoder(run: Run) -> tuple[keras.Model, str]:
    """The encoder with its weights, and its key."""
    name, path = run.encoder.name, run.encoder_weights_path
    encoder = build_encoder(name, "imagenet" if path is None else None)
    if run.encoder.precision == "int8":  # it ends in a projection, which the graph has
        encoder = project(encoder, read_projection(run.encoder_graph_path, encoder_spec(name).depth))
    if path is not None:
        load_weights(encoder, path)
    if run.encoder.precision == "int8":
        return encoder, graph_key(name, run.encoder_graph_path)
    return encoder, encoder_key(name, encoder) if path is None else key_of(name, hash_weights(encoder))
