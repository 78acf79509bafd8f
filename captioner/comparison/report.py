"""All that was measured as one JSON object, which the page and the picture are made from."""

import os
import platform
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from captioner import __version__
from captioner.comparison.measuring import Measured
from captioner.comparison.plan import Comparison
from captioner.comparison.speed import Speed
from captioner.inference import default_threads
from captioner.options import BootstrapOptions
from captioner.scoring import difference_report

_SHOWN_DEV_PHOTOS = 6


def comparison_report(
    comparison: Comparison,
    measured: dict[str, Measured],
    speeds: dict[str, Speed],
    photos: Sequence[Path],
    bootstrap: BootstrapOptions,
) -> dict:
    """measured: by decoder, in the order of the runs; speeds: of each, measured in turn; photos: those that
    were given, or none.
    """
    dataset, around = comparison.dataset, comparison.around
    run = next(iter(comparison.runs.values()))
    return {
        "captioner": __version__,
        "dataset": {
            "name": dataset.folder.resolve().name,
            "counts": dataset.info["counts"],
            "encoder": run.encoder.name,
            **vars(around),
        },
        "network": {name: value for name, value in comparison.asked.to_json().items() if name != "decoder"},
        "training": run.training.to_json(),
        "decoding": run.decoding.to_json(),
        "parameters_matched": comparison.is_matched,
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": default_threads(),
        "bootstrap": bootstrap.to_json(),
        "decoders": {
            decoder: found.facts | {"seconds_per_epoch": vars(speeds[decoder])} for decoder, found in measured.items()
        },
        "differences": _differences(measured, bootstrap),
        "captions": _captions(comparison, measured, photos),
    }


def _differences(measured: dict[str, Measured], bootstrap: BootstrapOptions) -> dict[str, list[dict]]:
    """By split, of every two decoders: `{"one", "other", "scores"}`, the scores of one less those of the other."""
    splits = next(iter(measured.values())).tallies
    return {
        split: [
            {
                "one": one,
                "other": other,
                "scores": difference_report(measured[one].tallies[split], measured[other].tallies[split], bootstrap),
            }
            for one, other in combinations(measured, 2)
        ]
        for split in splits
    }


def _captions(comparison: Comparison, measured: dict[str, Measured], photos: Sequence[Path]) -> list[dict]:
    """What each says of the same photos: `{"photo", "path", "captions"}`, the path from the page where there is one.

    Of the photos that were given; where none were, of a few of dev, which are named and not shown.
    """
    if photos:
        names = [path.name for path in photos]
        paths = [Path(os.path.relpath(path.resolve(), comparison.output_dir.resolve())).as_posix() for path in photos]
        said = {decoder: found.photo_captions for decoder, found in measured.items()}
    elif "dev" in comparison.dataset.splits:
        examples = comparison.dataset.split("dev")
        chosen = np.linspace(0, len(examples) - 1, min(len(examples), _SHOWN_DEV_PHOTOS)).round().astype(int)
        names, paths = [examples[index].image for index in chosen], [None] * len(chosen)
        said = {decoder: [found.captions["dev"][index] for index in chosen] for decoder, found in measured.items()}
    else:
        return []
    return [
        {"photo": name, "path": path, "captions": {decoder: texts[place] for decoder, texts in said.items()}}
        for place, (name, path) in enumerate(zip(names, paths, strict=True))
    ]
