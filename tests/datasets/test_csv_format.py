import pytest

from captioner.datasets import Example, Problem, read_annotations
from captioner.errors import DatasetError, OptionsError


@pytest.fixture
def read(tmp_path, fill, read_as):
    """A function `(file name, content, **options) -> Annotations`; the photos a.jpg to d.jpg are beside it."""

    def made(name, content, **options):
        fill(tmp_path, {f"{letter}.jpg": "" for letter in "abcd"} | {name: content})
        return read_as("csv", tmp_path, **options)

    return made


def captions_of(annotations):
    return {example.image: example.captions for example in annotations.examples}


def test_kaggles_captions_hold_commas_with_quotes_and_without(read):
    annotations = read(
        "captions.txt",
        "image,caption\n"
        "a.jpg,A dog runs .\n"
        "a.jpg,A black , wet dog , running\n"
        'a.jpg,"A dog, a ball"\n'
        'b.jpg,"A sign says ""stop"", twice"\n'
        'b.jpg,A sign says "go" .\n',
    )
    assert captions_of(annotations) == {
        "a.jpg": ("A dog runs .", "A black , wet dog , running", "A dog, a ball"),
        "b.jpg": ('A sign says "stop", twice', 'A sign says "go" .'),
    }
    assert annotations.problems == []


def test_kaggles_photos_are_found_in_their_folder(tmp_path, fill, read_as):
    fill(tmp_path, {"captions.txt": "image,caption\na.jpg,x\n", "Images/a.jpg": ""})
    assert read_as("csv", tmp_path).examples == [Example("Images/a.jpg", ("x",), None)]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiters_line_ends_and_byte_order_marks_do_no_harm(read, delimiter, end, encoding):
    rows = [["split", "Caption", "File_Name"], ["train", "개가 뛴다", "a.jpg"], ["val", "a cat", "b.jpg"]]
    text = end.join(delimiter.join(row) for row in rows)
    annotations = read("x.csv", text.encode(encoding))
    assert annotations.examples == [Example("a.jpg", ("개가 뛴다",), "train"), Example("b.jpg", ("a cat",), "dev")]
    assert annotations.problems == []


def test_columns_may_have_any_name_that_is_given(read, tmp_path):
    content = "id\tfoto\tBildtext\tcaption\n1\ta.jpg\tein Hund\ta dog\n"
    assert captions_of(read("x.tsv", content, image_column="foto")) == {"a.jpg": ("a dog",)}
    assert captions_of(read("x.tsv", content, image_column="foto", caption_column="bildtext")) == {
        "a.jpg": ("ein Hund",)
    }
    with pytest.raises(DatasetError, match=r"x.tsv, line 1: no column image or .*; found id, foto, Bildtext, caption"):
        read_annotations(tmp_path)
    with pytest.raises(DatasetError, match=r"no column photo; found id, foto, Bildtext, caption"):
        read_annotations(tmp_path, "csv", image_column="photo")


def test_columns_do_not_go_with_formats_that_have_none(tmp_path, fill):
    fill(tmp_path, {"a.jpg": "", "a.txt": "x"})
    with pytest.raises(OptionsError, match="--image-column and --caption-column do not go with the format sidecar"):
        read_annotations(tmp_path, image_column="photo")


def test_splits_are_kept_and_unknown_ones_named(read, tmp_path):
    annotations = read(
        "x.csv", "image,caption,split\na.jpg,x,TRAIN\nb.jpg,x,validation\nc.jpg,x,\nd.jpg,x,holdout\na.jpg,y,\n"
    )
    assert annotations.examples == [
        Example("a.jpg", ("x", "y"), "train"),
        Example("b.jpg", ("x",), "dev"),
        Example("c.jpg", ("x",), None),
    ]
    (problem,) = annotations.problems
    assert problem.where == f"{tmp_path / 'x.csv'}, line 5"
    assert problem.detail.startswith("unknown split 'holdout'; known are train, ")


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        ("b.jpg", "1 cells where the first line has 3"),
        ("b.jpg,x,train,more", "4 cells where the first line has 3"),
        (",x,train", "no photo is named"),
        ("/b.jpg,x,train", "/b.jpg leads outside the photo folder"),
        ("../b.jpg,x,train", "../b.jpg leads outside the photo folder"),
        ('b.jpg,"x,train', "a quote goes wrong: unexpected end of data"),
        ('b.jpg,"x" y,train', "a quote goes wrong: ',' expected after '\"'"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_and_the_rest_is_read(read, tmp_path, row, detail):
    annotations = read("x.csv", f"image,caption,split\na.jpg,one,train\n{row}\n\nc.jpg,two,dev\nd.jpg,three,dev\n")
    assert captions_of(annotations) == {"a.jpg": ("one",), "c.jpg": ("two",), "d.jpg": ("three",)}
    assert annotations.problems == [Problem("broken line", f"{tmp_path / 'x.csv'}, line 3", detail)]


def test_a_quote_that_is_never_closed_costs_one_line_of_very_many(read, tmp_path):
    rows = "".join(f"a.jpg,caption {number}\n" for number in range(1000))
    annotations = read("x.csv", f'image,caption\nb.jpg,"x\n{rows}')
    assert len(captions_of(annotations)["a.jpg"]) == 1000
    assert [problem.where for problem in annotations.problems] == [f"{tmp_path / 'x.csv'}, line 2"]


def test_a_quoted_caption_may_hold_line_ends(read):
    assert captions_of(read("x.csv", 'image,caption\na.jpg,"one\ntwo"\nb.jpg,x\n')) == {
        "a.jpg": ("one two",),
        "b.jpg": ("x",),
    }


def test_a_line_in_another_encoding_is_named(read, tmp_path):
    annotations = read("x.csv", b"image,caption\na.jpg,caf\xe9\nb.jpg,x\n")
    assert captions_of(annotations) == {"b.jpg": ("x",)}
    assert annotations.problems == [Problem("broken line", f"{tmp_path / 'x.csv'}, line 2", "not UTF-8 text")]


def test_missing_photos_and_empty_captions_are_named(read, tmp_path):
    annotations = read("x.csv", "image,caption,split\na.jpg,x,train\ngone.jpg,x,train\nb.jpg, ,train\n")
    assert captions_of(annotations) == {"a.jpg": ("x",)}
    assert annotations.problems == [
        Problem("empty caption", f"{tmp_path / 'x.csv'}, line 4", "b.jpg", lost=False),
        Problem("missing photo", "gone.jpg", "train split"),
        Problem("no caption", "b.jpg", lost=False),
    ]


def test_photos_by_number_by_backslash_and_by_a_dot_are_found(tmp_path, fill, read_as):
    photos = {"in/7.jpg": "", "in/deep/b.jpg": "", "in/c.jpg": ""}
    fill(tmp_path, photos | {"x.csv": "image,caption\n7,x\ndeep\\b.jpg,y\n./c.jpg,z\n"})
    assert captions_of(read_as("csv", tmp_path)) == {"in/7.jpg": ("x",), "in/deep/b.jpg": ("y",), "in/c.jpg": ("z",)}


def test_the_same_photo_by_two_names_has_the_captions_of_both(read):
    assert captions_of(read("x.csv", "image,caption\na,x\na.jpg,y\n")) == {"a.jpg": ("x", "y")}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("\n \n", "the file is empty"),
        ("a.jpg,x\n", "line 1: no column image or .*, and none caption or .*; found a.jpg, x"),
        ("image;caption text\n", "line 1: no column caption or .*; found image, caption text"),
        (b"image,l\xe9gende\na.jpg,caption\n", "line 1: not UTF-8 text"),
        ("image,caption\n", "no photo with a caption was found"),
        ("image,caption\n1.jpg,x\n", r"missing photo: 1.jpg; name the folder of the photos with --images"),
        ("image,caption\na.jpg,x\n".encode("utf-16-le"), "looks like UTF-16 without a byte-order mark"),
    ],
)
def test_a_table_that_cannot_be_read_is_one_plain_error(tmp_path, fill, content, message):
    fill(tmp_path, {"captions.csv": content, "a.jpg": ""})
    for source in (tmp_path, tmp_path / "captions.csv"):
        with pytest.raises(DatasetError, match=message) as caught:
            read_annotations(source)
        assert "\n" not in str(caught.value)


def test_photos_in_several_folders_are_all_found(tmp_path, fill, read_as):
    photos = {"a/1.jpg": "", "a/2.jpg": "", "b/3.jpg": "", "b/deep/4.jpg": ""}
    fill(tmp_path, {"captions.csv": "image,caption\n1.jpg,x\n2.jpg,x\n3.jpg,x\n4,x\n"} | photos)
    annotations = read_as("csv", tmp_path)
    assert list(captions_of(annotations)) == list(photos)
    assert annotations.problems == []


def test_a_name_that_several_other_folders_hold_is_missing_rather_than_guessed(tmp_path, fill, read_as):
    photos = {"a/1.jpg": "", "a/2.jpg": "", "b/3.jpg": "", "c/3.jpg": ""}
    fill(tmp_path, {"captions.csv": "image,caption\n1.jpg,x\n2.jpg,x\n3.jpg,x\n"} | photos)
    annotations = read_as("csv", tmp_path)
    assert list(captions_of(annotations)) == ["a/1.jpg", "a/2.jpg"]
    assert annotations.problems == [Problem("missing photo", "a/3.jpg")]


def test_photos_in_folders_of_splits_are_found_by_the_column_s_split(tmp_path, fill, read_as):
    table = "image,caption,split\n1.jpg,x,train\n2.jpg,x,train\n3.jpg,x,val\n"
    fill(tmp_path, {"captions.csv": table, "train/1.jpg": "", "train/2.jpg": "", "val/3.jpg": "", "test/3.jpg": ""})
    assert list(captions_of(read_as("csv", tmp_path))) == ["train/1.jpg", "train/2.jpg", "val/3.jpg"]


# several captions a row


@pytest.mark.parametrize("name", ["caption_{}", "caption{}", "Caption {}", "text-{}", "comment_{}", "caption"])
def test_no_caption_of_several_columns_is_left_out(read, name):
    header = ",".join(["image", *(name.format(number) for number in range(5)), "split"])
    annotations = read(
        "x.csv", f"{header}\na.jpg,one,two,three,four,five,train\nb.jpg,one,,,,,train\nc.jpg,,,,,,train\n"
    )
    assert captions_of(annotations) == {"a.jpg": ("one", "two", "three", "four", "five"), "b.jpg": ("one",)}
    assert [problem.kind for problem in annotations.problems] == ["empty caption", "no caption"]


def test_caption_columns_are_those_that_are_named(read, tmp_path):
    content = "image,caption,de,ko\na.jpg,a dog,ein Hund,개\n"
    assert captions_of(read("x.csv", content, caption_column=("ko", "DE"))) == {"a.jpg": ("ein Hund", "개")}
    with pytest.raises(DatasetError, match="no column fr; found image, caption, de, ko"):
        read_annotations(tmp_path, "csv", caption_column=("de", "fr"))


def test_a_column_of_another_name_is_no_caption(read):
    assert captions_of(read("x.csv", "image,comment_number,comment\na.jpg,0,a dog\n")) == {"a.jpg": ("a dog",)}


@pytest.mark.parametrize(
    "cell",
    [
        '["a dog", "it\'s wet, \\"very\\""]',
        ' [ "a dog","it\'s wet, \\"very\\"" ] ',
        """['a dog', 'it\\'s wet, "very"']""",
        """('a dog', 'it\\'s wet, "very"')""",
    ],
)
def test_a_cell_that_holds_a_list_holds_its_captions(read, cell):
    quoted = cell.replace('"', '""')
    annotations = read("x.csv", f'image,caption\na.jpg,"{quoted}"\n')
    assert captions_of(annotations) == {"a.jpg": ("a dog", 'it\'s wet, "very"')}


@pytest.mark.parametrize(
    "cell",
    [
        "['a dog' 'it runs']",
        '[{"raw": "a dog"}]',
        "[{'raw': 'a dog'}]",
        '{"en": "a dog"}',
        "{'en': 1}",
        "[1, 2]",
        "[[]",
    ],
)
def test_data_that_is_no_list_of_captions_is_named_and_not_learned(read, cell):
    quoted = cell.replace('"', '""')
    annotations = read("x.csv", f'image,caption\na.jpg,"{quoted}"\nb.jpg,x\n')
    assert captions_of(annotations) == {"b.jpg": ("x",)}
    assert annotations.problems[0].kind == "broken line" and annotations.problems[0].lost


@pytest.mark.parametrize("text", ["[laughs] a dog", "(a dog)", '("Stop" says a sign)', "[Man] and [woman]", "{a dog}"])
def test_brackets_in_a_caption_are_no_list(read, text):
    quoted = text.replace('"', '""')
    assert captions_of(read("x.csv", f'image,caption\na.jpg,"{quoted}"\n')) == {"a.jpg": (text,)}


def test_what_was_made_safe_for_a_spreadsheet_is_read_as_it_was(read, tmp_path):
    (tmp_path / "=1.jpg").touch()
    (tmp_path / "'=1.jpg").touch()
    rows = "'=1.jpg,'-a dog\n''=1.jpg,'a dog'\n"
    assert captions_of(read("x.csv", f"image,caption\n{rows}")) == {"=1.jpg": ("-a dog",), "'=1.jpg": ("'a dog'",)}
