"""XMP packets in any form of Unicode (XMP part 1, 7.1): read as UTF-8, written in the form that they came in."""

import codecs

from captioner.outputs.metadata.blocks import BrokenMetadata

_BYTE_ORDER_MARKS = {  # the longer ones first: one begins as a shorter one does
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# of which of the first four bytes are zero, where the first character is one of ASCII, as "<" and blanks are
_ZEROS = {
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}


def form_of(packet: bytes) -> str:
    """The codec of a packet, by its byte order mark or its first characters."""
    for mark, codec in _BYTE_ORDER_MARKS.items():
        if packet.startswith(mark):
            return codec
    return _ZEROS.get(tuple(byte == 0 for byte in packet[:4]), "utf-8")


def in_utf_8(packet: bytes, form: str) -> bytes:
    """The packet, its byte order mark with it, in UTF-8. Raises: BrokenMetadata when it is not of that form."""
    if form == "utf-8":
        return packet  # which whoever parses it finds out
    size = 4 if form.startswith("utf-32") else 2
    whole = len(packet) - len(packet) % size  # a packet may end as a string of C does, in one zero byte
    try:
        return packet[:whole].decode(form).encode()
    except UnicodeError as error:
        raise BrokenMetadata(f"broken XMP (no {form.upper()}: {error.reason})") from error


def in_form(packet: bytes, form: str) -> bytes:
    """The packet in UTF-8 in that form."""
    return packet if form == "utf-8" else packet.decode().encode(form)
