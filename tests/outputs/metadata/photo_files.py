"""Small photos of every container that captions are written to, and ways to look at them."""

import io
import json
import re
import shutil
import struct
import subprocess
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageSequence

needs_exiftool = pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")

SIDE = 32  # pixels, two tiles of a TIFF


def pixels(seed, depth=3):
    """(SIDE, SIDE, depth) uint8: a gradient with noise, so that no two regions are alike."""
    noise = np.random.default_rng(seed).integers(0, 40, (SIDE, SIDE, depth))
    return (np.arange(SIDE)[:, None, None] * 6 + noise).astype(np.uint8)


def image(seed=0, depth=3):
    return Image.fromarray(pixels(seed, depth).squeeze())


def _saved(photo, format_name, **options):
    file = io.BytesIO()
    photo.save(file, format_name, **options)
    return file.getvalue()


def _animated(format_name, **options):
    return _saved(image(0), format_name, save_all=True, append_images=[image(1), image(2)], duration=50, **options)


def tiff_bytes(order="<", is_big=False, is_tiled=False, num_pages=1, gap=b""):
    """A TIFF of grey pages, laid out by hand: pixels first, directories behind them."""
    offset, count, size = ("Q", "Q", 8) if is_big else ("I", "H", 4)
    data = bytearray({"<": b"II", ">": b"MM"}[order] + struct.pack(order + "H", 43 if is_big else 42))
    data += struct.pack(order + "HH", 8, 0) if is_big else b""
    pointer = len(data)  # where the next directory's offset goes
    data += bytes(size)
    for page in range(num_pages):
        grey = pixels(page, 1)[..., 0]
        half = SIDE // 2
        tiles = [grey[y : y + half, x : x + half] for y in (0, half) for x in (0, half)]
        parts = [tile.tobytes() for tile in tiles] if is_tiled else [grey.tobytes()]
        places = []
        for part in parts:
            places.append(len(data))
            data += part
        tables = []  # of offsets and of sizes, inside the entry where one number fits
        for numbers in (places, [len(part) for part in parts]):
            packed = struct.pack(f"{order}{len(numbers)}I", *numbers)
            if len(packed) > size:
                tables.append(struct.pack(order + offset, len(data)))
                data += packed
            else:
                tables.append(packed.ljust(size, b"\0"))
        entries = [(256, SIDE), (257, SIDE), (258, 8), (259, 1), (262, 1), (277, 1)]
        entries = [(tag, 3, 1, struct.pack(order + "H", value).ljust(size, b"\0")) for tag, value in entries]
        if is_tiled:
            entries += [(tag, 3, 1, struct.pack(order + "H", half).ljust(size, b"\0")) for tag in (322, 323)]
        else:
            entries += [(278, 3, 1, struct.pack(order + "H", SIDE).ljust(size, b"\0"))]
        place_tag, size_tag = (324, 325) if is_tiled else (273, 279)
        entries += [(place_tag, 4, len(parts), tables[0]), (size_tag, 4, len(parts), tables[1])]
        data += bytes(len(data) % 2)
        data[pointer : pointer + size] = struct.pack(order + offset, len(data))
        data += struct.pack(order + count, len(entries))
        for tag, type_, number, value in sorted(entries):
            data += struct.pack(f"{order}HH{offset}", tag, type_, number) + value
        pointer = len(data)
        data += bytes(size)
    return bytes(data) + gap


def _exif():
    """With what only its maker can read, whose offsets may count from anywhere."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8769)[0x927C] = bytes(range(256)) * 3
    return exif


FILES = {
    "photo.jpg": lambda: _saved(image(), "JPEG", exif=_exif(), quality=90),
    "bare.jpg": lambda: _saved(image(), "JPEG", progressive=True),
    "pair.jpg": lambda: _saved(image(0), "MPO", save_all=True, append_images=[image(1)]),
    "photo.png": lambda: _saved(image(), "PNG", exif=_exif()),
    "bare.png": lambda: _saved(image(0, 4), "PNG"),
    "animated.png": lambda: _animated("PNG"),
    "lossy.webp": lambda: _saved(image(), "WEBP", quality=80),
    "lossless.webp": lambda: _saved(image(), "WEBP", lossless=True),
    "transparent.webp": lambda: _saved(image(0, 4), "WEBP", lossless=True),
    "animated.webp": lambda: _animated("WEBP"),
    "photo.webp": lambda: _saved(image(), "WEBP", exif=_exif()),
    "little.tif": lambda: tiff_bytes("<"),
    "big-endian.tif": lambda: tiff_bytes(">"),
    "pages.tif": lambda: tiff_bytes("<", num_pages=3),
    "tiles.tif": lambda: tiff_bytes(">", is_tiled=True),
    "bigtiff.tif": lambda: tiff_bytes("<", is_big=True, is_tiled=True, num_pages=2),
    "compressed.tif": lambda: _saved(image(), "TIFF", compression="tiff_lzw"),
}


def png_chunk(type_, content):
    return struct.pack(">I", len(content)) + type_ + content + struct.pack(">I", zlib.crc32(type_ + content))


def frames(data):
    """Mode, size and bytes of every decoded frame; None for a file that Pillow cannot decode."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data)) as photo:
                return [(frame.mode, frame.size, frame.tobytes()) for frame in ImageSequence.Iterator(photo)]
        except Exception:  # decoders of broken files raise anything
            return None


def exiftool_rows(*paths):
    """All that exiftool can say of each file: `{"group:tag": [value, ...]}`, binary values whole."""
    options = ["-j", "-b", "-a", "-u", "-struct", "-G1:4"]
    done = subprocess.run(["exiftool", *options, *map(str, paths)], capture_output=True, text=True, check=True)
    return [_by_tag(row) for row in json.loads(done.stdout)]


def _by_tag(row):
    """Without what is said of the file in its folder, and without exiftool's numbers of tags of equal names."""
    found = {}
    for name, value in row.items():
        if not name.startswith(("SourceFile", "System:", "ExifTool:")):
            found.setdefault(re.sub(r"Copy\d+:", "", name), []).append(value)
    return found


def exiftool(*commands):
    """Runs several commands, each a list of options and paths, in one process, as starting it takes long."""
    arguments = [argument for command in commands for argument in (*map(str, command), "-execute")][:-1]
    subprocess.run(
        ["exiftool", *arguments, "-common_args", "-q", "-m", "-overwrite_original"], check=True, capture_output=True
    )
