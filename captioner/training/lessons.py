"""What a run learns from: its train captions beside what an encoder gives of their photos, seen in several ways."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from captioner.training.batches import Batch, TeacherForcing
from captioner.training.flips import mirrored_ids
from captioner.training.run import Run
from captioner.training.views import is_crop, views_of

_CROPPED_SHARE = 0.5  # of the photos, each time they are looked at, where crops of them are known


@dataclass(frozen=True)
class SeenView:
    """row: of its features; is_flipped: whether left is right."""

    row: int
    is_flipped: bool


@dataclass(frozen=True)
class Views:
    """What is known of a photo beside as it is: the whole in a mirror, where it can be said of, and crops."""

    flipped: SeenView | None = None
    crops: tuple[SeenView, ...] = ()


class ViewedLessons:
    """The lessons of a `TeacherForcing`, some photos of every batch in a mirror or cropped, at random.

    features: what the network is given of photos, other views too: (rows, regions, depth); views: by the photo's name;
    partners: `mirrored_ids`; flipped_share: of those that can be flipped to be flipped, when seen as a whole.
    """

    def __init__(
        self,
        lessons: TeacherForcing,
        features: np.ndarray,
        views: dict[str, Views],
        partners: np.ndarray,
        flipped_share: float,
    ):
        self._lessons, self._features, self._views = lessons, features, views
        self._partners, self._flipped_share = partners, flipped_share

    def num_steps(self, batch_size: int) -> int:
        return self._lessons.num_steps(batch_size)

    def epoch(
        self, batch_size: int, seed: int, epoch: int, word_dropout: float = 0.0, first_step: int = 0
    ) -> Iterator[Batch]:
        """As `TeacherForcing.epoch`; how a photo is seen depends on the seed, the epoch and the step alone."""
        batches = self._lessons.epoch(batch_size, seed, epoch, word_dropout, first_step)
        for step, batch in enumerate(batches, start=first_step):
            chances = np.random.default_rng([seed, epoch, step, 1]).random((3, len(batch.images)))
            chosen = [self._choose(image, *each) for image, *each in zip(batch.images, *chances, strict=True)]
            yield self._seen(batch, chosen)

    def _choose(self, image: str, flip: float, crop: float, which: float) -> SeenView | None:
        """flip, crop, which: random, from 0 to 1 -> None for the photo as it is."""
        views = self._views.get(image, Views())
        if views.crops and crop < _CROPPED_SHARE:
            return views.crops[int(which * len(views.crops))]
        return views.flipped if flip < self._flipped_share else None

    def _seen(self, batch: Batch, chosen: list[SeenView | None]) -> Batch:
        """The batch, each photo as chosen."""
        if not any(chosen):
            return batch
        features, tokens, targets = batch.features.copy(), batch.tokens.copy(), batch.targets.copy()
        for photo, view in enumerate(chosen):
            if view is None:
                continue
            features[photo] = self._features[view.row]
            if view.is_flipped:
                for ids in (tokens, targets):
                    ids[photo] = self._partners[ids[photo]]
        return replace(batch, features=features, tokens=tokens, targets=targets)


def lessons_of(run: Run, encoder) -> ViewedLessons:
    """encoder: whose features are learned from, with `key`, `num_regions` and `depth`.

    Raises: DatasetError when a photo has no features.
    """
    examples = run.dataset.split("train")
    features, rows = run.dataset.features_of(examples, encoder)
    lessons = TeacherForcing(examples, features, rows, run.tokenizer, run.training.max_tokens)
    row_of = run.dataset.feature_cache(encoder).rows
    views = {}
    for image, named in views_of(run).items():
        seen = [(is_crop(view), SeenView(row_of[name], view.is_flipped)) for name, view in named.items()]
        wholes = [view for of_crop, view in seen if not of_crop]
        views[image] = Views(wholes[0] if wholes else None, tuple(view for of_crop, view in seen if of_crop))
    return ViewedLessons(lessons, features, views, mirrored_ids(run.tokenizer), run.training.flipped_share)
