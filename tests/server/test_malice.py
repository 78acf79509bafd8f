"""What a server must bear: it stays up, its memory stays bounded, and others are still served."""

import io
import signal
import socket
import time
import zlib
from contextlib import ExitStack, suppress
from itertools import chain

import pytest
from PIL import Image
from served import BOUNDARY, PHOTOS, form, serving

PHOTO = PHOTOS[0].read_bytes()
MB = 1_000_000
HEAD = b"POST /api/captions HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"


@pytest.fixture(scope="module")
def server():
    with serving("--max-upload-mb", 2, "--timeout", 5) as served:
        served.caption(("a.jpg", PHOTO))
        yield served


def is_served(server):
    return server.caption(("a.jpg", PHOTO))[0] == 200


def raw(server, parts, timeout=30):
    """What comes back for bytes sent as they are, part by part, until the server has closed the connection."""
    with socket.create_connection((server.host, server.port), timeout=timeout) as connection:
        answer = b""
        with suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
        with suppress(ConnectionError):
            while chunk := connection.recv(65536):
                answer += chunk
        return answer


def png_of(width, height):
    """A PNG that says it is so large, of a few bytes a million pixels."""

    def chunk(kind, content):
        body = kind + content
        return len(content).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    compress = zlib.compressobj(9)
    row = b"\0" * (1 + width // 8)
    pixels = b"".join(compress.compress(row) for _ in range(height)) + compress.flush()
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([1, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def text_bomb():
    """A PNG whose text unfolds to a hundred megabytes."""
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "PNG")
    body = b"zTXtcomment\0\0" + zlib.compress(b"a" * 100 * MB, 9)
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    content = file.getvalue()
    return content[:33] + chunk + content[33:]


@pytest.mark.parametrize(
    "bomb", [png_of(60_000, 60_000), png_of(12_000, 12_000), text_bomb()], ids=["3600 MP", "144 MP", "text"]
)
def test_decompression_bombs_are_refused_before_they_unfold(server, bomb):
    assert len(bomb) < 2 * MB
    num_bombs = min(100, 2 * MB // (len(bomb) + 300))
    server.caption(*[("photo.png", png_of(8, 8))] * num_bombs)  # what captioning so many takes is not of the bombs
    before = server.memory()
    status, _, answer = server.caption(*[("bomb.png", bomb)] * num_bombs)
    assert status in (200, 422)
    assert all(record["error"]["message"].startswith("bomb.png: ") for record in answer if "error" in record)
    assert server.memory() - before < 60 * MB
    assert is_served(server)


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(server):
    answer = raw(server, [HEAD + b"Content-Length: 3000000\r\n\r\n"])
    assert answer.startswith(b"HTTP/1.1 413 ") and b'"too-large"' in answer


def endless(part, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield part


@pytest.mark.parametrize("kind", ["image/jpeg", f"multipart/form-data; boundary={BOUNDARY}"])
def test_an_endless_body_is_cut_off_while_it_comes(server, kind):
    before, started = server.memory(), time.monotonic()
    head = HEAD.replace(b"image/jpeg", kind.encode()) + b"Transfer-Encoding: chunked\r\n\r\n"
    start = form(("a.jpg", b""))[0].split(b"\r\n--")[0] + b"\r\n"
    chunk = b"\xff" * 64 * 1024
    body = (b"%x\r\n%s\r\n" % (len(part), part) for part in chain([start], endless(chunk)))
    raw(server, chain([head], body))
    assert time.monotonic() - started < 50
    assert server.memory() - before < 40 * MB
    assert is_served(server)


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
        b"GET /",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n",
    ],
    ids=["header", "path", "headers"],
)
def test_an_endless_head_is_cut_off(server, head):
    before = server.memory()
    part = b"a" * 4096 if not head.endswith(b"\r\n") else b"X: y\r\n" * 500
    answer = raw(server, chain([head], endless(part)))
    assert not answer or answer.startswith(b"HTTP/1.1 400 ")
    assert server.memory() - before < 20 * MB
    assert is_served(server)


def test_a_thousand_connections_that_say_nothing_keep_nobody_out(server):
    before = server.memory()
    with ExitStack() as opened:
        for _ in range(1000):
            opened.enter_context(socket.create_connection((server.host, server.port), timeout=30))
        assert is_served(server)
        assert server.memory() - before < 60 * MB
    assert is_served(server)


def test_slow_callers_keep_nobody_out_and_are_told_at_last(server):
    head = HEAD + b"Content-Length: 100000\r\n\r\n"
    with ExitStack() as opened:
        slow = [
            opened.enter_context(socket.create_connection((server.host, server.port), timeout=30)) for _ in range(100)
        ]
        for connection in slow:
            connection.sendall(head + PHOTO[:1000])
        started = time.monotonic()
        while time.monotonic() - started < 4:
            assert is_served(server)
            for connection in slow:
                connection.sendall(b"x")
        for connection in slow:
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 408 ") and b'"slow"' in answer


def test_callers_who_hold_all_that_may_be_held_put_others_off_and_let_go_at_last(server):
    head = HEAD + b"Content-Length: 2000000\r\n\r\n"
    before = server.memory()
    with ExitStack() as opened:
        for _ in range(20):
            connection = opened.enter_context(socket.create_connection((server.host, server.port), timeout=30))
            with suppress(ConnectionError):
                connection.sendall(head + b"x" * 1_900_000)
        time.sleep(0.5)
        assert server.memory() - before < 60 * MB
        assert server.is_alive()
        assert server.caption(("a.jpg", PHOTO))[0] in (200, 503)
    wait_until(lambda: is_served(server))


def wait_until(is_so):
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.1)


def test_who_goes_away_leaves_no_photo_behind(server):
    for _ in range(200):
        with socket.create_connection((server.host, server.port), timeout=30) as connection:
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(PHOTO) + PHOTO)
    wait_until(lambda: is_served(server))


def test_who_never_reads_is_let_go(server):
    with socket.create_connection((server.host, server.port), timeout=30) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with suppress(OSError):
            connection.settimeout(2)
            for _ in range(3000):
                connection.sendall(b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert is_served(server)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0" * 100,
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/captions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/captions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: example.org\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(server, sent):
    answer = raw(server, [sent, b"\r\n\r\n"], timeout=10)
    assert not answer or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 403 "))
    assert is_served(server)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "a\tb.jpg",
        "<script>alert(1)</script>.jpg",
        "a" * 3000,
        "%0d%0aSet-Cookie: a=b",
        "\u202egpj.exe",
        "\ud83d\ude00.jpg".encode("utf-16", "surrogatepass").decode("utf-16"),
    ],
)
def test_a_name_is_only_ever_told_again(server, name):
    status, headers, (record,) = server.caption((name, PHOTO))
    assert status == 200 and record["file_name"] == name
    assert "Set-Cookie" not in headers and headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("charset", ["utf-16", "utf-7", "unicode_escape", "idna", "base64", "nosuch"])
def test_a_form_s_own_charset_breaks_nothing(server, charset):
    body, kind = form(("\\ud800.jpg", PHOTO))
    headers = {"Content-Type": f"{kind['Content-Type']}; charset={charset}"}
    status, _, answer = server.ask("POST", "/api/captions", body, headers)
    assert (status, len(answer)) in ((200, 1), (400, 1))


def test_a_form_of_very_many_fields_is_refused(server):
    body = b"".join(b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n\r\n' for _ in range(20_000)) + b"--x--"
    status, _, answer = server.ask("POST", "/api/captions", body, {"Content-Type": "multipart/form-data; boundary=x"})
    assert (status, answer["error"]["type"]) == (400, "bad-form")


def test_pages_and_scripts_that_call_themselves_photos_are_no_photos(server):
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(x) run\n"
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'><image href='http://127.0.0.1:1/'/></svg>"
    status, _, answer = server.caption(("a.eps", eps), ("a.svg", svg), ("a.pdf", b"%PDF-1.7\n"))
    assert status == 422 and all("error" in record for record in answer)


def test_an_upgrade_is_not_followed(server):
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "eA==",
    }
    assert server.ask("GET", "/", headers=upgrade)[0] in (200, 400)
    assert is_served(server)


def test_nothing_was_said_of_all_this(server):
    server.process.send_signal(signal.SIGTERM)
    assert (server.process.wait(40), server.process.stderr.read()) == (0, "")
