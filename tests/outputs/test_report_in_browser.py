"""The report as a reader meets it: in a browser, without a network."""

import io
import unicodedata

import numpy as np
import pytest
from browsers import open_browser
from made_up_pages import SIDE, write_made_up
from PIL import Image

playwright_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

NASTY = "</script><script>window.broken = true</script>\"'& 개"
PHOTOS = [
    ("a/dog.jpg", ["a", " dog", " runs"], ["A dog runs .", "hotdog stand"], [0.9, 0.2, 1.5]),
    (
        "cat's.jpg",
        ["a", " cat"],
        ["a cat", "one cat on a t-shirt with a dog's ball", unicodedata.normalize("NFD", "고양이")],
        [0.5, 0.9, 0.1],
    ),
    (NASTY, ["개", "가", " <b>"], [NASTY, "고양이"], [0.1, 0.5, 0.7]),
]
NUM_MANY = 5000


@pytest.fixture(scope="module")
def jpeg():
    file = io.BytesIO()
    Image.new("RGB", (208, 156), (90, 140, 60)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture(scope="module")
def browser():
    with playwright_api.sync_playwright() as playwright:
        browser = open_browser(playwright)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser):
    """A function `(path, **what the window is like) -> page`; no page may complain, or ask for anything."""
    said, asked, windows = [], [], []

    def open_page(path, **window):
        # so high that no screenshot has to scroll, away from under the mouse
        windows.append(browser.new_context(**{"viewport": {"width": 1280, "height": 1600}} | window))
        page = windows[-1].new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_page
    for window in windows:
        window.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == len(windows)  # the page, and no more


@pytest.fixture(scope="module")
def report(tmp_path_factory, jpeg):
    return write_made_up(tmp_path_factory.mktemp("report") / "report.html", PHOTOS, jpeg)


@pytest.fixture
def page(opened, report):
    return opened(report)


def shown(page):
    """The captions in the order they are shown."""
    return page.locator(".said").all_inner_texts()


DOG, CAT, KOREAN = "a dog runs", "a cat", "개가 <b>"


def test_photos_are_sorted_by_any_score_both_ways(page):
    worst_first = {
        "cider": [CAT, KOREAN, DOG],
        "rouge_l": [DOG, KOREAN, CAT],
        "bleu_4": [KOREAN, CAT, DOG],
        "length": [CAT, DOG, KOREAN],
        "file": [DOG, CAT, KOREAN],
    }
    orders = {}
    for key in worst_first:
        page.select_option("#sort", key)
        orders[key] = shown(page)
    assert orders == worst_first
    page.click("#direction")
    assert page.inner_text("#direction") == "last to first"
    page.select_option("#sort", "bleu_4")
    assert (page.inner_text("#direction"), shown(page)) == ("best first", [DOG, CAT, KOREAN])


def test_the_worst_by_cider_come_first(page):
    assert shown(page) == [CAT, KOREAN, DOG]
    assert page.inner_text("#direction") == "worst first"


def test_photos_are_filtered_by_a_word(page):
    expected = {
        ("dog", "both"): [CAT, DOG],  # not "hotdog", and "dog's" by its word
        ("DOG", "caption"): [DOG],
        ("do", "both"): [],
        ("do*", "both"): [CAT, DOG],
        ("a dog", "caption"): [DOG],
        ("개*", "caption"): [KOREAN],
        ("<b>", "caption"): [KOREAN],
        ("t-shirt", "both"): [CAT],
        ("고양이", "both"): [CAT, KOREAN],  # however it was spelled
        ("one/two [.] {*}\\ )( |?+^$", "both"): [],
    }
    found, counts = {}, []
    for word, scope in expected:
        page.select_option("#scope", scope)
        page.fill("#word", word)
        found[word, scope] = shown(page)
        counts.append(page.inner_text("#count"))
    assert found == expected
    assert counts == [f"{len(captions)} of 3 photos" for captions in expected.values()]
    page.fill("#word", "  ")
    assert (len(shown(page)), page.inner_text("#count")) == (3, "3 photos")


def test_a_word_that_was_found_is_marked_in_the_references(page):
    page.fill("#word", "dog")
    assert page.locator("mark").all_inner_texts() == ["dog", "dog"]


def test_captions_names_and_references_are_text_whatever_they_hold(page):
    photo = page.locator(".photo").nth(1)
    assert photo.locator(".name").inner_text() == NASTY
    assert photo.locator("li").all_inner_texts() == [NASTY, "고양이"]
    assert page.evaluate("window.broken") is None


def test_photos_show_their_pictures(page):
    sizes = page.locator(".photo img").evaluate_all(
        "images => Promise.all(images.map(async image => (await image.decode(), image.naturalWidth)))"
    )
    assert sizes == [208] * 3


def brightest(photo):
    """The region that is left brightest, None where the photo is as it is."""
    seen = Image.open(io.BytesIO(photo.locator(".seen").screenshot(animations="disabled"))).convert("L")
    regions = np.asarray(seen.resize((SIDE, SIDE), Image.Resampling.BOX))
    return None if np.ptp(regions) < 10 else int(regions.argmax())


def test_a_word_under_the_mouse_shows_where_the_network_looked(page):
    photo = page.locator(".photo").first
    for place in (1, 0):
        photo.locator(".word").nth(place).hover()
        assert brightest(photo) == place
        assert page.locator(".lit").all_inner_texts() == [["a", "cat"][place]]
        assert "with probability 0.50" in photo.inner_text()
    page.mouse.move(0, 0)
    assert brightest(photo) is None


def test_the_keyboard_goes_from_caption_to_caption_and_from_word_to_word(page):
    page.locator("#scope").focus()
    page.keyboard.press("Tab")
    photos = page.locator(".photo")
    assert brightest(photos.first) == 0
    page.keyboard.press("ArrowRight")
    assert brightest(photos.first) == 1
    page.keyboard.press("ArrowRight")  # no word is behind the last
    page.keyboard.press("Tab")
    assert (brightest(photos.first), brightest(photos.nth(1))) == (None, 0)


def test_a_tap_shows_it_on_a_phone_where_nothing_is_wider_than_the_screen(opened, report):
    page = opened(report, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    photos = page.locator(".photo")
    photos.first.locator(".word").nth(1).tap()
    assert brightest(photos.first) == 1
    photos.nth(1).locator(".word").nth(2).tap()
    assert (brightest(photos.first), brightest(photos.nth(1))) == (None, 2)
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_it_is_dark_where_the_reader_likes_it_dark(opened, report):
    def paper(scheme):
        page = opened(report, color_scheme=scheme)
        return page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")

    assert min(paper("light")) > 200
    assert max(paper("dark")) < 60


def test_scores_lengths_and_words_never_said_are_shown(page):
    assert page.locator(".score").all_inner_texts()[0].split("\n")[:3] == ["BLEU-1", "25.0", "20.0 to 30.0"]
    assert page.locator(".bars > div").count() == 3  # 2, 3 and 4 tokens
    heights = page.locator(".bars .of-captions").evaluate_all("bars => bars.map(bar => bar.offsetHeight)")
    assert heights[1] > heights[0] > heights[2] == 0
    assert "2 of the vocabulary's 100 words" in page.inner_text("#unused-count")
    assert page.locator("#unused-words button").all_inner_texts() == ["kitten 7"]
    assert "zebra" in page.inner_text("#unused-words")


def test_a_model_without_attention_has_a_report_without(opened, tmp_path, jpeg):
    page = opened(write_made_up(tmp_path / "report.html", PHOTOS, jpeg, grid=None))
    assert page.locator("canvas, .word").count() == 0
    assert shown(page) == [CAT, KOREAN, DOG]
    assert "no attention" in page.inner_text("#hint")


def test_a_photo_that_is_gone_is_a_grey_tile(opened, tmp_path):
    page = opened(write_made_up(tmp_path / "report.html", PHOTOS, b""))
    assert page.locator(".gone").all_inner_texts() == ["photo not found"] * 3


def test_thousands_of_photos_are_sorted_and_only_those_in_sight_are_drawn(opened, tmp_path, jpeg):
    photos = [
        (f"{number}.jpg", ["dog" if number % 2 else "cat", f" {number}"], ["a dog", "a cat"], [0.1, 0.2, -number])
        for number in range(NUM_MANY)
    ]
    jpeg += b"\0" * (5000 - len(jpeg))  # of the size that thumbnails have
    page = opened(write_made_up(tmp_path / "report.html", photos, jpeg))
    assert page.inner_text("#count") == "5,000 photos"
    assert shown(page)[0] == "dog 4999"
    page.click("#direction")
    assert shown(page)[0] == "cat 0"
    page.fill("#word", "dog")
    page.select_option("#scope", "caption")
    assert page.inner_text("#count") == "2,500 of 5,000 photos"
    page.keyboard.press("Control+End")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.locator(".said", has_text="dog 4999").wait_for()
    assert page.locator(".photo").count() < 200
    last = page.locator(".photo").last
    last.locator(".word").nth(1).hover()
    assert brightest(last) == 1 < SIDE
