import codecs

import pytest
from nobody import as_nobody, open_folder

from captioner.datasets import Example, Problem, flickr8k, read_annotations
from captioner.errors import DatasetError, OptionsError

SPLITS = {"train": ["a.jpg", "b.jpg"], "dev": ["c.jpg"], "test": ["d.jpg"]}
PHOTOS = ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "unused.jpg"]


@pytest.fixture
def source(tmp_path):
    """The official layout with two captions a photo."""
    folder = tmp_path / "flickr8k"
    (folder / "Flicker8k_Dataset").mkdir(parents=True)
    for name in PHOTOS:
        (folder / "Flicker8k_Dataset" / name).touch()
    lines = [f"{name}#{i}\tcaption {i} of {name} ." for name in PHOTOS for i in range(2)]
    write_tokens(folder, "\n".join(lines) + "\n")
    for split, names in SPLITS.items():
        (folder / f"Flickr_8k.{split}Images.txt").write_text("\n".join(names) + "\n")
    return folder


def write_tokens(folder, text):
    content = text if isinstance(text, bytes) else text.encode()
    (folder / "Flickr8k.token.txt").write_bytes(content)


def read(source, *args):
    format_name, annotations = read_annotations(source, "auto", *args)
    assert format_name == "flickr8k"
    return annotations


def names_of(annotations):
    return {split: [e.image for e in annotations.examples if e.split == split] for split in (*SPLITS, None)}


def broken_lines(annotations):
    assert {problem.kind for problem in annotations.problems} <= {"broken line"}
    return [problem.where for problem in annotations.problems]


def test_photos_come_in_the_order_of_the_split_files_with_all_their_captions(source):
    annotations = read(source)
    assert names_of(annotations) == SPLITS | {None: []}
    assert annotations.examples[0] == Example("a.jpg", ("caption 0 of a.jpg .", "caption 1 of a.jpg ."), "train")
    assert annotations.problems == []
    assert annotations.images_dir == source / "Flicker8k_Dataset"


@pytest.mark.parametrize("absent", list(SPLITS))
def test_any_split_may_be_absent(source, absent):
    (source / f"Flickr_8k.{absent}Images.txt").unlink()
    annotations = read(source)
    assert names_of(annotations) == SPLITS | {absent: [], None: []}
    assert annotations.problems == []


def test_without_split_files_every_captioned_photo_is_there_and_undecided(source):
    for split in SPLITS:
        (source / f"Flickr_8k.{split}Images.txt").unlink()
    assert names_of(read(source))[None] == PHOTOS


def test_a_split_naming_an_absent_photo_loses_it_alone(source):
    (source / "Flicker8k_Dataset" / "a.jpg").unlink()
    annotations = read(source)
    assert names_of(annotations)["train"] == ["b.jpg"]
    assert annotations.problems == [Problem("missing photo", "a.jpg", "train split")]
    assert str(annotations.problems[0]) == "missing photo: a.jpg (train split)"


def test_a_photo_without_captions_is_left_out_but_not_lost(source):
    write_tokens(source, "a.jpg#0\tone\nc.jpg#0\ttwo\nd.jpg#0\tthree\n")
    annotations = read(source)
    assert names_of(annotations)["train"] == ["a.jpg"]
    assert annotations.problems == [Problem("no caption", "b.jpg", lost=False)]


@pytest.mark.parametrize(
    "line",
    [
        b"a.jpg#1 no tab",
        b"a.jpg\tno mark",
        b"a.jpg#\tno number",
        b"a.jpg#one\tno number",
        b"#1\tno name",
        b"a.jpg#1",
        b"\tno key",
        b"a.jpg#1\tnot \xff\xfe UTF-8",
        b"\x00\x01",
    ],
)
def test_a_broken_line_is_named_with_file_and_number_and_the_rest_is_read(source, line):
    write_tokens(source, b"a.jpg#0\tone\n" + line + b"\nb.jpg#0\ttwo\nc.jpg#0\tthree\nd.jpg#0\tfour\n")
    annotations = read(source)
    assert [len(e.captions) for e in annotations.examples] == [1, 1, 1, 1]
    assert broken_lines(annotations) == [f"{source / 'Flickr8k.token.txt'}, line 2"]
    assert annotations.problems[0].lost and annotations.problems[0].detail


@pytest.mark.parametrize("line", [b"a.jpg#1\t", b"a.jpg#1\t  \t "])
def test_an_empty_caption_is_named_and_nothing_is_lost(source, line):
    write_tokens(source, b"a.jpg#0\tone\n" + line + b"\nb.jpg#0\ttwo\nc.jpg#0\tthree\nd.jpg#0\tfour\n")
    annotations = read(source)
    assert [len(e.captions) for e in annotations.examples] == [1, 1, 1, 1]
    where = f"{source / 'Flickr8k.token.txt'}, line 2"
    assert annotations.problems == [Problem("empty caption", where, "a.jpg", lost=False)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_byte_order_mark_and_line_ends_do_no_harm(source, end, mark):
    lines = ["a.jpg#0\t개가 뛴다", "", "b.jpg#0\ttwo", "broken", "c.jpg#0\tthree", "d.jpg#0\tfour"]
    write_tokens(source, mark + end.join(lines).encode())
    (source / "Flickr_8k.trainImages.txt").write_bytes(mark + end.join(["a.jpg", "b.jpg"]).encode())
    annotations = read(source)
    assert names_of(annotations) == SPLITS | {None: []}
    assert annotations.examples[0].captions == ("개가 뛴다",)
    assert broken_lines(annotations) == [f"{source / 'Flickr8k.token.txt'}, line 4"]


def test_blank_lines_and_inner_spaces_do_no_harm(source):
    write_tokens(source, "\n  \na.jpg#0\t  a \t dog  runs \nb.jpg#0\tx\n\nc.jpg#0\ty\nd.jpg#0\tz\n\n")
    annotations = read(source)
    assert annotations.examples[0].captions == ("a dog runs",)
    assert annotations.problems == []


@pytest.mark.parametrize(
    "name", ["../secret.jpg", "/etc/secret.jpg", "x/../../secret.jpg", "..\\secret.jpg", "C:\\s.jpg"]
)
def test_a_name_that_leads_outside_is_refused(source, name):
    (source / "secret.jpg").touch()
    write_tokens(source, f"a.jpg#0\tone\n{name}#0\ta secret\n")
    (source / "Flickr_8k.trainImages.txt").write_text(f"a.jpg\n{name}\n")
    annotations = read(source)
    assert names_of(annotations)["train"] == ["a.jpg"]
    assert Problem("broken line", name, "leads outside the photo folder") in annotations.problems


def test_a_photo_in_two_splits_stays_in_the_first_and_is_named(source):
    (source / "Flickr_8k.devImages.txt").write_text("c.jpg\na.jpg\n")
    annotations = read(source)
    assert names_of(annotations) == SPLITS | {None: []}
    assert broken_lines(annotations) == [f"{source / 'Flickr_8k.devImages.txt'}, line 2"]
    assert annotations.problems[0].detail == "a.jpg is in the train split already"


def test_another_caption_file_takes_the_place_of_the_official_one(source, tmp_path):
    other = tmp_path / "korean.txt"
    other.write_text("".join(f"{name}#0\t개\n" for name in PHOTOS), encoding="utf-8")
    annotations = read(source, other)
    assert {e.captions for e in annotations.examples} == {("개",)}
    (source / "Flickr8k.token.txt").unlink()
    assert read(source, other).examples == annotations.examples


def test_the_chinese_captions_as_published_are_read(source, tmp_path):
    other = tmp_path / "flickr8kzhc.caption.txt"
    other.write_text("".join(f"{name}#zhc#{k} 狗在 跑\n" for name in PHOTOS for k in range(2)), encoding="utf-8")
    annotations = read(source, other)
    assert {e.captions for e in annotations.examples} == {("狗在 跑", "狗在 跑")}
    assert annotations.problems == []


@pytest.mark.parametrize("with_splits", [True, False])
def test_the_official_caption_without_a_photo_does_no_harm(source, with_splits):
    tokens = (source / "Flickr8k.token.txt").read_text()
    write_tokens(source, tokens + "2258277193_586949ec62.jpg.1#0\tpeople on several horses .\n")
    if not with_splits:
        for split in SPLITS:
            (source / f"Flickr_8k.{split}Images.txt").unlink()
    annotations = read(source)
    assert len(annotations.examples) == (4 if with_splits else 5)
    assert not [problem for problem in annotations.problems if problem.lost]


@pytest.mark.parametrize(
    "photos",
    ["Flickr8k_Dataset/Flicker8k_Dataset", "Images/Images", "Flickr8k_Dataset", "archive/Images", "images"],
)
def test_the_photo_folder_is_found_as_archives_unpack_it(source, photos):
    (source / photos).parent.mkdir(exist_ok=True)
    (source / "Flicker8k_Dataset").rename(source / photos)
    text = source / "Flickr8k_text"
    text.mkdir()
    for path in source.glob("*.txt"):
        path.rename(text / path.name)
    assert names_of(read(source)) == SPLITS | {None: []}
    assert read(source).images_dir == source / photos


def test_photos_may_lie_elsewhere(source, tmp_path):
    (source / "Flicker8k_Dataset").rename(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match="no folder Flicker8k_Dataset in it; name the photo folder with --images"):
        read(source)
    assert names_of(read(source, None, tmp_path / "elsewhere")) == SPLITS | {None: []}


def test_where_no_photo_is_needed_none_is_missing(source):
    (source / "Flicker8k_Dataset").rename(source / "elsewhere")
    _, annotations = read_annotations(source, photos_needed=False)
    assert names_of(annotations) == SPLITS | {None: []}
    assert annotations.problems == []
    _, of_file = read_annotations(source / "Flickr8k.token.txt", photos_needed=False)
    assert names_of(of_file)[None] == PHOTOS  # a token file by itself knows of no splits


def test_a_missing_token_file_is_named_with_the_way_out(source):
    (source / "Flickr8k.token.txt").unlink()
    with pytest.raises(DatasetError, match=r"no Flickr8k.token.txt in it; name the caption file with --captions"):
        read(source)


def test_a_token_file_that_cannot_be_read_is_one_plain_error(source):
    (source / "Flickr8k.token.txt").unlink()
    (source / "Flickr8k.token.txt").mkdir()
    with pytest.raises(DatasetError, match=r"Flickr8k.token.txt: Is a directory"):
        read(source)


def test_photos_named_by_a_file_are_one_plain_error(source):
    with pytest.raises(DatasetError, match=r"token.txt: Not a directory"):
        read(source, None, source / "Flickr8k.token.txt")


def test_captions_and_photos_that_are_not_there_are_named_with_their_option(source, tmp_path):
    with pytest.raises(DatasetError, match=r"gone.txt: no such file \(--captions\)"):
        read(source, tmp_path / "gone.txt")
    with pytest.raises(DatasetError, match=r"gone: no such folder \(--images\)"):
        read(source, None, tmp_path / "gone")


def test_a_dataset_in_which_nothing_can_be_used_says_what_was_wrong_first(source):
    write_tokens(source, "rubbish\n")
    with pytest.raises(DatasetError, match=r"no photo with a caption was found; first of 5: broken line: .*, line 1"):
        read(source)


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_token_file_leaves_nothing(source, content):
    write_tokens(source, content)
    with pytest.raises(DatasetError, match="no photo with a caption was found"):
        read(source)


def test_a_missing_source_an_empty_one_and_a_file_are_named(tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        read_annotations(tmp_path / "gone")
    with pytest.raises(DatasetError, match="no dataset of a known format in it; known are flickr8k, flickr30k, karp"):
        read_annotations(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"file: of no known format \(flickr8k: the file is empty; "):
        read_annotations(tmp_path / "file")
    with pytest.raises(DatasetError, match="file: not a folder, and the format sidecar has no other"):
        read_annotations(tmp_path / "file", "sidecar")
    with pytest.raises(DatasetError, match="no such folder"):
        read_annotations(tmp_path / ("a" * 5000))


@pytest.fixture
def locked_dir():
    """A folder that may not be read, for a test that is root no longer."""
    with open_folder() as folder:
        locked = folder / "locked"
        locked.mkdir(0)
        with as_nobody():
            yield locked
        locked.chmod(0o700)


def test_a_folder_that_may_not_be_read_is_one_plain_error(locked_dir):
    with pytest.raises(DatasetError, match=f"^{locked_dir}: Permission denied$"):
        read_annotations(locked_dir)
    assert not flickr8k.detect(locked_dir.parent) and not flickr8k.detect(locked_dir)


def test_an_unknown_format_is_refused_with_those_known(tmp_path):
    with pytest.raises(OptionsError, match="unknown format 'xml'; choose auto, flickr8k, flickr30k, karpathy, coco"):
        read_annotations(tmp_path, "xml")


def test_only_its_own_files_make_a_folder_flickr8k(source, tmp_path):
    assert flickr8k.detect(source)
    (tmp_path / "other" / "Images").mkdir(parents=True)
    assert not flickr8k.detect(tmp_path / "other")


def test_the_real_dataset_is_read_whole(flickr8k_dir):
    annotations = read(flickr8k_dir)
    assert annotations.problems == []
    counts = {split: len(names) for split, names in names_of(annotations).items()}
    assert (counts["train"], counts["dev"], counts[None]) == (6000, 1000, 0)
    assert all(len(example.captions) == 5 for example in annotations.examples)
