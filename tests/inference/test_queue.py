"""Photos of many callers, captioned together."""

import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest

from captioner.errors import ImageError
from captioner.inference import Captioner
from captioner.inference.queue import CaptionQueue, QueueFull

PHOTOS = [path.read_bytes() for path in sorted((Path(__file__).parents[2] / "data" / "photos").glob("*.jpg"))]


@pytest.fixture(scope="module")
def captioner():
    return Captioner.load("flickr8k")


def test_each_gets_what_its_photo_alone_would(captioner):
    alone = [captioner.caption(photo) for photo in PHOTOS]
    with CaptionQueue(captioner, num_places=3 * len(PHOTOS), batch_size=4) as queue:
        futures = [future for _ in range(3) for future in queue.put(PHOTOS)]
        said = [future.result().caption for future in futures]
    assert [caption.text for caption in said] == [caption.text for caption in alone] * 3
    np.testing.assert_allclose([c.log_prob for c in said], [c.log_prob for c in alone] * 3, rtol=1e-4)


def test_photos_that_come_one_by_one_from_many_callers_are_all_captioned(captioner):
    said = {}
    with CaptionQueue(captioner, num_places=16) as queue:

        def caller(number):
            for photo in range(number, len(PHOTOS), 4):
                (future,) = queue.put([PHOTOS[photo]])
                said[photo] = future.result().caption.text

        callers = [threading.Thread(target=caller, args=[number]) for number in range(4)]
        for each in callers:
            each.start()
        for each in callers:
            each.join()
        assert len(queue) == 0
    assert [said[photo] for photo in range(len(PHOTOS))] == [c.text for c in captioner.caption(PHOTOS)]


def test_candidates_are_all_that_the_search_found_best_first(captioner):
    with CaptionQueue(captioner, num_places=1) as queue:
        caption = queue.put(PHOTOS[:1])[0].result().caption
    assert len(caption.candidates) == queue.most_candidates == captioner.folder.decoding.beam_size
    assert caption.candidates[0].text == caption.text == captioner.caption(PHOTOS[0]).text


def test_attention_is_told_where_it_is_asked_for(captioner):
    with CaptionQueue(captioner, num_places=2) as queue:
        plain, asked = queue.put(PHOTOS[:1])[0].result(), queue.put(PHOTOS[:1], wants_attention=True)[0].result()
    assert plain.attention is None
    assert " ".join(asked.words) == asked.caption.text
    assert asked.attention.shape == (len(asked.words) + 1, captioner.folder.encoder.num_regions)
    np.testing.assert_allclose(asked.attention.sum(axis=1), 1, atol=1e-4)


def test_a_broken_photo_is_its_own_error_and_no_other_s(captioner):
    with CaptionQueue(captioner, num_places=3) as queue:
        first, broken, last = queue.put([PHOTOS[0], b"no photo", PHOTOS[1]])
        with pytest.raises(ImageError, match="image: not an image of a known format"):
            broken.result()
        assert first.result().caption.text and last.result().caption.text


def test_what_breaks_the_search_is_told_to_those_in_it_and_the_next_are_served(captioner, monkeypatch):
    step, calls = captioner.decoder.step, []

    def breaking(**inputs):
        calls.append(None)
        if len(calls) == 3:
            raise MemoryError("no room")
        return step(**inputs)

    monkeypatch.setattr(captioner.decoder, "step", breaking)
    with CaptionQueue(captioner, num_places=1) as queue:
        with pytest.raises(MemoryError):
            queue.put(PHOTOS[:1])[0].result(30)
        assert queue.put(PHOTOS[:1])[0].result(30).caption.text


def test_it_takes_all_of_a_request_or_none(captioner):
    with CaptionQueue(captioner, num_places=2) as queue:
        with pytest.raises(QueueFull, match="0 photos are waiting, of 2 that may"):
            queue.put(PHOTOS[:3])
        assert len([future.result() for future in queue.put(PHOTOS[:2])]) == 2
        assert queue.put(PHOTOS[:1])[0].result().caption.text  # there is room again


def test_a_photo_that_nobody_waits_for_any_more_is_dropped_and_leaves_its_place(captioner, monkeypatch):
    seen, may_go_on = [], threading.Event()
    see = captioner.see

    def slow(photo):
        seen.append(photo.getvalue())
        may_go_on.wait(30)
        return see(photo)

    monkeypatch.setattr(captioner, "see", slow)
    num_seers = captioner.encoder.max_calls
    with CaptionQueue(captioner, num_places=num_seers + 2) as queue:
        first = queue.put(PHOTOS[:1] * num_seers)
        until = time.monotonic() + 30
        while len(seen) < num_seers and time.monotonic() < until:
            time.sleep(0.01)
        dropped, kept = queue.put(PHOTOS[1:3])
        assert dropped.cancel() and len(queue) == num_seers + 1
        may_go_on.set()
        assert all(future.result(30).caption for future in [*first, kept])
    assert PHOTOS[1] not in seen and PHOTOS[2] in seen
    with pytest.raises(CancelledError):
        dropped.result()


def test_on_leaving_what_was_put_in_is_done(captioner):
    with CaptionQueue(captioner, num_places=len(PHOTOS)) as queue:
        futures = queue.put(PHOTOS)
    assert all(future.done() and future.result().caption.text for future in futures)


def test_more_pixels_than_are_taken_are_an_error(captioner):
    with CaptionQueue(captioner, num_places=1, most_pixels=100) as queue:
        (future,) = queue.put(PHOTOS[:1])
    with pytest.raises(ImageError, match=r"pixels, more than the 0\.0001 megapixels that are taken"):
        future.result()
