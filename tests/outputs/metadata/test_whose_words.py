"""A person's words are never lost, and ours never stay behind."""

import pytest
from photo_files import exiftool, needs_exiftool

from captioner.outputs.metadata import CaptionsFound, CaptionsWritten, Found, jpeg, read_captions, write_captions
from captioner.outputs.metadata.fields import first_human, judged
from captioner.outputs.metadata.xmp import Words, read_words

BOTH = {"alt": "a dog", "description": "a dog runs over the grass"}
OURS = CaptionsFound(Found("a dog", True), Found("a dog runs over the grass", True))
THEIRS = "Rex, our dog"


# by words alone


def test_no_words_are_nobodys():
    assert judged(Words()) == judged(Words(mark="a dog")) == judged(Words(), "   ", "") == Found("", False)


def test_words_are_ours_when_they_equal_the_mark():
    assert judged(Words(("a dog",), "a dog"), "a dog") == Found("a dog", True)
    assert judged(Words((), "a dog"), "a dog ") == Found("a dog ", True)  # padded by a camera's habit


def test_words_are_a_persons_in_any_language_and_place():
    assert judged(Words(("a dog",))) == Found("a dog", False)
    assert judged(Words(("a dog", "ein Hund"), "a dog")) == Found("ein Hund", False)
    assert judged(Words(("a dog",), "a dog"), "a dog", THEIRS) == Found(THEIRS, False)


def test_the_first_person_among_several_places_counts():
    ours, theirs = Found("a dog", True), Found(THEIRS)
    assert first_human(CaptionsFound(ours, Found()), CaptionsFound(theirs, ours)) == CaptionsFound(theirs, Found())


# in photos


def test_a_photo_without_words_gets_ours(photo):
    assert read_captions(photo) == CaptionsFound()
    assert write_captions(photo, BOTH) == CaptionsWritten(("alt", "description"), (), True)
    assert read_captions(photo) == OURS


@pytest.mark.parametrize("field", BOTH)
def test_a_field_is_written_alone(photo, field):
    write_captions(photo, {field: BOTH[field]})
    other = {"alt": "description", "description": "alt"}[field]
    assert read_captions(photo)[field] == Found(BOTH[field], True)
    assert read_captions(photo)[other] == Found()


def test_ours_give_way_to_newer_ones(photo):
    write_captions(photo, BOTH)
    assert write_captions(photo, {"alt": "a cat", "description": "b"}).written == ("alt", "description")
    assert read_captions(photo) == CaptionsFound(Found("a cat", True), Found("b", True))


def test_writing_the_same_again_leaves_the_file_untouched(photo):
    write_captions(photo, BOTH)
    before, status = photo.read_bytes(), photo.stat()
    assert write_captions(photo, BOTH) == CaptionsWritten(("alt", "description"), (), False)
    assert photo.read_bytes() == before
    assert photo.stat().st_ino == status.st_ino and photo.stat().st_ctime_ns == status.st_ctime_ns


@pytest.mark.parametrize("texts", [{}, {"alt": ""}, {"alt": " \n"}, {"title": "a dog"}])
def test_what_is_no_caption_is_refused(photo, texts):
    before = photo.read_bytes()
    with pytest.raises(AssertionError):
        write_captions(photo, texts)
    assert photo.read_bytes() == before


# as other programs write them

PLACES = {
    "alt": ("alt", "-XMP-iptcCore:AltTextAccessibility="),
    "alt in German": ("alt", "-XMP-iptcCore:AltTextAccessibility-de="),
    "description in XMP": ("description", "-XMP-dc:Description="),
    "description in German": ("description", "-XMP-dc:Description-de="),
    "description in EXIF": ("description", "-EXIF:ImageDescription="),
    "description in IPTC": ("description", "-IPTC:Caption-Abstract="),
}
PLAIN = ("bare.jpg", "bare.png", "lossless.webp", "tiles.tif")
IN_ONE_PLACE = [
    (place, name) for place in PLACES for name in PLAIN if "IPTC" not in place or name in ("bare.jpg", "tiles.tif")
]
EDITS = [place for place in PLACES if "IPTC" not in place]
ALL_OF_THEM = [PLACES[place][1] + THEIRS for place in ("alt", "description in XMP", "description in EXIF")]


@pytest.fixture(scope="module")
def by_others(tmp_path_factory, photo_bytes):
    """Bytes of photos that exiftool has written into, by what it wrote and the file's name."""
    folder = tmp_path_factory.mktemp("by_others")
    numbers = {}  # of files whose names may be anything

    def made(key, ours=False):
        path = folder / f"{len(numbers)}-{key[1]}"
        path.write_bytes(photo_bytes[key[1]])
        if ours:
            write_captions(path, BOTH)
        numbers[key] = path
        return path

    commands = [[PLACES[place][1] + THEIRS, made((place, name))] for place, name in IN_ONE_PLACE]
    commands += [[PLACES[place][1] + "a dog named Rex", made(("edited " + place, "bare.jpg"), True)] for place in EDITS]
    commands += [[*ALL_OF_THEM, made(("all", name))] for name in PLAIN]
    german = ["-XMP-dc:Description-de=ein Hund", "-XMP-dc:Description=Rex"]
    commands += [[*german, made(("two languages", "bare.jpg"))]]
    commands += [[f"-IPTC:Caption-Abstract={BOTH['description']}", made(("ours in IPTC", "bare.jpg"))]]
    others = ["-XMP:CreatorTool=Other", "-EXIF:Artist=Me", "-XMP:Rating=5"]
    commands += [[*others, made(("after us", name), True)] for name in PLAIN]
    exiftool(*commands)
    return {key: path.read_bytes() for key, path in numbers.items()}


@pytest.fixture
def by_other(by_others, tmp_path):
    """A function from a key of `by_others` to the path of such a photo."""

    def made(what, name):
        path = tmp_path / name
        path.write_bytes(by_others[what, name])
        return path

    return made


@needs_exiftool
@pytest.mark.parametrize(("place", "name"), IN_ONE_PLACE)
def test_a_persons_words_are_kept_in_every_place(place, name, by_other):
    field, path = PLACES[place][0], by_other(place, name)
    before = path.read_bytes()
    assert read_captions(path)[field] == Found(THEIRS, False)
    assert write_captions(path, {field: "ours"}) == CaptionsWritten((), (field,), False)
    assert path.read_bytes() == before
    other = {"alt": "description", "description": "alt"}[field]
    assert write_captions(path, BOTH) == CaptionsWritten((other,), (field,), True)
    assert read_captions(path)[field] == Found(THEIRS, False)
    assert read_captions(path)[other] == Found(BOTH[other], True)


@needs_exiftool
@pytest.mark.parametrize("name", PLAIN)
def test_a_persons_words_give_way_when_that_is_asked_for(name, by_other):
    path = by_other("all", name)
    assert write_captions(path, BOTH, replace_human=True) == CaptionsWritten(("alt", "description"), (), True)
    assert read_captions(path) == OURS
    assert write_captions(path, {"alt": "a cat", "description": "b"}).kept == ()


@needs_exiftool
def test_other_languages_stay_when_a_persons_words_give_way(by_other):
    path = by_other("two languages", "bare.jpg")
    write_captions(path, BOTH, replace_human=True)
    assert read_captions(path).description == Found("ein Hund", False)
    assert read_words(jpeg.read_blocks(path.read_bytes()).xmp)["description"].texts == (
        BOTH["description"],
        "ein Hund",
    )


@needs_exiftool
def test_iptc_is_never_written(by_other):
    path = by_other("description in IPTC", "bare.jpg")
    before = jpeg.read_blocks(path.read_bytes()).iims
    write_captions(path, BOTH, replace_human=True)
    assert read_captions(path).description == Found(THEIRS, False)
    assert jpeg.read_blocks(path.read_bytes()).iims == before


@needs_exiftool
def test_iptc_that_says_the_same_as_we_is_no_persons(by_other):
    path = by_other("ours in IPTC", "bare.jpg")
    write_captions(path, BOTH, replace_human=True)
    assert read_captions(path) == OURS


@needs_exiftool
@pytest.mark.parametrize("place", EDITS)
def test_a_persons_edit_of_ours_is_kept(place, by_other):
    field, path = PLACES[place][0], by_other("edited " + place, "bare.jpg")
    before = path.read_bytes()
    assert read_captions(path)[field] == Found("a dog named Rex", False)
    assert write_captions(path, {field: "a cat"}).kept == (field,)
    assert path.read_bytes() == before


@needs_exiftool
@pytest.mark.parametrize("name", PLAIN)
def test_ours_are_known_after_other_programs_wrote_the_file(name, by_other):
    path = by_other("after us", name)
    assert read_captions(path) == OURS
    assert write_captions(path, {"alt": "a cat", "description": "b"}).kept == ()
