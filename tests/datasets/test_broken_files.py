"""Whatever a file holds: it is read, or its fault is one plain line."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.datasets import FORMATS, read_annotations
from captioner.errors import CaptionerError

WHOLE = {
    "Flickr8k.token.txt": "a.jpg#0\ta dog\na.jpg#1\t개가 뛴다\nb.jpg#0\ta cat\n",
    "results.csv": "image_name| comment_number| comment\na.jpg| 0| a dog\nb.jpg| 0| a cat\n",
    "dataset_x.json": json.dumps(
        {"images": [{"filename": "a.jpg", "split": "train", "sentences": [{"raw": "a dog"}]}]}
    ),
    "captions_x.json": json.dumps(
        {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "caption": "a dog"}]}, indent=1
    ),
    "metadata.jsonl": '{"file_name": "a.jpg", "text": "a dog"}\n{"file_name": "b.jpg", "text": ["a", "b"]}\n',
    "x.jsonl": '{"image": "a.jpg", "captions": ["a dog"], "split": "val"}\n',
    "x.json": '[{"image": "a.jpg", "caption": "a dog"}]',
    "x.csv": 'image,caption,split\na.jpg,"a dog, wet",train\nb.jpg,a cat,dev\n',
    "captions.txt": "image,caption\na.jpg,a dog, wet\n",
    "x.tsv": "image\tcaption\na.jpg\ta dog\n",
    "a.txt": "a dog\nit runs\n",
}


def read_or_refuse(name, content, format_name):
    with tempfile.TemporaryDirectory() as folder:
        for photo in ("a.jpg", "b.jpg"):
            (Path(folder) / photo).touch()
        (Path(folder) / name).write_bytes(content)
        for source in (Path(folder), Path(folder) / name):
            try:
                _, annotations = read_annotations(source, format_name)
            except CaptionerError as error:
                assert len(str(error).splitlines()) == 1
                continue
            for example in annotations.examples:
                json.dumps([example.image, *example.captions], ensure_ascii=False).encode()
                assert example.captions and all(caption.strip() for caption in example.captions)


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(list(WHOLE)), st.binary(max_size=60), st.sampled_from(["auto", *FORMATS]))
def test_rubbish_is_read_or_refused_in_one_line(name, content, format_name):
    read_or_refuse(name, content, format_name)


@settings(deadline=None, max_examples=120)
@given(st.sampled_from(list(WHOLE)), st.data())
def test_a_file_that_is_harmed_in_places_is_read_or_refused_in_one_line(name, data):
    content = bytearray(WHOLE[name].encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content)))
        harm = data.draw(
            st.sampled_from([b"", b'"', b"\0", b"\xff", b"\n", b"{", b"]", b",", b"../", b"\\ud83d", b"9" * 5000])
        )
        content[place : place + data.draw(st.integers(0, 3))] = harm
    read_or_refuse(name, bytes(content), "auto")


@pytest.mark.parametrize("name", list(WHOLE))
def test_an_empty_file_and_a_folder_in_its_place_are_refused_in_one_line(name, tmp_path):
    read_or_refuse(name, b"", "auto")
    (tmp_path / name).mkdir()
    with pytest.raises(CaptionerError):
        read_annotations(tmp_path)
