"""What is to be done for what was found."""

import pytest

from captioner.batch import plan_jobs
from captioner.errors import CaptionerError, ImageError
from captioner.outputs import Output
from captioner.photos import MissingInput, Photo


class Shelf(Output):
    """Knows which photos have a caption, and which may not be written at all or over."""

    def __init__(self, made=(), refused=(), guarded=()):
        self.made, self.refused, self.guarded = made, refused, guarded

    def is_settled(self, photo, anew):
        if photo.file_name in self.refused:
            raise ImageError(f"{photo.file_name}: not here")
        return photo.file_name in (self.guarded if anew else self.made)

    def target(self, photo):
        return f"shelf/{photo.file_name}"


A, B, C = (Photo(name, name) for name in "abc")


def jobs(found, *outputs, existing="skip"):
    return [(job.photo, job.outputs) for job in plan_jobs(found, outputs, existing).jobs]


def test_a_caption_goes_where_it_is_missing():
    first, second = Shelf(made="ab"), Shelf(made="a")
    plan = plan_jobs([A, B, C], [first, second], "skip")
    assert [(job.photo, job.outputs) for job in plan.jobs] == [(B, (second,)), (C, (first, second))]
    assert plan.num_skipped == 1


def test_overwriting_asks_only_what_may_not_be_replaced():
    shelf = Shelf(made="ab", guarded="b")
    plan = plan_jobs([A, B], [shelf], "overwrite")
    assert [job.photo for job in plan.jobs] == [A] and plan.num_skipped == 1


def test_with_error_a_caption_that_is_there_stops_everything():
    with pytest.raises(CaptionerError, match=r"^b has its caption already, in shelf/b; --existing skip"):
        plan_jobs([A, B], [Shelf(made="b")], "error")
    assert jobs([A], Shelf(made="b"), existing="error")


def test_an_output_that_can_have_no_caption_of_a_photo_fails_alone():
    refusing, taking = Shelf(refused="a"), Shelf()
    (job,) = plan_jobs([A], [refusing, taking], "skip").jobs
    assert job.outputs == (taking,) and job.needs_caption
    assert [failure.line for failure in job.failures] == ["a: not here"]
    (job,) = plan_jobs([A], [refusing], "skip").jobs
    assert not job.needs_caption


def test_what_names_nothing_is_known_to_fail():
    (job,) = plan_jobs([MissingInput("x", "no such file or folder")], [Shelf()], "skip").jobs
    assert not job.needs_caption and str(job.error) == "x: no such file or folder"


def test_outputs_are_asked_whether_photos_would_meet():
    class Narrow(Shelf):
        def check(self, photos):
            raise CaptionerError(" and ".join(photo.file_name for photo in photos))

    with pytest.raises(CaptionerError, match=r"^a and b$"):
        plan_jobs([A, MissingInput("x", "gone"), B], [Narrow()], "skip")


WHATEVER = [ValueError("no\nway"), RecursionError(), AttributeError("None"), MemoryError(), OSError(5, "gone")]


@pytest.mark.parametrize("error", [*WHATEVER, CaptionerError("b: broken"), ImageError("b: broken")])
def test_whatever_a_photo_raises_it_fails_alone_and_is_named(error):
    class Touchy(Shelf):
        def is_settled(self, photo, anew):
            if photo is B:
                raise error
            return False

    for existing in ("skip", "overwrite", "error"):
        plan = plan_jobs([A, B, C], [Touchy()], existing)
        assert [job.needs_caption for job in plan.jobs] == [True, False, True]
        (failure,) = plan.jobs[1].failures
        assert failure.line.startswith("b: ") and "\n" not in failure.line
