"""`captioner serve` from its beginning to its end."""

import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.client import HTTPException

import pytest
from click.testing import CliRunner
from served import JPEG, PHOTOS, serving

from captioner.cli import main
from captioner.server.complaints import Complaints

PHOTO = PHOTOS[0].read_bytes()


def run(*arguments):
    return CliRunner().invoke(main, ["serve", *map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", 70000], "port must be 0 to 65535, not 70000"),
        (["--max-upload-mb", 0], "max-upload-mb must be above 0, not 0"),
        (["--max-upload-mb", "nan"], "max-upload-mb must be above 0, not nan"),
        (["--timeout", "-1"], "timeout must be above 0, not -1"),
        (["--max-photos", 0], "max-photos must be at least 1, not 0"),
        (["--max-queue", 0], "max-queue must be at least 1, not 0"),
        (["--threads", 0], "threads must be at least 1, not 0"),
        (["--token", "two words"], "token must be printable ASCII without spaces"),
        (["--allow-origin", "example.org"], "allow-origin must be like https://example.org, not 'example.org'"),
        (["--allow-origin", "*"], "allow-origin must be like https://example.org, not '*'"),
        (
            ["--host", "0.0.0.0"],
            "host 0.0.0.0 can be reached from other machines: give --token TEXT, which callers must then show,"
            " or stay on 127.0.0.1",
        ),
    ],
)
def test_wrong_options_are_one_line_and_exit_with_2(arguments, message):
    result = run(*arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {message}\n")


def test_a_port_that_is_taken_is_one_line_and_exits_with_1():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("--port", port)
    said = f"Error: cannot listen on 127.0.0.1, port {port} (Address already in use)\n"
    assert (result.exit_code, result.stderr) == (1, said)


def test_a_host_that_is_none_of_this_machine_is_one_line(tmp_path):
    result = run("--host", "192.0.2.1", "--token", "x")
    assert result.exit_code == 1 and result.stderr.startswith("Error: cannot listen on 192.0.2.1, port 8000 (")


def test_a_model_that_is_not_there_is_one_line(tmp_path):
    result = run("--port", 0, "-m", tmp_path)
    assert result.exit_code == 1 and result.stderr.startswith(f"Error: {tmp_path}") and result.stderr.count("\n") == 1


def test_without_its_packages_it_says_how_to_get_them(monkeypatch):
    monkeypatch.setattr("captioner.cli.serve._PACKAGES", ("uvicorn", "no_such_package"))
    result = run()
    assert result.exit_code == 1
    assert result.stderr == "Error: serving needs no_such_package: pip install 'captioner[server]'\n"


def test_it_serves_on_ipv6_as_well():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serving("--host", "::1") as served:
        assert served.ask("GET", "/healthz")[0] == 200


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_ends_when_all_that_was_accepted_is_answered(number, exit_code):
    with serving() as served:
        connections = [served.connect() for _ in range(12)]
        for connection in connections:
            connection.request("POST", "/api/captions", PHOTO, JPEG)
        time.sleep(0.1)  # they are in the queue, and few are done
        served.process.send_signal(number)
        answers = [connection.getresponse() for connection in connections]
        assert [answer.status for answer in answers] == [200] * 12
        assert all(b"text" in answer.read() for answer in answers)
        assert served.process.wait(30) == exit_code
        assert served.process.stderr.read() == ""


def test_from_the_signal_on_nothing_new_is_begun():
    with serving() as served:
        kept = served.connect()
        kept.request("GET", "/readyz")
        assert kept.getresponse().read() == b'{"status":"ok"}'
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        kept.request("POST", "/api/captions", PHOTO, JPEG)
        answer = kept.getresponse()
        assert (answer.status, answer.headers["Retry-After"], answer.headers["Connection"]) == (503, "1", "close")
        assert b'"ending"' in answer.read()
        assert served.process.wait(30) == 0


def test_a_full_queue_is_503_and_says_when_to_come_again():
    with serving("--max-queue", 2) as served:
        statuses, waits = [], set()

        def ask():
            status, headers, _ = served.ask("POST", "/api/captions", PHOTO, JPEG)
            statuses.append(status)
            waits.add(headers["Retry-After"])

        askers = [threading.Thread(target=ask) for _ in range(20)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        assert set(statuses) == {200, 503} and waits == {None, "1"}
        assert served.caption(("a.jpg", PHOTO), ("b.jpg", PHOTO))[0] == 200


def test_more_photos_than_the_queue_ever_holds_are_refused_for_good():
    with serving("--max-queue", 2) as served:
        status, headers, answer = served.caption(*[("a.jpg", PHOTO)] * 3)
        message = "at most 2 photos a request; send the others in another"
        assert (status, answer) == (413, {"error": {"type": "too-many-photos", "message": message}})
        assert "Retry-After" not in headers
        assert served.ask("GET", "/api/models")[2][0]["max_photos"] == 2  # so the page sends no more


STUCK = """
import sys, time
from captioner.inference import Captioner
Captioner.see = lambda captioner, photo: (print("at work", file=sys.stderr, flush=True), time.sleep(3600))
from captioner.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_third_signal_ends_it_whatever_is_under_way(number, exit_code):
    with serving(command=(sys.executable, "-c", STUCK)) as served:
        connection = served.connect()
        connection.request("POST", "/api/captions", PHOTO, JPEG)
        assert served.process.stderr.readline() == "at work\n"
        for _ in range(3):
            assert served.process.poll() is None
            served.process.send_signal(number)
            time.sleep(0.5)  # signals that come together are one
        assert served.process.wait() == exit_code


def test_who_comes_when_no_connection_is_left_is_turned_away_and_the_log_stays_short():
    limited = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); from captioner.cli import main; main()"
    )
    with serving(command=(sys.executable, "-c", limited)) as served:
        opened = [socket.create_connection((served.host, served.port)) for _ in range(200)]
        for connection in opened:
            connection.close()
        is_answered = False
        while not is_answered:  # once the server has noticed that the others are gone
            with suppress(OSError, HTTPException):
                is_answered = served.is_alive()
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait() == 0
        log = served.process.stderr.read()  # a burst may be accepted before any of it can be turned away
        assert len(log.splitlines()) <= 1 and "Traceback" not in log


def test_complaints_are_few_however_many_there_are(capsys):
    complain = Complaints(seconds_apart=3600)
    for number in range(1000):
        complain(f"ValueError: {number}")
    assert capsys.readouterr().err == "Error: ValueError: 0\n"
    complain = Complaints(seconds_apart=0)
    complain("a" * 100_000)
    assert len(capsys.readouterr().err) < 600


def test_serving_loads_neither_tensorflow_nor_keras():
    code = """
import sys, threading, time, os, signal
threading.Thread(target=lambda: (time.sleep(2), os.kill(os.getpid(), signal.SIGTERM)), daemon=True).start()
from captioner.cli import main
try:
    main(["serve", "--port", "0"])
except SystemExit as end:
    assert end.code == 0
print(sorted({"tensorflow", "keras", "h5py", "matplotlib"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
