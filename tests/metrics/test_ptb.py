import os
import random
import shutil
from pathlib import Path

import pytest

from captioner.metrics import ptb_tokenize

# Texts, and what the official tokenizer makes of them.
OFFICIAL_TOKENS = {
    "The dog's owner can't swim!": "the dog 's owner ca n't swim",
    "Two people in blue coats wait on a snowy hill .": "two people in blue coats wait on a snowy hill",
    "She cannot see it, don't you know?": "she can not see it do n't you know",
    "He's gonna jump; they've gotta run.": "he 's gon na jump they 've got ta run",
    "I wanna see 'tis and 'twas": "i wan na see 't is and 't was",
    "lemme be, gimme more'n that": "lem me be gim me more 'n that",
    "It's 5 o'clock: they're here, we've gone": "it 's 5 o'clock they 're here we 've gone",
    "I'd go, he'll come, I'm in": "i 'd go he 'll come i 'm in",
    "THE DOG'S BALL DIDN'T BOUNCE": "the dog 's ball did n't bounce",
    "it’s a man’s “quoted” ‘word’, and he can’t": "it 's a man 's quoted word and he ca n't",
    "the boys' toys": "the boys toys",
    "a bird's-eye-view": "a bird 's eye-view",
    "rock'n'roll and rock 'n' roll": "rock 'n' roll and rock 'n' roll",
    "he should've and shouldn't've": "he should 've and should n't 've",
    "a jack-o'-lantern, ma'am": "a jack-o lantern ma'am",
    "O'Brien and D'Artagnan in Hawai'i": "o'brien and d'artagnan in hawai'i",
    "a man's 'favorite' \"red\" shirt": "a man 's favorite red shirt",
    "the '90s and the 1990's": "the '90s and the 1990 's",
    "a t-shirt - a well-known man- and dog --here": "a t-shirt a well-known man and dog here",
    "merry-go-round for 3-year-olds": "merry-go-round for 3-year-olds",
    "a black/white dog and/or cat w/ a ball": "a black/white dog and/or cat w / a ball",
    "dogs,cats;birds:fish": "dogs cats birds fish",
    "a man (left) and [a woman] {here}": "a man -lrb- left -rrb- and -lsb- a woman -rsb- -lcb- here -rcb-",
    "Mr. Smith and Dr. Jones vs. St. Bernard, Jr.": "mr. smith and dr. jones vs. st. bernard jr.",
    "He lives in the U.S. and works in Washington D.C.": "he lives in the u.s. and works in washington d.c.",
    "The U.S. Army at 5 p.m. in the R.V.": "the u.s. army at 5 p.m. in the r.v.",
    "a S.C.U.B.A. diver, e.g. this one, etc.": "a s.c.u.b.a. diver e.g. this one etc.",
    "vitamin C.": "vitamin c.",
    "jersey No. 5, number No.": "jersey no. 5 number no",
    "She gets a degree, Ph.D. in hand": "she gets a degree ph.d. in hand",
    "on the grass.The dog runs": "on the grass.the dog runs",
    "wait... what.. no....": "wait what no",
    "a dog, toys., and a ball": "a dog toys. and a ball",
    "10,000 people paid $5.50 or 50% at 10:30": "10,000 people paid $ 5.50 or 50 % at 10:30",
    "1/2 cup, ½ cup, 5th, 4x4, .5 miles, -2 degrees": "1/2 cup 1/2 cup 5th 4x4 .5 miles -2 degrees",
    "10:30pm and 10pm": "10:30 pm and 10pm",
    "6'2\" tall": "6 2 tall",
    "#1 fan # 23 #hashtag": "# 1 fan # 23 #hashtag",
    "AT&T, R&D, at&t and black & white, salt &amp; pepper": "at&t r&d at & t and black & white salt & pepper",
    "what?! no!!! really??": "what ?! no !!! really ??",
    "www.example.com and example.com.": "www.example.com and example.com",
    "http://www.example.com/a?b=1.": "http://www.example.com/a?b=1",
    "someone@example.com and @user": "someone@example.com and @user",
    "café naïve Zoë's": "café naïve zoë 's",
    "dash – and — and… that": "dash and and that",
    "£5 €5 5¢ $5": "# 5 $ 5 5 cents $ 5",
    "5°C ™ © ★": "5 ° c ™ © ★",
    "dog 🐕 happy😀 ❤️": "dog happy ❤",
    "a * b ** c = d + e_f": "a * b ** c = d + e_f",
    ":) hi :(": ":-rrb- hi :-lrb-",
    "<b>bold</b> a < b": "<b> bold </b> a < b",
    "собака бежит 日本語": "собака бежит 日本語",
    "'slide -ependent RIF=ding": "slide ependent rif = ding",
    "Cont'd (etc.)": "cont 'd -lrb- etc. -rrb-",
    "a  double  space\tand tab ": "a double space and tab",
}


@pytest.fixture
def official_tokenize():
    """texts -> their tokens by the official tokenizer, all in one run of it."""
    ptbtokenizer = pytest.importorskip("pycocoevalcap.tokenizer.ptbtokenizer")
    if shutil.which("java") is None:
        pytest.skip("the official tokenizer needs Java")
    if not os.access(Path(ptbtokenizer.__file__).parent, os.W_OK):
        pytest.skip("the official tokenizer writes into its own folder, which is read-only")

    def tokenize(texts):
        tokens = ptbtokenizer.PTBTokenizer().tokenize({n: [{"caption": text}] for n, text in enumerate(texts)})
        return [tokens[n][0].split() for n in range(len(texts))]

    return tokenize


@pytest.mark.parametrize(("text", "tokens"), OFFICIAL_TOKENS.items())
def test_tokens_are_those_of_the_official_tokenizer(text, tokens):
    assert ptb_tokenize(text) == tokens.split()


def test_the_official_tokenizer_still_gives_the_tokens_above(official_tokenize):
    assert official_tokenize(list(OFFICIAL_TOKENS)) == [tokens.split() for tokens in OFFICIAL_TOKENS.values()]


def test_captions_of_flickr8k_give_the_official_tokens(official_tokenize):
    if "CAPTIONER_FLICKR8K" not in os.environ:
        pytest.skip("CAPTIONER_FLICKR8K does not name the dataset's folder")
    lines = Path(os.environ["CAPTIONER_FLICKR8K"], "Flickr8k.token.txt").read_text("utf-8").splitlines()
    captions = [line.split("\t")[1] for line in random.Random(0).sample(lines, 5000)]
    # The same with its punctuation where people type it, "end ." as "end."; some captions are typed so already.
    typed = [caption.replace(" .", ".").replace(" ,", ",").replace(" '", "'") for caption in captions]
    texts = captions + typed
    different = [
        text for text, tokens in zip(texts, official_tokenize(texts), strict=True) if ptb_tokenize(text) != tokens
    ]
    assert len(different) <= len(texts) // 1000, different


@pytest.mark.parametrize("text", ["", " ", "\n\t ", ".", "...", "-", '"', "' '", "🐕", "\u200b"])
def test_a_text_without_words_has_no_tokens(text):
    assert ptb_tokenize(text) == []


def test_no_token_is_empty_or_holds_a_space():
    characters = random.Random(0)
    for _ in range(300):
        text = "".join(characters.choices("aB1 .,'’-&@#/()<>:;_½£😀é中\u00a0\n", k=30))
        assert all(token and token.split() == [token] for token in ptb_tokenize(text)), text


def test_a_caption_is_read_by_itself():
    assert ptb_tokenize("vitamin C.") + ptb_tokenize("The dog") == ["vitamin", "c.", "the", "dog"]
