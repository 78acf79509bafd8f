"""Two processes at one file."""

import os
import platform
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from nobody import as_nobody, open_folder

from captioner.errors import CaptionerError
from captioner.locks import Held, changed_alone, claimed, holder_of, lock_at_once

HOLD = """
import sys
from pathlib import Path
from captioner.locks import changed_alone, claimed
block = claimed(Path(sys.argv[1]), "the table") if sys.argv[2] == "claimed" else changed_alone(sys.argv[1])
with block:
    print("inside", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def start_holder(start_process):
    """A function `(path, block) -> process` that is inside the block until its stdin is closed."""

    def started(path, block="claimed"):
        process = start_process(sys.executable, "-c", HOLD, str(path), block)
        assert process.stdout.readline() == "inside\n"
        return process

    return started


def test_a_claim_is_refused_in_one_line_that_names_its_holder(tmp_path, start_holder):
    holder = start_holder(tmp_path / "lock")
    with pytest.raises(Held) as caught, claimed(tmp_path / "lock", "the table"):
        pytest.fail("the block was entered")
    assert str(caught.value) == f"the table: process {holder.pid} on {platform.node()} is writing it"
    holder.communicate()
    with claimed(tmp_path / "lock", "the table"):
        pass
    assert os.listdir(tmp_path) == []


def test_a_process_that_is_killed_leaves_a_file_but_no_claim(tmp_path, start_holder):
    holder = start_holder(tmp_path / "lock")
    holder.kill()
    holder.wait()
    assert os.listdir(tmp_path) == ["lock"]
    with claimed(tmp_path / "lock", "the table"):
        assert (tmp_path / "lock").read_text() == f"process {os.getpid()} on {platform.node()}"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_ends_its_claim(error, tmp_path):
    with pytest.raises(error), claimed(tmp_path / "lock", "the table"):
        raise error
    assert os.listdir(tmp_path) == []


def test_a_claim_may_be_waited_for(tmp_path, start_holder):
    holder = start_holder(tmp_path / "lock")
    ending = threading.Timer(0.2, holder.kill)
    ending.start()
    with claimed(tmp_path / "lock", "the table", seconds=60):
        assert holder.wait() == -signal.SIGKILL


def test_where_no_file_can_be_made_it_is_one_plain_error(tmp_path):
    with (
        pytest.raises(CaptionerError, match=r"lock: cannot be locked \(No such file"),
        claimed(tmp_path / "a/lock", "x"),
    ):
        pytest.fail("the block was entered")


def test_where_nothing_may_be_written_nothing_is_claimed():
    with open_folder() as folder:
        folder.chmod(0o555)
        with as_nobody(), claimed(folder / "lock", "the table"):
            assert os.listdir(folder) == []
        folder.chmod(0o777)
        (folder / "lock").touch(0o600)
        refused = pytest.raises(CaptionerError, match=r"lock: cannot be locked \(Permission denied\)")
        with as_nobody(), refused, claimed(folder / "lock", "the table"):
            pytest.fail("the block was entered")


def test_threads_are_never_in_the_block_together(tmp_path):
    num_inside, most = 0, 0

    def enter():
        nonlocal num_inside, most
        for _ in range(20):
            with claimed(tmp_path / "lock", "it", seconds=600):
                num_inside += 1
                most = max(most, num_inside)
                time.sleep(random.uniform(0, 0.002))
                num_inside -= 1

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1 and os.listdir(tmp_path) == []


ADD = """
import os, sys
from captioner.files import write_text
from captioner.locks import changed_alone
for _ in range(40):
    with changed_alone(sys.argv[1]):
        write_text(sys.argv[1], str(int(open(sys.argv[1]).read()) + 1))
"""


def test_of_what_many_processes_change_by_replacing_it_nothing_is_lost(tmp_path):
    (tmp_path / "count").write_text("0")
    adding = [subprocess.Popen([sys.executable, "-c", ADD, str(tmp_path / "count")]) for _ in range(3)]
    assert [process.wait() for process in adding] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "120" and os.listdir(tmp_path) == ["count"]


def test_what_is_missing_is_changed_without_a_lock(tmp_path):
    with changed_alone(tmp_path / "missing"):
        pass
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/proc/locks"), reason="only Linux tells")
def test_linux_knows_who_has_a_file_locked(tmp_path, start_holder):
    (tmp_path / "records").touch()
    holder = start_holder(tmp_path / "records", "changed_alone")
    with (tmp_path / "records").open("rb") as file:
        assert not lock_at_once(file.fileno())
        assert holder_of(file.fileno()) in (f"process {holder.pid}", "another process")
