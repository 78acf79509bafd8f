import json
import os
from pathlib import Path

import pytest
from nobody import as_nobody, open_folder

from captioner.errors import CaptionerError, ImageError
from captioner.inference import Caption
from captioner.options import OutputOptions, ShapeOptions
from captioner.options.outputs import SIDECAR_KINDS
from captioner.outputs.sidecars import open_sidecars
from captioner.photos import Photo

DOG = Caption("a dog runs", -4.0, 0.6, "m", low_confidence=False)


def sidecars(kind, **options):
    return open_sidecars(OutputOptions(sidecar=kind, **options), ShapeOptions(suffix=" ."))


def photos_of(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [Photo(name, str(folder / name), str(folder)) for name in names]


def written(output, photos):
    for photo in photos:
        output.write(photo, DOG)


def files_of(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", ["txt", "caption"])
def test_a_caption_lies_beside_its_photo_as_one_line(kind, tmp_path):
    (photo,) = photos_of(tmp_path, "a.b.jpg")
    written(sidecars(kind), [photo])
    assert (tmp_path / f"a.b.{kind}").read_bytes() == b"a dog runs .\n"


def test_json_holds_the_record(tmp_path):
    (photo,) = photos_of(tmp_path, "sub/a.jpg")
    written(sidecars("json"), [photo])
    record = json.loads((tmp_path / "sub" / "a.json").read_text())
    assert (record["file_name"], record["text"], record["model"]) == ("a.jpg", "a dog runs .", "m")


def test_photos_of_one_stem_never_share_a_sidecar(tmp_path):
    photos = photos_of(tmp_path, "a.jpg", "a.png", "b.jpg", "sub/a.jpg")
    written(sidecars("txt"), photos)
    assert [name for name in files_of(tmp_path) if name.endswith(".txt")] == [
        "a.jpg.txt",
        "a.png.txt",
        "b.txt",
        "sub/a.txt",
    ]


def test_a_photo_that_is_not_captioned_keeps_its_stem_to_itself_too(tmp_path):
    first, _ = photos_of(tmp_path, "a.jpg", "a.png")
    assert sidecars("txt").target(first) == f"{tmp_path}/a.jpg.txt"


@pytest.mark.parametrize(("kind", "target"), [("txt", "a.png.txt"), ("xmp", "a.png.xmp")])
def test_a_photo_that_came_since_the_last_batch_shares_its_stem_as_well(kind, target, tmp_path):
    output = sidecars(kind)
    (first,) = photos_of(tmp_path, "a.jpg")
    output.check([first])
    assert output.target(first) == str(tmp_path / target.replace("a.png.txt", "a.txt").replace("png", "jpg"))
    (second,) = photos_of(tmp_path, "a.png")
    output.check([second])
    assert output.target(second) == str(tmp_path / target)


def test_another_folder_mirrors_the_tree(tmp_path):
    photos = photos_of(tmp_path / "in", "a.jpg", "x/a.jpg", "x/y/b.jpg", "x/y/b.png")
    written(sidecars("txt", output_dir=tmp_path / "out"), photos)
    assert files_of(tmp_path / "out") == ["a.txt", "x/a.txt", "x/y/b.jpg.txt", "x/y/b.png.txt"]


@pytest.mark.parametrize("name", ["../../a.jpg", "/tmp/x/a.jpg", "./../a.jpg"])
def test_no_name_leads_out_of_the_other_folder(name, tmp_path):
    target = sidecars("txt", output_dir=tmp_path / "out").target(Photo(name, name))
    assert Path(target).is_relative_to(tmp_path / "out") and ".." not in target


@pytest.mark.parametrize("kind", SIDECAR_KINDS)
def test_two_names_that_would_meet_are_refused_before_anything_is_written(kind, tmp_path):
    photos = [Photo(name, str(tmp_path / name)) for name in ("x/a.jpg", "../x/a.jpg")]
    output = sidecars(kind, output_dir=tmp_path / "out")
    with pytest.raises(CaptionerError, match=r"^x/a.jpg and ../x/a.jpg would share "):
        output.check(photos)
    output.check(photos[:1] * 2)  # the same photo, named twice


@pytest.mark.parametrize("kind", SIDECAR_KINDS)
@pytest.mark.parametrize("anew", [False, True])
def test_a_photo_that_comes_later_never_gets_the_file_of_another(kind, anew, tmp_path):
    first, second = (Photo(name, str(tmp_path / name)) for name in ("x/a.jpg", "../x/a.jpg"))
    output = sidecars(kind, output_dir=tmp_path / "out")
    output.check([first])
    written(output, [first])
    output.check([second])
    with pytest.raises(ImageError, match=r"^\.\./x/a\.jpg: .*/out/x/a\..* is of x/a\.jpg$"):
        output.is_settled(second, anew)
    assert output.is_settled(first, False)


def test_a_sidecar_that_is_there_already_is_shared_by_no_two_photos(tmp_path):
    (tmp_path / "out" / "x").mkdir(parents=True)
    (tmp_path / "out" / "x" / "a.xmp").write_text("")
    photos = [Photo(name, str(tmp_path / name)) for name in ("x/a.jpg", "../x/a.png")]
    with pytest.raises(CaptionerError, match=r"^x/a.jpg and ../x/a.png would share .*/a.xmp$"):
        sidecars("xmp", output_dir=tmp_path / "out").check(photos)


def test_bytes_of_stdin_are_refused_by_themselves(tmp_path):
    bytes_photo = Photo("-", b"...")
    for kind in SIDECAR_KINDS:
        sidecars(kind).check([bytes_photo, *photos_of(tmp_path, "a.jpg")])
        with pytest.raises(ImageError, match="give --output-dir"):
            sidecars(kind).is_settled(bytes_photo, anew=False)


@pytest.mark.parametrize(
    ("content", "is_settled"), [(None, False), (b"", False), (b" \n", False), (b"a dog\n", True), (b"\xff", True)]
)
def test_what_holds_something_is_a_caption(content, is_settled, tmp_path):
    (photo,) = photos_of(tmp_path, "a.jpg")
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    assert sidecars("txt").is_settled(photo, anew=False) == is_settled
    assert not sidecars("txt").is_settled(photo, anew=True)


def test_bytes_lie_in_no_folder():
    with pytest.raises(ImageError, match="give --output-dir"):
        sidecars("txt").target(Photo("-", b"..."))


def test_a_folder_without_permission_is_one_plain_error():
    with open_folder() as folder, pytest.raises(CaptionerError, match=r"a\.txt: cannot be written"):
        (photo,) = photos_of(folder, "a.jpg")
        with as_nobody():
            written(sidecars("txt"), [photo])


def test_a_name_that_is_no_valid_text_has_its_sidecar(tmp_path):
    (photo,) = photos_of(tmp_path, os.fsdecode(b"caf\xe9.jpg"))
    written(sidecars("txt"), [photo])
    assert os.listdir(os.fsencode(tmp_path)).count(b"caf\xe9.txt") == 1


def test_a_name_too_long_for_a_sidecar_is_one_plain_error(tmp_path):
    (photo,) = photos_of(tmp_path, "a" * 251 + ".jpg")
    with pytest.raises(CaptionerError, match="cannot be written"):
        written(sidecars("caption"), [photo])


@pytest.mark.parametrize("kind", ["txt", "caption", "json"])
def test_a_pipe_in_place_of_a_sidecar_is_not_waited_for(kind, tmp_path):
    (photo,) = photos_of(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / f"a.{kind}")
    for anew in (False, True):
        with pytest.raises(ImageError, match="no sidecar, not even a file"):
            sidecars(kind).is_settled(photo, anew)


@pytest.mark.parametrize(
    "content", [b"[" * 200_000, b'{"a":' * 100_000, b"\xff\xfe{\0", b'{"file_name": "a", "text": "' + b"b" * (1 << 20)]
)
def test_json_of_any_kind_that_is_no_caption_is_another_programs(content, tmp_path):
    (photo,) = photos_of(tmp_path, "a.jpg")
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ImageError, match="holds no caption, but something of another program's"):
        sidecars("json").is_settled(photo, anew=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_a_sidecar_that_cannot_be_read_is_not_written_over():
    with open_folder() as folder:
        (photo,) = photos_of(folder, "a.jpg")
        (folder / "a.txt").write_text("a person's")
        (folder / "a.txt").chmod(0o600)
        with as_nobody(), pytest.raises(ImageError, match=r"a\.txt: cannot be read \(Permission denied\)"):
            sidecars("txt").is_settled(photo, anew=False)


def test_a_private_sidecar_stays_private(tmp_path):
    (photo,) = photos_of(tmp_path, "a.jpg")
    (tmp_path / "a.txt").touch(0o600)
    written(sidecars("txt"), [photo])
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o600
