"""`Captioner`: photos in, captions out."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from captioner.decoding import Hypothesis, beam_search
from captioner.errors import ImageError, ModelError, OptionsError
from captioner.images import ImageSource, read_image, read_images
from captioner.inference.litert import Decoder, Encoder, default_threads
from captioner.model_folder import CONFIG, DECODER_GRAPH, ENCODER_GRAPH, ModelFolder
from captioner.options import DecodingOptions
from captioner.presets import DEFAULT_PRESET, open_model

DEFAULT_BATCH_SIZE = 8


@dataclass(frozen=True)
class Caption:
    """What a model says of a photo.

    log_prob: natural log, summed over the tokens, the end included; confidence: exp of its mean a token, 0 to 1;
    candidates: the captions found, this one first, where more than one was asked for.
    """

    text: str
    log_prob: float
    confidence: float
    model: str
    candidates: tuple["Caption", ...] = ()


class Captioner:
    """A model ready to caption.

    >>> captioner = Captioner.load("flickr8k")
    >>> captioner.caption("photo.jpg").text
    """

    def __init__(self, folder: ModelFolder, threads: int | None = None):
        self.folder = folder
        self.tokenizer = folder.tokenizer
        self.threads = default_threads() if threads is None else threads
        self.encoder = Encoder(folder.encoder_graph_path, folder.encoder.key, self.threads)
        self.decoder = Decoder(folder.path / DECODER_GRAPH, self.threads)
        if self.decoder.vocabulary_size != len(self.tokenizer):
            raise ModelError(
                f"{folder.path}: {DECODER_GRAPH} speaks {self.decoder.vocabulary_size} tokens,"
                f" vocabulary.txt has {len(self.tokenizer)}"
            )
        grids = {
            ENCODER_GRAPH: (self.encoder.num_regions, self.encoder.depth),
            DECODER_GRAPH: (self.decoder.num_regions, self.decoder.depth),
            CONFIG: (folder.encoder.num_regions, folder.encoder.depth),
        }
        if len(set(grids.values())) > 1:
            said = ", ".join(f"{regions} x {depth} in {name}" for name, (regions, depth) in grids.items())
            raise ModelError(f"{folder.path}: its files disagree on regions and depth of the features ({said})")

    @classmethod
    def load(cls, model: str | os.PathLike = DEFAULT_PRESET, threads: int | None = None) -> "Captioner":
        """A shipped model by its name, or one of your own by its folder; threads: all cores by default.

        Raises: ModelError when there is no such model, or its folder is not whole; OptionsError for no threads.
        """
        return cls(open_model(Path(model) if isinstance(model, os.PathLike) else model), threads)

    @property
    def name(self) -> str:
        return self.folder.name

    def caption(
        self, source: ImageSource | list[ImageSource], options: DecodingOptions | None = None
    ) -> Caption | list[Caption]:
        """The caption of a photo; of a list of photos, their captions in order.

        source: a path, the bytes of an image file, a PIL image or a uint8 array, or a list of these.
        options: how to search; the model's own by default.
        Raises: ImageError for the first photo that cannot be read.
        """
        if not isinstance(source, list):
            image = read_image(source, self.encoder.image_size)
            return self.caption_features(self.encoder(image[None]), options)[0]
        captions = list(self.caption_stream(source, options))
        for caption in captions:
            if isinstance(caption, ImageError):
                raise caption
        return captions

    def caption_stream(
        self,
        sources: Iterable[ImageSource],
        options: DecodingOptions | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> Iterator[Caption | ImageError]:
        """Each photo's caption, or the error it met, in order; only a few photos are held at a time.

        Raises: OptionsError when no photo would be taken at a time.
        """
        if batch_size < 1:
            raise OptionsError(f"batch-size must be at least 1, not {batch_size}")
        images = read_images(sources, self.encoder.image_size, self.threads)
        while group := list(islice(images, batch_size)):
            photos = [image for image in group if not isinstance(image, ImageError)]
            captions = iter(self._caption_images(photos, options))
            for image in group:
                yield image if isinstance(image, ImageError) else next(captions)

    def caption_features(self, features: np.ndarray, options: DecodingOptions | None = None) -> list[Caption]:
        """The captions of photos that are encoded already. features: (photos, regions, depth)."""
        options = options or self.folder.decoding
        image = self.decoder.begin(features)
        return [self._caption(found) for found in beam_search(self.decoder.step, image, options)]

    def _caption_images(self, images: list[np.ndarray], options: DecodingOptions | None) -> list[Caption]:
        if not images:
            return []
        # one photo at a time: the encoder gains nothing from a batch, and its memory grows with it
        features = np.concatenate([self.encoder(image[None]) for image in images])
        return self.caption_features(features, options)

    def _caption(self, hypotheses: list[Hypothesis]) -> Caption:
        candidates = tuple(
            Caption(self.tokenizer.decode(h.tokens), h.log_prob, h.confidence, self.name) for h in hypotheses
        )
        return replace(candidates[0], candidates=candidates) if len(candidates) > 1 else candidates[0]
