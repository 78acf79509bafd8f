import pytest

from captioner.errors import CaptionerError
from captioner.metrics import (
    SCORE_NAMES,
    TOKENIZERS,
    character_tokenize,
    choose_tokenizer,
    describe_counts,
    ptb_tokenize,
    score_captions,
)

REFERENCES = {
    "dog.jpg": ["A dog runs on the grass.", "The brown dog is running!", "a dog outside"],
    "men.jpg": ["Two men sit on a bench.", "Men on a bench, in the park"],
    "girl.jpg": ["A girl climbs a red rock ."],
}
CAPTIONS = {"girl.jpg": "A a a girl", "dog.jpg": "A dog runs on the brown grass.", "men.jpg": "two men on a bench"}


def test_all_scores_are_those_of_the_official_scorer():
    scores = score_captions(CAPTIONS, REFERENCES)
    expected = (0.8273408461, 0.7494232315, 0.6281246434, 0.5533099442, 0.7388551610, 3.2273908163)
    assert [scores.pop(name) for name in SCORE_NAMES] == pytest.approx(expected, abs=1e-9)
    assert scores == {
        "num_photos": 3,
        "num_references": 6,
        "references_per_photo": {"min": 1, "mean": 2.0, "max": 3},
        "tokenizer": "ptb",
    }


def test_scores_are_plain_numbers():
    assert {type(value) for name, value in score_captions(CAPTIONS, REFERENCES).items() if name in SCORE_NAMES} == {
        float
    }


def test_an_empty_caption_counts_and_scores_0():
    scores = score_captions(CAPTIONS | {"girl.jpg": ""}, REFERENCES)
    assert scores["num_photos"] == 3
    assert scores["rouge_l"] == pytest.approx(0.6101631779, abs=1e-9)
    assert scores["cider"] == pytest.approx(2.6755811262, abs=1e-9)


def test_a_single_photo_has_every_score_but_cider():
    scores = score_captions({"dog.jpg": "a dog outside"}, {"dog.jpg": REFERENCES["dog.jpg"]})
    assert scores["bleu_1"] == pytest.approx(1)
    assert scores["rouge_l"] == pytest.approx(1)
    assert scores["cider"] == 0


def test_captions_with_nothing_in_common_score_0():
    scores = score_captions(dict.fromkeys(REFERENCES, "xyzzy"), REFERENCES)
    assert [scores[name] for name in SCORE_NAMES] == pytest.approx([0] * 6, abs=1e-9)


def test_a_photo_that_is_missing_on_either_side_is_named():
    with pytest.raises(CaptionerError, match=r"no caption for photo 'girl\.jpg'"):
        score_captions({"dog.jpg": "a dog", "men.jpg": "men"}, REFERENCES)
    with pytest.raises(CaptionerError, match=r"no references for photo 'cat\.jpg'"):
        score_captions(CAPTIONS | {"cat.jpg": "a cat"}, REFERENCES)
    with pytest.raises(CaptionerError, match=r"no references for photo 'dog\.jpg'"):
        score_captions(CAPTIONS, REFERENCES | {"dog.jpg": []})


def test_nothing_to_score_is_an_error():
    with pytest.raises(CaptionerError, match="nothing to score"):
        score_captions({}, {})


def test_the_order_of_photos_does_not_matter():
    ours, theirs = (score_captions(dict(c), REFERENCES) for c in (CAPTIONS.items(), reversed(CAPTIONS.items())))
    assert [ours[name] for name in SCORE_NAMES] == pytest.approx([theirs[name] for name in SCORE_NAMES])


def test_characters_are_scored_where_words_have_no_spaces():
    references = {"a.jpg": ["一个男人在跑步。"], "b.jpg": ["两只狗"]}
    captions = {"a.jpg": "一个女人在跑步", "b.jpg": "两只狗。"}
    scores = score_captions(captions, references, character_tokenize)
    assert scores["tokenizer"] == "characters"
    assert scores["bleu_1"] == pytest.approx(9 / 10)


def test_a_tokenizer_of_ones_own_is_named_by_its_function():
    assert score_captions(CAPTIONS, REFERENCES, str.split)["tokenizer"] == "split"


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("一个穿着T-shirt的人。", "一 个 穿 着 t-shirt 的 人"),
        ("男の子が走る!", "男 の 子 が 走 る"),
        ("A dog, running.", "a dog running"),
        ("", ""),
        ("!?", ""),
    ],
)
def test_character_tokens(text, tokens):
    assert character_tokenize(text) == tokens.split()


def test_what_stands_behind_scores_is_said_in_words():
    scores = score_captions(CAPTIONS, REFERENCES)
    assert describe_counts(scores) == "3 photos, 1 to 3 (mean 2.00) references a photo, tokenizer ptb"
    of_five = {"num_photos": 1000, "num_references": 5000, "tokenizer": "characters"}
    assert describe_counts(of_five) == "1,000 photos, 5 references a photo, tokenizer characters"


def test_the_tokenizer_is_chosen_by_the_script_of_most_captions():
    assert choose_tokenizer(["A dog", "a cat"]) is ptb_tokenize
    assert choose_tokenizer(["一只狗", "两只猫", "a dog"]) is character_tokenize
    assert choose_tokenizer(["The sign says 停", "A dog", "a cat"]) is ptb_tokenize
    assert choose_tokenizer(["สุนัขวิ่ง"]) is TOKENIZERS["characters"]
    assert choose_tokenizer(["собака бежит", "강아지가 달린다"]) is ptb_tokenize
    assert choose_tokenizer([]) is ptb_tokenize
