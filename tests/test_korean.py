"""Korean captions come back as they were written, whatever the speaker's politeness and the writer's spacing."""

import unicodedata

import pytest

from captioner.tokenizer import UNK_ID, Tokenizer, split_text

# The same kind of scene at every level of speech, from the most formal to the most familiar.
LEVELS = {
    "합쇼체": "한 남자가 해변에서 개와 함께 달리고 있습니다.",
    "합쇼체, 물음": "아이들이 무엇을 하고 있습니까?",
    "하오체": "저기 두 사람이 눈 덮인 산을 오르고 있소.",
    "하게체": "여보게, 저 소년이 공을 차고 있네.",
    "해라체": "검은 개 한 마리가 풀밭에서 원반을 물고 있다.",
    "해라체, 물음": "저 여자는 왜 웃고 있느냐?",
    "해요체": "빨간 옷을 입은 소녀가 그네를 타고 있어요.",
    "해요체, 높임": "할머니께서 손자에게 책을 읽어 주세요.",
    "해체": "고양이가 창가에서 자고 있어.",
    "해체, 감탄": "와, 강아지 진짜 귀엽다!",
    "명사형": "자전거를 타고 언덕을 내려가는 청년들의 모습",
    "명사형, 음": "선수가 공을 던지려고 팔을 뒤로 젖힘",
}
# How people really space, or do not.
SPACING = {
    "as the rules say": "개 두 마리가 물가에서 놀고 있다",
    "counters joined": "개 두마리가 물가에서 놀고있다",
    "hardly any": "개두마리가물가에서놀고있다",
    "digits with counters": "3살짜리 아이가 풍선 2개를 들고 있다",
    "digits and units apart": "높이 10 m 절벽에서 힘껏 뛰어내린다",
    "compounds apart": "스키 점프 대회에 나온 젊은 남자 선수",
    "compounds joined": "스키점프대회에 나온 젊은남자선수",
}
HABITS = {
    "quotation marks": "“안녕!” 하고 손을 흔드는 아이",
    "corner brackets": "「한국」이라고 쓴 깃발을 든 사람",
    "brackets": "검은 개 (래브라도) 한 마리가 헤엄친다",
    "commas": "남자, 여자, 아이가 벤치에 앉아 있다",
    "middle dots": "빨강·노랑·파랑 공이 굴러간다",
    "loan words": "파란 BMX 자전거를 탄 소년이 점프한다",
    "particles on Latin words": "흰 T셔츠를 입은 DJ가 LP판을 고른다",
    "hyphens": "야외 K-pop 공연을 보는 관객들",
    "chatting": "강아지 넘 귀여움 ㅋㅋㅋ ㅠㅠ",
    "hanja": "大韓民國이라고 적힌 현수막",
}
ALL = LEVELS | SPACING | HABITS


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.learn(ALL.values(), min_count=1)


@pytest.mark.parametrize("caption", ALL.values(), ids=ALL.keys())
def test_a_caption_comes_back_to_the_letter(tokenizer, caption):
    ids = tokenizer.encode(caption)
    assert UNK_ID not in ids
    assert tokenizer.decode(ids) == caption.removesuffix(".")


@pytest.mark.parametrize("caption", ALL.values(), ids=ALL.keys())
def test_a_caption_typed_on_a_mac_is_the_same_caption(tokenizer, caption):
    decomposed = unicodedata.normalize("NFD", caption)
    assert decomposed != caption
    assert tokenizer.encode(decomposed) == tokenizer.encode(caption)


@pytest.mark.parametrize("caption", SPACING.values(), ids=SPACING.keys())
def test_words_are_what_stands_between_spaces(caption):
    assert split_text(caption) == caption.split()


def test_endings_and_particles_stay_with_their_words():
    assert split_text("할머니께서 손자에게 책을 읽어 주세요.") == [
        "할머니께서",
        "손자에게",
        "책을",
        "읽어",
        "주세요",
        ".",
    ]


def test_hangul_is_no_script_without_spaces():
    assert split_text("개두마리가물가에서놀고있다") == ["개두마리가물가에서놀고있다"]
