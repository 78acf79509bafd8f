"""The fields of a photo, and whose words stand in them."""

from collections.abc import Sequence
from dataclasses import dataclass

from captioner.outputs.metadata.xmp import PROPERTIES, Words

FIELDS = ("alt", "description")
assert tuple(PROPERTIES) == FIELDS


@dataclass(frozen=True)
class Found:
    """What stands in a field: a text, empty where there is none, and whether it is the one that we wrote."""

    text: str = ""
    is_ours: bool = False

    @property
    def is_human(self) -> bool:
        return bool(self.text) and not self.is_ours


@dataclass(frozen=True)
class CaptionsFound:
    alt: Found = Found()
    description: Found = Found()

    def __getitem__(self, field: str) -> Found:
        return getattr(self, field)


@dataclass(frozen=True)
class CaptionsWritten:
    """written: the fields that now hold the text they were given. kept: those left to the person who wrote in them.

    is_changed: whether the file is another one than before; one that held every text already is not touched.
    is_in_xmp_only: whether the description is not in EXIF, which has no room or could not be changed without loss.
    had_links: whether the file that was replaced has further names (hard links), which still lead to it.
    """

    written: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    is_changed: bool = False
    is_in_xmp_only: bool = False
    had_links: bool = False


def judged(words: Words, *elsewhere: str, others: Sequence[Words] = ()) -> Found:
    """Ours as long as every text, of the packet and of other places, is one that a mark says we wrote.

    others: what further packets say.
    """
    texts = [*words.texts, *elsewhere, *(text for other in others for text in other.texts)]
    texts = [text for text in texts if text.strip()]
    marks = {each.mark.strip() for each in (words, *others)}
    theirs = [text for text in texts if text.strip() not in marks]
    if theirs:
        return Found(theirs[0])
    return Found(texts[0], is_ours=True) if texts else Found()


def first_human(*places: CaptionsFound) -> CaptionsFound:
    """Of several places, in each field the words of the first person, or else what the first place holds."""
    return CaptionsFound(*(next((p[field] for p in places if p[field].is_human), places[0][field]) for field in FIELDS))


def check_texts(texts: dict[str, str]) -> None:
    assert texts and set(texts) <= set(FIELDS), f"fields are {', '.join(FIELDS)}, not {', '.join(texts) or 'none'}"
    assert all(text.strip() for text in texts.values()), "an empty text is no caption"


def fields_to_write(texts: dict[str, str], found: CaptionsFound, replace_human: bool) -> dict[str, str]:
    return {field: text for field, text in texts.items() if replace_human or not found[field].is_human}
