from captioner.datasets import Example, Problem

LINES = '{"file_name": "1.jpg", "text": "a dog"}\n{"file_name": "sub/2.jpg", "text": ["a cat", "it sleeps"]}\n'


def test_names_are_those_below_the_folder_of_the_metadata(tmp_path, fill, read_as):
    fill(tmp_path, {"metadata.jsonl": LINES, "1.jpg": "", "sub/2.jpg": ""})
    assert read_as("imagefolder", tmp_path).examples == [
        Example("1.jpg", ("a dog",), None),
        Example("sub/2.jpg", ("a cat", "it sleeps"), None),
    ]


def test_a_csv_file_serves_as_well(tmp_path, fill, read_as):
    fill(tmp_path, {"metadata.csv": 'file_name,text\n1.jpg,"a dog, wet"\n', "1.jpg": ""})
    assert read_as("imagefolder", tmp_path).examples == [Example("1.jpg", ("a dog, wet",), None)]


def test_split_folders_have_metadata_and_names_of_their_own(tmp_path, fill, read_as):
    for folder in ("train", "validation", "test"):
        fill(tmp_path / folder, {"metadata.jsonl": LINES, "1.jpg": "", "sub/2.jpg": ""})
    (tmp_path / "test" / "1.jpg").unlink()
    annotations = read_as("imagefolder", tmp_path)
    assert [(example.image, example.split) for example in annotations.examples] == [
        ("test/sub/2.jpg", "test"),
        ("train/1.jpg", "train"),
        ("train/sub/2.jpg", "train"),
        ("validation/1.jpg", "dev"),
        ("validation/sub/2.jpg", "dev"),
    ]
    assert annotations.problems == [Problem("missing photo", "test/1.jpg")]
    assert annotations.images_dir == tmp_path
