import pytest

from captioner.datasets import Example, Problem, read_annotations
from captioner.errors import DatasetError

RESULTS = """image_name| comment_number| comment
1.jpg| 0| Two men look at a dog .
1.jpg| 1| A sign says " stop | go " , twice .
2.jpg| 0| A cat
2.jpg| 4   A dog runs across the grass .
"""
CAPTIONS = [
    ("Two men look at a dog .", 'A sign says " stop | go " , twice .'),
    ("A cat", "A dog runs across the grass ."),
]


@pytest.mark.parametrize("photos", ["flickr30k_images", "flickr30k_images/flickr30k_images", "."])
def test_the_table_is_read_with_its_broken_line_wherever_the_photos_are(tmp_path, fill, read_as, photos):
    fill(tmp_path, {"results.csv": RESULTS, f"{photos}/1.jpg": "", f"{photos}/2.jpg": ""})
    annotations = read_as("flickr30k", tmp_path)
    prefix = "" if photos == "." else f"{photos}/"
    assert annotations.examples == [
        Example(f"{prefix}{name}", captions, None) for name, captions in zip(("1.jpg", "2.jpg"), CAPTIONS, strict=True)
    ]
    assert annotations.problems == [] and annotations.images_dir == tmp_path


def test_the_table_beside_the_photos_of_an_archive_is_found(tmp_path, fill, read_as):
    fill(tmp_path, {"flickr30k_images/results.csv": RESULTS, "flickr30k_images/images/1.jpg": ""})
    annotations = read_as("flickr30k", tmp_path)
    assert [example.image for example in annotations.examples] == ["flickr30k_images/images/1.jpg"]


def test_the_official_token_file_is_read_as_that_of_flickr8k(tmp_path, fill, read_as):
    tokens = "1.jpg#0\ta dog\n1.jpg#1\ta cat\n"
    fill(tmp_path, {"results_20130124.token": tokens, "flickr30k-images/1.jpg": ""})
    assert read_as("flickr30k", tmp_path).examples == [Example("flickr30k-images/1.jpg", ("a dog", "a cat"), None)]


@pytest.mark.parametrize("line", ["2.jpg", "2.jpg| x| a dog", "| 0| a dog", "2.jpg a dog", "2.jpg| 0"])
def test_a_broken_line_is_named_and_the_rest_is_read(tmp_path, fill, read_as, line):
    fill(tmp_path, {"results.csv": f"image_name| comment_number| comment\n1.jpg| 0| a\n{line}\n", "1.jpg": ""})
    annotations = read_as("flickr30k", tmp_path)
    assert len(annotations.examples) == 1
    (problem,) = annotations.problems
    assert (problem.kind, problem.where) == ("broken line", f"{tmp_path / 'results.csv'}, line 3") and problem.lost


def test_a_caption_that_is_not_there_is_named_and_nothing_is_lost(tmp_path, fill, read_as):
    fill(tmp_path, {"results.csv": RESULTS + "2.jpg| 5|  \n", "1.jpg": "", "2.jpg": ""})
    where = f"{tmp_path / 'results.csv'}, line 6"
    assert read_as("flickr30k", tmp_path).problems == [Problem("empty caption", where, "2.jpg", lost=False)]


def test_another_results_csv_is_not_taken_for_it(tmp_path, fill, read_as):
    fill(tmp_path, {"results.csv": "image,caption\n1.jpg,a dog\n", "1.jpg": ""})
    read_as("csv", tmp_path)
    with pytest.raises(
        DatasetError, match=r"no annotation file of the format in it; .*results.csv: expected name.jpg#0"
    ):
        read_annotations(tmp_path, "flickr30k")
