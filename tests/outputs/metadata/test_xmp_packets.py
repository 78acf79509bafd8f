import pytest

from captioner.outputs.metadata import blocks, elements, xmp
from captioner.outputs.metadata.blocks import BrokenMetadata
from captioner.outputs.metadata.xmp import META, PACKET, Words, read_words, with_captions, without_padding

HEAD = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
TAIL = "</rdf:RDF></x:xmpmeta>"
DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
OURS = 'xmlns:captioner="tag:captioner,2026:xmp/"'
ODD = "고양이 🐈 says <&>\"' \n twice\r"


def packet(inside, declarations=DC, attributes=""):
    description = f'<rdf:Description rdf:about="" {declarations} {attributes}>{inside}</rdf:Description>'
    return (HEAD + description + TAIL).encode()


def described(*items):
    """A packet with a dc:description of `(language, text)`."""
    items = "".join(f'<rdf:li xml:lang="{language}">{text}</rdf:li>' for language, text in items)
    return packet(f"<dc:description><rdf:Alt>{items}</rdf:Alt></dc:description>")


def description(data):
    return read_words(data)["description"]


@pytest.mark.parametrize("start", [META, PACKET, described(("de", "ein Hund")), packet("", "", "")])
def test_what_is_written_is_read_back(start):
    words = read_words(with_captions(start, {"alt": ODD, "description": "a dog"}))
    assert words["alt"] == Words((ODD,), ODD)
    assert (words["description"].texts[0], words["description"].mark) == ("a dog", "a dog")


def test_fields_are_written_one_by_one():
    words = read_words(with_captions(META, {"alt": "a dog"}))
    assert words == {"alt": Words(("a dog",), "a dog"), "description": Words()}


def test_a_packet_of_blanks_has_no_words():
    assert read_words(b"") == read_words(b" \0\n") == {"alt": Words(), "description": Words()}


def test_writing_twice_changes_nothing():
    once = with_captions(PACKET, {"alt": ODD, "description": "a dog"})
    assert with_captions(once, {"alt": ODD, "description": "a dog"}) == once


def test_a_second_text_takes_the_place_of_the_first():
    once = with_captions(PACKET, {"alt": "a dog", "description": "a dog runs"})
    twice = with_captions(once, {"alt": "a cat", "description": "a cat sleeps"})
    assert twice == once.replace(b"a dog runs", b"a cat sleeps").replace(b"a dog", b"a cat")


def test_every_other_byte_stays():
    odd = (
        "<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>\n<!-- a note -->\n"
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'   x:xmptk='Other 1.0'><rdf:RDF\n"
        " xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description rdf:about='uuid:1' a:b='x > &#10;y'"
        " xmlns:a='urn:a'><a:c  rdf:parseType='Resource'><a:d>&lt;&#xd;<![CDATA[<raw>]]></a:d><a:e/></a:c>"
        "</rdf:Description>||</rdf:RDF></x:xmpmeta>  \n" + " " * 200 + "<?xpacket end='w'?>\0\0"
    ).encode()
    before, after = odd.split(b"||")
    written = with_captions(before + after, {"alt": "a dog"})
    assert written.startswith(before) and written.endswith(after)
    assert b'rdf:about="uuid:1"' in written[len(before) : -len(after)]


def test_other_languages_stay_and_the_default_comes_first():
    written = with_captions(described(("de", "ein Hund"), ("fr", "un chien")), {"description": "a dog"})
    assert description(written).texts == ("a dog", "ein Hund", "un chien")
    assert written.index(b"x-default") < written.index(b'"de"') < written.index(b'"fr"')


def test_the_default_is_known_in_capitals_and_read_first():
    data = described(("de", "ein Hund"), ("X-Default", "a dog"))
    assert description(data).texts == ("a dog", "ein Hund")
    assert description(with_captions(data, {"description": "a cat"})).texts == ("a cat", "ein Hund")


def test_copies_of_our_own_last_text_in_other_languages_go_with_it():
    data = with_captions(META, {"description": "a dog"})
    copied = data.replace(b"<rdf:Alt>", b'<rdf:Alt><rdf:li xml:lang="en-US">a dog</rdf:li>')
    assert description(with_captions(copied, {"description": "a cat"})).texts == ("a cat", "a cat")


def test_a_copy_of_our_own_text_may_be_the_only_item():
    data = with_captions(META, {"description": "a dog"}).replace(b"x-default", b"en")
    assert description(with_captions(data, {"description": "a cat"})).texts == ("a cat", "a cat")


@pytest.mark.parametrize(
    "inside",
    [
        "<dc:description>a dog</dc:description>",
        "<dc:description><rdf:Bag><rdf:li>a dog</rdf:li></rdf:Bag></dc:description>",
        '<dc:description rdf:parseType="Resource"><rdf:value>a dog</rdf:value></dc:description>',
    ],
)
def test_words_in_other_forms_are_read_and_replaced(inside):
    assert description(packet(inside)).texts == ("a dog",)
    assert description(with_captions(packet(inside), {"description": "a cat"})) == Words(("a cat",), "a cat")


def test_words_in_an_attribute_are_read_and_replaced():
    data = packet("", DC + " xmlns:a='urn:a'", """a:b='dc:description="no"' dc:description = 'a dog' a:c="d" """)
    assert description(data).texts == ("a dog",)
    written = with_captions(data, {"description": "a cat"})
    assert description(written) == Words(("a cat",), "a cat")
    assert b"""a:b='dc:description="no"' a:c="d\"""" in written


def test_a_mark_that_another_program_made_an_attribute_is_read_and_replaced():
    data = packet("", OURS, 'captioner:Description="a dog" captioner:AltText="b"')
    assert description(data).mark == "a dog"
    assert with_captions(data, {"description": "a cat"}).count(b"captioner:Description") == 2  # of one element
    assert read_words(with_captions(data, {"description": "a cat"}))["alt"].mark == "b"


@pytest.mark.parametrize("prefix", ["", "r:"])
def test_rdf_of_any_prefix_is_added_to(prefix):
    xmlns = f"xmlns:{prefix[:-1]}" if prefix else "xmlns"
    r = prefix
    data = (
        f'<{r}RDF {xmlns}="{xmp.RDF}"><{r}Description {DC}><dc:description><{r}Alt><{r}li xml:lang="de">Hund</{r}li>'
        f"</{r}Alt></dc:description></{r}Description></{r}RDF>"
    ).encode()
    assert description(with_captions(data, {"description": "a dog", "alt": "b"})).texts == ("a dog", "Hund")


@pytest.mark.parametrize(
    "data",
    [
        b'<rdf:RDF xmlns:rdf="%b"/>' % xmp.RDF.encode(),
        packet("<dc:description><rdf:Alt /></dc:description>"),
        packet("<dc:description/>"),
        packet("<captioner:Description/>", OURS),
        packet('<dc:description><rdf:Alt><rdf:li xml:lang="x-default"/></rdf:Alt></dc:description>'),
    ],
)
def test_elements_of_one_tag_are_opened(data):
    assert description(data) == Words()
    assert description(with_captions(data, {"description": "a dog"})) == Words(("a dog",), "a dog")


def test_padding_is_given_up_where_room_is_needed():
    padded = PACKET.replace(b"<?xpacket end", b" " * 2000 + b"\n<?xpacket end")
    assert without_padding(padded) == PACKET
    assert without_padding(META) == META


def test_a_byte_order_mark_moves_nothing():
    written = with_captions(b"\xef\xbb\xbf" + META, {"alt": "a dog"})
    assert written.startswith(b"\xef\xbb\xbf<x:xmpmeta") and read_words(written)["alt"].texts == ("a dog",)


LAUGHS = b"<!DOCTYPE x [<!ENTITY a 'ha'>" + b"".join(b"<!ENTITY a%d '%b'>" % (i, b"&a;" * 9) for i in range(9)) + b"]>"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (LAUGHS + META, "document type"),
        (b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + packet("&a;"), "document type"),
        (b'<!DOCTYPE x SYSTEM "http://example.com/x.dtd">' + META, "document type"),
        (packet("&a;"), "undefined entity"),
        (META[:-5], "broken XMP"),
        (b"words", "broken XMP"),
        (b"<x/>", "holds no rdf:RDF"),
        (packet("<other:a/>"), "unbound prefix"),
        (packet("<dc:description>\xff</dc:description>").decode().encode("latin-1"), "not well-formed"),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?>' + META, "ISO-8859-1, which is not Unicode"),
        (META.decode().encode("utf-16-le")[:-40], "broken XMP"),
        (("\ufeff" + META.decode()).encode("utf-16-be")[:20] + b"\xd8\0" * 9, "no UTF-16-BE"),
    ],
)
def test_broken_and_dangerous_packets_are_refused(data, reason):
    with pytest.raises(BrokenMetadata, match=reason):
        read_words(data)
    with pytest.raises(BrokenMetadata, match=reason):
        with_captions(data, {"alt": "a dog"})


FORMS = ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["bare", "marked"])
@pytest.mark.parametrize("declared", ["", "declared"])
@pytest.mark.parametrize("start", [META, PACKET, described(("de", "ein Hund"))])
def test_packets_in_every_form_of_unicode_are_read_and_written_in_theirs(start, declared, mark, form):
    head = f'<?xml version="1.0" encoding="{form.removesuffix("-le").removesuffix("-be")}"?>\n' if declared else ""
    plain = mark + head + start.decode()
    written = with_captions(plain.encode(form), {"alt": ODD, "description": "a dog"})
    assert written.decode(form).encode() == with_captions(plain.encode(), {"alt": ODD, "description": "a dog"})
    words = read_words(written)
    assert words["alt"] == Words((ODD,), ODD) and words["description"].texts[0] == "a dog"


@pytest.mark.parametrize("form", FORMS)
def test_padding_is_given_up_in_every_form_of_unicode(form):
    padded = PACKET.replace(b"<?xpacket end", b" " * 2000 + b"\n<?xpacket end").decode().encode(form)
    assert without_padding(padded) == PACKET.decode().encode(form)


@pytest.mark.parametrize("form", FORMS[1:])
def test_a_zero_byte_behind_a_packet_is_no_harm(form):
    assert description(described(("de", "ein Hund")).decode().encode(form) + b"\0").texts == ("ein Hund",)


# more than honest metadata have


def test_nesting_of_honest_depth_is_read():
    deep = b"<x>" * (elements.MAX_DEPTH - 10) + META.strip() + b"</x>" * (elements.MAX_DEPTH - 10)
    assert read_words(with_captions(deep, {"alt": "a dog"}))["alt"].texts == ("a dog",)


@pytest.mark.parametrize(
    "data",
    [
        b"<x>" * 1_000_000,
        packet("<a/>" * (elements.MAX_ELEMENTS + 1)),
        packet("<a " + " ".join(f"b{number}=''" for number in range(elements.MAX_ELEMENTS)) + "/>"),
    ],
    ids=["depth", "elements", "attributes"],
)
def test_too_many_parts_are_refused(data):
    with pytest.raises(BrokenMetadata, match="more than 200,000 elements, or nested more than 100 deep"):
        read_words(data)


def test_items_within_items_are_read_once():
    nested = "<rdf:li>" * 40 + "a dog" + "</rdf:li>" * 40
    assert description(packet(f"<dc:description>{nested}<rdf:li>a cat</rdf:li></dc:description>")).texts == (
        "a dog",
        "a cat",
    )


def test_a_packet_of_too_many_bytes_is_refused(monkeypatch):
    monkeypatch.setattr(blocks, "MAX_BYTES", 10_000_000)
    with pytest.raises(BrokenMetadata, match="XMP of 12 MB, more than the 10 MB that are read"):
        read_words(META + b" " * 12_000_000)


@pytest.mark.parametrize("inside", ["\n" * 3_000_000, "&lt;" * 300_000, "<![CDATA[\n]]>" * 100_000])
def test_long_texts_come_in_few_pieces(inside):
    root = elements.parse(packet(f"<dc:title>{inside}</dc:title>"))
    assert sum(len(element.own_text) for element in root.walk()) < 10_000


def test_long_runs_of_blanks_take_no_quadratic_time():
    """A second or two each, not hours."""
    data = packet("", DC, "dc:description='a dog'" + " " * 3_000_000)
    assert description(with_captions(data, {"description": "a cat"})).texts == ("a cat",)


@pytest.mark.parametrize("text", ["zero \0", "\x1b", "\ud800", "\uffff"])
def test_what_xml_cannot_hold_is_no_text(text):
    with pytest.raises(AssertionError, match="no text for XML"):
        elements.escaped(text)
