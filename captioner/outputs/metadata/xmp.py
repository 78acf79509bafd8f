"""XMP packets: captions and our mark in them (XMP parts 1 and 2; IPTC Photo Metadata Standard 2023.1).

A field is a language alternative. Its mark is a property of our own namespace that holds the very text we wrote:
who edits the caption leaves the mark behind, and the words are theirs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from captioner.outputs.metadata.blocks import BrokenMetadata, Splice, spliced
from captioner.outputs.metadata.elements import (
    XML,
    Element,
    escaped,
    parse,
    with_first,
    with_inside,
    with_last,
    without_attribute,
)
from captioner.outputs.metadata.unicode_forms import form_of, in_form, in_utf_8

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DEFAULT = "x-default"
_BLANK = b" \t\r\n\0"


@dataclass(frozen=True)
class Property:
    namespace: str
    prefix: str
    local_name: str

    @property
    def name(self) -> str:
        return f"{self.namespace} {self.local_name}"

    def written(self, content: bytes) -> bytes:
        tag = f"{self.prefix}:{self.local_name}".encode()
        return b"   <" + tag + b">" + content + b"</" + tag + b">\n"

    @property
    def declaration(self) -> bytes:
        return f'xmlns:{self.prefix}="{self.namespace}"'.encode()


_MARKS = "tag:captioner,2026:xmp/"
_ACCESSIBILITY = Property("http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/", "Iptc4xmpCore", "AltTextAccessibility")
_DC_DESCRIPTION = Property("http://purl.org/dc/elements/1.1/", "dc", "description")
PROPERTIES = {
    "alt": (_ACCESSIBILITY, Property(_MARKS, "captioner", "AltText")),
    "description": (_DC_DESCRIPTION, Property(_MARKS, "captioner", "Description")),
}

META = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="captioner">\n'
    b' <rdf:RDF xmlns:rdf="' + RDF.encode() + b'">\n </rdf:RDF>\n</x:xmpmeta>\n'
)
PACKET = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n' + META + b'<?xpacket end="w"?>'


@dataclass(frozen=True)
class Words:
    """What a packet says in one field: texts of every language, the default first, and the text we wrote."""

    texts: tuple[str, ...] = ()
    mark: str = ""


def is_blank(packet: bytes) -> bool:
    return not packet.strip(_BLANK)


def read_words(packet: bytes) -> dict[str, Words]:
    """Words by field. An empty packet has none. Raises: BrokenMetadata."""
    if is_blank(packet):
        return {field: Words() for field in PROPERTIES}
    rdf = _rdf(in_utf_8(packet, form_of(packet)))
    found = {}
    for field, (caption, mark) in PROPERTIES.items():
        elements, attributes = _occurrences(rdf, caption)
        texts = [element.attributes[caption.name] for element in attributes]
        for element in elements:
            items = sorted(element.outermost(f"{RDF} li"), key=lambda item: _language(item) != _DEFAULT)
            texts += [item.text for item in items or [element]]
        found[field] = Words(tuple(text for text in texts if text.strip()), _simple(rdf, mark))
    return found


def with_captions(packet: bytes, texts: dict[str, str]) -> bytes:
    """The packet with those texts, by field, as default language and as mark; every other byte stays, and its form.

    Items of other languages stay, but for those that hold our own last text. Raises: BrokenMetadata.
    """
    form = form_of(packet)
    return in_form(_with_captions(in_utf_8(packet, form), texts), form)


def _with_captions(packet: bytes, texts: dict[str, str]) -> bytes:
    rdf = _rdf(packet)
    splices, missing = [], []  # what is missing comes as one further rdf:Description
    for field, text in texts.items():
        caption, mark = PROPERTIES[field]
        ours = _simple(rdf, mark)
        changes, is_missing = _changes(packet, rdf, caption, partial(_retold, packet, text, ours))
        splices += changes
        missing += [(caption, _alternative(text))] * is_missing
        if ours != text:
            changes, is_missing = _changes(packet, rdf, mark, partial(_marked, packet, text))
            splices += changes
            missing += [(mark, escaped(text))] * is_missing
    if missing:
        splices.append(with_last(packet, rdf, _description(rdf, missing)))
    return spliced(packet, splices)


def _changes(
    packet: bytes, rdf: Element, property_: Property, change: Callable[[Element], list[Splice] | None]
) -> tuple[list[Splice], bool]:
    """What changes every occurrence of a property, and whether it must be added, as none is left that holds it.

    change: what changes an element, None for one that is of no use, which is taken away as attributes are.
    """
    elements, attributes = _occurrences(rdf, property_)
    changes = [change(element) for element in elements]
    splices = [without_attribute(packet, element, property_.name) for element in attributes]
    for element, its_changes in zip(elements, changes, strict=True):
        splices += [Splice(element.start, element.stop, b"")] if its_changes is None else its_changes
    return splices, all(its_changes is None for its_changes in changes)


def without_padding(packet: bytes) -> bytes:
    """The packet without the blanks that are kept before its end for growing in place (XMP part 1, 7.3.2)."""
    form = form_of(packet)
    head, end, tail = in_utf_8(packet, form).rpartition(b"<?xpacket end=")
    return in_form(head.rstrip(_BLANK) + b"\n" * bool(head) + end + tail, form)


def padded(packet: bytes, size: int) -> bytes:
    """The packet with blanks before its end that make it that many bytes, or as it is where that cannot be."""
    packet = packet if len(packet) == size else without_padding(packet)
    form = form_of(packet)
    head, end, tail = in_utf_8(packet, form).rpartition(b"<?xpacket end=")
    blanks, rest = divmod(size - len(packet), len(in_form(b" ", form)))
    return packet if rest or blanks < 0 or not head else in_form(head + b" " * blanks + end + tail, form)


def _rdf(packet: bytes) -> Element:
    root = parse(packet.rstrip(b"\0"))  # some writers end the packet as a string of C
    found = next((element for element in root.walk() if element.name == f"{RDF} RDF"), None)
    if found is None:
        raise BrokenMetadata("broken XMP (it holds no rdf:RDF)")
    return found


def _occurrences(rdf: Element, property_: Property) -> tuple[list[Element], list[Element]]:
    """Elements that are the property, and descriptions that have it as an attribute (XMP part 1, 7.9.2.2)."""
    descriptions = rdf.named(f"{RDF} Description")
    elements = [element for description in descriptions for element in description.named(property_.name)]
    return elements, [description for description in descriptions if property_.name in description.attributes]


def _simple(rdf: Element, property_: Property) -> str:
    elements, attributes = _occurrences(rdf, property_)
    texts = [element.text for element in elements] + [element.attributes[property_.name] for element in attributes]
    return texts[0] if texts else ""


def _language(item: Element) -> str:
    return item.attributes.get(f"{XML} lang", "").lower()


def _retold(packet: bytes, text: str, ours: str, element: Element) -> list[Splice] | None:
    """What makes the text the default of a language alternative (XMP part 1, 8.2.2.4: its first item)."""
    alternatives = element.named(f"{RDF} Alt")
    if not alternatives:
        return None
    prefix, items = alternatives[0].prefix(packet), alternatives[0].named(f"{RDF} li")
    defaults = [item for item in items if _language(item) == _DEFAULT]
    copies = [item for item in items if item not in defaults and ours and item.text.strip() == ours.strip()]
    splices = [
        Splice(item.start, item.stop, _item(prefix, item.attributes.get(f"{XML} lang", _DEFAULT), text))
        for item in defaults + copies
        if item.text != text
    ]
    if not defaults:
        splices.append(with_first(packet, alternatives[0], _item(prefix, _DEFAULT, text)))
    return splices


def _marked(packet: bytes, text: str, element: Element) -> list[Splice] | None:
    return None if element.children else [with_inside(packet, element, escaped(text))]


def _item(prefix: bytes, language: str, text: str) -> bytes:
    return b'<%bli xml:lang="%b">%b</%bli>' % (prefix, escaped(language), escaped(text), prefix)


def _alternative(text: str) -> bytes:
    return b"<rdf:Alt>" + _item(b"rdf:", _DEFAULT, text) + b"</rdf:Alt>"


def _description(rdf: Element, properties: list[tuple[Property, bytes]]) -> bytes:
    """A block of its own with its own namespaces, about what the others are about (XMP part 1, 7.4)."""
    abouts = [
        description.attributes[name]
        for description in rdf.named(f"{RDF} Description")
        for name in (f"{RDF} about", "about")
        if name in description.attributes
    ]
    declarations = [f'xmlns:rdf="{RDF}"'.encode(), *dict.fromkeys(property_.declaration for property_, _ in properties)]
    about = escaped(abouts[0] if abouts else "")
    head = b'  <rdf:Description rdf:about="' + about + b'"\n    ' + b"\n    ".join(declarations) + b">\n"
    body = b"".join(property_.written(content) for property_, content in properties)
    return head + body + b"  </rdf:Description>\n "
