"""Files that a folder of photos may hold: broken ones, and whole ones that are out of the ordinary."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

Write = Callable[[Path], None]


def scene(width: int = 96, height: int = 72, seed: int = 0) -> Image.Image:
    """A picture in colour, another one for each seed."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


def _saved(image: Callable[[], Image.Image], **settings) -> Write:
    return lambda path: image().save(path, **settings)


def _cut_jpeg(path: Path) -> None:
    scene().save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _vast_png(path: Path, side: int = 30_000) -> None:
    """One bit a pixel, all black: a hundred kilobytes that unpack to 900 million pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer, row = zlib.compressobj(9), bytes(1 + (side + 7) // 8)
    packed = b"".join(packer.compress(row * 100) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b""))


def _broken_exif(path: Path) -> None:
    scene().save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\xff\xff\xff\xff")


def _bad_checksum(path: Path) -> None:
    scene().save(path, "PNG")
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 20] ^= 0xFF
    path.write_bytes(content)


def _sixteen_bits() -> Image.Image:
    return Image.fromarray(np.asarray(scene().convert("L")).astype(np.uint16) * 257)


def _see_through() -> Image.Image:
    image = scene().convert("P")
    image.info["transparency"] = 0
    return image


# By name, what cannot be captioned; each is to be named, and the rest goes on.
BROKEN: dict[str, Write] = {
    "empty.jpg": lambda path: path.write_bytes(b""),
    "cut short.jpg": _cut_jpeg,
    "text.jpg": lambda path: path.write_text("no photo, whatever its name says\n"),
    "vast.png": _vast_png,
    "bad checksum.png": _bad_checksum,
    "link to nothing.jpg": lambda path: path.symlink_to("nowhere.jpg"),
    "link to itself.jpg": lambda path: path.symlink_to(path.name),
}

# By name, what is a photo all the same.
WHOLE: dict[str, Write] = {
    "one pixel.png": _saved(lambda: scene(1, 1)),
    "long.png": _saved(lambda: scene(20_000, 10)),
    "cmyk.jpg": _saved(lambda: scene().convert("CMYK")),
    "sixteen bits.png": _saved(_sixteen_bits),
    "one bit.png": _saved(lambda: scene().convert("1")),
    "see-through.png": _saved(_see_through),
    "see-through.gif": _saved(_see_through),
    "broken exif.jpg": _broken_exif,
    "no exif.webp": _saved(scene),
    "bitmap.bmp": _saved(scene),
    "pages.tiff": _saved(scene, save_all=True, append_images=[scene(seed=1)]),
    "moving.gif": _saved(scene, save_all=True, append_images=[scene(seed=1)]),
    "new.avif": _saved(scene),
    "line\nend.jpg": _saved(scene, format="JPEG"),
    "tab\t.jpg": _saved(scene, format="JPEG"),
    "-dash.jpg": _saved(scene),
    "\N{DOG FACE}.jpg": _saved(scene),
    os.fsdecode(b"caf\xe9.jpg"): _saved(scene, format="JPEG"),
    "folder.jpg/inside.jpg": _saved(scene),
}


def write_odd_photos(folder: Path) -> None:
    """Writes all of them."""
    for name, write in (BROKEN | WHOLE).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
