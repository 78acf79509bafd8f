"""What a run learns from: its train captions beside what an encoder gives of their photos, some of them in a mirror."""

from captioner.training.batches import TeacherForcing
from captioner.training.flips import FlippedLessons, can_be_flipped, mirrored_ids
from captioner.training.photos import flipped_name
from captioner.training.run import Run


def lessons_of(run: Run, encoder) -> FlippedLessons:
    """encoder: whose features are learned from, with `key`, `num_regions` and `depth`.

    Raises: DatasetError when a photo has no features.
    """
    examples = run.dataset.split("train")
    features, rows = run.dataset.features_of(examples, encoder)
    lessons = TeacherForcing(examples, features, rows, run.tokenizer, run.training.max_tokens)
    cached = run.dataset.feature_cache(encoder).rows
    flipped_rows = {image: cached[flipped_name(image)] for image in flipped_images(run)}
    return FlippedLessons(lessons, features, flipped_rows, mirrored_ids(run.tokenizer), run.training.flipped_share)


def flipped_images(run: Run) -> list[str]:
    """The train photos that are seen in a mirror, too."""
    if run.training.flipped_share == 0:
        return []
    partners = mirrored_ids(run.tokenizer)
    examples = run.dataset.split("train")
    return [example.image for example in examples if can_be_flipped(example, run.tokenizer, partners)]
