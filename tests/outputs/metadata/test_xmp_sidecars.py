import os
import shutil

import pytest
from nobody import as_nobody, open_folder
from photo_files import exiftool, exiftool_rows, needs_exiftool

from captioner.errors import CaptionerError
from captioner.outputs.metadata import (
    CaptionsFound,
    CaptionsWritten,
    Found,
    default_xmp_sidecar,
    read_xmp_sidecar,
    write_captions,
    write_xmp_sidecar,
)

TEXTS = {"alt": "고양이 🐈 <&>\"'", "description": "a cat sleeps"}
OURS = CaptionsFound(Found(TEXTS["alt"], True), Found("a cat sleeps", True))
BOTH = ("alt", "description")
LIGHTROOM = """<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0-c000 1.000000, 0000/00/00-00:00:00">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
   xmp:Rating="4"
   crs:Exposure2012="+0.35">
   <crs:ToneCurvePV2012>
    <rdf:Seq>
     <rdf:li>0, 0</rdf:li>
     <rdf:li>255, 255</rdf:li>
    </rdf:Seq>
   </crs:ToneCurvePV2012>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""


@pytest.fixture
def photo_path(tmp_path, photo_bytes):
    path = tmp_path / "photo.jpg"
    path.write_bytes(photo_bytes["photo.jpg"])
    return path


@pytest.fixture
def sidecar_path(photo_path):
    return photo_path.with_name("photo.jpg.xmp")


# which files


@pytest.mark.parametrize(
    ("existing", "shared_stem", "expected"),
    [
        ((), False, ["photo.jpg.xmp"]),
        ((), True, ["photo.jpg.xmp"]),
        (("photo.xmp",), False, ["photo.xmp"]),
        (("photo.xmp",), True, ["photo.jpg.xmp"]),
        (("photo.jpg.xmp",), False, ["photo.jpg.xmp"]),
        (("photo.jpg.xmp", "photo.xmp"), False, ["photo.jpg.xmp", "photo.xmp"]),
        (("photo.jpg.xmp", "photo.xmp"), True, ["photo.jpg.xmp"]),
    ],
)
def test_existing_sidecars_are_written_or_else_one_is_made(tmp_path, existing, shared_stem, expected):
    for name in existing:
        (tmp_path / name).touch()
    found = default_xmp_sidecar(tmp_path / "photo.jpg", shared_stem)
    assert found == [tmp_path / name for name in expected]


def test_a_name_with_dots_or_none_has_its_sidecar(tmp_path):
    assert default_xmp_sidecar(tmp_path / "a.b.jpg", False) == [tmp_path / "a.b.jpg.xmp"]
    (tmp_path / "a.b.xmp").touch()
    assert default_xmp_sidecar(tmp_path / "a.b.jpg", False) == [tmp_path / "a.b.xmp"]
    assert default_xmp_sidecar(tmp_path / "scan", False) == [tmp_path / "scan.xmp"]


# what they hold


def test_a_new_sidecar_holds_the_captions(photo_path, sidecar_path):
    photo = photo_path.read_bytes()
    assert write_xmp_sidecar(photo_path, sidecar_path, TEXTS) == CaptionsWritten(BOTH, (), True)
    assert read_xmp_sidecar(sidecar_path) == OURS
    assert photo_path.read_bytes() == photo
    assert sorted(os.listdir(sidecar_path.parent)) == ["photo.jpg", "photo.jpg.xmp"]


def test_an_empty_sidecar_is_filled(photo_path, sidecar_path):
    sidecar_path.touch()
    assert read_xmp_sidecar(sidecar_path) == CaptionsFound()
    write_xmp_sidecar(photo_path, sidecar_path, TEXTS)
    assert read_xmp_sidecar(sidecar_path) == OURS


def test_everything_else_in_a_sidecar_stays(photo_path, sidecar_path):
    sidecar_path.write_text(LIGHTROOM)
    assert write_xmp_sidecar(photo_path, sidecar_path, TEXTS).is_changed
    end = LIGHTROOM.index("</rdf:RDF>")
    written = sidecar_path.read_text()
    assert written.startswith(LIGHTROOM[:end]) and written.endswith(LIGHTROOM[end:])
    assert read_xmp_sidecar(sidecar_path) == OURS


def test_the_same_again_leaves_a_sidecar_untouched(photo_path, sidecar_path):
    write_xmp_sidecar(photo_path, sidecar_path, TEXTS)
    status = sidecar_path.stat()
    assert write_xmp_sidecar(photo_path, sidecar_path, TEXTS) == CaptionsWritten(BOTH, (), False)
    assert sidecar_path.stat().st_ino == status.st_ino and sidecar_path.stat().st_ctime_ns == status.st_ctime_ns


def test_a_changed_sidecar_has_a_new_time_and_its_old_permissions(photo_path, sidecar_path):
    sidecar_path.write_text(LIGHTROOM)
    sidecar_path.chmod(0o640)
    os.utime(sidecar_path, (1_000_000_000, 1_000_000_000))
    write_xmp_sidecar(photo_path, sidecar_path, TEXTS)
    assert sidecar_path.stat().st_mtime > 1_500_000_000  # programs that watch it must see that it changed
    assert sidecar_path.stat().st_mode & 0o777 == 0o640


def with_words_of_a_person(field, text):
    name, namespace = {
        "alt": ("Iptc4xmpCore:AltTextAccessibility", "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"),
        "description": ("dc:description", "http://purl.org/dc/elements/1.1/"),
    }[field]
    words = f'<{name} xmlns:{name.split(":")[0]}="{namespace}"><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li>'
    return LIGHTROOM.replace("  </rdf:Description>", f"{words}</rdf:Alt></{name}>  </rdf:Description>")


@pytest.mark.parametrize("field", BOTH)
def test_a_persons_words_are_kept_or_give_way_when_that_is_asked_for(field, photo_path, sidecar_path):
    sidecar_path.write_text(with_words_of_a_person(field, "Tom"))
    before = sidecar_path.read_text()
    assert write_xmp_sidecar(photo_path, sidecar_path, {field: "a cat"}) == CaptionsWritten((), (field,), False)
    assert sidecar_path.read_text() == before
    assert write_xmp_sidecar(photo_path, sidecar_path, TEXTS).kept == (field,)
    assert read_xmp_sidecar(sidecar_path)[field] == Found("Tom", False)
    assert write_xmp_sidecar(photo_path, sidecar_path, TEXTS, replace_human=True).kept == ()
    assert read_xmp_sidecar(sidecar_path) == OURS


def test_a_persons_edit_of_ours_is_kept(photo_path, sidecar_path):
    write_xmp_sidecar(photo_path, sidecar_path, {"description": "a cat sleeps"})
    sidecar_path.write_text(sidecar_path.read_text().replace("a cat sleeps</rdf:li>", "Tom sleeps</rdf:li>"))
    assert write_xmp_sidecar(photo_path, sidecar_path, {"description": "a dog"}).kept == ("description",)


def with_description_of_a_person(photo_path):
    write_captions(photo_path, {"description": "Tom"})
    photo_path.write_bytes(photo_path.read_bytes().replace(b">Tom</captioner", b">Tim</captioner"))  # the mark


def test_words_of_a_person_in_the_photo_are_not_hidden_by_a_sidecar(photo_path, sidecar_path):
    write_captions(photo_path, {"alt": "a cat"})
    with_description_of_a_person(photo_path)
    assert write_xmp_sidecar(photo_path, sidecar_path, TEXTS) == CaptionsWritten(("alt",), ("description",), True)
    assert read_xmp_sidecar(sidecar_path) == CaptionsFound(OURS.alt, Found())
    assert write_xmp_sidecar(photo_path, sidecar_path, TEXTS, replace_human=True).written == BOTH


def test_without_anything_to_write_no_sidecar_is_made(photo_path, sidecar_path):
    with_description_of_a_person(photo_path)
    assert write_xmp_sidecar(photo_path, sidecar_path, {"description": "a"}) == CaptionsWritten(
        (), ("description",), False
    )
    assert not sidecar_path.exists()


@pytest.mark.parametrize("content", [b"GIF89a", b"\xff\xd8\xff\xe1broken"])
def test_photos_whose_metadata_cannot_be_read_have_sidecars(content, photo_path, sidecar_path):
    photo_path.write_bytes(content)
    assert write_xmp_sidecar(photo_path, sidecar_path, TEXTS).written == BOTH


# what goes wrong


@pytest.mark.parametrize(
    "content", ["words", LIGHTROOM[:-20], "<x/>", '<!DOCTYPE x [<!ENTITY a "b">]>' + LIGHTROOM, "<a>\x00</a>"]
)
def test_a_broken_sidecar_is_one_plain_error_and_stays(content, photo_path, sidecar_path):
    sidecar_path.write_text(content)
    for call in (read_xmp_sidecar, lambda path: write_xmp_sidecar(photo_path, path, TEXTS, replace_human=True)):
        with pytest.raises(CaptionerError, match=rf"^{sidecar_path}: [^\n]*XMP[^\n]*$"):
            call(sidecar_path)
    assert sidecar_path.read_text() == content


def test_what_is_no_file_is_refused(photo_path, tmp_path):
    with pytest.raises(CaptionerError, match="no such file"):
        read_xmp_sidecar(tmp_path / "no.xmp")
    with pytest.raises(CaptionerError, match="no XMP sidecar, not even a file"):
        write_xmp_sidecar(photo_path, tmp_path, TEXTS)


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_that_cannot_be_written_is_one_plain_error(exists, photo_path):
    with open_folder() as folder:
        photo, sidecar = folder / "photo.jpg", folder / "photo.jpg.xmp"
        shutil.copy(photo_path, photo)
        if exists:
            sidecar.write_text(LIGHTROOM)
        with as_nobody(), pytest.raises(CaptionerError) as caught:
            write_xmp_sidecar(photo, sidecar, TEXTS)
        assert str(caught.value) == f"{sidecar}: cannot be written (Permission denied)"
        assert sorted(os.listdir(folder)) == ["photo.jpg"] + ["photo.jpg.xmp"] * exists


@pytest.mark.parametrize("texts", [{}, {"alt": ""}, {"title": "a"}])
def test_what_is_no_caption_is_refused(texts, photo_path, sidecar_path):
    with pytest.raises(AssertionError):
        write_xmp_sidecar(photo_path, sidecar_path, texts)
    assert not sidecar_path.exists()


@needs_exiftool
def test_exiftool_reads_our_sidecars_and_we_read_those_it_makes(photo_path, sidecar_path, tmp_path):
    made_by_it = tmp_path / "made.xmp"
    exiftool(["-tagsfromfile", photo_path, "-XMP-xmp:Rating=4", "-XMP-dc:Subject=cat", made_by_it])
    (before,) = exiftool_rows(made_by_it)
    for path in (sidecar_path, made_by_it):
        write_xmp_sidecar(photo_path, path, TEXTS)
    ours, merged = exiftool_rows(sidecar_path, made_by_it)
    assert before["XMP-xmp:Rating"] == [4]
    for rows in (ours, merged):
        assert rows["XMP-iptcCore:AltTextAccessibility"] == rows["XMP-captioner:AltText"] == [TEXTS["alt"]]
        assert rows["XMP-dc:Description"] == rows["XMP-captioner:Description"] == ["a cat sleeps"]
    assert {name: merged.get(name) for name in before} == before
    exiftool(["-XMP-dc:Subject=dog", sidecar_path])
    assert read_xmp_sidecar(sidecar_path) == OURS
