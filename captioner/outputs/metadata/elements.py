"""XML as elements that know which bytes they are, so that a change leaves every other byte as it was.

Expat parses; a document type is refused, and with it every entity that could grow without end or lead elsewhere.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from captioner.outputs.metadata.blocks import BrokenMetadata, Splice, check_size

XML = "http://www.w3.org/XML/1998/namespace"
MAX_ELEMENTS = 200_000  # and attributes together: each takes half a kilobyte of memory
MAX_DEPTH = 100
# possessive, and only from the first blank on: without either, long runs of blanks take quadratic time
_START_TAG = re.compile(rb"""<(?:[^"'>]++|"[^"]*+"|'[^']*+')*+>""")
_ATTRIBUTE = re.compile(rb"""(?<!\s)\s++([^\s=]++)\s*+=\s*+(?:"[^"]*+"|'[^']*+')""")
_NO_XML_TEXT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2


@dataclass(eq=False)
class Element:
    """`name` and the names of attributes: namespace, a blank, local name.

    start, inside: where the start tag begins, and ends. end, stop: the same of the end tag; an element that is
    one tag alone has no inside, and all but `start` are the same place.
    """

    name: str
    attributes: dict[str, str]
    start: int
    inside: int = 0
    end: int = 0
    stop: int = 0
    children: list["Element"] = field(default_factory=list)
    own_text: list[str] = field(default_factory=list)  # as it came, in pieces

    def walk(self) -> Iterator["Element"]:
        """The element and all below it, in the document's order."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting += reversed(element.children)

    def outermost(self, name: str) -> list["Element"]:
        """Of that name, below this one and in no other of that name."""
        found, waiting = [], [self]
        while waiting:
            element = waiting.pop()
            if element.name == name and element is not self:
                found.append(element)
            else:
                waiting += reversed(element.children)
        return found

    @property
    def text(self) -> str:
        return "".join(piece for element in self.walk() for piece in element.own_text)

    def named(self, name: str) -> list["Element"]:
        return [child for child in self.children if child.name == name]

    def prefix(self, data: bytes) -> bytes:
        """With its colon, as it is written; empty where the namespace is the default."""
        return self.tag_name(data).rpartition(b":")[0] + b":" * (b":" in self.tag_name(data))

    def tag_name(self, data: bytes) -> bytes:
        return re.match(rb"<([^\s/>]+)", data[self.start : self.inside])[1]


def parse(data: bytes) -> Element:
    """The root element of an XML document in UTF-8.

    Raises: BrokenMetadata when it is not well-formed, not UTF-8, brings a document type, or is too large, too deep or
    of too many elements to be honest.
    """
    check_size(len(data), "XMP")
    num_parts = 0
    parser = expat.ParserCreate("UTF-8", namespace_separator=" ")
    parser.buffer_text = True  # else every line of a text is a piece of its own
    top = Element("", {}, 0)
    path = [top]

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal num_parts
        num_parts += 1 + len(attributes)
        if num_parts > MAX_ELEMENTS or len(path) > MAX_DEPTH:
            raise BrokenMetadata(f"XMP of more than {MAX_ELEMENTS:,} elements, or nested more than {MAX_DEPTH} deep")
        start = parser.CurrentByteIndex
        element = Element(name, attributes, start, inside=_START_TAG.match(data, start).end())
        path[-1].children.append(element)
        path.append(element)

    def end(_name: str) -> None:
        element = path.pop()
        is_one_tag = data.endswith(b"/>", element.start, element.inside)
        element.end = element.inside if is_one_tag else parser.CurrentByteIndex
        element.stop = element.inside if is_one_tag else data.index(b">", element.end) + 1

    def add_text(text: str) -> None:
        path[-1].own_text.append(text)

    def refuse_other_encodings(_version: str, encoding: str | None, _standalone: int) -> None:
        if encoding and not encoding.upper().startswith(("UTF", "US-ASCII")):  # which of them, the bytes tell
            raise BrokenMetadata(f"XMP in {encoding}, which is not Unicode")

    def refuse_document_type(*_: object) -> None:
        raise BrokenMetadata("XMP with a document type (DTD), which has no place there")

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler = add_text
    parser.XmlDeclHandler = refuse_other_encodings
    parser.StartDoctypeDeclHandler = refuse_document_type
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise BrokenMetadata(f"broken XMP ({error})") from error
    return top.children[0]


def escaped(text: str) -> bytes:
    """The text as content, or as the value of an attribute between double quotes."""
    assert not _NO_XML_TEXT.search(text), f"no text for XML: {text!r}"
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("\r", "&#13;")):
        text = text.replace(character, entity)
    return text.encode()


def with_inside(data: bytes, element: Element, content: bytes) -> Splice:
    """The element with that content in place of its own."""
    return _inside(data, element, element.inside, element.end, content)


def with_first(data: bytes, element: Element, content: bytes) -> Splice:
    """The element with that content before its own."""
    return _inside(data, element, element.inside, element.inside, content)


def with_last(data: bytes, element: Element, content: bytes) -> Splice:
    """The element with that content behind its own."""
    return _inside(data, element, element.end, element.end, content)


def _inside(data: bytes, element: Element, start: int, stop: int, content: bytes) -> Splice:
    if element.inside < element.stop:
        return Splice(start, stop, content)
    opened = data[element.start : element.stop].removesuffix(b"/>").rstrip() + b">"
    return Splice(element.start, element.stop, opened + content + b"</" + element.tag_name(data) + b">")


def without_attribute(data: bytes, element: Element, name: str) -> Splice:
    """The element without that attribute, and without the blanks before it."""
    written = _ATTRIBUTE.finditer(data, element.start, element.inside)
    written = [match for match in written if not re.match(rb"xmlns(:|$)", match[1])]  # expat keeps these apart
    match = dict(zip(element.attributes, written, strict=True))[name]
    return Splice(match.start(), match.end(), b"")
