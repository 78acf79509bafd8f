import os
import subprocess
import sys
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.errors import CaptionerError, ModelError
from captioner.tokenizer import (
    END_ID,
    FINAL_STOPS,
    PAD_ID,
    SPECIAL_TOKENS,
    START_ID,
    UNK_ID,
    Tokenizer,
    join_tokens,
    split_text,
    suitable_min_count,
)

FAMILY = "👨‍👩‍👧"
SCOTLAND = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"

# Text, and its tokens with a space between any two.
SPLITS = {
    "the man's t-shirt": "the man 's t-shirt",
    "the man 's t-shirt": "the man 's t-shirt",
    "the man’s T-Shirt": "the man ’s T-Shirt",
    "THE MAN'S HAT": "THE MAN 'S HAT",
    "it's": "it 's",
    "they don't, he isn’t": "they don't , he isn’t",
    "rock'n'roll o'sullivan's": "rock'n'roll o'sullivan 's",
    "man's-hat": "man 's - hat",
    "boys' shirts": "boys ' shirts",
    "3.5 of 1,000, or 5": "3.5 of 1,000 , or 5",
    "one,two": "one , two",
    "a U.S. flag.": "a U.S . flag .",
    "a dog -- no, two": "a dog - - no , two",
    'a "stop" sign!': 'a " stop " sign !',
    "black/white (big)": "black / white ( big )",
    "under_score $5 50%": "under _ score $ 5 50 %",
    "개가 잔디밭을 뛰어갑니다.": "개가 잔디밭을 뛰어갑니다 .",
    "고양이,강아지 ㅋㅋㅋ": "고양이 , 강아지 ㅋㅋㅋ",
    "3마리의 개와 T셔츠": "3마리의 개와 T셔츠",
    "Zwei Hunde, „Rex“ und ein Ball": "Zwei Hunde , „ Rex “ und ein Ball",
    "l'homme à l’arrêt": "l'homme à l’arrêt",
    "رَجُلٌ يَرْكُضُ، هل تراه؟": "رَجُلٌ يَرْكُضُ ، هل تراه ؟",
    "او می‌رود": "او می‌رود",
    'חייל בצה"ל, בֶּן־אָדָם': 'חייל בצה"ל , בֶּן־אָדָם',
    "एक कुत्ता दौड़ रहा है।": "एक कुत्ता दौड़ रहा है ।",
    "क्‍ष": "क्‍ष",
    "Две собаки бегут": "Две собаки бегут",
    "穿T恤的3只狗，跑！": "穿 T 恤 的 3 只 狗 ， 跑 ！",
    "犬がボールで遊ぶ。": "犬 が ボ ー ル で 遊 ぶ 。",
    "「ワンワン」": "「 ワ ン ワ ン 」",
    "หมาวิ่งบนหญ้า": "ห ม า วิ่ ง บ น ห ญ้ า",
    "ໝາແລ່ນ": "ໝ າ ແ ລ່ ນ",
    "\u1786\u17d2\u1780\u17c2\u179a\u178f\u17cb": "\u1786\u17d2 \u1780\u17c2 \u179a \u178f\u17cb",
    "ခွေးပြေး": "ခွေး ပြေး",
    "a 狗 runs": "a 狗 runs",
    f"{FAMILY}❤️👍🏽🇰🇷🇫🇷{SCOTLAND}🙂‍↔️#️⃣": f"{FAMILY} ❤️ 👍🏽 🇰🇷 🇫🇷 {SCOTLAND} 🙂‍↔️ #️⃣",
    "dog🐶dog": "dog 🐶 dog",
    "so\u00adft\u200bly\ufeff \u200edown\x00": "softly down",
    "a\u00a0b\u3000c\td\ne": "a b c d e",
    "end\u200d. \u200c": "end .",
    "\u0301a": "a",
    "a-\u0301b": "a -\u0301 b",
    "<start> a <unk>": "< start > a < unk >",
    "": "",
    " \t\n\u3000": "",
    "?!...": "? ! . . .",
}

# Text that comes back as it was, to the letter.
NATURAL = [
    "A man's t-shirt, a dog's ball and the boys' kite.",
    'Two signs say "stop" and "go"; one (old) says "no".',
    "The price is $5, #1 of 1,000: 50% off!",
    "A 'quoted' word, a “better” one and the ‘best’ of them…",
    "Well -- yes, and/or no... ^^",
    "¿Dónde está el perro? ¡Aquí!",
    "„Rex“, sagt er, »komm« zu «Rex» auf der Straße",
    "개가 잔디밭을 뛰어간다",
    "개가 잔디밭을 뛰어갑니다.",
    "개가 잔디밭을 뛰어가요~ ㅋㅋ",
    "빨간 옷을 입은 남자, 그리고 (작은) 개 2마리가 있습니다!",
    "빨간옷을입은 남자가 '안녕' 하고 웃고있네요",
    "رَجُلٌ يَرْكُضُ، وَكَلْبٌ يَنَامُ؛ هل تراه؟",
    "او می‌رود، سگ می‌دود.",
    'ילד בצה"ל רץ, והכלב ישן.',
    "एक कुत्ता घास पर दौड़ रहा है।",
    "Две собаки бегут по траве.",
    "穿T恤的男人牵着3只狗，“快跑”！",
    "赤い帽子の男性が、「こんにちは」と言っている。",
    "หมาสีน้ำตาลวิ่งบนหญ้า",
    "a dog 🐶 and a family 👨‍👩‍👧, 👍🏽!",
    "el col·lecció",
]


@pytest.mark.parametrize(("text", "expected"), SPLITS.items())
def test_text_splits_into_words_characters_and_marks(text, expected):
    assert split_text(text) == unicodedata.normalize("NFC", expected).split()


@pytest.mark.parametrize("text", NATURAL)
def test_natural_text_comes_back_to_the_letter(text):
    assert join_tokens(split_text(text)) == unicodedata.normalize("NFC", text)


def test_decomposed_hangul_and_accents_come_back_composed():
    decomposed = unicodedata.normalize("NFD", "개가 café")
    assert split_text(decomposed) == ["개가", "café"]


def test_an_invisible_character_does_not_keep_an_accent_from_its_letter():
    assert split_text("cafe\u200b\u0301") == ["café"]


def test_lone_surrogates_are_dropped_for_no_file_could_hold_them():
    assert split_text("do\ud800g") == ["dog"]


def test_pretokenised_text_is_joined_as_a_reader_expects_it():
    tokenised = """A man 's " big " dog ( brown ) , runs ."""
    assert join_tokens(tokenised.split()) == """A man's "big" dog (brown), runs."""


def test_a_lone_straight_quote_stays_with_the_word_before():
    assert join_tokens(["a", "5", '"', "pipe"]) == 'a 5" pipe'
    assert join_tokens(["the", "boys", "'", "hats"]) == "the boys' hats"


def test_unspaced_scripts_touch_whatever_stands_beside_them():
    assert join_tokens(["T", "恤", "，", "two", "dogs", "猫", "(", "a", ")"]) == "T恤，two dogs猫(a)"


def test_nothing_joins_to_nothing():
    assert join_tokens([]) == ""


def may_touch_wrongly(tokens):
    """Whether a single quote, if it opens a quotation, makes the clitic 's of the word after it."""
    return any(before == "'" and split_text("'" + after)[0] != "'" for before, after in pairwise(tokens))


PIECES = st.one_of(
    st.characters(),
    st.sampled_from(list("aAsSéßİΣ'’\"“”„«»-.,/·#$~^*!?()[]5٣ -\u200c\u200d\u200b\u0301\ufe0f\u00ad\t")),
    st.sampled_from(list("개ㅋ犬カー，。「」ผู้ក្कि्שְצ״־،؟।👍🏽🇰❤↔😂") + [FAMILY, SCOTLAND, "'s", "ᄀ", "ᅡ"]),
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)


@settings(deadline=None, max_examples=500)
@given(TEXTS)
def test_a_token_is_composed_and_splits_into_itself(text):
    for token in split_text(text):
        assert token == unicodedata.normalize("NFC", token)
        assert split_text(token) == [token]


@settings(deadline=None, max_examples=500)
@given(TEXTS)
def test_joined_tokens_split_into_the_same_tokens(text):
    tokens = split_text(text)
    if not may_touch_wrongly(tokens):
        assert split_text(join_tokens(tokens)) == tokens


@settings(deadline=None, max_examples=200)
@given(st.lists(TEXTS, min_size=1, max_size=4), st.data())
def test_ids_of_a_learned_vocabulary_survive_decoding_and_encoding(captions, data):
    tokenizer = Tokenizer.learn(captions, min_count=1)
    ids = data.draw(st.lists(st.integers(UNK_ID + 1, max(UNK_ID + 1, len(tokenizer) - 1)), max_size=10))
    ids = [id for id in ids if id < len(tokenizer)]
    while ids and tokenizer.tokens[ids[-1]] in FINAL_STOPS:
        ids.pop()
    if not may_touch_wrongly([tokenizer.tokens[id] for id in ids]):
        assert tokenizer.encode(tokenizer.decode(ids)) == ids


WORDS = ["dog", "t-shirt", "Hund", "개가", "뛰어갑니다", "كَلْبٌ", "कुत्ता", "3.5", "don't", "Straße"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS), min_size=1), st.sampled_from([" ", ", ", "; ", " & ", "'s ", "! "]))
def test_captions_of_known_words_come_back_to_the_letter(words, between):
    tokenizer = Tokenizer.learn([f"the {word}, {word}; {word}! & {word}'s" for word in WORDS], min_count=1)
    caption = between.join(words)
    assert tokenizer.decode(tokenizer.encode(caption)) == caption


def test_the_special_tokens_come_first():
    tokenizer = Tokenizer.learn(["a dog"], min_count=1)
    assert tokenizer.tokens == ("<pad>", "<start>", "<end>", "<unk>", "a", "dog")
    assert (PAD_ID, START_ID, END_ID, UNK_ID) == (0, 1, 2, 3)
    assert len(tokenizer) == 6


def test_tokens_are_ordered_by_count_and_then_by_text():
    tokenizer = Tokenizer.learn(["c b b", "a b c"], min_count=1)
    assert tokenizer.tokens[4:] == ("b", "c", "a")
    assert Tokenizer.learn(["y x", "x y"], 1).tokens == Tokenizer.learn(["x y", "y x"], 1).tokens


def test_rare_tokens_are_unknown():
    tokenizer = Tokenizer.learn(["dog dog cat"], min_count=2)
    assert tokenizer.encode("dog cat") == [4, UNK_ID]


def test_captions_may_be_a_stream():
    assert Tokenizer.learn((caption for caption in ["a dog", "a cat"]), min_count=2).tokens[4:] == ("a",)


def test_no_captions_leave_the_special_tokens():
    assert Tokenizer.learn([], min_count=1).tokens == SPECIAL_TOKENS


def test_case_does_not_matter_to_encode():
    tokenizer = Tokenizer.learn(["a Dog"], min_count=1)
    assert tokenizer.encode("A DOG") == tokenizer.encode("a dog") == [tokenizer.id_of("a"), tokenizer.id_of("dOG")]


def test_german_nouns_come_back_capitalised():
    tokenizer = Tokenizer.learn(["Ein Hund und ein Ball", "Hunde sehen den Hund"], min_count=1)
    assert tokenizer.decode(tokenizer.encode("ein hund und ein ball")) == "ein Hund und ein Ball"


@pytest.mark.parametrize(
    ("captions", "shown"),
    [
        (["Dogs run", "Dogs sit"], "dogs"),
        (['"Dogs" run'], "dogs"),
        (["A cat. Dogs run"], "dogs"),
        (["Dogs see Dogs"], "Dogs"),
        (["the Dogs", "the dogs"], "dogs"),
        (["the Dogs", "the DOGS"], "dogs"),
        (["the Dogs, Dogs", "the dogs"], "Dogs"),
    ],
)
def test_the_form_seen_most_inside_a_sentence_is_shown(captions, shown):
    tokenizer = Tokenizer.learn(captions, min_count=1)
    assert tokenizer.tokens[tokenizer.id_of("dogs")] == shown


@pytest.mark.parametrize("stop", [".", " .", "...", "。", "．", "۔", "।", ". \n"])
def test_full_stops_at_the_end_are_neither_learned_nor_encoded(stop):
    tokenizer = Tokenizer.learn([f"a dog{stop}"], min_count=1)
    assert tokenizer.tokens[4:] == ("a", "dog")
    assert tokenizer.encode(f"a dog{stop}") == tokenizer.encode("a dog") == [4, 5]


def test_full_stops_inside_and_other_ends_are_kept():
    tokenizer = Tokenizer.learn(["a. b!"], min_count=1)
    assert sorted(tokenizer.tokens[4:]) == ["!", ".", "a", "b"]
    assert tokenizer.decode(tokenizer.encode("a. b!")) == "a. b!"


def test_special_tokens_written_in_captions_are_plain_text():
    tokenizer = Tokenizer.learn([f"a {special}" for special in SPECIAL_TOKENS], min_count=1)
    for special in SPECIAL_TOKENS:
        assert special not in tokenizer.tokens[4:]
        assert min(tokenizer.encode(special)) > UNK_ID


@pytest.mark.parametrize("caption", ["", " \t\n", ".", "..."])
def test_captions_without_content_encode_to_nothing(caption):
    assert Tokenizer.learn([caption], min_count=1).encode(caption) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a dog's tail, wet", ["a", " dog", "'s", " tail", ",", " wet"]),
        ("一只狗", ["一", "只", "狗"]),
        ("개 두 마리", ["개", " 두", " 마리"]),
        ("", []),
    ],
)
def test_decoded_words_put_together_are_the_decoded_text(text, words):
    tokenizer = Tokenizer.learn([text], min_count=1) if text else Tokenizer(SPECIAL_TOKENS)
    ids = tokenizer.encode(text)
    assert tokenizer.decode_words(ids) == words
    assert "".join(words) == tokenizer.decode(ids) == text


def test_decode_stops_at_the_end_and_leaves_out_special_tokens():
    tokenizer = Tokenizer.learn(["a dog runs"], min_count=1)
    a, dog, runs = tokenizer.encode("a dog runs")
    assert tokenizer.decode([START_ID, a, UNK_ID, dog, PAD_ID, END_ID, runs]) == "a dog"
    assert tokenizer.decode([]) == tokenizer.decode([END_ID, a]) == ""


def test_a_joined_tokenizer_keeps_all_ids_and_has_the_other_s_words_behind():
    tokenizer = Tokenizer.learn(["a Dog", "a dog"], min_count=1)
    other = Tokenizer.learn(["the DOG sees the cat"], min_count=1)
    joined = tokenizer.joined_by(other)
    assert joined.tokens == (*tokenizer.tokens, "the", "cat", "sees")
    assert joined.settings == other.settings


# how often a word is seen to be learned


@pytest.mark.parametrize(
    ("num_tokens", "min_count"),
    [(0, 1), (10, 1), (9_000, 1), (11_000, 2), (49_000, 2), (51_000, 3), (199_000, 3), (201_000, 5), (10_000_000, 5)],
)
def test_of_many_tokens_those_seen_more_often_are_learned(num_tokens, min_count):
    assert suitable_min_count([num_tokens // 1000] * 1000) == min_count
    assert suitable_min_count([num_tokens] if num_tokens else []) == min_count


@pytest.mark.parametrize("num_rare", [0, 1, 10_000, 100_000])
def test_never_are_more_than_20_000_words_learned(num_rare):
    counts = [1000 + number % 7 for number in range(15_000)] + [40] * 5_000 + [30] * num_rare + [6] * num_rare
    min_count = suitable_min_count(counts)
    assert sum(count >= min_count for count in counts) == 20_000
    assert min_count == (5 if num_rare == 0 else 31)


def test_words_seen_as_often_as_the_first_one_too_many_are_not_learned():
    counts = [9] * 19_000 + [8] * 2_000
    assert suitable_min_count(counts) == 9
    assert suitable_min_count([*counts, *range(10, 20)]) == 9


def test_without_a_count_few_captions_are_learned_whole_and_many_are_not():
    few = Tokenizer.learn(["a dog runs", "a cat"], None)
    assert few.tokens[4:] == ("a", "cat", "dog", "runs") and few.settings == {"rules": 1, "min_count": 1}
    many = Tokenizer.learn(["a dog runs"] * 4_000 + ["a cat"], None)
    assert many.tokens[4:] == ("a", "dog", "runs") and many.settings == {"rules": 1, "min_count": 2}
    assert Tokenizer.learn((caption for caption in ["a dog"]), None).tokens == Tokenizer.learn(["a dog"], 1).tokens


def test_settings_tell_the_rules_and_where_known_the_count():
    assert Tokenizer.learn(["a"], min_count=5).settings == {"rules": 1, "min_count": 5}
    assert Tokenizer(SPECIAL_TOKENS).settings == {"rules": 1}


def test_a_saved_vocabulary_is_one_token_a_line(tmp_path):
    path = tmp_path / "vocabulary.txt"
    Tokenizer.learn(["Ein Hund, ein 犬"], min_count=1).save(path)
    assert path.read_bytes().decode() == "<pad>\n<start>\n<end>\n<unk>\nein\n,\nHund\n犬\n"


@settings(deadline=None)
@given(captions=st.lists(TEXTS, max_size=4))
def test_a_saved_vocabulary_loads_as_it_was(captions, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "vocabulary.txt"
    tokenizer = Tokenizer.learn(captions, min_count=1)
    tokenizer.save(path)
    assert Tokenizer.load(path).tokens == tokenizer.tokens


def test_a_vocabulary_edited_on_windows_loads(tmp_path):
    path = tmp_path / "vocabulary.txt"
    path.write_bytes("\ufeff<pad>\r\n<start>\r\n<end>\r\n<unk>\r\na\r\ncafe\u0301\r\n".encode())
    assert Tokenizer.load(str(path)).tokens[4:] == ("a", "café")


def test_a_vocabulary_without_its_last_line_end_loads(tmp_path):
    path = tmp_path / "vocabulary.txt"
    path.write_bytes(b"<pad>\n<start>\n<end>\n<unk>\ndog")
    assert Tokenizer.load(path).tokens[4:] == ("dog",)


SPECIAL_LINES = b"<pad>\n<start>\n<end>\n<unk>\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: expected <pad>, found ''"),
        (b"<pad>\n<start>\n", "line 3: expected <end>, found ''"),
        (b"<pad>\n<end>\n<start>\n<unk>\n", "line 2: expected <start>, found '<end>'"),
        (b"a\ndog\nruns\nhere\n", "line 1: expected <pad>, found 'a'"),
        (SPECIAL_LINES + b"a\n\ndog\n", "line 6: expected one token, found ''"),
        (SPECIAL_LINES + b"a\n\n", "line 6: expected one token, found ''"),
        (SPECIAL_LINES + b"ice cream\n", "line 5: expected one token, found 'ice cream'"),
        (SPECIAL_LINES + b"dog\na\nDog\n", "line 7: 'Dog' is there already, in line 5"),
        (SPECIAL_LINES + b"<end>\n", "line 5: '<end>' is there already, in line 3"),
        (SPECIAL_LINES + "cafe\u0301\ncafé\n".encode(), "line 6: 'café' is there already, in line 5"),
        (SPECIAL_LINES + b"dog\ncaf\xe9\n", "line 6: not valid UTF-8"),
    ],
)
def test_a_broken_vocabulary_is_refused_by_file_and_line(tmp_path, content, message):
    path = tmp_path / "vocabulary.txt"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        Tokenizer.load(path)
    assert str(caught.value) == f"{path}, {message}"


def test_a_missing_vocabulary_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"vocabulary\.txt: cannot be read \(No such file"):
        Tokenizer.load(tmp_path / "vocabulary.txt")


def test_a_vocabulary_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CaptionerError, match=r"vocabulary\.txt: cannot be written \(Not a directory\)"):
        Tokenizer(SPECIAL_TOKENS).save(tmp_path / "file" / "vocabulary.txt")


def test_a_failed_save_leaves_the_old_vocabulary_and_nothing_else(tmp_path, monkeypatch):
    def fail(source, target):
        raise OSError(28, "No space left on device")

    path = tmp_path / "vocabulary.txt"
    path.write_bytes(SPECIAL_LINES)
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(CaptionerError, match="No space left on device"):
        Tokenizer.learn(["a dog"], min_count=1).save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["vocabulary.txt"]
    assert path.read_bytes() == SPECIAL_LINES


def test_importing_and_decoding_classify_no_character_for_splitting():
    program = (
        "from captioner import tokenizer\n"
        "vocabulary = tokenizer.Tokenizer((*tokenizer.SPECIAL_TOKENS, 'a', 'dog', '犬', ','))\n"
        "print(vocabulary.decode([4, 5, 7, 6]), len(tokenizer._kinds))\n"
        "print(tokenizer._token_pattern.cache_info().currsize)"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment, check=True)
    assert run.stdout.decode().split() == ["a", "dog,犬", "0", "0"]
