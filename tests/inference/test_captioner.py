"""The library's front door: photos in whatever form, captions in order."""

import dataclasses
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from captioner import Captioner
from captioner.errors import ImageError, ModelError, OptionsError
from captioner.inference import default_threads
from captioner.options import DecodingOptions

SHARP = DecodingOptions(beam_size=3)


@pytest.fixture(scope="module")
def captioner(tiny_model_dir):
    return Captioner.load(tiny_model_dir)


@pytest.fixture(scope="module")
def photos(drawings_dataset):
    """The paths of five drawings."""
    return [drawings_dataset.photo_path(example) for example in drawings_dataset.split("test")[:5]]


@pytest.fixture(scope="module")
def alone(captioner, photos):
    """The caption of each photo, captioned by itself."""
    return [captioner.caption(photo) for photo in photos]


@pytest.fixture
def broken(tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"no photo")
    return path


def assert_same(found, expected):
    """Text for text; what a batch does to the last digits is forgiven."""
    assert [caption.text for caption in found] == [caption.text for caption in expected]
    np.testing.assert_allclose([c.log_prob for c in found], [c.log_prob for c in expected], atol=1e-3)


@pytest.mark.parametrize(
    "given",
    [str, lambda path: path, lambda path: path.read_bytes(), Image.open, lambda path: np.asarray(Image.open(path))],
    ids=["str", "path", "bytes", "PIL image", "array"],
)
def test_a_photo_in_any_form_gets_the_same_caption(given, captioner, photos, alone):
    assert captioner.caption(given(photos[0])) == alone[0]


def test_a_photo_stays_usable_after_it_was_captioned(captioner, photos, alone):
    image = Image.open(photos[0])
    pixels = np.asarray(image)
    before = pixels.copy()
    assert captioner.caption(image) == captioner.caption(image) == captioner.caption(pixels) == alone[0]
    np.testing.assert_array_equal(pixels, before)


def test_a_caption_says_how_sure_it_is_and_who_speaks(alone):
    for caption in alone:
        assert caption.text
        assert caption.log_prob < 0 < caption.confidence < 1
        assert caption.model == "tiny"
        assert caption.candidates == ()


def test_a_list_gives_a_list_in_order(captioner, photos, alone):
    assert len({caption.log_prob for caption in alone}) == len(photos)
    assert_same(captioner.caption(photos), alone)
    assert_same(captioner.caption(photos[::-1]), alone[::-1])


def test_a_list_may_mix_forms_and_repeat_photos(captioner, photos, alone):
    mixed = [photos[1].read_bytes(), photos[0], Image.open(photos[1]), str(photos[2]), photos[0]]
    assert_same(captioner.caption(mixed), [alone[i] for i in (1, 0, 1, 2, 0)])


def test_an_empty_list_gives_an_empty_list(captioner):
    assert captioner.caption([]) == []


def test_a_list_of_one_gives_a_list_of_one(captioner, photos, alone):
    assert_same(captioner.caption(photos[:1]), alone[:1])


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_errors_in_a_stream_stay_in_their_place(batch_size, captioner, photos, alone, broken, tmp_path):
    missing = tmp_path / "missing.jpg"
    sources = [broken, photos[0], missing, missing, photos[1], photos[2], broken]
    results = list(captioner.caption_stream(sources, batch_size=batch_size))
    are_errors = [isinstance(result, ImageError) for result in results]
    assert are_errors == [True, False, True, True, False, False, True]
    assert str(results[0]) == f"{broken}: not an image of a known format"
    assert str(results[2]) == f"{missing}: no such file"
    assert_same([result for result in results if not isinstance(result, ImageError)], alone[:3])


def test_a_stream_of_nothing_but_errors_ends_well(captioner, broken):
    assert [type(result) for result in captioner.caption_stream([broken] * 9, batch_size=4)] == [ImageError] * 9


def test_a_stream_takes_photos_as_they_come_and_holds_only_a_few(captioner, photos):
    asked = 0

    def endless():
        nonlocal asked
        while True:
            asked += 1
            yield photos[asked % len(photos)]

    stream = captioner.caption_stream(endless(), batch_size=2)
    assert next(stream).text
    assert asked < 100
    stream.close()


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_stream_that_would_take_no_photo_at_a_time_is_refused(batch_size, captioner, photos):
    with pytest.raises(OptionsError, match=f"batch-size must be at least 1, not {batch_size}"):
        next(captioner.caption_stream(photos, batch_size=batch_size))


def test_the_first_photo_that_cannot_be_read_is_named(captioner, photos, broken):
    with pytest.raises(ImageError, match=r"broken\.jpg: not an image of a known format"):
        captioner.caption(broken)
    with pytest.raises(ImageError, match=r"broken\.jpg: not an image of a known format"):
        captioner.caption([photos[0], broken, "missing.jpg"])


@pytest.mark.parametrize(
    "array", [np.zeros((8, 8, 3), np.float32), np.zeros(5, np.uint8), np.zeros((1, 8, 8, 3), "u1")]
)
def test_an_array_that_is_no_photo_is_refused_in_one_line(array, captioner):
    with pytest.raises(ImageError) as caught:
        captioner.caption(array)
    assert "\n" not in str(caught.value)


def test_features_that_are_there_already_give_the_same_captions(captioner, photos, alone, drawings_dataset):
    examples = drawings_dataset.split("test")[:5]
    features, rows = drawings_dataset.features_of(examples, captioner.folder.encoder)
    assert_same(captioner.caption_features(features[rows]), alone)


def test_options_are_the_model_s_own_unless_others_are_given(captioner, photos, alone):
    assert captioner.caption(photos[0], captioner.folder.decoding) == alone[0]
    short = captioner.caption(photos[0], dataclasses.replace(captioner.folder.decoding, max_words=2))
    assert len(short.text.split()) <= 2


def test_candidates_are_distinct_and_the_caption_is_the_first(captioner, photos):
    caption = captioner.caption(photos[0], DecodingOptions(beam_size=5, num_candidates=4))
    assert len({candidate.text for candidate in caption.candidates}) == len(caption.candidates) == 4
    first = caption.candidates[0]
    assert (caption.text, caption.log_prob, caption.confidence) == (first.text, first.log_prob, first.confidence)


def test_the_number_of_threads_changes_no_caption(tiny_model_dir, photos, alone):
    assert default_threads() >= 1
    for threads in (1, 3):
        assert_same(Captioner.load(tiny_model_dir, threads=threads).caption(photos), alone)


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_at_all_are_refused(threads, tiny_model_dir):
    with pytest.raises(OptionsError, match=f"threads must be at least 1, not {threads}"):
        Captioner.load(tiny_model_dir, threads)


@pytest.mark.parametrize("as_given", [str, lambda path: path], ids=["str", "path"])
def test_a_model_is_loaded_from_its_folder(as_given, tiny_model_dir):
    assert Captioner.load(as_given(tiny_model_dir)).name == "tiny"


def test_a_model_that_is_not_there_is_named():
    with pytest.raises(ModelError, match="unknown preset 'flikr8k'; choose everyday, flickr8k, "):
        Captioner.load("flikr8k")


def test_captioning_imports_no_tensorflow_and_writes_nothing_to_stdout(tiny_model_dir, photos, alone):
    code = (
        "import sys; from captioner import Captioner;"
        f"caption = Captioner.load({str(tiny_model_dir)!r}).caption({str(photos[0])!r});"
        "loaded = {'tensorflow', 'keras', 'h5py', 'matplotlib'} & set(sys.modules);"
        "print(caption.text, sorted(loaded), sep='|', end='')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == f"{alone[0].text}|[]"


def test_bytes_that_end_too_early_are_refused(captioner, photos):
    whole = io.BytesIO()
    Image.open(photos[0]).save(whole, "JPEG")
    with pytest.raises(ImageError, match="broken or cut short"):
        captioner.caption(whole.getvalue()[:-500])
