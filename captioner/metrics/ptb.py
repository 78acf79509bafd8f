"""The words the official caption scorer counts, without its Java tokenizer.

Captions are scored on Penn Treebank tokens, lower-cased and without punctuation: `The dog's owner can't swim!`
counts as `the dog 's owner ca n't swim`. The rules below were found by asking the official tokenizer
(that of pycocoevalcap, Stanford CoreNLP 3.4.1) about many texts. Four of its habits are surprising, and kept,
because scores must compare: brackets stay, as `-lrb-` and the like; two or more `!` and `?` in a row stay;
characters beyond Unicode's first plane, most emoji among them, vanish; and some currencies are renamed.

Not imitated: telephone numbers, file names, markup with attributes, emoticons such as ^_^, backticks or closing
quotes where none belong, single capitals that end a sentence ("plan B. The"), and rare scripts and symbols.
"""

import re
from functools import cache

# What stands between words or alone; every other character belongs to a word, whatever its script.
_BREAKS = (
    r"\s\x00-/:-@\[-`{-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7\u2000-\u2bff\u3000-\u3004\u3008-\u3020\u3030"
    r"\ufe10-\ufe6f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\ufff0-\uffff"
)
_A = f"[^{_BREAKS}]"  # a letter or a digit
_L = f"[^{_BREAKS}0-9]"  # a letter
_Q = "['’]"  # an apostrophe
_SUFFIX = rf"{_Q}(?:[sSmMdD]|re|RE|ve|VE|ll|LL)(?!{_A})"
_END = rf"(?!{_A}|[-_]{_A}|[.!?]{_L}|{_SUFFIX})"  # the word does not go on here


def _any_of(words):
    return f"(?:{'|'.join(words.split())})"


# Abbreviations keep their period: always, or only with a capital, or only before a number.
_ABBREVIATION = _any_of(
    """adj adm adv al ala alex apr ariz assn assoc asst atty attys aug ave bancorp bhd bldg blvd brig bros calif capt cf
    cie cmdr co col colo comdr conn corp cos cpl ct dak dec dept det dr drs elec ens esq est etc ext feb fla fri ft ga
    gen gov govs hon inc ind insp intl invt jan jos jr jul jun kan kans ky lt ltd maj mar md messrs mich minn mlle mme
    mo mon mont mr mrs ms msgr mt natl neb nev nov oct okla penn pfc ph plc pres prof profs pvt rd rep reps rev rt sen
    sens sep sept seq sfc sgt spc sq sr st ste supt sys tel tenn thu thurs treas tue tues univ va vs vt wed wis wisc
    wm wyo"""
)
_STATE = _any_of("ark az del ill la mass miss ore pa tex wash")
_NUMBERED = _any_of("art ca fig figs no nos op pp prop")

# Tried in this order where the last token ended; the first that matches is the next token.
_RULES = {
    "first half of cannot": rf"(?i:can(?=not{_END})|(?:gon|wan)(?=na{_END})|got(?=ta{_END})|(?:lem|gim)(?=me{_END}))",
    "first half of 'tis": rf"(?i:'t(?=(?:is|was)(?:n{_Q}t)?{_END})|more(?={_Q}n{_END}))",
    "plain word": r"[A-Za-z]+(?!\S)",
    "address": r"(?i:https?)://[^\s\"<>]*[^\s\"<>.,!?;:()\[\]{}'`-]",
    "site": rf"(?:{_A}+[.-])+(?i:com|net|org|edu)/{_A}[^\s\"<>]*[^\s\"<>.,!?;:()'`-]",
    "handle or mail": rf"(?:{_A}+(?:[._+-]{_A}+)*)?@{_L}{_A}*(?:[._]{_A}+)*",
    "hashtag": rf"#{_L}+",
    "tag": rf"</?[A-Za-z]{_A}*/?>",
    "entity": r"&(?:lt|gt|quot|apos|nbsp|#[0-9]+);",
    "bracket": r"-[LlRr][CcRrSs][Bb]-",
    "smiley": rf"[<>]?[:;=][-o*']?[()DPdpO\\{{@|\[\]](?!{_A})",
    "number": r"[0-9]+-[0-9]+/[0-9]+|[-+]?[0-9]*(?:[.,:][0-9]+)+|[-+][0-9]+",
    "currency": r"(?:US|HK|[A-Z])\$",
    "AT&T": rf"[A-Z]+(?:&[A-Z]+)+(?!{_A})",
    "C++": rf"[Cc]\+\+|[CcFf]#(?!{_A})",
    "acronym": rf"{_L}(?:\.{_L})+\.(?!{_A})(?:-{_A}+)*|(?i:ph\.d\.)",
    "and/or": rf"{_A}+(?:-{_L}+){{0,2}}(?:/{_A}+(?:-{_L}+){{0,2}}){{1,2}}",
    "period before a comma": rf"{_A}+(?:-{_A}+)*\.(?=[,;:])",
    "ma'am": rf"(?i:ma{_Q}am|li{_Q}l|n?e{_Q}er|nor{_Q}easter|c{_Q}mon|c{_Q}est|s{_Q}mores)(?!{_A})",
    "ol'": rf"(?i:ol|dunkin|somethin){_Q}(?!{_A})",
    "'em": rf"(?i:{_Q}em|{_Q}(?:till?|cause)(?!{_A})|{_Q}n{_Q}|{_Q}n(?!{_A}))",
    "'90s": rf"{_Q}[0-9]0s(?!{_A})|'[0-9][0-9](?!{_A}|')",
    "Hawai'i": rf"{_L}+[aeiouyAEIOUY]{_Q}[aeiou]{_L}*",
    "O'Brien": rf"(?!{_L}{_SUFFIX})(?:[DdOoLl]{_Q}{_L}|[A-HJ-XZn]{_Q}{_L}{_L}){_A}*(?:-{_A}+)*",
    "t-shirt": rf"{_A}+(?:[-_‐‑](?:[DdOoLl]{_Q}{_L})?{_A}+)+",
    "end.Next": rf"{_L}{_A}*(?:[.!?]{_L}{_A}*)+(?:-{_A}+)*",
    "abbreviation": rf"(?i:{_L}|{_ABBREVIATION})\.|(?=[A-Z])(?i:{_STATE})\.|(?i:{_NUMBERED})\.(?=\s*[0-9])",
    "before n't": rf"{_L}+?(?=(?i:n{_Q}t)(?!{_A}))",
    "n't": rf"(?i:n{_Q}t)(?!{_A})",
    "suffix": _SUFFIX,
    "l'": rf"(?!{_L}{_SUFFIX})(?:[Yy]{_Q}(?={_L})|[DdJjLl]{_Q})",
    "word": rf"{_A}+",
    "run of signs": r"[?!]{2,}|-{5,}|\*+|#+|_+",
    "sign": r"\S",
}
_DROPPED = set("'’`\".?!,:;-") | {"&quot;", "&apos;", "&nbsp;"}
_SPELLING = {"&lt;": "<", "&gt;": ">", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_ROUND_BRACKETS = str.maketrans({"(": "-lrb-", ")": "-rrb-"})
_TO_ASCII = str.maketrans(
    {
        **dict.fromkeys("“”«»\x93\x94", ' " '),
        **dict.fromkeys("‘‹›\x91", " ` "),
        **dict.fromkeys("–—―\x96\x97", " -- "),
        **dict.fromkeys("€¤₠\x80", " $ "),
        **{"½": " 1/2 ", "¼": " 1/4 ", "¾": " 3/4 ", "⅓": " 1/3 ", "⅔": " 2/3 "},
        **{"…": " ... ", "\x85": " ... ", "¢": " cents ", "£": " # ", "\x92": "’", "\xad": ""},
    }
)
# Marks without width, direction marks, private characters, variation selectors, and all beyond the first plane.
_VANISHING = "[\u200b-\u200f\u2028-\u202e\u2060-\u206f\ue000-\uf8ff\ufe00-\ufe0f\ufeff\U00010000-\U0010ffff]"
_CURLY_SUFFIX = rf"’(?=(?:[sSmMdDtT]|re|ve|ll)(?!{_A}))"


def ptb_tokenize(text: str) -> list[str]:
    """Lower-case Penn Treebank tokens without punctuation, as the official scorer counts them.

    A text is read by itself. The official scorer reads all captions as one, where in rare cases the end of one
    depends on the beginning of the next.
    """
    if not text.isascii():
        text = re.sub(_CURLY_SUFFIX, "'", re.sub(_VANISHING, " ", text.translate(_TO_ASCII)))
    tokens = _token_pattern().findall(text.replace("&amp;", "&"))
    kept = (_SPELLING.get(token, token) for token in tokens if token not in _DROPPED)
    return [token.lower().translate(_ROUND_BRACKETS) for token in kept]


@cache
def _token_pattern() -> re.Pattern[str]:
    return re.compile("|".join(_RULES.values()))
