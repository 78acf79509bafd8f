"""Who is answered: this machine's own pages and programs, and who shows the token."""

import pytest
from served import JPEG, PHOTOS, serving

PHOTO = PHOTOS[0].read_bytes()
SECRET = "s3cret"
SITE = "https://example.org"


@pytest.fixture(scope="module")
def server():
    with serving() as served:
        yield served


@pytest.fixture(scope="module")
def guarded():
    """Reached from everywhere, by who knows the token."""
    with serving("--host", "0.0.0.0", "--token", SECRET) as served:
        yield served


@pytest.fixture(scope="module")
def shared():
    with serving("--allow-origin", SITE) as served:
        yield served


def post(served, headers):
    return served.ask("POST", "/api/captions", PHOTO, JPEG | headers)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_names_of_this_machine_are_answered(server, host):
    assert server.ask("GET", "/api/models", headers={"Host": f"{host}:{server.port}"})[0] == 200


@pytest.mark.parametrize(
    "host", ["example.org", "example.org:8000", "127.0.0.1.example.org", "[::1", "", "a b", "127.1"]
)
@pytest.mark.parametrize("path", ["/", "/api/models", "/healthz"])
def test_another_name_that_was_made_to_lead_here_is_not(server, host, path):
    status, _, answer = server.ask("GET", path, headers={"Host": host})
    assert status in (400, 403)
    assert status == 400 or answer["error"]["type"] == "forbidden"


@pytest.mark.parametrize("origin", [SITE, "null", "http://localhost:1", "http://127.0.0.1.example.org"])
def test_pages_of_other_sites_may_not_call(server, origin):
    status, headers, answer = post(server, {"Origin": origin})
    assert (status, answer["error"]["type"]) == (403, "forbidden")
    assert "Access-Control-Allow-Origin" not in headers


def test_its_own_page_may(server):
    assert post(server, {"Origin": server.address})[0] == 200


def test_a_site_that_is_allowed_may(shared):
    status, headers, _ = post(shared, {"Origin": SITE})
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, SITE)
    asked = {"Origin": SITE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    status, headers, _ = shared.ask("OPTIONS", "/api/captions", headers=asked)
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, SITE)
    assert post(shared, {"Origin": "https://example.com"})[0] == 403


@pytest.fixture(scope="module")
def guarded_and_shared():
    with serving("--token", SECRET, "--allow-origin", SITE, "--max-upload-mb", 1) as served:
        yield served


def preflight(served, origin):
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
    return served.ask("OPTIONS", "/api/captions", headers=asked | {"Origin": origin})


def test_a_browser_asks_without_the_token_whether_a_site_may_call_with_it(guarded_and_shared):
    status, headers, _ = preflight(guarded_and_shared, SITE)
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, SITE)
    assert "Authorization" in headers["Access-Control-Allow-Headers"]
    status, headers, _ = preflight(guarded_and_shared, "https://example.com")
    assert status == 400 and "Access-Control-Allow-Origin" not in headers
    status, headers, _ = post(guarded_and_shared, {"Origin": SITE, "Authorization": f"Bearer {SECRET}"})
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, SITE)


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/api/captions", PHOTO, JPEG, 401),
        ("POST", "/api/captions", PHOTO, JPEG | {"Authorization": "Bearer no"}, 401),
        ("POST", "/api/captions", b"x", {"Authorization": f"Bearer {SECRET}"}, 415),
        ("POST", "/api/captions", b"", JPEG | {"Authorization": f"Bearer {SECRET}"}, 400),
        ("POST", "/api/captions", b"no", JPEG | {"Authorization": f"Bearer {SECRET}"}, 422),
        ("POST", "/api/captions", bytes(1_100_000), JPEG | {"Authorization": f"Bearer {SECRET}"}, 413),
        ("GET", "/api/captions", None, {"Authorization": f"Bearer {SECRET}"}, 405),
        ("GET", "/nosuch", None, {}, 404),
    ],
)
def test_a_site_that_is_allowed_reads_every_refusal(guarded_and_shared, method, path, body, headers, status):
    found, told, _ = guarded_and_shared.ask(method, path, body, headers | {"Origin": SITE})
    assert (found, told["Access-Control-Allow-Origin"], told["Vary"]) == (status, SITE, "Origin")
    assert told["X-Content-Type-Options"] == "nosniff"


ODD = [
    "http://[",
    "http://[::1",
    "]",
    "http://a:b:c",
    "http://\xe9",
    "//",
    "http://[v1.x]",
    "\x7f",
    "http://a:99999999",
]


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("name", ["Origin", "Host", "Authorization", "Content-Type", "Prefer", "Referer"])
def test_no_header_however_odd_is_the_server_s_fault(guarded_and_shared, name, value):
    for path in ("/api/captions", "/healthz", "/docs/", "/api/models/"):
        headers = JPEG | {"Authorization": f"Bearer {SECRET}"} | {name: value}
        assert guarded_and_shared.ask("POST", path, b"x", headers)[0] < 500
        assert guarded_and_shared.ask("GET", path, None, headers)[0] < 500


@pytest.mark.parametrize(
    "shown", ["", SECRET, f"Bearer {SECRET}x", "Bearer ", "Bearer", f"Basic {SECRET}", "Bearer \xe9"]
)
def test_the_api_wants_the_token(guarded, shown):
    status, headers, answer = post(guarded, {"Authorization": shown} if shown else {})
    assert (status, answer["error"]["type"], headers["WWW-Authenticate"]) == (401, "unauthorized", "Bearer")
    assert SECRET not in answer["error"]["message"]


def test_who_shows_the_token_is_answered_under_any_name(guarded):
    assert post(guarded, {"Authorization": f"Bearer {SECRET}", "Host": "photos.example.org"})[0] == 200
    assert post(guarded, {"Authorization": f"bearer {SECRET}"})[0] == 200


def test_page_and_health_need_no_token(guarded):
    assert [guarded.ask("GET", path)[0] for path in ("/", "/healthz", "/docs", "/openapi.json")] == [200] * 4
    assert guarded.ask("GET", "/openapi.json")[2]["security"] == [{"token": []}]
