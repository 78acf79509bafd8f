"""What a run learns from: its train captions beside what an encoder gives of their photos, seen in several ways."""

from dataclasses import dataclass

import numpy as np

from captioner.training.batches import TeacherForcing
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


class ViewSampler:
    """Chooses at random how photos are looked at: as they are, in a mirror, or cropped.

    views: by the photo's name; partners: `mirrored_ids`; flipped_share: of those that can be flipped to be flipped,
    when seen as a whole.
    """

    def __init__(self, views: dict[str, Views], partners: np.ndarray, flipped_share: float):
        self._views, self._flipped_share = views, flipped_share
        self.partners = partners

    def choose(self, random: np.random.Generator, images: tuple[str, ...]) -> list[SeenView | None]:
        """How each of the photos is looked at; None is as it is."""
        chances = random.random((3, len(images)))
        return [self._choose(image, *each) for image, *each in zip(images, *chances, strict=True)]

    def _choose(self, image: str, flip: float, crop: float, which: float) -> SeenView | None:
        """flip, crop, which: random, from 0 to 1."""
        views = self._views.get(image, Views())
        if views.crops and crop < _CROPPED_SHARE:
            return views.crops[int(which * len(views.crops))]
        return views.flipped if flip < self._flipped_share else None


def lessons_of(run: Run, encoder) -> TeacherForcing:
    """encoder: whose features are learned from, with `key`, `num_regions` and `depth`.

    Raises: DatasetError when a photo has no features, or a source that is weighted is not there.
    """
    examples = run.dataset.split("train")
    features, rows = run.dataset.features_of(examples, encoder)
    row_of = run.dataset.feature_cache(encoder).rows
    views = {}
    for image, named in views_of(run).items():
        seen = [(is_crop(view), SeenView(row_of[name], view.is_flipped)) for name, view in named.items()]
        wholes = [view for of_crop, view in seen if not of_crop]
        views[image] = Views(wholes[0] if wholes else None, tuple(view for of_crop, view in seen if of_crop))
    sampler = ViewSampler(views, mirrored_ids(run.tokenizer), run.training.flipped_share)
    return TeacherForcing(
        examples,
        features,
        rows,
        run.tokenizer,
        run.training.max_tokens,
        views=sampler,
        source_weights=run.source_weights,
        evenness=run.training.photo_evenness,
    )
