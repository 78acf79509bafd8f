"""`Captioner`: photos in, captions out."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np

from captioner.ahead import map_ahead
from captioner.decoding import Hypothesis, beam_search, beam_search_stream
from captioner.errors import ImageError, ModelError, OptionsError
from captioner.images import ImageSource, read_image
from captioner.inference.litert import Decoder, Encoder
from captioner.model_folder import CONFIG, DECODER_GRAPH, ENCODER_GRAPH, ModelFolder
from captioner.options import DecodingOptions
from captioner.preset_names import DEFAULT_PRESET
from captioner.presets import open_model
from captioner.search_rules import SearchRules, content_tokens, search_rules
from captioner.tokenizer import Tokenizer

DEFAULT_BATCH_SIZE = 16
LOW_CONFIDENCE = 0.5  # of a calibrated model: a caption is as likely bad as good


@dataclass(frozen=True)
class Caption:
    """What a model says of a photo.

    log_prob: natural log, summed over the tokens, the end included; confidence: 0 to 1, the chance that it is good
    where the model was calibrated, else exp of the mean of its tokens' log-probabilities; candidates: the captions
    found, this one first, where more than one was asked for; tokens: ids of the model's vocabulary, without start and
    end; token_log_probs: of each of them, the end's last; low_confidence: whether a calibrated model's confidence is
    below one half, or below what was asked for.
    """

    text: str
    log_prob: float
    confidence: float
    model: str
    candidates: tuple["Caption", ...] = ()
    tokens: tuple[int, ...] = ()
    low_confidence: bool = False
    token_log_probs: tuple[float, ...] = field(default=(), repr=False, compare=False)


class Captioner:
    """A model ready to caption, for any number of threads.

    A process that is forked from this one may use it, too. Pickled, it is its folder, which is opened again.

    >>> captioner = Captioner.load("everyday")
    >>> captioner.caption("photo.jpg").text
    """

    def __init__(self, folder: ModelFolder, threads: int | None = None):
        """Its graphs are opened when they are needed: what is wrong with them is raised there.

        threads: to compute with, all cores by default.
        Raises: OptionsError for no threads.
        """
        self.folder, self._threads = folder, threads
        self.encoder = Encoder(folder.encoder_graph_path, folder.encoder.key, threads)
        self.decoder = Decoder(folder.path / DECODER_GRAPH, threads)
        self._is_checked = False
        self._rules: dict[str, SearchRules | None] = {}
        self._is_content: np.ndarray | None = None

    @classmethod
    def load(cls, model: str | os.PathLike = DEFAULT_PRESET, threads: int | None = None) -> "Captioner":
        """A shipped model by its name, or one of your own by its folder; threads: all cores by default.

        Raises: ModelError when there is no such model, or its folder is not whole; OptionsError for no threads.
        """
        captioner = cls(open_model(Path(model) if isinstance(model, os.PathLike) else model), threads)
        captioner.check()
        return captioner

    def __reduce__(self):
        encoders = {self.folder.encoder.precision: self.folder.encoder_graph_path.absolute()}
        return _open_again, (self.folder.path.absolute(), encoders, self._threads)

    def check(self) -> None:
        """Opens what is not open yet. Raises: ModelError when a graph cannot be opened, or they do not fit together."""
        if self._is_checked:
            return
        encoder, decoder, folder = self.encoder, self.decoder, self.folder
        encoder.check()
        if decoder.vocabulary_size != len(self.tokenizer):
            raise ModelError(
                f"{folder.path}: {DECODER_GRAPH} speaks {decoder.vocabulary_size} tokens,"
                f" vocabulary.txt has {len(self.tokenizer)}"
            )
        grids = {
            ENCODER_GRAPH: (encoder.num_regions, encoder.depth),
            DECODER_GRAPH: (decoder.num_regions, decoder.depth),
            CONFIG: (folder.encoder.num_regions, folder.encoder.depth),
        }
        if len(set(grids.values())) > 1:
            said = ", ".join(f"{regions} x {depth} in {name}" for name, (regions, depth) in grids.items())
            raise ModelError(f"{folder.path}: its files disagree on regions and depth of the features ({said})")
        self._is_checked = True

    @property
    def tokenizer(self) -> Tokenizer:
        return self.folder.tokenizer

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
            self.check()
            return self.caption_features(self.see(source), options)[0]
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

        Photos are read and encoded by threads, one a core, while captions of `batch_size` others are searched for.
        Raises: OptionsError when no photo would be taken at a time.
        """
        if batch_size < 1:
            raise OptionsError(f"batch-size must be at least 1, not {batch_size}")
        options = options or self.folder.decoding
        taken: deque[ImageError | None] = deque()  # for each photo its error, or None while it is searched for
        with closing(self.feature_stream(sources)) as seen:
            begun, rules = self._begun(seen, taken), self.rules(options)
            for found in beam_search_stream(self.decoder.step, begun, options, batch_size, rules):
                while taken[0] is not None:
                    yield taken.popleft()
                taken.popleft()
                yield self.told(found)
        yield from taken

    def feature_stream(self, sources: Iterable[ImageSource]) -> Iterator[np.ndarray | ImageError]:
        """Each photo's features, (1, regions, depth), or the error it met, in order, encoded ahead by threads.

        Whoever does not take them all closes it: until then other photos share the threads with those to come.
        """
        sources = iter(sources)
        first = list(islice(sources, 2))
        if len(first) < 2:
            self.check()
            yield from map(self._seen, first)
            return
        with self.encoder.sharing():
            self.check()
            yield from map_ahead(self._seen, chain(first, sources), self.encoder.max_calls)

    def see(self, source: ImageSource) -> np.ndarray:
        """The photo's features, (1, regions, depth). Raises: ImageError when it cannot be read."""
        return self.encoder(read_image(source, self.encoder.image_size)[None])

    def _seen(self, source: ImageSource) -> np.ndarray | ImageError:
        try:
            return self.see(source)
        except ImageError as error:
            return error

    def _begun(
        self, seen: Iterable[np.ndarray | ImageError], taken: deque[ImageError | None]
    ) -> Iterator[dict[str, np.ndarray]]:
        """What the decoder begins each photo's captions with; tells in `taken` of all that come by."""
        for features in seen:
            if isinstance(features, ImageError):
                taken.append(features)
            else:
                taken.append(None)
                yield {name: array[0] for name, array in self.decoder.begin(features).items()}

    def caption_features(self, features: np.ndarray, options: DecodingOptions | None = None) -> list[Caption]:
        """The captions of photos that are encoded already. features: (photos, regions, depth)."""
        options = options or self.folder.decoding
        image = self.decoder.begin(features)
        return [self.told(found) for found in beam_search(self.decoder.step, image, options, self.rules(options))]

    def rules(self, options: DecodingOptions) -> SearchRules | None:
        """The rules that the options name, for the words of this model."""
        if options.rules not in self._rules:
            self._rules[options.rules] = search_rules(options, self.tokenizer)
        return self._rules[options.rules]

    def told(self, hypotheses: list[Hypothesis]) -> Caption:
        """What a search found, as a caption."""
        candidates = tuple(map(self._as_caption, hypotheses))
        return replace(candidates[0], candidates=candidates) if len(candidates) > 1 else candidates[0]

    def _as_caption(self, hypothesis: Hypothesis) -> Caption:
        calibrated = self.folder.confidence
        confidence = hypothesis.confidence if calibrated is None else calibrated(hypothesis, self.is_content)
        return Caption(
            self.tokenizer.decode(hypothesis.tokens),
            hypothesis.log_prob,
            confidence,
            self.name,
            tokens=hypothesis.tokens,
            low_confidence=calibrated is not None and confidence < LOW_CONFIDENCE,
            token_log_probs=hypothesis.token_log_probs,
        )

    @property
    def is_content(self) -> np.ndarray:
        """Which tokens say what is in a photo, (vocabulary,) bool."""
        if self._is_content is None:
            self._is_content = content_tokens(self.folder.decoding, self.tokenizer)
        return self._is_content


def _open_again(path: Path, shared_encoders: dict[str, Path], threads: int | None) -> Captioner:
    """What a pickled captioner becomes. Raises: ModelError when the folder is missing or was altered."""
    return Captioner(ModelFolder.open(path, shared_encoders), threads)
