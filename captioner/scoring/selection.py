"""Which photos are scored: those that have references and, of every system, a prediction."""

from collections.abc import Sequence
from dataclasses import dataclass

from captioner.datasets import Example
from captioner.errors import CaptionerError
from captioner.scoring.matching import match_predictions, quoted, quoted_few
from captioner.scoring.predictions import Predictions
from captioner.scoring.references import References


@dataclass(frozen=True)
class Selection:
    """The photos to score, with one caption of each system."""

    examples: list[Example]
    captions: tuple[list[str], ...]  # of each system, in the order of the examples
    num_missing: int  # photos left out because a system has no caption of them
    num_unmatched: int  # predictions of any system left out because they name no photo


def select_photos(
    references: References, systems: Sequence[Predictions], split: str | None, allow_partial: bool
) -> Selection:
    """The photos of the split, or else of every split that the first system's predictions name a photo of.

    Predictions of other splits are left aside.
    allow_partial: leave out photos without a prediction, and predictions without a photo, instead of refusing them.
    Raises: CaptionerError when it refuses them, when names are ambiguous or captions double, and when nothing is left.
    """
    matched = [match_predictions(system, references.names) for system in systems]
    for system, (captions, _) in zip(systems, matched, strict=True):
        if not captions:
            raise CaptionerError(
                f"{system.path}: none of its predictions names a photo of {references.path}; they name"
                f" {quoted(system.records[0].photo)} and so on, the references {quoted(references.examples[0].image)}"
            )
    first_captions, _ = matched[0]
    examples = references.around(first_captions) if split is None else references.of_split(split)
    if not allow_partial:
        for system, (captions, unmatched) in zip(systems, matched, strict=True):
            _refuse_partial(references, system, examples, captions, unmatched)
    scored = [e for e in examples if all(captions.get(e.image) is not None for captions, _ in matched)]
    if not scored:
        raise CaptionerError(f"none of the {len(examples):,} photos{_of_splits(examples)} has a caption in all files")
    return Selection(
        scored,
        tuple([captions[e.image] for e in scored] for captions, _ in matched),
        num_missing=len(examples) - len(scored),
        num_unmatched=sum(len(unmatched) for _, unmatched in matched),
    )


def _refuse_partial(references, system, examples, captions, unmatched) -> None:
    missing = [e.image for e in examples if captions.get(e.image) is None]
    faults = []
    where = _of_splits(examples)
    if len(missing) == len(examples):
        found = [photo for photo, caption in captions.items() if caption is not None]
        theirs = f"its predictions are{_of_splits(references.around(found))}" if found else "its records tell of errors"
        raise CaptionerError(f"{system.path}: no prediction for any photo{where}; {theirs}")
    if missing:
        faults.append(f"no prediction for {len(missing):,} of {len(examples):,} photos{where}: {quoted_few(missing)}")
    if unmatched:
        faults.append(
            f"{len(unmatched):,} of {len(system.records):,} predictions name no photo of {references.path}:"
            f" {quoted_few(unmatched)}"
        )
    if faults:
        whole = _whole_splits(examples, set(missing))
        hint = f"--split {whole[0]} scores that split alone, and " if whole else ""
        raise CaptionerError(f"{system.path}: {'; '.join(faults)}; {hint}--allow-partial leaves them out")


def _of_splits(examples) -> str:
    splits = list(dict.fromkeys(e.split for e in examples))
    return "" if None in splits else f" of {' and '.join(splits)}"


def _whole_splits(examples, missing) -> list[str]:
    """The splits without a missing photo, where not all are whole."""
    splits = dict.fromkeys(e.split for e in examples)
    broken = {e.split for e in examples if e.image in missing}
    return [split for split in splits if split is not None and split not in broken] if broken else []
