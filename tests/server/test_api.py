"""The API as programs meet it."""

import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from served import JPEG, PHOTOS, serving

from captioner.inference import Captioner
from captioner.outputs.forms import json_line, success_record
from captioner.preset_names import DEFAULT_PRESET

FIRST, SECOND = (path.read_bytes() for path in PHOTOS[:2])
BROKEN = FIRST[:300]
TEXT_FIELD = b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\nhttp://example.org\r\n--x--\r\n'
OTHER_FIELD = b'--x\r\nContent-Disposition: form-data; name="photos"; filename="a"\r\n\r\n1\r\n--x--\r\n'


@pytest.fixture(scope="module")
def server():
    with serving("--max-upload-mb", 2, "--max-photos", 5, "--max-megapixels", 20, "--timeout", 20) as served:
        yield served


@pytest.fixture(scope="module")
def captioner():
    return Captioner.load()


def test_raw_bytes_get_the_record_that_the_command_line_writes(server, captioner):
    status, headers, answer = server.ask("POST", "/api/captions", FIRST, JPEG)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert answer == [json.loads(json_line(success_record("-", captioner.caption(FIRST))))]


def test_a_form_of_photos_gets_their_records_in_order(server, captioner):
    files = [("b.jpg", SECOND), ("한 개.jpg", FIRST), ("b.jpg", BROKEN)]
    status, _, answer = server.caption(*files)
    assert status == 200
    assert [record["file_name"] for record in answer] == ["b.jpg", "한 개.jpg", "b.jpg"]
    assert [record.get("text") for record in answer] == [*(c.text for c in captioner.caption([SECOND, FIRST])), None]
    assert answer[2]["error"]["type"] == "ImageError"
    assert answer[2]["error"]["message"].startswith("b.jpg: broken or cut short (")


def test_no_caption_at_all_is_422_and_still_an_array(server):
    status, _, answer = server.caption(("notes.txt", b"no photo"), ("", BROKEN))
    assert status == 422
    assert answer[0] == {
        "file_name": "notes.txt",
        "error": {"type": "ImageError", "message": "notes.txt: not an image of a known format"},
    }


def test_who_prefers_it_lenient_gets_200_all_the_same(server):
    status, _, answer = server.caption(("notes.txt", b"no photo"), headers={"Prefer": "handling=lenient"})
    assert (status, answer[0]["error"]["type"]) == (200, "ImageError")


def test_candidates_are_those_of_a_search_for_so_many(server, captioner):
    _, _, (record,) = server.caption(("a.jpg", FIRST), query="?candidates=3")
    caption = captioner.caption(FIRST, replace(captioner.folder.decoding, num_candidates=3))
    assert record == json.loads(json_line(success_record("a.jpg", caption)))
    assert len(record["candidates"]) == 3 and record["candidates"][0]["text"] == record["text"]


def test_attention_is_a_map_a_word_that_sums_to_one(server):
    _, _, (record,) = server.caption(("a.jpg", FIRST), query="?attention=true")
    assert " ".join(look["word"] for look in record["attention"]) == record["text"]
    maps = np.array([look["map"] for look in record["attention"]])
    assert maps.shape == (len(record["text"].split()), 10, 10)
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), 1, atol=1e-3)
    assert len({json.dumps(look["map"]) for look in record["attention"]}) > 1


def test_a_model_without_attention_tells_none(blind_model_dir):
    with serving("-m", blind_model_dir) as served:
        status, _, (record,) = served.caption(("a.jpg", FIRST), query="?attention=true")
        assert (status, record["attention"]) == (200, None)
        assert served.ask("GET", "/api/models")[2][0]["has_attention"] is False


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?candidates=0", "candidates must be 1 to 5, not '0'"),
        ("?candidates=6", "candidates must be 1 to 5, not '6'"),
        ("?candidates=two", "candidates must be 1 to 5, not 'two'"),
        (f"?candidates={'9' * 6000}", f"candidates must be 1 to 5, not '{'9' * 6000}'"),
        ("?attention=yes", "attention must be true or false, not 'yes'"),
    ],
)
def test_a_question_that_makes_no_sense_is_400_with_one_sentence(server, query, message):
    status, _, answer = server.caption(("a.jpg", FIRST), query=query)
    assert (status, answer) == (400, {"error": {"type": "bad-request", "message": message}})


@pytest.mark.parametrize(
    ("kind", "body", "status", "type_"),
    [
        ("", FIRST, 415, "unsupported-media-type"),
        ("text/html", FIRST, 415, "unsupported-media-type"),
        ("application/json", b'{"url": "http://example.org/a.jpg"}', 415, "unsupported-media-type"),
        ("image/png", b"", 400, "no-photo"),
        ("multipart/form-data", FIRST, 400, "bad-form"),
        ("multipart/form-data; boundary=x", FIRST, 400, "bad-form"),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 400, "no-photo"),
        ("multipart/form-data; boundary=x", TEXT_FIELD, 400, "no-photo"),
        ("multipart/form-data; boundary=x", OTHER_FIELD, 400, "no-photo"),
    ],
)
def test_what_is_no_upload_is_told_so(server, kind, body, status, type_):
    found, _, answer = server.ask("POST", "/api/captions", body, {"Content-Type": kind} if kind else {})
    assert (found, answer["error"]["type"]) == (status, type_)
    assert "\n" not in answer["error"]["message"]


def test_the_bytes_need_no_right_type_among_images(server):
    assert server.ask("POST", "/api/captions", FIRST, {"Content-Type": "IMAGE/png"})[0] == 200
    assert server.ask("POST", "/api/captions", FIRST, {"Content-Type": "application/octet-stream"})[0] == 200


def test_more_photos_than_are_taken_are_refused(server):
    status, _, answer = server.caption(*[("a.jpg", b"x")] * 6)
    assert (status, answer["error"]["type"]) == (400, "too-many-photos")
    assert server.caption(*[("a.jpg", b"x")] * 5)[0] == 422


def test_more_pixels_than_are_taken_are_that_photo_s_error(server):
    file = io.BytesIO()
    Image.new("L", (5000, 5000)).save(file, "PNG")
    status, _, answer = server.caption(("wide.png", file.getvalue()), ("a.jpg", FIRST))
    assert status == 200 and "text" in answer[1]
    message = "wide.png: 5000 x 5000 pixels, more than the 20 megapixels that are taken"
    assert answer[0]["error"] == {"type": "ImageError", "message": message}


def test_the_model_is_described(server):
    status, _, (model,) = server.ask("GET", "/api/models")
    assert status == 200 and model["name"] == DEFAULT_PRESET and model["decoder"] == "lstm" and model["has_attention"]
    assert (model["max_upload_mb"], model["max_photos"], model["most_candidates"]) == (2, 5, 5)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_it_says_that_it_is_well(server, path):
    status, _, answer = server.ask("GET", path)
    assert (status, answer) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nosuch", 404),
        ("GET", "/page/nosuch.js", 404),
        ("GET", "/page/../app.py", 404),
        ("GET", "/page/..%2f..%2foptions%2fserving.py", 404),
        ("GET", "/page//etc/passwd", 404),
        ("GET", "/docs/../../../../etc/passwd", 404),
        ("GET", "/docs/..%2f..%2f__init__.py", 404),
        ("GET", "/api/captions", 405),
        ("DELETE", "/api/models", 405),
    ],
)
def test_what_is_not_there_is_json_all_the_same(server, method, path, status):
    found, _, answer = server.ask(method, path)
    assert (found, set(answer["error"])) == (status, {"type", "message"})


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/api/models", "/nosuch", "/healthz"])
def test_every_answer_keeps_the_browser_in_its_bounds(server, path):
    headers = server.ask("GET", path)[1]
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "http" not in policy
    assert "'unsafe-inline'" not in policy.replace(
        "style-src 'self' 'unsafe-inline'", "" if path == "/docs" else policy
    )
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"] == "DENY"
    assert "Access-Control-Allow-Origin" not in headers and "Set-Cookie" not in headers


def test_the_documentation_asks_no_other_host(server):
    page = server.ask("GET", "/docs")[2].decode()
    assert "https:" not in page and "http:" not in page
    assert server.ask("GET", "/docs/swagger-ui-bundle.js")[0] == server.ask("GET", "/docs/swagger-ui.css")[0] == 200


def test_the_description_names_what_this_server_takes(server):
    document = server.ask("GET", "/openapi.json")[2]
    operation = document["paths"]["/api/captions"]["post"]
    assert operation["parameters"][0]["schema"]["maximum"] == 5
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["files"]["maxItems"] == 5
    assert "security" not in document


def test_log_prob_and_confidence_are_those_of_the_model(server, captioner):
    _, _, (record,) = server.caption(("a.jpg", FIRST))
    caption = captioner.caption(FIRST)
    assert math.isclose(record["log_prob"], caption.log_prob, abs_tol=1e-4)
    assert math.isclose(record["confidence"], caption.confidence, abs_tol=1e-4)
