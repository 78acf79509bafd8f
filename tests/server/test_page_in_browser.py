"""The page in a real browser, with the real server behind it."""

import base64
import codecs
import csv
import json
import re
from urllib.parse import urlsplit

import pytest

playwright_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

from browsers import open_browser
from served import PHOTOS, serving

from captioner.inference import Captioner
from captioner.preset_names import DEFAULT_PRESET

expect = playwright_api.expect
BROKEN = ("broken.jpg", PHOTOS[0].read_bytes()[:400])
FIRST, SECOND = ((path.name, path.read_bytes()) for path in PHOTOS[:2])
DROP = """files => {
  const transfer = new DataTransfer();
  for (const [name, data] of files) {
    transfer.items.add(new File([Uint8Array.from(atob(data), (char) => char.charCodeAt(0))], name));
  }
  for (const kind of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }));
  }
}"""


@pytest.fixture(scope="module")
def server():
    with serving("--max-upload-mb", 1) as served:
        yield served


BUSY_MACHINE_MS = 120_000  # how long what must come is waited for, by however busy a machine
playwright_api.expect.set_options(timeout=BUSY_MACHINE_MS)


@pytest.fixture(scope="module")
def browser():
    with playwright_api.sync_playwright() as playwright:
        opened = open_browser(playwright)
        yield opened
        opened.close()


@pytest.fixture
def opened(browser):
    """A function that opens the page, and looks on: nothing is asked of another host, and no console error comes."""
    contexts, errors, hosts = [], [], set()

    def page_of(address, may_log=False, **context):
        contexts.append(browser.new_context(**context))
        page = contexts[-1].new_page()
        page.set_default_timeout(BUSY_MACHINE_MS)
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
        page.on("pageerror", lambda error: errors.append(str(error)))
        if not may_log:
            page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(address)
        return page

    yield page_of
    for context in contexts:
        context.close()
    assert errors == []
    assert hosts <= {"127.0.0.1", None, ""}


def drop(page, *files):
    page.evaluate(DROP, [[name, base64.b64encode(content).decode()] for name, content in files])


def cards(page):
    return page.locator(".photo")


@pytest.fixture(scope="module")
def captions():
    """What the command line says of the first two photos."""
    return [caption.text for caption in Captioner.load().caption([FIRST[1], SECOND[1]])]


def test_dropped_photos_get_their_captions_and_a_broken_one_its_error_beside_them(server, opened, captions):
    page = opened(server.address)
    expect(page.get_by_role("heading", name="What is in your photos?")).to_be_visible()
    drop(page, FIRST, BROKEN, SECOND)
    expect(page.locator("#count")).to_have_text("3 photos, 2 captioned, 1 failed")
    expect(cards(page).nth(0).locator(".caption")).to_have_text(captions[0])
    expect(cards(page).nth(2).locator(".caption")).to_have_text(captions[1])
    expect(cards(page).nth(1).locator(".state")).to_contain_text("broken.jpg: broken or cut short")
    expect(cards(page).nth(0).locator("img")).to_have_attribute("alt", captions[0])
    expect(page.get_by_role("status")).to_have_text("All done: 2 captioned, 1 failed")


def test_three_candidates_stand_with_their_probabilities_the_caption_first(server, opened, captions):
    page = opened(server.address)
    drop(page, FIRST)
    candidates = cards(page).locator(".candidates li")
    expect(candidates).to_have_count(3)
    assert candidates.nth(0).locator("span").first.text_content() == captions[0]
    assert all(re.fullmatch(r"\d+%", text) for text in page.locator(".figure").all_text_contents())


def test_attention_is_laid_over_the_photo_while_a_word_is_touched(server, opened):
    page = opened(server.address)
    drop(page, FIRST)
    veil, words = cards(page).locator("canvas"), cards(page).locator(".caption button")
    expect(words.first).to_be_visible()
    expect(veil).to_be_hidden()
    words.nth(1).hover()
    expect(veil).to_be_visible()
    alphas = "canvas => [...canvas.getContext('2d').getImageData(0, 0, 10, 10).data].filter((_, i) => i % 4 === 3)"
    first = veil.evaluate(alphas)
    assert len(first) == 100 and min(first) == 0 and max(first) > 100  # clear where it looked, dark where it did not
    words.nth(2).hover()
    assert veil.evaluate(alphas) != first
    page.mouse.move(0, 0)
    expect(veil).to_be_hidden()


def test_attention_is_shown_by_touch_on_a_phone(server, opened):
    page = opened(server.address, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    expect(page.get_by_role("button", name="Take a photo")).to_be_visible()
    drop(page, FIRST)
    cards(page).locator(".caption button").nth(1).tap()
    expect(cards(page).locator("canvas")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_everything_is_done_by_keyboard(server, opened, captions):
    page = opened(server.address)
    page.on("filechooser", lambda chooser: None)  # the browser must know soon that somebody listens
    page.keyboard.press("Tab")  # API
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose photos")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files([PHOTOS[0], PHOTOS[1]])
    expect(page.locator("#count")).to_have_text("2 photos, 2 captioned")
    page.keyboard.press("Tab")
    reached = []
    for _ in range(6):
        reached.append(page.evaluate("document.activeElement.textContent"))
        page.keyboard.press("Tab")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    words = captions[0].split()
    assert reached == ["Download CSV", "Download JSON Lines", "Clear all", words[0], "Copy as alt text", "Remove"]
    cards(page).nth(0).locator(".caption button").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == words[1]
    expect(cards(page).nth(0).locator("canvas")).to_be_visible()
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.textContent") == words[-1]
    page.keyboard.press("Tab")
    expect(cards(page).nth(0).locator("canvas")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text(f"Copied: {captions[0]}")
    assert page.evaluate("navigator.clipboard.readText()") == captions[0]
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # removes the first
    expect(cards(page)).to_have_count(1)
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == f"Remove: {SECOND[0]}"
    page.get_by_role("button", name="Clear all").press("Enter")
    expect(cards(page)).to_have_count(0)
    expect(page.get_by_role("button", name="Choose photos")).to_be_focused()


def test_photos_keep_their_shape_on_every_screen(server, opened):
    for width, height in ((360, 640), (568, 320), (1200, 800)):
        page = opened(server.address, viewport={"width": width, "height": height})
        drop(page, *[(path.name, path.read_bytes()) for path in PHOTOS])
        expect(page.locator("#count")).to_have_text(f"{len(PHOTOS)} photos, {len(PHOTOS)} captioned")
        for number in range(len(PHOTOS)):
            cards(page).nth(number).scroll_into_view_if_needed()
            shown = (
                cards(page)
                .nth(number)
                .locator("img")
                .evaluate("image => [image.clientWidth / image.clientHeight, image.naturalWidth / image.naturalHeight]")
            )
            assert shown[0] == pytest.approx(shown[1], rel=0.02)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        sizes = "frame => [frame.clientWidth, frame.querySelector('img').clientWidth]"
        frame, image = cards(page).nth(0).locator(".frame").evaluate(sizes)
        assert frame == image  # which the veil covers


def test_copying_works_where_a_browser_has_only_the_old_way(server, opened, captions):
    page = opened(server.address)
    drop(page, FIRST)
    expect(cards(page).locator(".caption")).to_have_text(captions[0])
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.evaluate("document.execCommand = (what) => (window.copied = [what, document.activeElement.value], true)")
    copy = page.get_by_role("button", name=f"Copy as alt text: {FIRST[0]}")
    copy.click()
    assert page.evaluate("window.copied") == ["copy", captions[0]]
    expect(copy).to_have_text("Copied")
    expect(copy).to_have_text("Copy as alt text")


def answer_with(page, records):
    page.route("**/api/captions*", lambda route: route.fulfill(json=records))


def test_odd_answers_cost_no_caption(server, opened):
    page = opened(server.address)
    record = {"file_name": "a.jpg", "text": "a dog", "log_prob": -1, "confidence": 0.5, "model": "m"}
    odd = [[], None, [{"word": "cat", "map": [[1]]}]]
    for attention in odd:
        answer_with(page, [record | {"attention": attention}])
        drop(page, FIRST)
        expect(cards(page).last.locator(".caption")).to_have_text("a dog")
        expect(page.locator(".caption button")).to_have_count(0)
        page.get_by_role("button", name="Clear all").click()


def test_a_photo_that_is_tried_again_is_counted_anew_and_told_of(server, opened, captions):
    page = opened(server.address)
    answer_with(page, [{"error": {"type": "e", "message": "not now"}}])
    drop(page, FIRST)
    expect(page.locator("#count")).to_have_text("1 photo, 0 captioned, 1 failed")
    page.unroute("**/api/captions*")
    page.get_by_role("button", name=f"Try again: {FIRST[0]}").click()
    expect(page.locator("#count")).to_have_text("1 photo, 1 captioned")
    expect(page.get_by_role("status")).to_have_text(f"{FIRST[0]}: {captions[0]}")


def test_pictures_of_photos_that_are_gone_are_freed(server, opened):
    page = opened(server.address)
    page.evaluate("""() => {
      window.alive = new Set();
      const [make, free] = [URL.createObjectURL, URL.revokeObjectURL];
      URL.createObjectURL = (blob) => { const url = make.call(URL, blob); window.alive.add(url); return url; };
      URL.revokeObjectURL = (url) => { window.alive.delete(url); free.call(URL, url); };
    }""")
    drop(page, *[(f"{number}.jpg", FIRST[1]) for number in range(8)])
    page.get_by_role("button", name="Clear all").click()
    drop(page, SECOND)
    expect(page.locator("#count")).to_have_text("1 photo, 1 captioned")
    expect(cards(page).locator("img")).to_be_visible()
    assert page.evaluate("window.alive.size") == 1


def test_what_was_said_is_downloaded_as_csv_and_json_lines(server, opened, captions, tmp_path):
    page = opened(server.address)
    drop(page, ('a, "b".jpg', FIRST[1]), BROKEN, SECOND)
    expect(page.locator("#count")).to_have_text("3 photos, 2 captioned, 1 failed")
    saved = {}
    for name in ("CSV", "JSON Lines"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download {name}").click()
        saved[name] = tmp_path / download.value.suggested_filename
        download.value.save_as(saved[name])
    assert [path.name for path in saved.values()] == ["captions.csv", "captions.jsonl"]
    assert saved["CSV"].read_bytes().startswith(codecs.BOM_UTF8)
    with saved["CSV"].open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file_name", "text", "log_prob", "confidence", "model"]
    # a browser writes the quote in a form's header as %22
    assert [(row["file_name"], row["text"]) for row in rows] == [
        ("a, %22b%22.jpg", captions[0]),
        (SECOND[0], captions[1]),
    ]
    records = [json.loads(line) for line in saved["JSON Lines"].read_text(encoding="utf-8").splitlines()]
    assert [record.get("text") for record in records] == [captions[0], None, captions[1]]
    assert records[1]["error"]["type"] == "ImageError"
    assert all("attention" not in record for record in records)
    assert len(records[0]["candidates"]) == 3


def test_a_photo_is_pasted(server, opened, captions):
    page = opened(server.address)
    page.evaluate(
        DROP.replace('for (const kind of ["dragenter", "dragover", "drop"])', "")
        .replace("DragEvent(kind,", 'ClipboardEvent("paste",')
        .replace("dataTransfer:", "clipboardData:"),
        [[FIRST[0], base64.b64encode(FIRST[1]).decode()]],
    )
    expect(cards(page).locator(".caption")).to_have_text(captions[0])
    expect(page.get_by_role("status")).to_have_text(f"{FIRST[0]}: {captions[0]}")


def test_a_photo_that_is_too_large_is_told_so_without_being_sent(server, opened):
    page = opened(server.address)
    expect(page.locator("#model")).to_have_text(DEFAULT_PRESET)
    sent = []
    page.on("request", lambda request: sent.append(request.url))
    drop(page, ("large.bmp", b"BM" + b"\0" * 1_100_000))
    message = "large.bmp: larger than the 1 MB that this server takes"
    expect(cards(page).locator(".state")).to_have_text(message)
    expect(cards(page).locator(".no-view")).to_be_visible()
    expect(cards(page).locator(".again")).to_be_hidden()  # it would not help
    assert not any("/api/captions" in url for url in sent)


def test_a_server_that_is_busy_is_asked_again(server, opened, captions):
    page = opened(server.address, may_log=True)
    times = []

    def busy_at_first(route):
        times.append(page.evaluate("Date.now()"))
        if len(times) > 2:
            route.continue_()
        else:
            route.fulfill(status=503, headers={"Retry-After": "1"}, json={"error": {"type": "busy", "message": "full"}})

    page.route("**/api/captions*", busy_at_first)
    drop(page, FIRST)
    expect(cards(page).locator(".caption")).to_have_text(captions[0])
    assert len(times) == 3 and times[1] - times[0] >= 1000


def test_photos_that_a_busy_server_sent_back_are_sent_again_in_their_order(server, opened):
    page = opened(server.address, may_log=True)
    answered = []

    def busy_for_four(route):
        answered.append(route)
        if len(answered) <= 4:
            route.fulfill(status=503, headers={"Retry-After": "1"}, json={"error": {"type": "busy", "message": "full"}})
        else:
            record = {"file_name": "a.jpg", "text": "a dog", "log_prob": -1, "confidence": 0.5, "model": "m"}
            route.fulfill(json=[record])

    page.route("**/api/captions*", busy_for_four)
    # as the page sends them: several are on their way at once, and arrive in any order
    page.evaluate("""() => {
      const [fetch, sent] = [window.fetch, (window.sent = [])];
      window.fetch = (address, options) => {
        if (options?.body) sent.push(options.body.get("files").name);
        return fetch(address, options);
      };
    }""")
    names = [f"{number}.jpg" for number in range(6)]
    drop(page, *[(name, FIRST[1]) for name in names])
    expect(page.locator("#count")).to_have_text("6 photos, 6 captioned")
    assert page.evaluate("window.sent") == names[:4] + names


def test_a_server_that_is_gone_is_told_of_and_the_photo_tried_again(server, opened, captions):
    page = opened(server.address, may_log=True)
    page.route("**/api/captions*", lambda route: route.abort())
    drop(page, FIRST)
    expect(cards(page).locator(".state")).to_have_text("The server cannot be reached.")
    page.unroute("**/api/captions*")
    page.get_by_role("button", name=f"Try again: {FIRST[0]}").click()
    expect(cards(page).locator(".caption")).to_have_text(captions[0])


def test_the_token_is_asked_for_until_it_is_right_and_kept(opened, captions):
    with serving("--token", "s3cret") as served:
        page = opened(served.address, may_log=True)
        field = page.get_by_label("Token", exact=True)
        expect(field).to_be_focused()
        field.fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("That is not its token.")
        field.fill("s3cret")
        page.keyboard.press("Enter")
        expect(page.locator("#model")).to_have_text(DEFAULT_PRESET)
        drop(page, FIRST, SECOND)
        expect(page.locator("#count")).to_have_text("2 photos, 2 captioned")
        page.reload()
        expect(page.locator("#model")).to_have_text(DEFAULT_PRESET)
        linked = opened(f"{served.address}/#token=s3cret")
        expect(linked.locator("#model")).to_have_text(DEFAULT_PRESET)
        assert "s3cret" not in linked.url


def test_a_model_without_attention_gets_a_caption_without_buttons(opened, blind_model_dir):
    with serving("-m", blind_model_dir) as served:
        page = opened(served.address)
        drop(page, FIRST)
        expect(page.locator("#count")).to_have_text("1 photo, 1 captioned")
        expect(cards(page).locator(".caption button")).to_have_count(0)
        expect(page.locator("#hint")).to_be_hidden()
        expect(page.get_by_text("Percentages tell how sure")).to_be_visible()


def test_it_speaks_korean_where_the_browser_does(server, opened, captions):
    page = opened(server.address, locale="ko-KR")
    expect(page.get_by_role("heading", name="사진 속에 무엇이 있나요?")).to_be_visible()
    drop(page, FIRST)
    expect(page.locator("#count")).to_have_text("사진 1장, 캡션 1개")
    assert page.evaluate("document.documentElement.lang") == "ko"
    assert cards(page).locator(".caption").get_attribute("lang") == "en"


def test_a_message_says_its_language_where_the_page_speaks_another(server, opened):
    page = opened(server.address, locale="ko-KR")
    drop(page, BROKEN, ("large.bmp", b"BM" + b"\0" * 1_100_000))
    expect(page.locator(".is-failed")).to_have_count(2)
    spoken = [cards(page).nth(number).locator(".state").get_attribute("lang") for number in range(2)]
    assert spoken == ["en", "ko"]  # the server's, the page's own


def test_both_languages_say_the_same_things(server, opened):
    page = opened(server.address)
    source = page.evaluate("fetch('/page/words.js').then((response) => response.text())")
    english, korean = (
        re.findall(r"^    \"?([\w-]+)\"?:", part, re.M) for part in re.split(r"^  ko: \{", source, flags=re.M)
    )
    assert english == korean and len(english) > 30


def test_a_screen_reader_finds_its_way(server, opened):
    page = opened(server.address)
    drop(page, FIRST, BROKEN)
    expect(page.locator("#count")).to_have_text("2 photos, 1 captioned, 1 failed")
    assert page.locator("main").count() == page.locator("header").count() == page.locator("h1").count() == 1
    unnamed = (
        "elements => elements.filter((each) => !(each.getAttribute('aria-label') ?? each.textContent).trim()).length"
    )
    assert page.locator("button:visible, a").evaluate_all(unnamed) == 0
    assert page.locator("img:not([alt])").count() == 0
    headings = page.locator("h1, h2, h3").evaluate_all("all => all.map((each) => [each.tagName, each.textContent])")
    assert [text for level, text in headings if level == "H3"] == [FIRST[0], BROKEN[0]]
    assert [level for level, _ in headings] == ["H1", "H2", "H2", "H3", "H3", "H2"]  # the last asks for the token
    assert page.locator("[role=group]").first.get_attribute("aria-label").endswith("where the network looked")
    assert page.evaluate("[...document.querySelectorAll('input:not([hidden])')].every((each) => each.labels.length)")


def test_the_api_s_documentation_opens_without_another_host(server, opened):
    page = opened(f"{server.address}/docs")
    expect(page.get_by_text("Caption photos", exact=True)).to_be_visible()


def test_hundreds_of_photos_are_all_captioned_and_freed(server, opened):
    page = opened(server.address)
    drop(page, *[(f"{number}.jpg", FIRST[1]) for number in range(120)])
    expect(page.locator("#count")).to_have_text("120 photos, 120 captioned", timeout=60_000)
    assert cards(page).locator("figcaption").all_text_contents() == [f"{number}.jpg" for number in range(120)]
    page.get_by_role("button", name="Clear all").click()
    expect(page.locator("body.is-empty")).to_be_visible()
