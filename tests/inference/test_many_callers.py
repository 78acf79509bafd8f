"""One `Captioner` for many: threads, forked processes and pickles get the captions that one thread gets."""

import os
import pickle
import select
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import ai_edge_litert.interpreter
import numpy as np
import pytest
from PIL import Image

from captioner import Captioner
from captioner.presets import open_model

PHOTOS = sorted((Path(__file__).parents[2] / "data" / "photos").glob("*.jpg"))
NUM_THREADS = 8
LONGEST = 300  # seconds; who has not answered by then never will

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")


def small(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        image.thumbnail((400, 400))
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="module")
def photos():
    """Two dozen and more: samples and their halves."""
    whole = [small(path) for path in PHOTOS]
    halves = [half for image in whole for half in np.array_split(image, 2, axis=1)]
    return [np.ascontiguousarray(image) for image in (*whole, *halves)]


@pytest.fixture(scope="module")
def texts(photos):
    """The caption of each photo, from one thread."""
    found = [Captioner.load("flickr8k", threads=1).caption(photo).text for photo in photos]
    assert len(set(found)) > len(found) / 2
    return found


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_that_caption_at_the_same_time_get_the_captions_of_one(threads, photos, texts):
    captioner = Captioner(open_model("flickr8k"), threads)
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        found = list(pool.map(captioner.caption, photos))
    assert [caption.text for caption in found] == texts


def test_streams_lists_and_single_photos_at_the_same_time_get_the_captions_of_one_thread(photos, texts):
    captioner = Captioner(open_model("flickr8k"), threads=3)
    part = slice(0, 6)
    callers = [
        lambda: captioner.caption(photos[part]),
        lambda: list(captioner.caption_stream(iter(photos[part]), batch_size=3)),
        lambda: [captioner.caption(photo) for photo in photos[part]],
        lambda: captioner.caption_features(np.concatenate([captioner.see(photo) for photo in photos[part]])),
    ]
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        futures = [pool.submit(caller) for caller in callers * 2]
        for future in futures:
            assert [caption.text for caption in future.result()] == texts[part]


@contextmanager
def captioning_all_the_time(captioner, photos):
    """Two threads that caption until it is left."""
    is_over = threading.Event()

    def caption():
        while not is_over.is_set():
            captioner.caption(photos[:2])
            captioner.caption(photos[2])

    callers = [threading.Thread(target=caption) for _ in range(2)]
    for caller in callers:
        caller.start()
    try:
        yield
    finally:
        is_over.set()
        for caller in callers:
            caller.join()


def said_by_child(function) -> str:
    """What the function gives in a process that is forked here."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, function().encode())
        finally:
            os._exit(0)
    os.close(writing)
    try:
        if not select.select([reading], [], [], LONGEST)[0]:
            os.kill(child, signal.SIGKILL)
        return os.read(reading, 10**6).decode()
    finally:
        os.close(reading)
        os.waitpid(child, 0)


@needs_fork
@pytest.mark.parametrize("threads", [1, 4])
def test_a_process_captions_that_was_forked_while_threads_captioned(threads, photos, texts):
    captioner = Captioner(open_model("flickr8k"), threads)

    def caption():
        return "\n".join([captioner.caption(photos[0]).text, *(c.text for c in captioner.caption(photos[1:3]))])

    with captioning_all_the_time(captioner, photos):
        for _ in range(2):
            assert said_by_child(caption).split("\n") == texts[:3]
    assert captioner.caption(photos[0]).text == texts[0]  # and the parent goes on


FORKING = """
import os, sys
from captioner import Captioner
captioner, photos = Captioner.load("flickr8k", threads=4), sys.argv[1:]
captioner.caption(photos)
stream = captioner.caption_stream(photos * 9)
next(stream)
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(captioner.caption(photos[0]).text, end="")
if photos[1:] == photos[:1]:
    del stream, captioner
"""


@needs_fork
@pytest.mark.parametrize("drops_it", [True, False])
def test_a_forked_process_ends_well_whether_it_drops_the_captioner_or_not(drops_it):
    photos = [str(PHOTOS[0])] * 2 if drops_it else [str(path) for path in PHOTOS[:2]]
    command = [sys.executable, "-c", FORKING, *photos]
    run = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST)
    assert (run.returncode, run.stdout) == (0, Captioner.load("flickr8k").caption(photos[0]).text)


@pytest.mark.parametrize("model", ["flickr8k", "flickr8k-gru"])  # the second one sees through a shared encoder
@pytest.mark.parametrize("is_used", [True, False])
def test_a_pickled_captioner_captions_as_before_wherever_it_wakes(model, is_used, tmp_path):
    captioner = Captioner.load(model) if is_used else Captioner(open_model(model))
    expected = captioner.caption(PHOTOS[0]) if is_used else Captioner.load(model).caption(PHOTOS[0])
    content = pickle.dumps(captioner)
    assert len(content) < 1000  # its folder, not what it holds
    assert pickle.loads(content).caption(PHOTOS[0]) == expected
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).caption(sys.argv[1]).text, end='')"
    command = [sys.executable, "-c", code, str(PHOTOS[0])]
    run = subprocess.run(command, input=content, capture_output=True, check=True, cwd=tmp_path)
    assert run.stdout.decode() == expected.text


@pytest.fixture
def opened(monkeypatch):
    """The graphs that are opened from now on: `(name of the file, threads)`."""
    opened, interpreter = [], ai_edge_litert.interpreter.Interpreter

    def recorded(model_path, num_threads):
        opened.append((Path(model_path).stem, num_threads))
        return interpreter(model_path=model_path, num_threads=num_threads)

    monkeypatch.setattr("ai_edge_litert.interpreter.Interpreter", recorded)
    return opened


def test_a_photo_opens_a_graph_of_each_kind_and_no_more(opened, photos):
    captioner = Captioner(open_model("flickr8k"), threads=4)
    assert opened == []
    for photo in photos[:3]:
        captioner.caption(photo)
    assert sorted(opened) == [("decoder", 4), ("encoder", 4)]


def test_a_list_opens_an_encoder_a_core_at_most_and_single_photos_have_all_cores_afterwards(opened, photos):
    captioner = Captioner(open_model("flickr8k"), threads=3)
    for _ in range(2):
        captioner.caption(photos[:9])
    encoders = [threads for name, threads in opened if name == "encoder"]
    assert set(encoders) == {1} and len(encoders) <= 3
    assert opened.count(("decoder", 3)) == 1
    del opened[:]
    for _ in range(2):
        captioner.caption(photos[0])
        captioner.caption(photos[:1])
    assert opened == [("encoder", 3)]
    captioner.caption(photos[:9])
    assert set(opened[1:]) <= {("encoder", 1)} and len(encoders) + len(opened[1:]) <= 3


def test_a_stream_that_was_given_up_leaves_single_photos_all_cores(opened, photos):
    captioner = Captioner(open_model("flickr8k"), threads=2)
    stream = captioner.caption_stream(photos)
    next(stream)
    stream.close()
    captioner.caption(photos[0])
    assert opened.count(("encoder", 2)) == 1


def test_a_stream_that_failed_leaves_single_photos_all_cores_while_its_error_is_kept(opened, photos):
    def failing():
        yield from photos[:3]
        raise OSError("gone")

    captioner = Captioner(open_model("flickr8k"), threads=2)
    with pytest.raises(OSError, match="gone") as kept:
        captioner.caption_stream(failing()).__next__()
    assert kept.traceback and ("encoder", 2) not in opened
    captioner.caption(photos[0])
    assert opened.count(("encoder", 2)) == 1
