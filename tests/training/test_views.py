"""The ways train photos are looked at: which, where, and under what names they are kept."""

import dataclasses

import numpy as np
import pytest

from captioner.datasets.encoding import WHOLE
from captioner.options import TrainingOptions
from captioner.training import Listener
from captioner.training.photos import encode_views
from captioner.training.views import views_of


@pytest.fixture
def run_with(make_run, tmp_path):
    return lambda **training: make_run(tmp_path / "run", **training)


def test_without_mirror_and_crops_there_are_no_other_views(run_with):
    assert views_of(run_with(flipped_share=0.0)) == {}


def test_every_second_crop_is_in_a_mirror(run_with):
    for image, named in views_of(run_with(flipped_share=0.5, crops=3)).items():
        assert list(named) == [f"{image}/flipped", f"{image}/crop0", f"{image}/crop1/flipped", f"{image}/crop2"]
        assert [view.is_flipped for view in named.values()] == [True, False, True, False]


def test_without_a_mirror_no_crop_is_flipped(run_with):
    for named in views_of(run_with(flipped_share=0.0, crops=3)).values():
        assert len(named) == 3 and not any(view.is_flipped for view in named.values())


def test_a_crop_is_half_of_the_photo_or_more_and_inside_it(run_with):
    boxes = [v.box for named in views_of(run_with(flipped_share=0.0, crops=40)).values() for v in named.values()]
    left, top, right, bottom = np.array(boxes).T
    assert min(left.min(), top.min()) >= 0 and max(right.max(), bottom.max()) <= 1
    areas = (right - left) * (bottom - top)
    assert 0.45 < areas.min() < 0.55 and areas.max() > 0.9
    assert WHOLE not in boxes and len(set(boxes)) == len(boxes)


def test_crops_are_the_same_whatever_the_seed(run_with):
    assert views_of(run_with(crops=2, seed=1)) == views_of(run_with(crops=2, seed=2))


def test_what_is_kept_serves_runs_with_fewer_crops(run_with, prepare_drawings, encoder_info):
    dataset, lines = prepare_drawings(3, 1, 1), []
    listener = dataclasses.replace(Listener(), say=lines.append)
    encode_views(run_with(dataset=dataset, flipped_share=0.0, crops=2), listener)
    encode_views(run_with(dataset=dataset, flipped_share=0.0, crops=1), listener)
    assert lines == [f"encoding the photos cropped, once for {dataset.folder}"]
    cache = dataset.feature_cache(encoder_info)
    image = dataset.split("train")[0].image
    rows = [cache.rows[name] for name in (image, f"{image}/crop0", f"{image}/crop1")]
    assert len(np.unique(cache.features()[rows], axis=0)) == 3


@pytest.mark.parametrize("crops", [-1, 101])
def test_too_many_crops_are_refused(crops):
    with pytest.raises(Exception, match="crops must be at least 0 and at most 100"):
        TrainingOptions(crops=crops)
