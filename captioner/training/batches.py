"""Batches for teacher forcing: P photos with C captions each. The shift happens here and nowhere else."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType

import numpy as np

from captioner.ahead import map_ahead
from captioner.datasets import Example
from captioner.tokenizer import END_ID, PAD_ID, START_ID, UNK_ID, Tokenizer

_READING_THREADS = 2  # that wait for the disk where features are larger than memory


@dataclass(frozen=True)
class Batch:
    """features: (P, regions, depth) float32; tokens, targets: (P, C, T) int32; weights: (P, C, T) float32.

    `targets` is `tokens` one step later; a padded position and a missing caption weigh 0. images: the P photos' names.
    """

    images: tuple[str, ...]
    features: np.ndarray
    tokens: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


class TeacherForcing:
    """The captions of a split as token ids, and their photos' features, served in shuffled batches.

    features: (rows, regions, depth), as a `FeatureCache` has them; rows: the row of each example;
    sorted_steps: steps' worth of photos among which captions of like length are brought together, 1 for none;
    views: how photos are looked at, a `ViewSampler`, None for as they are; source_weights: how often the photos of a
    source are seen in an epoch, 1 where it says nothing; evenness: a caption of a photo with n of them weighs
    n ** -evenness, so that at 0 every caption counts as much as any other, at 1 every photo.
    """

    def __init__(
        self,
        examples: list[Example],
        features: np.ndarray,
        rows: np.ndarray,
        tokenizer: Tokenizer,
        max_tokens: int,
        sorted_steps: int = 32,
        views=None,
        source_weights: Mapping[str, float] = MappingProxyType({}),
        evenness: float = 0.0,
    ):
        self._sorted_steps, self._views = sorted_steps, views
        self._images = [example.image for example in examples]
        self._features, self._rows = features, rows
        # a caption that is cut has no end token: it must not learn to stop there
        self._captions = [
            [[*tokenizer.encode(caption), END_ID][:max_tokens] for caption in example.captions] for example in examples
        ]
        self._lengths = np.array([max(map(len, captions)) for captions in self._captions])
        self._weights = np.array([len(captions) ** -evenness for captions in self._captions], np.float32)
        self._times_seen = np.array([source_weights.get(example.source, 1.0) for example in examples])
        self.num_captions = sum(map(len, self._captions))
        self.num_tokens = sum(len(ids) for captions in self._captions for ids in captions)

    @property
    def num_photos(self) -> int:
        """How many are seen in an epoch, each as often as it is."""
        return sum(map(len, self._seen_in(np.random.default_rng(0))))

    def num_steps(self, batch_size: int) -> int:
        return -(-self.num_photos // batch_size)

    def epoch(
        self, batch_size: int, seed: int, epoch: int, word_dropout: float = 0.0, first_step: int = 0
    ) -> Iterator[Batch]:
        """The photos of an epoch, in an order that depends on the seed and the epoch alone; read while others are used.

        Within a stretch of `sorted_steps`, photos with captions of like length share a step. How a photo is looked at
        depends on the seed, the epoch and the step alone.
        word_dropout: share of the words fed in that become <unk>, so that the network listens less to the words
        before and more to the photo (Bowman et al. 2016, section 3.1). first_step: steps that were taken already.
        """

        def make(step: int, photos: np.ndarray) -> Batch:
            batch = self._batch(photos, np.random.default_rng([seed, epoch, step, 1]))
            chance = np.random.default_rng([seed, epoch, step]).random(batch.tokens.shape)
            dropped = (chance < word_dropout) & (batch.tokens > UNK_ID)
            return replace(batch, tokens=np.where(dropped, np.int32(UNK_ID), batch.tokens))

        groups = islice(enumerate(self._groups(batch_size, seed, epoch)), first_step, None)
        return map_ahead(lambda group: make(*group), groups, threads=_READING_THREADS)

    def _seen_in(self, random: np.random.Generator) -> Iterator[np.ndarray]:
        """Arrays of photos that together are those of an epoch: of a source seen 2.5 times, all, all, and half."""
        for times in np.unique(self._times_seen):
            photos = np.flatnonzero(self._times_seen == times)
            for _ in range(int(times)):
                yield photos
            if rest := times - int(times):
                yield random.permutation(photos)[: max(1, round(rest * len(photos)))]

    def _groups(self, batch_size: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
        """The photos of each step."""
        random = np.random.default_rng([seed, epoch])
        order = random.permutation(np.concatenate(list(self._seen_in(random))))
        chunk = batch_size * self._sorted_steps
        for start in range(0, len(order), chunk):
            stretch = order[start : start + chunk]
            stretch = stretch[np.argsort(self._lengths[stretch], kind="stable")]
            groups = [stretch[i : i + batch_size] for i in range(0, len(stretch), batch_size)]
            for index in random.permutation(len(groups)):
                yield groups[index]

    def _batch(self, photos: np.ndarray, random: np.random.Generator) -> Batch:
        captions = [self._captions[photo] for photo in photos]
        num_captions = max(map(len, captions))
        num_steps = self._lengths[photos].max()
        shape = (len(photos), num_captions, num_steps)
        tokens, targets = np.full(shape, PAD_ID, np.int32), np.full(shape, PAD_ID, np.int32)
        weights = np.zeros(shape, np.float32)
        for p, photo_captions in enumerate(captions):
            for c, ids in enumerate(photo_captions):
                targets[p, c, : len(ids)] = ids
                tokens[p, c, : len(ids)] = [START_ID, *ids[:-1]]
                weights[p, c, : len(ids)] = self._weights[photos[p]]
        images = tuple(self._images[photo] for photo in photos)
        rows = self._rows[photos]
        if self._views is not None:
            for p, view in enumerate(self._views.choose(random, images)):
                if view is None:
                    continue
                rows[p] = view.row
                if view.is_flipped:
                    tokens[p], targets[p] = self._views.partners[tokens[p]], self._views.partners[targets[p]]
        return Batch(images, self._features[rows], tokens, targets, weights)
