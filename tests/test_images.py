import io
import os
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps, features

from captioner.errors import ImageError
from captioner.images import (
    IMAGE_SUFFIXES,
    find_images,
    is_image_name,
    photo_shape,
    read_image,
    read_images,
    read_thumbnail,
)

SIZE = 32
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)


def draw_scene(width=90, height=60):
    """A scene that looks different however it is turned."""
    image = Image.new("RGB", (width, height), (240, 220, 180))
    canvas = ImageDraw.Draw(image)
    canvas.rectangle((0, 0, width // 2, height // 3), fill=RED)
    canvas.ellipse((width // 2, height // 2, width - 1, height - 1), fill=BLUE)
    canvas.polygon([(0, height), (width // 4, height // 2), (width // 3, height)], fill=GREEN)
    return image


def encoded(image, image_format, **settings):
    file = io.BytesIO()
    image.save(file, image_format, **settings)
    return file.getvalue()


def tagged(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def squeezed(image, size=SIZE):
    return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0))


def mean_difference(a, b):
    return np.abs(a.astype(float) - b.astype(float)).mean()


def assert_one_colour(square, colour, within=1):
    assert square.shape == (SIZE, SIZE, 3) and square.dtype == np.uint8
    assert np.abs(square.astype(int) - colour).max() <= within


# what comes in


def test_a_photo_is_squeezed_whole_into_the_square():
    image = Image.new("RGB", (300, 100), RED)
    image.paste(BLUE, (200, 0, 300, 100))
    square = read_image(image, 30)
    assert square.shape == (30, 30, 3) and square.dtype == np.uint8
    assert (square[:, :19] == RED).all() and (square[:, 21:] == BLUE).all()


def test_path_text_bytes_pil_and_array_give_the_same_square(tmp_path):
    image = draw_scene()
    path = tmp_path / "photo.png"
    image.save(path)
    content = path.read_bytes()
    sources = [path, str(path), content, bytearray(content), memoryview(content), image, np.asarray(image)]
    squares = [read_image(source, SIZE) for source in sources]
    assert all(np.array_equal(square, squares[0]) for square in squares)


def test_reading_a_pil_image_leaves_it_as_it_was():
    image = draw_scene()
    before = image.tobytes()
    read_image(image, SIZE)
    assert image.size == (90, 60) and image.tobytes() == before


def test_a_grey_array_and_one_with_alpha_are_read():
    assert_one_colour(read_image(np.full((5, 7), 90, np.uint8), SIZE), (90, 90, 90))
    half_seen = np.full((5, 7, 4), (255, 0, 0, 128), np.uint8)
    assert_one_colour(read_image(half_seen, SIZE), (255, 127, 127))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint16, bool])
def test_an_array_of_another_kind_is_refused_with_its_kind(dtype):
    with pytest.raises(ImageError, match=f"must be uint8, 0-255, not {np.dtype(dtype)}"):
        read_image(np.zeros((4, 4, 3), dtype), SIZE)


@pytest.mark.parametrize("shape", [(4,), (4, 4, 1), (4, 4, 2), (4, 4, 5), (1, 4, 4, 3), (0, 4, 3), (4, 0), ()])
def test_an_array_of_another_shape_is_refused_with_its_shape(shape):
    with pytest.raises(ImageError, match=r"must be \(height, width\) or .*, not \("):
        read_image(np.zeros(shape, np.uint8), SIZE)


# upright


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_thumbnail_is_the_whole_photo_upright_in_its_own_shape(orientation):
    content = encoded(draw_scene(), "PNG", exif=tagged(orientation))
    thumbnail = read_thumbnail(content, 30)
    assert (thumbnail.size, thumbnail.mode) == ((30, 20) if orientation < 5 else (20, 30), "RGB")
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).resize(thumbnail.size, reducing_gap=3.0)
    assert mean_difference(np.asarray(thumbnail), np.asarray(upright)) < 1


def test_a_thumbnail_of_a_strip_keeps_a_pixel_of_its_width():
    assert read_thumbnail(np.zeros((1000, 2, 3), np.uint8), 100).size == (1, 100)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_square_equals_squeezing_the_turned_photo(image_format, orientation, tmp_path):
    path = tmp_path / "photo"
    draw_scene().save(path, image_format, exif=tagged(orientation))
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
    assert upright.size == ((90, 60) if orientation < 5 else (60, 90))
    assert mean_difference(read_image(path, SIZE), squeezed(upright)) < 0.5
    assert mean_difference(read_image(Image.open(path), SIZE), squeezed(upright)) < 0.5
    assert photo_shape(path) == photo_shape(path.read_bytes()) == (upright.height, upright.width)


def test_every_orientation_gives_the_same_square_for_photos_that_look_the_same():
    scene = draw_scene()
    turned_back = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    for orientation, turn in turned_back.items():
        stored = scene if turn is None else scene.transpose(turn)
        square = read_image(encoded(stored, "PNG", exif=tagged(orientation)), SIZE)
        assert mean_difference(square, squeezed(scene)) < 0.5, orientation


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation):
    square = read_image(encoded(draw_scene(), "PNG", exif=tagged(orientation)), SIZE)
    assert np.array_equal(square, squeezed(draw_scene()))


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "JPEG"])
def test_broken_exif_does_not_cost_the_photo(image_format):
    content = encoded(draw_scene(), image_format, exif=b"Exif\0\0no such thing as a header")
    assert mean_difference(read_image(content, SIZE), squeezed(draw_scene())) < 5


# colours


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "TIFF"])
def test_transparent_parts_become_white(image_format):
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 20, 40))
    square = read_image(encoded(image, image_format, **({"lossless": True} if image_format == "WEBP" else {})), SIZE)
    assert (square[:, :14] == RED).all() and (square[:, 18:] == WHITE).all()


def test_half_transparent_black_is_grey():
    assert_one_colour(read_image(encoded(Image.new("RGBA", (9, 9), (0, 0, 0, 128)), "PNG"), SIZE), (127, 127, 127))


def test_transparent_grey_with_alpha_is_white():
    assert_one_colour(read_image(encoded(Image.new("LA", (9, 9), (0, 0)), "PNG"), SIZE), WHITE)
    assert_one_colour(read_image(encoded(Image.new("LA", (9, 9), (70, 255)), "PNG"), SIZE), (70, 70, 70))


def test_the_transparent_colour_of_a_palette_is_white():
    image = Image.new("P", (40, 40), 0)
    image.putpalette([0, 0, 0, *RED])
    image.paste(1, (0, 0, 20, 40))
    square = read_image(encoded(image, "PNG", transparency=0), SIZE)
    assert (square[:, :14] == RED).all() and (square[:, 18:] == WHITE).all()
    square = read_image(encoded(image, "PNG", transparency=bytes([255, 0])), SIZE)
    assert (square[:, :14] == WHITE).all() and (square[:, 18:] == 0).all()


@pytest.mark.parametrize(("mode", "colour"), [("RGB", BLUE), ("L", 9), ("1", 0)])
def test_the_transparent_colour_of_a_photo_without_palette_is_white(mode, colour):
    content = encoded(Image.new(mode, (9, 9), colour), "PNG", transparency=colour)
    assert_one_colour(read_image(content, SIZE), WHITE)


@pytest.mark.parametrize(("level", "grey"), [(65535, 255), (32768, 127), (200, 0), (0, 0)])
def test_sixteen_bit_png_is_scaled_to_eight_however_dark(level, grey):
    content = encoded(Image.fromarray(np.full((9, 9), level, np.uint16)), "PNG")
    assert_one_colour(read_image(content, SIZE), (grey, grey, grey))


@pytest.mark.parametrize(("level", "grey"), [(0.5, 127), (1.0, 255), (128.0, 128), (32768.0, 127), (np.nan, 0)])
def test_floating_point_pixels_are_scaled_by_their_range(level, grey):
    content = encoded(Image.fromarray(np.full((9, 9), level, np.float32)), "TIFF")
    assert_one_colour(read_image(content, SIZE), (grey, grey, grey))


def test_cmyk_jpeg_has_its_colours():
    content = encoded(Image.new("RGB", (64, 64), (200, 30, 40)).convert("CMYK"), "JPEG", quality=95)
    assert_one_colour(read_image(content, SIZE), (200, 30, 40), within=4)


def test_one_bit_photos_are_black_and_white():
    image = Image.new("1", (40, 40), 1)
    image.paste(0, (0, 0, 20, 40))
    square = read_image(encoded(image, "PNG"), SIZE)
    assert (square[:, :14] == 0).all() and (square[:, 18:] == 255).all()


def test_grey_jpeg_becomes_three_equal_channels():
    square = read_image(encoded(draw_scene().convert("L"), "JPEG"), SIZE)
    assert np.array_equal(square[..., 0], square[..., 1]) and np.array_equal(square[..., 1], square[..., 2])


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_counts(image_format):
    frames = [Image.new("RGB", (40, 30), colour) for colour in (RED, GREEN, BLUE)]
    content = encoded(frames[0], image_format, save_all=True, append_images=frames[1:])
    assert_one_colour(read_image(content, SIZE), RED, within=4)


@pytest.mark.parametrize(
    "mode", ["L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "I", "F"]
)
def test_every_mode_of_pil_is_read(mode):
    assert read_image(Image.new(mode, (11, 7)), SIZE).shape == (SIZE, SIZE, 3)


def test_avif_is_read():
    if not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    assert mean_difference(read_image(encoded(draw_scene(), "AVIF", quality=95), SIZE), squeezed(draw_scene())) < 5


# sizes


@pytest.mark.parametrize("image_format", ["JPEG", "MPO"])
def test_a_huge_jpeg_decoded_at_reduced_scale_is_close_to_the_full_decode(image_format):
    image = draw_scene(3000, 2000)
    settings = {"save_all": True, "append_images": [image.resize((300, 200))]} if image_format == "MPO" else {}
    content = encoded(image, image_format, quality=95, **settings)
    with Image.open(io.BytesIO(content)) as full:
        assert full.format == image_format
        full_square = squeezed(full, 100)
    assert mean_difference(read_image(content, 100), full_square) < 1


def test_a_jpeg_is_never_decoded_below_twice_the_size(monkeypatch):
    decoded_sizes = []
    resize = Image.Image.resize

    def spied(image, *args, **kwargs):
        decoded_sizes.append(image.size)
        return resize(image, *args, **kwargs)

    contents = [encoded(Image.new("RGB", size), "JPEG") for size in ((1600, 1200), (500, 390), (400, 400), (20, 9))]
    monkeypatch.setattr(Image.Image, "resize", spied)
    for content in contents:
        read_image(content, 100)
    assert decoded_sizes == [(400, 300), (500, 390), (200, 200), (20, 9)]


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (5, 5)])
def test_photos_of_any_shape_fill_the_square(size):
    assert_one_colour(read_image(Image.new("RGB", size, GREEN), SIZE), GREEN)


# no photo


def message_of(source):
    with pytest.raises(ImageError) as caught:
        read_image(source, SIZE)
    message = str(caught.value)
    assert "\n" not in message and caught.value.exit_code == 1
    return message


def test_a_missing_photo_is_named(tmp_path):
    assert message_of(tmp_path / "gone.jpg") == f"{tmp_path / 'gone.jpg'}: no such file"


def test_a_missing_photo_has_no_shape(tmp_path):
    with pytest.raises(ImageError, match=r"nosuch\.jpg: no such file"):
        photo_shape(tmp_path / "nosuch.jpg")


def test_a_folder_is_no_photo(tmp_path):
    assert message_of(tmp_path) == f"{tmp_path}: a folder, not a photo"


def test_a_text_file_named_jpg_is_no_photo(tmp_path):
    path = tmp_path / "letter.jpg"
    path.write_text("Dear reader,\nthis is no photo.\n")
    assert message_of(path) == f"{path}: not an image of a known format"


def test_an_empty_file_is_no_photo(tmp_path):
    path = tmp_path / "empty.jpg"
    path.touch()
    assert message_of(path) == f"{path}: not an image of a known format"
    assert message_of(b"") == "image: not an image of a known format"


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
def test_a_photo_cut_short_is_refused_not_half_shown(image_format, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    content = encoded(Image.fromarray(noise), image_format)
    path = tmp_path / "cut.jpg"
    path.write_bytes(content[: len(content) // 2])
    assert message_of(path).startswith(f"{path}: broken or cut short (")


def test_a_name_too_long_for_the_disk_is_one_plain_line():
    assert message_of("a" * 5000) == "a" * 5000 + ": file name too long"


def test_a_name_that_cannot_exist_is_one_plain_line():
    assert "null byte" in message_of("a\0b.jpg")


def test_too_many_pixels_are_refused_before_they_are_decoded(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert message_of(encoded(Image.new("RGB", (100, 100)), "PNG")) == "image: too many pixels to be a photo"


def test_postscript_never_starts_a_program(monkeypatch):
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: pytest.fail("Ghostscript was started"))
    content = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    assert message_of(content) == "image: PostScript, not a photo"


@pytest.mark.parametrize("source", [None, 5, 1.5, ("a.jpg", "b.jpg"), {"a.jpg"}, {}, object(), iter([])])
def test_a_source_of_no_known_kind_is_told_what_a_photo_is(source):
    message = message_of(source)
    assert message.startswith("image: a photo is a path, the bytes of an image file, an open binary file, a PIL image")
    assert f"not {type(source).__name__}" in message
    assert message.endswith("; give several photos as a list") == isinstance(source, tuple | set | type(iter([])))


WHOLE_FILES = [
    encoded(draw_scene(24, 16), image_format, **settings)
    for image_format, settings in [
        ("JPEG", {"exif": tagged(6)}),
        ("PNG", {"exif": tagged(3)}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {}),
        ("PPM", {}),
        ("ICO", {}),
        ("TGA", {}),
    ]
]


@pytest.mark.filterwarnings("ignore")  # Pillow's own, of what it finds in such files
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(WHOLE_FILES), st.randoms(use_true_random=False), st.integers(0, 8))
def test_a_damaged_file_is_a_photo_or_an_image_error(content, chance, num_changes):
    content = bytearray(content)
    for _ in range(num_changes):
        content[chance.randrange(len(content))] = chance.randrange(256)
    if chance.random() < 0.3:
        del content[chance.randrange(len(content)) :]
    try:
        square = read_image(bytes(content), SIZE)
    except ImageError as error:
        assert "\n" not in str(error)
    else:
        assert square.shape == (SIZE, SIZE, 3) and square.dtype == np.uint8


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=200, deadline=None)
@given(st.sampled_from([content[:4] for content in WHOLE_FILES] + [b""]), st.binary(max_size=200))
def test_arbitrary_bytes_are_a_photo_or_an_image_error(magic, rest):
    try:
        assert read_image(magic + rest, SIZE).shape == (SIZE, SIZE, 3)
    except ImageError as error:
        assert "\n" not in str(error)


# many


@pytest.mark.parametrize("threads", [1, 4])
def test_read_images_keeps_the_order_and_gives_errors_in_their_place(threads):
    sources = [Image.new("RGB", (8, 8), (i, i, i)) if i % 7 else b"broken" for i in range(100)]
    results = list(read_images(sources, 4, threads))
    assert len(results) == 100
    for i, result in enumerate(results):
        if i % 7:
            assert (result == i).all()
        else:
            assert isinstance(result, ImageError)


def test_read_images_holds_only_a_few_photos_however_many_there_are():
    taken = 0

    def sources():
        nonlocal taken
        for _ in range(10_000):
            taken += 1
            yield np.zeros((2, 2, 3), np.uint8)

    photos = read_images(sources(), 2, 2)
    next(photos)
    assert taken <= 20
    photos.close()
    assert taken <= 20


def test_read_images_of_nothing_is_nothing():
    assert list(read_images([], SIZE, 2)) == []


# folders


def fill(folder, names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found_names(folder, *args, **kwargs):
    return [path.relative_to(folder).as_posix() for path in find_images(folder, *args, **kwargs)]


def test_photos_are_known_by_their_suffix_in_any_case():
    assert all(is_image_name(f"photo{suffix}") for suffix in IMAGE_SUFFIXES)
    assert is_image_name("PHOTO.JPG") and is_image_name(Path("a/b.c/photo.Png"))
    assert not any(map(is_image_name, ["photo.txt", "jpg", ".jpg", "photo.jpg.txt", "photo.", ""]))


def test_photos_of_a_folder_come_sorted_without_subfolders(tmp_path):
    fill(tmp_path, ["b.jpg", "a.PNG", "C.webp", "notes.txt", "sub/d.jpg"])
    assert found_names(tmp_path) == ["C.webp", "a.PNG", "b.jpg"]


def test_subfolders_are_walked_where_asked_in_the_same_order_every_time(tmp_path):
    names = ["a/2.jpg", "a/1.jpg", "b.jpg", "a/deep/er/x.jpg", "c/1.jpg"]
    random.Random(0).shuffle(names)
    fill(tmp_path, names)
    assert found_names(tmp_path, True) == ["a/1.jpg", "a/2.jpg", "a/deep/er/x.jpg", "b.jpg", "c/1.jpg"]


def test_hidden_photos_and_folders_are_left_out(tmp_path):
    fill(tmp_path, [".a.jpg", "._b.jpg", ".thumbnails/c.jpg", "d/.e/f.jpg", "d/g.jpg"])
    assert found_names(tmp_path, True) == ["d/g.jpg"]
    assert found_names(tmp_path, True, include=["*"]) == ["d/g.jpg"]


def test_include_says_what_a_photo_is(tmp_path):
    fill(tmp_path, ["a.jpg", "b.heic", "c.png", "sub/d.heic", "sub/e.jpg"])
    assert found_names(tmp_path, True, include=["*.heic"]) == ["b.heic", "sub/d.heic"]
    assert found_names(tmp_path, True, include=["sub/*"]) == ["sub/d.heic", "sub/e.jpg"]
    assert found_names(tmp_path, True, include=iter(["a.*", "c.*"])) == ["a.jpg", "c.png"]


def test_exclude_leaves_out_names_paths_and_whole_folders(tmp_path):
    fill(tmp_path, ["a.jpg", "b.jpg", "raw/c.jpg", "x/raw/d.jpg", "x/e.jpg"])
    assert found_names(tmp_path, True, exclude=["b.*"]) == ["a.jpg", "raw/c.jpg", "x/e.jpg", "x/raw/d.jpg"]
    assert found_names(tmp_path, True, exclude=["raw"]) == ["a.jpg", "b.jpg", "x/e.jpg"]
    assert found_names(tmp_path, True, exclude=["x/*"]) == ["a.jpg", "b.jpg", "raw/c.jpg"]
    assert found_names(tmp_path, True, include=["*.jpg"], exclude=["*.jpg"]) == []


def test_links_to_photos_are_photos_and_loops_end(tmp_path):
    fill(tmp_path, ["a/photo.jpg"])
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a" / "photo.jpg")
    (tmp_path / "folder.jpg").symlink_to(tmp_path / "a")
    assert found_names(tmp_path, True) == ["a/photo.jpg", "link.jpg"]


def test_a_broken_link_is_left_to_fail_by_its_name(tmp_path):
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "self.jpg").symlink_to(tmp_path / "self.jpg")
    assert found_names(tmp_path) == ["gone.jpg", "self.jpg"]
    assert message_of(tmp_path / "gone.jpg").endswith("gone.jpg: no such file")
    assert "self.jpg: too many levels" in message_of(tmp_path / "self.jpg")


def test_a_pipe_and_a_folder_named_like_photos_are_none(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    assert found_names(tmp_path, True) == []


def test_names_that_are_no_valid_text_are_found_and_read(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.png")
    Path(os.fsdecode(path)).write_bytes(encoded(draw_scene(), "PNG"))
    (found,) = find_images(tmp_path)
    assert np.array_equal(read_image(found, SIZE), squeezed(draw_scene()))


def test_a_folder_that_is_not_there_is_one_error(tmp_path):
    (error,) = find_images(tmp_path / "nowhere")
    assert isinstance(error, ImageError) and str(error) == f"{tmp_path / 'nowhere'}: No such file or directory"


def test_a_folder_that_cannot_be_listed_does_not_stop_the_rest(tmp_path, lock_folders):
    fill(tmp_path, ["a/1.jpg", "locked/2.jpg", "z/3.jpg"])
    lock_folders("locked")
    first, error, last = find_images(tmp_path, recursive=True)
    assert (first.name, last.name) == ("1.jpg", "3.jpg")
    assert isinstance(error, ImageError) and str(error) == f"{tmp_path / 'locked'}: Permission denied"
