"""Image files made byte by byte: what no program would write, and what Pillow does not."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def scene(width=90, height=60):
    """A picture in colour, each of whose rows and columns differs from the next."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, 255 - across], axis=-1).astype(np.uint8))


def encoded(image, image_format, **settings):
    file = io.BytesIO()
    image.save(file, image_format, **settings)
    return file.getvalue()


# JPEG


def segment(marker, payload):
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def with_segment(jpeg, marker, payload):
    """The JPEG with one more segment at its beginning."""
    return jpeg[:2] + segment(marker, payload) + jpeg[2:]


def scan_bomb(width, height, num_scans):
    """A grey progressive JPEG of empty scans: a few bytes each, and a decoder goes over all blocks for each."""
    num_blocks = ((width + 7) // 8) * ((height + 7) // 8)
    first = bytes(num_blocks // 8 + 1)
    num_runs = -(-num_blocks // 32767)
    lengths = [num_blocks // num_runs + (run < num_blocks % num_runs) for run in range(num_runs)]
    assert lengths[0] >= 16384, "a run of blocks has at least so many"
    bits = "".join("0" + format(length - 16384, "014b") for length in lengths)
    bits += "1" * (-len(bits) % 8)
    body = int("1" + bits, 2).to_bytes(len(bits) // 8 + 1, "big")[1:].replace(b"\xff", b"\xff\0")
    return (
        b"\xff\xd8"
        + segment(0xDB, b"\0" + b"\x01" * 64)
        + segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\0")
        + segment(0xC4, bytes([0x00, 1, *[0] * 15, 0]))
        + segment(0xC4, bytes([0x10, 1, 1, *[0] * 14, 0xE0, 0]))
        + segment(0xDA, b"\x01\x01\0\0\0\0")
        + first
        + (segment(0xDA, b"\x01\x01\0\x01\x3f\0") + body) * num_scans
        + b"\xff\xd9"
    )


def declared_larger(jpeg, width, height):
    """The JPEG with another size in its header: decoders fill up what is missing."""
    marker = max(jpeg.find(b"\xff\xc0"), jpeg.find(b"\xff\xc2"))
    return jpeg[: marker + 5] + struct.pack(">HH", height, width) + jpeg[marker + 9 :]


# PNG


def chunk(kind, payload):
    body = kind + payload
    return len(payload).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")


def with_chunk(png, made):
    """The PNG with one more chunk behind its header."""
    return png[:33] + made + png[33:]


def png_of(width, height, bits, colour_type, rows, *chunks):
    """rows: packed, each with its filter; chunks: between the header and the pixels."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(rows, 9))
    return PNG_HEAD + chunk(b"IHDR", header) + b"".join(chunks) + pixels + chunk(b"IEND", b"")


# TIFF


def tiff_of(width, height, bits, photometric, pixels, *entries):
    """A grey TIFF in one strip. entries: more tags, as (tag, type, count, value)."""
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, 1), (262, 3, 1, photometric)]
    tags += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, len(pixels)), *entries]
    directory = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    start = struct.pack("<I", 8 + len(pixels))
    return b"II*\0" + start + pixels + struct.pack("<H", len(tags)) + directory + bytes(4)


# ICC profiles (ICC.1:2001-04)

PRIMARIES = {  # by name: x and y of red, green, blue, adapted to D50, as XYZ
    "srgb": ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)),
    "adobe": ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)),
    "prophoto": ((0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249)),
}


def profile_of(space, tags):
    """space: as b"RGB "; tags: their payloads by signature."""
    body, table, at = b"", b"", 128 + 4 + 12 * len(tags)
    for signature, payload in tags.items():
        payload += bytes(-len(payload) % 4)
        table += signature + struct.pack(">II", at + len(body), len(payload))
        body += payload
    header = bytes(4) + b"lcms" + bytes([2, 0x40, 0, 0]) + (b"prtr" if space == b"CMYK" else b"mntr") + space
    header += (b"Lab " if space == b"CMYK" else b"XYZ ") + bytes(12) + b"acsp" + bytes(28)
    header += fixed(0.9642, 1.0, 0.8249) + bytes(48)
    content = header + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(content)) + content[4:]


def fixed(*numbers):
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def gamma_curve(gamma):
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)


def described(text):
    name = text.encode() + b"\0"
    return b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(78)


def rgb_profile(primaries, gamma):
    columns = {
        name: b"XYZ " + bytes(4) + fixed(*column)
        for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), PRIMARIES[primaries], strict=True)
    }
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma_curve(gamma))
    white = {b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642, 1.0, 0.8249)}
    return profile_of(b"RGB ", {b"desc": described(primaries)} | white | columns | curves)


def grey_profile(gamma):
    white = b"XYZ " + bytes(4) + fixed(0.9642, 1.0, 0.8249)
    return profile_of(b"GRAY", {b"desc": described("grey"), b"wtpt": white, b"kTRC": gamma_curve(gamma)})


def ink_profile():
    """A press on which every ink, whichever, makes the paper grey: a CLUT of two points an axis, to Lab."""
    steps = bytes(range(256))
    light = [bytes([255 * (4 - bin(inks).count("1")) // 4, 128, 128]) for inks in range(16)]
    identity = fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + steps * 4 + b"".join(light) + steps * 3
    return profile_of(b"CMYK", {b"desc": described("press"), b"A2B0": table})
