import pytest

from captioner.datasets import Example
from captioner.errors import CaptionerError
from captioner.scoring import Prediction, Predictions, References, select_photos
from captioner.scoring.matching import PhotoNames

SPLITS = {"a.jpg": "train", "b.jpg": "train", "c.jpg": "dev", "d.jpg": "dev"}


def references(splits=SPLITS):
    examples = tuple(Example(image, (f"caption of {image}",), split) for image, split in splits.items())
    return References("REFS", "flickr8k", examples, PhotoNames(splits), ())


def system(*captions, path="FILE"):
    records = [caption if isinstance(caption, tuple) else (caption, "a dog") for caption in captions]
    return Predictions(path, tuple(Prediction(*record, f"line {n}") for n, record in enumerate(records, start=1)))


def select(*systems, split=None, allow_partial=False, truth=None):
    return select_photos(truth or references(), systems, split, allow_partial)


def images(selection):
    return [example.image for example in selection.examples]


def refusal(*systems, **options):
    with pytest.raises(CaptionerError) as caught:
        select(*systems, **options)
    return str(caught.value)


def test_captions_come_in_the_order_of_the_references():
    found = select(system(("d", "a cat"), ("c", "a dog")))
    assert images(found) == ["c.jpg", "d.jpg"]
    assert found.captions == (["a dog", "a cat"],)
    assert (found.num_missing, found.num_unmatched) == (0, 0)


def test_the_splits_that_predictions_touch_are_scored():
    assert images(select(system("c", "d"))) == ["c.jpg", "d.jpg"]
    assert images(select(system("a", "b", "c", "d"))) == list(SPLITS)


def test_a_split_may_be_asked_for_and_predictions_of_others_are_left_aside():
    found = select(system("a", "b", "c", "d"), split="train")
    assert images(found) == ["a.jpg", "b.jpg"]
    assert found.num_unmatched == 0


def test_without_splits_all_photos_are_scored():
    truth = references(dict.fromkeys(SPLITS))
    assert images(select(system(*SPLITS), truth=truth)) == list(SPLITS)
    message = refusal(system(*SPLITS), truth=truth, split="dev")
    assert message == "REFS: no dev split; it has no splits; leave out --split"


def test_a_split_that_is_not_there_is_named_with_those_that_are():
    assert refusal(system("c", "d"), split="test") == "REFS: no test split; it has train, dev"


def test_photos_without_a_prediction_are_named_and_refused():
    assert refusal(system("c")) == (
        "FILE: no prediction for 1 of 2 photos of dev: 'd.jpg'; --allow-partial leaves them out"
    )
    many = references({f"{n}.jpg": None for n in range(2000)})
    assert refusal(system("7.jpg"), truth=many) == (
        "FILE: no prediction for 1,999 of 2,000 photos: '0.jpg', '1.jpg', '2.jpg', ...; --allow-partial leaves them out"
    )


def test_a_whole_split_beside_a_broken_one_is_pointed_out():
    assert refusal(system("a", "c", "d")) == (
        "FILE: no prediction for 1 of 4 photos of train and dev: 'b.jpg';"
        " --split dev scores that split alone, and --allow-partial leaves them out"
    )


def test_predictions_without_a_photo_are_named_and_refused():
    assert refusal(system("c", "d", "x.jpg", "y.jpg")) == (
        "FILE: 2 of 4 predictions name no photo of REFS: 'x.jpg', 'y.jpg'; --allow-partial leaves them out"
    )
    assert "no prediction for 1 of 2 photos of dev: 'd.jpg'; 1 of 2 predictions name" in refusal(system("c", "x.jpg"))


def test_what_does_not_fit_is_left_out_where_that_is_allowed():
    found = select(system("c", "x.jpg"), allow_partial=True)
    assert images(found) == ["c.jpg"]
    assert (found.num_missing, found.num_unmatched) == (1, 1)


def test_an_error_is_a_photo_without_a_prediction():
    assert "no prediction for 1 of 2 photos of dev: 'd.jpg'" in refusal(system("c", ("d", None)))
    found = select(system("c", ("d", None), ("x.jpg", None)), allow_partial=True)
    assert (images(found), found.num_missing, found.num_unmatched) == (["c.jpg"], 1, 0)


@pytest.mark.parametrize("records", [(("d", None), ("d", "a cat")), (("d", "a cat"), ("d", None))])
def test_a_caption_takes_the_place_of_an_error(records):
    assert select(system("c", *records)).captions == (["a dog", "a cat"],)


def test_an_empty_caption_is_a_prediction():
    assert select(system("c", ("d", ""))).captions == (["a dog", ""],)


def test_two_captions_of_a_photo_are_refused():
    assert refusal(system("c", "d", "photos/d.jpg")) == (
        "FILE, line 3: a second caption for photo 'd.jpg'; the first is in line 2"
    )
    assert "a second caption" in refusal(system("c", ("d", ""), ("d", "a cat")))


def test_an_ambiguous_name_is_refused():
    truth = references({"a/1.jpg": None, "b/1.jpg": None})
    assert refusal(system("1"), truth=truth) == "FILE, line 1: '1' may be any of 2 photos: 'a/1.jpg', 'b/1.jpg'"


def test_names_of_nothing_known_are_shown_beside_those_of_the_references():
    for allow_partial in (False, True):
        assert refusal(system("x.jpg", "y.jpg"), allow_partial=allow_partial) == (
            "FILE: none of its predictions names a photo of REFS; they name 'x.jpg' and so on, the references 'a.jpg'"
        )


def test_predictions_of_another_split_than_that_asked_for_are_refused():
    assert refusal(system("c", "d"), split="train") == (
        "FILE: no prediction for any photo of train; its predictions are of dev"
    )
    message = refusal(system("c", "d"), split="train", allow_partial=True)
    assert message == "none of the 2 photos of train has a caption in all files"
    assert refusal(system(("c", None))) == "FILE: no prediction for any photo of dev; its records tell of errors"


def test_two_systems_are_scored_on_the_same_photos():
    found = select(system("c", "d"), system(("a", "x"), ("b", "x"), ("c", "y"), ("d", "z"), path="OTHER"))
    assert found.captions == (["a dog", "a dog"], ["y", "z"])
    message = refusal(system("c", "d"), system("c", path="OTHER"))
    assert message == "OTHER: no prediction for 1 of 2 photos of dev: 'd.jpg'; --allow-partial leaves them out"
    partial = select(system("c", "d"), system(("c", "y"), path="OTHER"), allow_partial=True)
    assert (images(partial), partial.num_missing) == (["c.jpg"], 1)


def test_names_in_errors_stay_on_one_line_and_end():
    message = refusal(system("c", "d", "x\ny\ud800" + "z" * 1000))
    assert "\n" not in message and len(message) < 250 and message.isascii()
