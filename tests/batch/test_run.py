"""Doing what is planned, photo by photo."""

import errno

import pytest

from captioner.batch import plan_jobs, run_plan
from captioner.errors import CaptionerError, ImageError
from captioner.images import read_image
from captioner.inference import Caption
from captioner.outputs import Output
from captioner.photos import MissingInput, Photo

A, B, C = (Photo(name, name) for name in "abc")


class Notebook(Output):
    def __init__(self, failing=None):
        self.lines, self.failing = [], failing or {}

    def begin(self, file_names):
        self.lines.append(("begin", sorted(file_names)))

    def write(self, photo, caption):
        if photo.file_name in self.failing:
            raise self.failing[photo.file_name]
        self.lines.append((photo.file_name, caption.text))

    def write_error(self, photo, error):
        self.lines.append((photo.file_name, str(error)))


def says(source):
    return Caption(f"a {source}", -1.0, 0.5, "m")


def run(found, *outputs, caption_all=lambda sources: map(says, sources)):
    return list(run_plan(plan_jobs(found, outputs, "skip"), caption_all, outputs))


def test_captions_and_errors_are_written_in_order():
    notebook = Notebook()
    outcomes = run([A, MissingInput("x", "gone"), B], notebook)
    assert notebook.lines == [("begin", ["a", "b", "x"]), ("a", "a a"), ("x", "x: gone"), ("b", "a b")]
    assert [bool(outcome.failures) for outcome in outcomes] == [False, True, False]
    assert [outcome.caption and outcome.caption.text for outcome in outcomes] == ["a a", None, "a b"]


def test_a_photo_that_cannot_be_read_is_a_failure_among_captions():
    notebook = Notebook()

    def caption_all(sources):
        return (ImageError("b: broken") if source == "b" else says(source) for source in sources)

    outcomes = run([A, B, C], notebook, caption_all=caption_all)
    assert notebook.lines[1:] == [("a", "a a"), ("b", "b: broken"), ("c", "a c")]
    assert [failure.line for outcome in outcomes for failure in outcome.failures] == ["b: broken"]


def test_a_photo_that_is_deleted_meanwhile_is_a_failure_among_captions(tmp_path):
    from PIL import Image

    photos = [Photo(name, str(tmp_path / name)) for name in ("a.png", "b.png")]
    for photo in photos:
        Image.new("RGB", (8, 8)).save(photo.source)

    def caption_all(sources):
        for source in sources:
            try:
                read_image(source, 8)
                yield says("photo")
            except ImageError as error:
                yield error
            (tmp_path / "b.png").unlink(missing_ok=True)

    outcomes = run(photos, Notebook(), caption_all=caption_all)
    assert [failure.line for outcome in outcomes for failure in outcome.failures] == [f"{tmp_path}/b.png: no such file"]


def test_an_output_that_fails_costs_the_others_nothing():
    failing, whole = Notebook({"a": CaptionerError("a.txt: cannot be written (Permission denied)")}), Notebook()
    outcomes = run([A, B], failing, whole)
    assert whole.lines[1:] == [("a", "a a"), ("b", "a b")] and failing.lines[1:] == [("b", "a b")]
    assert [len(outcome.failures) for outcome in outcomes] == [1, 0]


def test_a_full_disk_ends_the_batch():
    error = CaptionerError("a.txt: cannot be written (No space left on device)")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    notebook = Notebook({"b": error})
    with pytest.raises(CaptionerError, match="No space left"):
        run([A, B, C], notebook)
    assert notebook.lines[1:] == [("a", "a a")]


def test_no_model_is_asked_where_no_caption_is_missing():
    def caption_all(sources):
        raise AssertionError("it was asked")

    notebook = Notebook()
    run([MissingInput("x", "gone")], notebook, caption_all=caption_all)
    assert notebook.lines == [("begin", ["x"]), ("x", "x: gone")]
    assert run([], notebook, caption_all=caption_all) == []


def test_nothing_is_begun_when_the_model_cannot_be_opened():
    def caption_all(sources):
        raise CaptionerError("no such model")
        yield

    notebook = Notebook()
    with pytest.raises(CaptionerError, match="no such model"):
        run([A], notebook, caption_all=caption_all)
    assert notebook.lines == []


def test_bytes_are_named_by_the_name_they_were_given_by():
    def caption_all(sources):
        return (ImageError("image: broken or cut short") for _ in sources)

    (outcome,) = run([Photo("-", b"...")], Notebook(), caption_all=caption_all)
    assert outcome.failures[0].line == "-: broken or cut short"


WHATEVER = [ValueError("no\nway"), RecursionError(), AttributeError("None"), AssertionError("no text"), MemoryError()]


@pytest.mark.parametrize("error", [*WHATEVER, OSError(5, "gone")])
def test_whatever_goes_wrong_in_a_photos_own_place_is_its_failure_alone(error):
    class Places(Notebook):
        is_per_photo = True

    places = Places({"b": error})
    outcomes = run([A, B, C], places)
    assert places.lines[1:] == [("a", "a a"), ("c", "a c")]
    (failure,) = outcomes[1].failures
    assert failure.line.startswith("b: ") and "\n" not in failure.line


def test_a_stream_that_breaks_ends_the_batch():
    with pytest.raises(BrokenPipeError):
        run([A, B], Notebook({"a": BrokenPipeError()}))
