"""What another program sees: our texts, our mark, and everything else as it was."""

from pathlib import Path

import pytest
from photo_files import FILES, SIDE, exiftool, exiftool_rows, frames, needs_exiftool
from PIL import ImageCms

import captioner
from captioner.outputs.metadata import write_captions

pytestmark = needs_exiftool

TEXTS = {"alt": "고양이 🐈 <&>\"' ]]>", "description": "a cat sleeps & “dreams” <b>\"'\nof 멍멍"}
PHOTOS = Path(captioner.__file__).parents[1] / "data" / "photos"
DRESS = [
    *("-EXIF:Make=Maker", "-EXIF:Model=M 1", "-EXIF:UserComment=hi"),
    *("-EXIF:GPSLatitude=37.5", "-EXIF:GPSLatitudeRef=N"),
    *("-XMP:CreatorTool=Other program 1.0", "-XMP-xmpMM:HistoryAction=saved"),
    *("-XMP-dc:Subject=cat", "-XMP-dc:Subject=sofa", "-XMP-dc:Title-de=Katze"),
    *("-XMP-dc:Description-de=eine Katze", "-XMP-iptcCore:AltTextAccessibility-ko=고양이"),
    *("-IPTC:Keywords=kitten", "-IPTC:City=Seoul"),
]
DRESSED = [name for name in FILES if name != "bigtiff.tif"]  # which exiftool reads only
OURS = {
    "IFD0:ImageDescription": [TEXTS["description"]],
    "XMP-dc:Description": [TEXTS["description"]],
    "XMP-iptcCore:AltTextAccessibility": [TEXTS["alt"]],
    "XMP-captioner:AltText": [TEXTS["alt"]],
    "XMP-captioner:Description": [TEXTS["description"]],
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory, photo_bytes):
    """`(rows before, rows after, bytes before, bytes after)` of files as made, and dressed by exiftool."""
    folder = tmp_path_factory.mktemp("seen")
    (folder / "srgb.icc").write_bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    paths = {}
    for name, data in photo_bytes.items():
        for kind in ("bare", "dressed") if name in DRESSED else ("bare",):
            paths[kind, name] = folder / f"{kind}-{name}"
            paths[kind, name].write_bytes(data)
    for photo in ("kitten.jpg", "dog.jpg"):
        paths["bare", photo] = folder / photo
        paths["bare", photo].write_bytes((PHOTOS / photo).read_bytes())
    dressed = [path for (kind, _), path in paths.items() if kind == "dressed"]
    exiftool([*DRESS, f"-ICC_Profile<={folder / 'srgb.icc'}", *dressed])
    before = {key: path.read_bytes() for key, path in paths.items()}
    rows_before = exiftool_rows(*paths.values())
    for path in paths.values():
        write_captions(path, TEXTS, replace_human=True)
    rows_after = exiftool_rows(*paths.values())
    return {
        key: (rows_before[i], rows_after[i], before[key], path.read_bytes())
        for i, (key, path) in enumerate(paths.items())
    }


def changes(before, after):
    """Rows that are another, new or gone."""
    return {name: after.get(name) for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def without_index(found, rows_before, before, after):
    """Without the size of the first of several pictures and the place of the second, which grow as the file does."""
    growth = len(after) - len(before)
    grown = ("MPImage1:MPImageLength", "MPImage2:MPImageStart")
    for name in rows_before.keys() & set(grown):
        assert found[name] == [rows_before[name][0] + growth]
    return {name: value for name, value in found.items() if name not in grown}


@pytest.mark.parametrize("name", DRESSED)
def test_in_a_dressed_photo_captions_and_mark_alone_change(name, seen):
    before, after, *photos = seen["dressed", name]
    assert before["XMP-xmp:CreatorTool"] == ["Other program 1.0"] and before["IFD0:Make"] == ["Maker"]
    assert before["XMP-dc:Description-de"] == ["eine Katze"] and before["XMP-iptcCore:AltTextAccessibility-ko"]
    assert without_index(changes(before, after), before, *photos) == OURS


@pytest.mark.parametrize("name", [*FILES, "kitten.jpg", "dog.jpg"])
def test_in_a_bare_photo_nothing_comes_but_captions_mark_and_what_holds_them(name, seen):
    before, after, *photos = seen["bare", name]
    found = without_index(changes(before, after), before, *photos)
    if name.endswith(".webp"):  # a chunk of the sides and of what there is comes where there was none
        found = {key: value for key, value in found.items() if not key.startswith("RIFF:")}
        assert found.pop("File:FileType", ["Extended WEBP"]) == ["Extended WEBP"]
        assert set(after["RIFF:ImageWidth"] + after["RIFF:ImageHeight"]) == {SIDE}
    assert found.pop("File:ExifByteOrder", None) in (None, ["Little-endian (Intel, II)"])
    assert found == OURS | {"XMP-x:XMPToolkit": ["captioner"]}


@pytest.mark.parametrize(("kind", "name"), [("bare", name) for name in FILES] + [("dressed", name) for name in DRESSED])
def test_pixels_are_the_same(kind, name, seen):
    *_, before, after = seen[kind, name]
    assert frames(before) is not None
    assert frames(after) == frames(before)
    if name.endswith(".jpg"):
        assert after[after.index(b"\xff\xda") :] == before[before.index(b"\xff\xda") :]
