"""Captions as metadata: what is said of photos, and that each fails alone."""

import os

import pytest
from PIL import Image

from captioner.batch import plan_jobs, run_plan
from captioner.errors import CaptionerError, ImageError, OptionsError
from captioner.inference import Caption
from captioner.options import OutputOptions, ShapeOptions
from captioner.outputs.metadata import read_captions, read_xmp_sidecar, write_captions
from captioner.outputs.metadata.jpeg import XMP
from captioner.outputs.metadata.xmp import META
from captioner.outputs.metadata_outputs import Metadata
from captioner.outputs.sidecars import open_sidecars
from captioner.photos import Photo

DOG = Caption("a dog runs", -4.0, 0.6, "m", low_confidence=False)


@pytest.fixture
def photos(tmp_path):
    names = [f"{letter}.jpg" for letter in "abcdef"]
    for name in names:
        Image.new("RGB", (16, 12), "olive").save(tmp_path / name)
    return [Photo(name, str(tmp_path / name), str(tmp_path)) for name in names]


def metadata(**options):
    return Metadata(OutputOptions(write_metadata="both", **options), ShapeOptions())


def xmp_sidecars(**options):
    return open_sidecars(OutputOptions(sidecar="xmp", **options), ShapeOptions())


def failures(photos, output, existing="skip"):
    """Of a run over the photos, as lines."""
    plan = plan_jobs(photos, [output], existing)
    outcomes = run_plan(plan, lambda sources: (DOG for _ in sources), [output])
    return [failure.line for outcome in outcomes for failure in outcome.failures]


def as_a_person(path, **texts):
    write_captions(path, texts)
    with open(path, "r+b") as file:
        content = file.read().replace(b"tag:captioner,2026:xmp/", b"tag:somebodyx,2026:xmp/")
        file.seek(0)
        file.write(content)


def with_segment(path, content):
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(data[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2) + content + data[2:])


def test_words_that_stay_are_counted(photos):
    as_a_person(photos[0].source, alt="mine", description="mine, too")
    as_a_person(photos[1].source, description="mine")
    output = metadata()
    assert failures(photos, output) == []
    assert output.remarks() == ["kept: 1 alt text and 2 descriptions that a person wrote"]
    assert metadata().remarks() == []
    output = metadata(replace_human=True)
    assert failures(photos, output, "overwrite") == [] and output.remarks() == []


def test_words_in_the_photo_count_for_its_sidecar_and_are_not_asked_for_again(photos, tmp_path):
    as_a_person(photos[0].source, alt="mine", description="mine, too")
    output = xmp_sidecars()
    assert failures(photos, output) == []
    assert output.remarks() == ["kept: 1 alt text and 1 description that a person wrote"]
    assert not (tmp_path / "a.jpg.xmp").exists() and (tmp_path / "b.jpg.xmp").exists()
    assert plan_jobs(photos, [xmp_sidecars()], "skip").num_skipped == len(photos)


def test_a_description_that_exif_has_no_room_for_is_told(photos):
    for photo in photos[:2]:
        with_segment(photo.source, b"Exif\0\0no TIFF structure")
    output = metadata()
    assert failures(photos, output) == []
    (line,) = output.remarks()
    assert line == "in XMP only: 2 descriptions, as EXIF has no room or could not be changed without a loss"


def test_further_names_of_a_photo_lead_to_the_file_as_it_was_and_that_is_told(photos, tmp_path):
    os.link(photos[0].source, tmp_path / "backup")
    before = (tmp_path / "backup").read_bytes()
    output = metadata()
    assert failures(photos, output) == []
    assert (tmp_path / "backup").read_bytes() == before and read_captions(photos[0].source).alt.is_ours
    assert output.remarks() == ["hard links: 1 photo had further names, which still lead to the file as it was"]


BROKEN = [
    META[:-9],
    META[:-9].decode().encode("utf-16-be"),
    b"<!DOCTYPE a>" + META,
    b"<a>" * 9_000,
    b"\xd8\0\xd8\0" * 9,
]


@pytest.mark.parametrize("packet", BROKEN)
def test_a_photo_whose_packet_is_broken_fails_alone(packet, photos):
    with_segment(photos[1].source, XMP + packet)
    (line,) = failures(photos, metadata())
    assert line.startswith(f"{photos[1].source}: ")
    assert all(read_captions(photo.source).alt.is_ours for photo in photos if photo is not photos[1])


@pytest.mark.parametrize("packet", BROKEN)
def test_a_photo_whose_sidecar_is_broken_fails_alone(packet, photos, tmp_path):
    (tmp_path / "b.jpg.xmp").write_bytes(packet)
    (line,) = failures(photos, xmp_sidecars())
    assert line.startswith(f"{tmp_path}/b.jpg.xmp: ") and (tmp_path / "b.jpg.xmp").read_bytes() == packet
    assert all(read_xmp_sidecar(f"{photo.source}.xmp").alt.is_ours for photo in photos if photo is not photos[1])


@pytest.mark.parametrize("content", [b"", b"no photo", b"%PDF-1.7", b"PK\3\4", b"\0" * 100])
def test_what_is_no_image_is_called_that(content, photos):
    with open(photos[0].source, "wb") as file:
        file.write(content)
    with pytest.raises(ImageError, match=r"a\.jpg: not an image of a known format"):
        metadata().is_settled(photos[0], anew=False)


def test_an_image_of_another_format_is_called_that(photos, tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "g.gif")
    with pytest.raises(ImageError, match="metadata can be written to JPEG, PNG, WebP and TIFF only"):
        metadata().is_settled(Photo("g.gif", str(tmp_path / "g.gif")), anew=False)


def test_bytes_of_stdin_have_their_sidecar_where_it_is_told(tmp_path):
    output, photo = xmp_sidecars(output_dir=tmp_path / "out"), Photo("-", b"bytes")
    assert not output.is_settled(photo, anew=False)
    output.write(photo, DOG)
    assert read_xmp_sidecar(tmp_path / "out" / "-.xmp").alt.text == DOG.text
    assert output.is_settled(photo, anew=False)


@pytest.mark.parametrize("text", ["\x1b[31m", "a\0b", "\x9b", "\udcff", "\uffff"])
def test_prefixes_that_no_place_could_hold_are_refused_beforehand(text):
    for options in ({"prefix": text}, {"suffix": text}):
        with pytest.raises(OptionsError, match="fix must be text without control characters"):
            ShapeOptions(**options)


def test_a_photo_that_goes_meanwhile_fails_alone(photos):
    output = metadata()
    plan = plan_jobs(photos, [output], "skip")
    os.unlink(photos[2].source)
    outcomes = list(run_plan(plan, lambda sources: (DOG for _ in sources), [output]))
    assert [bool(outcome.failures) for outcome in outcomes] == [False, False, True, False, False, False]
    with pytest.raises(CaptionerError, match="no such file"):
        output.write(photos[2], DOG)
