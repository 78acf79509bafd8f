import errno
import hashlib
import json
import os
import platform
import subprocess
import sys
import threading
import time

import pytest
from nobody import as_nobody, open_folder

from captioner.errors import CaptionerError
from captioner.files import (
    check_target,
    folder_written_whole,
    locked,
    make_folder,
    sha256_of,
    write_json,
    write_text,
    write_texts,
    written_whole,
)


def test_a_file_appears_when_the_block_ends_well(tmp_path):
    path = tmp_path / "out.txt"
    with written_whole(path) as temporary:
        temporary.write_text("new")
        assert not path.exists() and temporary.parent == tmp_path
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["out.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(error, tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(error), written_whole(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_a_block_that_fails_before_it_writes_raises_its_own_error(tmp_path):
    with pytest.raises(ZeroDivisionError), written_whole(tmp_path / "out.txt"):
        raise ZeroDivisionError


def refused(path):
    with pytest.raises(CaptionerError) as caught:
        write_text(path, "text")
    message = str(caught.value)
    assert message.startswith(f"{path}: cannot be written (") and "\n" not in message
    return message


def test_a_missing_parent_is_one_plain_error(tmp_path):
    assert refused(tmp_path / "no" / "out.txt").endswith("(No such file or directory)")


def test_a_file_in_place_of_the_parent_is_one_plain_error(tmp_path):
    (tmp_path / "file").touch()
    assert refused(tmp_path / "file" / "out.txt").endswith("(Not a directory)")


def test_a_folder_is_not_written_over(tmp_path):
    (tmp_path / "folder").mkdir()
    assert refused(tmp_path / "folder").endswith("(Is a directory)")
    assert os.listdir(tmp_path) == ["folder"]


def test_the_present_folder_is_not_written_over(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    with pytest.raises(CaptionerError, match="cannot be written"):
        write_text(".", "text")
    assert os.listdir(tmp_path) == ["inner"]


def test_a_name_too_long_is_one_plain_error(tmp_path):
    assert refused(tmp_path / ("a" * 300)).endswith("(File name too long)")


def test_a_link_keeps_leading_where_it_leads(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("there/real.txt")
    write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "there" / "real.txt").read_text() == "new"


def test_a_pipe_is_written_into_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "through")
    reader.join(10)
    assert heard == ["through"] and pipe.is_fifo()


def test_a_device_is_written_into_not_replaced(tmp_path):
    (tmp_path / "null").symlink_to(os.devnull)
    write_text(tmp_path / "null", "gone")
    assert (tmp_path / "null").is_symlink() and (tmp_path / "null").is_char_device()
    assert os.path.exists(os.devnull) and not os.path.isfile(os.devnull)


def test_a_place_for_a_file_is_checked_without_writing_it(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link.txt").symlink_to("there/new.txt")
    (tmp_path / "lost.txt").symlink_to("nowhere/new.txt")
    (tmp_path / "null").symlink_to(os.devnull)
    for name in ("new.txt", "link.txt", "null"):
        check_target(tmp_path / name)
    assert list((tmp_path / "there").iterdir()) == []
    with pytest.raises(CaptionerError, match=r"nowhere: cannot be written \(No such file or directory\)"):
        check_target(tmp_path / "lost.txt")
    with pytest.raises(CaptionerError, match=r"there: a folder, not a file"):
        check_target(tmp_path / "there")


def test_a_place_without_permission_is_refused():
    with open_folder() as folder, as_nobody(), pytest.raises(CaptionerError, match=r"\(Permission denied\)"):
        check_target(folder / "new.txt")


def test_text_is_utf_8_with_plain_line_ends(tmp_path):
    write_text(tmp_path / "out.txt", "개\n狗\r\n")
    assert (tmp_path / "out.txt").read_bytes() == "개\n狗\r\n".encode()


def test_a_file_name_that_is_no_valid_text_goes_out_as_its_bytes(tmp_path):
    write_text(tmp_path / "out.txt", os.fsdecode(b"caf\xe9"))
    assert (tmp_path / "out.txt").read_bytes() == b"caf\xe9"


def test_json_is_readable_and_ends_its_last_line(tmp_path):
    write_json(tmp_path / "out.json", {"caption": "개가 뛴다", "shares": (0.5, 1)})
    text = (tmp_path / "out.json").read_text(encoding="utf-8")
    assert text == '{\n  "caption": "개가 뛴다",\n  "shares": [\n    0.5,\n    1\n  ]\n}\n'
    assert json.loads(text)["shares"] == [0.5, 1]


def test_make_folder_makes_parents_and_minds_no_folder_that_is_there(tmp_path):
    path = tmp_path / "a" / "b"
    assert make_folder(path) == path and path.is_dir()
    assert make_folder(path) == path


def test_a_file_in_place_of_the_folder_is_one_plain_error(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "sub"):
        with pytest.raises(CaptionerError, match=f"^{path}: cannot be made "):
            make_folder(path)


def test_sha256_is_that_of_the_content(tmp_path):
    content = os.urandom(300_000)
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()


# the file that was there


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444, 0o755])
def test_a_file_that_is_written_again_keeps_its_mode(mode, tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    path.chmod(mode)
    write_text(path, "new")
    assert path.read_text() == "new" and path.stat().st_mode & 0o7777 == mode


def test_a_file_behind_a_link_keeps_its_mode(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "real.txt").chmod(0o600)
    (tmp_path / "link.txt").symlink_to("real.txt")
    write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "real.txt").stat().st_mode & 0o777 == 0o600


def test_a_new_file_has_the_mode_that_others_made_now_have(tmp_path):
    (tmp_path / "plain").touch()
    write_text(tmp_path / "out.txt", "new")
    assert (tmp_path / "out.txt").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_is_to_be_private_is_private_from_its_first_byte(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    path.chmod(0o600)
    with written_whole(path) as temporary:
        temporary.write_text("new")
        assert temporary.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_that_is_written_again_keeps_its_owner(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    os.chown(path, 1234, 4321)
    path.chmod(0o4750)
    write_text(path, "new")
    status = path.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (1234, 4321, 0o4750)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_another_group_gets_no_permissions_of_the_one_before():
    with open_folder() as folder:
        path = folder / "out.txt"
        path.write_text("old")
        os.chown(path, 1234, 4321)
        path.chmod(0o664)
        folder.chmod(0o777)
        with as_nobody():
            write_text(path, "new")
        assert path.stat().st_uid == 65534 and path.stat().st_mode & 0o777 == 0o644


def test_a_file_that_is_written_again_keeps_its_extended_attributes_and_is_new(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    os.utime(path, (10**9, 10**9))
    try:
        os.setxattr(path, "user.xdg.tags", b"mine")
    except (AttributeError, OSError):
        pytest.skip("no extended attributes here")
    write_text(path, "new")
    assert os.getxattr(path, "user.xdg.tags") == b"mine" and path.stat().st_mtime > 10**9


# several at once


def test_several_texts_are_written_or_none_is(tmp_path):
    write_text(tmp_path / "a", "old")
    with pytest.raises(CaptionerError, match=r"no/b: cannot be written \(No such file or directory\)"):
        write_texts({tmp_path / "a": "new", tmp_path / "no" / "b": "new"})
    assert os.listdir(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "old"
    write_texts({tmp_path / "a": "new", tmp_path / "b": "newer"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new", "b": "newer"}


def test_of_several_texts_the_first_takes_its_place_last(tmp_path, monkeypatch):
    moved, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda source, target: moved.append(target.name) or replace(source, target))
    write_texts({tmp_path / name: name for name in "abc"})
    assert moved == ["c", "b", "a"]


@pytest.mark.parametrize("last", range(1, 4))
def test_a_kill_between_several_texts_leaves_no_first_that_does_not_fit_the_others(last, tmp_path, monkeypatch):
    write_texts({tmp_path / name: f"old {name}" for name in "abc"})
    moved, replace = [], os.replace

    def dying(source, target):
        moved.append(target)
        if len(moved) == last:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", dying)
    with pytest.raises(KeyboardInterrupt):
        write_texts({tmp_path / name: f"new {name}" for name in "abc"})
    assert not (tmp_path / "a").exists()


# what killed runs leave


DIE_WRITING = """
import os, signal, sys
from captioner.files import written_whole
with written_whole(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


LONG_NAMES = ["a" * 250 + ".txt", "개" * 82 + ".json", "é" * 60 + "이" * 40 + ".csv"]


@pytest.mark.parametrize("name", ["out.txt", "[a*b].txt", "new\nline.json", "개.csv", ".hidden", *LONG_NAMES])
@pytest.mark.parametrize("next_name", ["same", "other.txt"])
def test_what_a_killed_run_left_is_removed_by_the_next_write_into_the_folder(tmp_path, name, next_name):
    subprocess.run([sys.executable, "-c", DIE_WRITING, str(tmp_path / name)])
    assert len(os.listdir(tmp_path)) == 1 and not (tmp_path / name).exists()
    next_name = name if next_name == "same" else next_name
    write_again = "import sys; from captioner.files import write_text; write_text(sys.argv[1], 'whole')"
    subprocess.run([sys.executable, "-c", write_again, str(tmp_path / next_name)], check=True)
    assert os.listdir(tmp_path) == [next_name] and (tmp_path / next_name).read_text() == "whole"


@pytest.mark.parametrize("name", LONG_NAMES)
def test_a_name_as_long_as_the_file_system_takes_is_written(name, tmp_path):
    write_text(tmp_path / name, "old")
    write_text(tmp_path / name, "new")
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_text() == "new"
    with folder_written_whole(tmp_path / "folders" / name):
        pass
    assert os.listdir(tmp_path / "folders") == [name]


def test_names_of_temporary_files_are_short_and_told_apart(tmp_path):
    names = []
    for end in "ab":
        with written_whole(tmp_path / ("x" * 240 + end)) as temporary:
            names.append(temporary.name.rsplit(".", 2)[0])
    assert names[0] != names[1] and all(len(name) < 110 for name in names)


WRITE_SLOWLY = """
import sys
from captioner.files import written_whole
with written_whole(sys.argv[1]) as temporary:
    temporary.write_text("slow")
    print(temporary.name, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def slow_writer(tmp_path):
    """A process that is writing tmp_path/out.txt until its stdin is closed, and the name of its temporary file."""
    command = [sys.executable, "-c", WRITE_SLOWLY, str(tmp_path / "out.txt")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process, process.stdout.readline().rstrip()
        process.stdin.close()


def test_what_a_live_process_is_writing_is_let_be_whatever_its_number(slow_writer, tmp_path, monkeypatch):
    """As in two containers that share a folder: each has processes of the same numbers, and sees its own only."""
    process, name = slow_writer
    monkeypatch.setattr(os, "getpid", lambda: process.pid)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("processes are asked for by their numbers"))
    write_text(tmp_path / "out.txt", "fast")
    assert sorted(os.listdir(tmp_path)) == [name, "out.txt"] and (tmp_path / "out.txt").read_text() == "fast"
    process.stdin.close()
    assert process.wait(60) == 0 and (tmp_path / "out.txt").read_text() == "slow"


def test_threads_that_write_the_same_file_do_not_share_a_temporary_one(tmp_path):
    with written_whole(tmp_path / "out") as first, written_whole(tmp_path / "out") as second:
        first.write_text("first")
        second.write_text("second")
    assert os.listdir(tmp_path) == ["out"] and (tmp_path / "out").read_text() == "first"


def test_what_is_another_machines_or_another_programs_is_let_be(tmp_path):
    with written_whole(tmp_path / "out.txt") as temporary:
        name = temporary.name
    host = name.split(".")[-2].split("-")[0]
    others = [name.replace(host, "0" * 8), ".out.txt.part", ".out.txt.7.part", name[1:], name + "~"]
    (tmp_path / "here").mkdir()
    for other in others:
        (tmp_path / "here" / other).touch()
    write_text(tmp_path / "here" / "out.txt", "whole")
    assert sorted(os.listdir(tmp_path / "here")) == sorted(["out.txt", *others])


def test_where_files_cannot_be_locked_they_are_written_and_nothing_is_removed(tmp_path, monkeypatch):
    import fcntl

    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    subprocess.run([sys.executable, "-c", DIE_WRITING, str(tmp_path / "out.txt")])
    (left,) = os.listdir(tmp_path)
    monkeypatch.setattr(fcntl, "flock", no_locks)
    write_text(tmp_path / "out.txt", "whole")
    assert sorted(os.listdir(tmp_path)) == [left, "out.txt"]


def test_a_folder_is_looked_through_once_however_much_is_written_into_it(tmp_path, monkeypatch):
    listed, listdir = [], os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: listed.append(folder) or listdir(folder))
    for number in range(5):
        write_text(tmp_path / f"{number}.txt", "a caption")
    assert listed == [tmp_path]


@pytest.mark.parametrize("target", ["new", "empty", "deep/down"])
def test_a_folder_appears_when_the_block_ends_well(target, tmp_path):
    (tmp_path / "empty").mkdir()
    with folder_written_whole(tmp_path / target) as temporary:
        (temporary / "file").write_text("text")
        assert not (tmp_path / target / "file").exists()
    assert os.listdir(tmp_path / target) == ["file"]
    assert not temporary.exists()


def test_an_empty_folder_stays_the_folder_it_is(tmp_path):
    out = make_folder(tmp_path / "out")
    out.chmod(0o700)
    before = out.stat()
    with folder_written_whole(out) as temporary:
        write_text(make_folder(temporary / "inner") / "file", "text")
    assert (out.stat().st_ino, out.stat().st_mode) == (before.st_ino, before.st_mode)
    assert os.listdir(out) == ["inner"] and (out / "inner" / "file").read_text() == "text"
    assert os.listdir(tmp_path) == ["out"]


def test_an_empty_folder_is_empty_again_when_the_block_fails(tmp_path):
    out = make_folder(tmp_path / "out")
    with pytest.raises(ZeroDivisionError), folder_written_whole(out) as temporary:
        write_text(temporary / "file", "half")
        raise ZeroDivisionError
    assert os.listdir(out) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_folder_that_was_not_finished_is_removed(error, tmp_path):
    with pytest.raises(error), folder_written_whole(tmp_path / "out") as temporary:
        (temporary / "file").write_text("half")
        raise error
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_folder_that_holds_something_is_refused_before_anything_is_done(kind, tmp_path):
    if kind == "folder":
        write_text(make_folder(tmp_path / "out") / "kept", "text")
    else:
        write_text(tmp_path / "out", "text")
    with pytest.raises(CaptionerError, match=r"out: holds something already"), folder_written_whole(tmp_path / "out"):
        pytest.fail("the block was entered")
    assert os.listdir(tmp_path) == ["out"]


def test_a_folder_left_behind_by_a_killed_run_is_removed(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from captioner.files import folder_written_whole\n"
        "with folder_written_whole(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'file').touch(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "out"], check=False).returncode == 9
    assert len(os.listdir(tmp_path)) == 1
    with folder_written_whole(tmp_path / "out"):
        pass
    assert os.listdir(tmp_path) == ["out"]


# one process at a time


HOLD = """
import sys
from pathlib import Path
from captioner.files import locked
with locked(Path(sys.argv[1]), "the data", print):
    print("inside", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def start_holder(start_process, tmp_path):
    """A function `() -> process` that is inside the block of tmp_path/lock until its stdin is closed."""

    def started():
        process = start_process(sys.executable, "-c", HOLD, str(tmp_path / "lock"))
        assert process.stdout.readline() == "inside\n"
        return process

    return started


def test_who_waits_for_a_lock_says_once_for_whom(tmp_path, start_holder):
    holder, said = start_holder(), []

    def say(line):
        said.append(line)
        holder.stdin.close()  # which ends it

    with locked(tmp_path / "lock", "the data", say):
        assert holder.wait(10) == 0
    assert said == [f"waiting for process {holder.pid} on {platform.node()}, which is writing the data"]


def test_a_lock_that_nobody_holds_is_taken_without_a_word(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "lock", "the data", pytest.fail):
            assert (tmp_path / "lock.holder").read_text() == f"process {os.getpid()} on {platform.node()}"
        assert os.listdir(tmp_path) == ["lock"]


def test_a_process_that_is_killed_gives_up_its_lock(tmp_path, start_holder):
    holder = start_holder()
    holder.kill()
    holder.wait()
    with locked(tmp_path / "lock", "the data", pytest.fail):
        pass
    assert os.listdir(tmp_path) == ["lock"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_gives_up_its_lock(error, tmp_path):
    with pytest.raises(error), locked(tmp_path / "lock", "the data", pytest.fail):
        raise error
    with locked(tmp_path / "lock", "the data", pytest.fail):
        pass


def test_who_holds_a_lock_may_be_unknown(tmp_path, start_holder):
    holder, said = start_holder(), []
    (tmp_path / "lock.holder").unlink()
    with locked(tmp_path / "lock", "the data", lambda line: said.append(line) or holder.stdin.close()):
        pass
    assert said == ["waiting for another process, which is writing the data"]


def test_a_wait_can_be_interrupted(tmp_path, start_holder):
    start_holder()

    def interrupt(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), locked(tmp_path / "lock", "the data", interrupt):
        pytest.fail("the block was entered")


def test_threads_are_never_in_the_block_together(tmp_path):
    num_inside, most = 0, 0

    def enter():
        nonlocal num_inside, most
        for _ in range(5):
            with locked(tmp_path / "lock", "the data", lambda line: None):
                num_inside += 1
                most = max(most, num_inside)
                time.sleep(0.002)
                num_inside -= 1

    threads = [threading.Thread(target=enter) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, num_inside) == (1, 0)


@pytest.mark.parametrize("name", ["file/lock", "folder"])
def test_a_lock_that_cannot_be_made_is_one_plain_error(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(CaptionerError) as caught, locked(tmp_path / name, "the data", pytest.fail):
        pytest.fail("the block was entered")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / name}: cannot be locked (") and "\n" not in message


def test_a_lock_without_permission_is_one_plain_error():
    with (
        open_folder() as folder,
        as_nobody(),
        pytest.raises(CaptionerError, match=r"lock: cannot be locked \(Permission denied\)"),
        locked(folder / "lock", "the data", pytest.fail),
    ):
        pytest.fail("the block was entered")
