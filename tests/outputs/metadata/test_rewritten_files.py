"""The file around the bytes: what stays of it, and what happens when it cannot be written."""

import errno
import os
import resource
import signal
import subprocess
import sys
import tracemalloc
from contextlib import contextmanager

import pytest
from nobody import as_nobody, open_folder

from captioner.errors import CaptionerError, ImageError
from captioner.outputs.metadata import read_captions, write_captions
from captioner.outputs.metadata.blocks import FileBytes, Splice, spliced, write_spliced

TEXTS = {"alt": "a dog", "description": "a dog runs"}


@pytest.fixture
def jpeg_path(tmp_path, photo_bytes):
    path = tmp_path / "photo.jpg"
    path.write_bytes(photo_bytes["photo.jpg"])
    return path


@contextmanager
def unchanged(path):
    """The block leaves the file as it is, and no other beside it."""
    before, names = path.read_bytes(), sorted(os.listdir(path.parent))
    yield
    assert path.read_bytes() == before
    assert sorted(os.listdir(path.parent)) == names


# what stays


def test_times_stay_to_the_nanosecond(photo):
    os.utime(photo, ns=(1_234_567_890_123_456_789, 1_111_111_111_987_654_321))
    assert write_captions(photo, TEXTS).is_changed
    status = photo.stat()
    assert (status.st_atime_ns, status.st_mtime_ns) == (1_234_567_890_123_456_789, 1_111_111_111_987_654_321)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o777])
def test_permissions_stay(jpeg_path, mode):
    jpeg_path.chmod(mode)
    write_captions(jpeg_path, TEXTS)
    assert jpeg_path.stat().st_mode & 0o7777 == mode


def test_extended_attributes_stay(jpeg_path):
    try:
        os.setxattr(jpeg_path, "user.xdg.tags", "개,멍멍".encode())
    except (AttributeError, OSError):
        pytest.skip("no extended attributes here")
    write_captions(jpeg_path, TEXTS)
    assert os.getxattr(jpeg_path, "user.xdg.tags") == "개,멍멍".encode()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_stays(jpeg_path):
    os.chown(jpeg_path, 1234, 4321)
    write_captions(jpeg_path, TEXTS)
    assert (jpeg_path.stat().st_uid, jpeg_path.stat().st_gid) == (1234, 4321)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_a_file_of_somebody_else_is_written_where_that_is_allowed(photo_bytes):
    with open_folder() as folder:
        path = folder / "photo.jpg"
        path.write_bytes(photo_bytes["photo.jpg"])
        folder.chmod(0o777)
        path.chmod(0o666)
        with as_nobody():
            assert write_captions(path, TEXTS).is_changed
        assert path.stat().st_mode & 0o777 == 0o666


def test_the_copy_of_a_private_photo_is_private_from_its_first_byte(jpeg_path, monkeypatch):
    jpeg_path.chmod(0o600)
    modes = []
    really_synced = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (modes.append(os.fstat(file).st_mode & 0o777), really_synced(file)))
    write_captions(jpeg_path, TEXTS)
    assert modes == [0o600]


def test_a_link_keeps_leading_where_it_leads(jpeg_path):
    link = jpeg_path.with_name("link.jpg")
    link.symlink_to(jpeg_path.name)
    write_captions(link, TEXTS)
    assert link.is_symlink() and read_captions(jpeg_path).alt.text == "a dog"


# what cannot be written


@pytest.mark.parametrize("where", ["fsync", "replace"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()])
def test_a_crash_in_the_middle_leaves_the_old_file(jpeg_path, monkeypatch, where, error):
    def crash(*_):
        raise error

    with unchanged(jpeg_path):
        monkeypatch.setattr(os, where, crash)
        with pytest.raises(type(error)):
            write_captions(jpeg_path, TEXTS)


def test_a_killed_run_leaves_the_old_file_and_the_next_one_clears_up(jpeg_path):
    program = (
        "import os, signal, sys\n"
        "from captioner.outputs.metadata import write_captions\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"write_captions(sys.argv[1], {TEXTS!r})\n"
    )
    before = jpeg_path.read_bytes()
    done = subprocess.run([sys.executable, "-c", program, str(jpeg_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert jpeg_path.read_bytes() == before
    assert len(os.listdir(jpeg_path.parent)) == 2
    write_captions(jpeg_path, TEXTS)
    assert os.listdir(jpeg_path.parent) == [jpeg_path.name]


def test_a_folder_that_cannot_be_written_is_one_plain_error(photo_bytes):
    with open_folder() as folder:
        path = folder / "photo.jpg"
        path.write_bytes(photo_bytes["photo.jpg"])
        path.chmod(0o666)
        folder.chmod(0o555)
        with unchanged(path), as_nobody(), pytest.raises(CaptionerError) as caught:
            write_captions(path, TEXTS)
        assert str(caught.value) == f"{path}: cannot be written (Permission denied)"
        folder.chmod(0o755)


def test_a_read_only_file_is_one_plain_error_though_its_folder_could_be_written(photo_bytes):
    with open_folder() as folder:
        path = folder / "photo.jpg"
        path.write_bytes(photo_bytes["photo.jpg"])
        path.chmod(0o444)
        folder.chmod(0o777)
        with unchanged(path), as_nobody(), pytest.raises(CaptionerError) as caught:
            write_captions(path, TEXTS)
        assert str(caught.value) == f"{path}: cannot be written (Permission denied)"


def test_a_read_only_file_that_holds_the_captions_already_is_no_error(photo_bytes):
    with open_folder() as folder:
        path = folder / "photo.jpg"
        path.write_bytes(photo_bytes["photo.jpg"])
        write_captions(path, TEXTS)
        path.chmod(0o444)
        with unchanged(path), as_nobody():
            assert not write_captions(path, TEXTS).is_changed


def test_a_full_disk_is_one_plain_error(jpeg_path, monkeypatch):
    def no_space(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with unchanged(jpeg_path):
        monkeypatch.setattr(os, "fsync", no_space)
        with pytest.raises(CaptionerError) as caught:
            write_captions(jpeg_path, TEXTS)
    assert str(caught.value) == f"{jpeg_path}: cannot be written (No space left on device)"


def test_a_disk_that_takes_a_part_only_is_one_plain_error(jpeg_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with unchanged(jpeg_path):
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
        try:
            with pytest.raises(CaptionerError, match=r"photo\.jpg: cannot be written \(File too large\)"):
                write_captions(jpeg_path, TEXTS)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_file_that_changes_meanwhile_is_left_alone(jpeg_path, monkeypatch):
    from captioner.outputs.metadata import photos

    def changed_before(path, status, splices):
        path.write_bytes(path.read_bytes() + b"more")
        rewrite(path, status, splices)

    rewrite = photos.rewrite
    monkeypatch.setattr(photos, "rewrite", changed_before)
    with pytest.raises(CaptionerError, match="was changed by another program meanwhile; left alone"):
        write_captions(jpeg_path, TEXTS)
    assert jpeg_path.read_bytes().endswith(b"more")


# what is no photo


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"words", b"RIFF\0\0\0\0WAVE", b"\0\0\0\x20ftypavif", b"II*"])
def test_other_formats_are_refused_by_what_they_hold(tmp_path, content):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    for call in (read_captions, lambda path: write_captions(path, TEXTS)):
        with unchanged(path), pytest.raises(ImageError) as caught:
            call(path)
        assert str(caught.value) == f"{path}: metadata can be written to JPEG, PNG, WebP and TIFF only"


def test_names_say_nothing_of_the_format(tmp_path, photo_bytes):
    path = tmp_path / "photo.gif"
    for data in photo_bytes.values():
        path.write_bytes(data)
        assert write_captions(path, TEXTS).is_changed


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for name, reason in (
        ("", "no photo, not even a file"),
        ("pipe.jpg", "not even a file"),
        ("no.jpg", "no such file"),
    ):
        with pytest.raises(ImageError, match=reason):
            write_captions(tmp_path / name, TEXTS)


# large files


def test_a_large_tiff_takes_no_memory(tmp_path, photo_bytes):
    path = tmp_path / "large.tif"
    path.write_bytes(photo_bytes["little.tif"])
    size = 64 << 20
    os.truncate(path, size)
    tracemalloc.start()
    try:
        write_captions(path, TEXTS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size / 8
    assert size < path.stat().st_size < size + 4000


def test_splices_of_files_and_of_bytes_agree(tmp_path):
    data = bytes(range(256)) * 20_000  # more than is copied at a time
    splices = [Splice(3_000_000, 3_000_000, b"new"), Splice(0, 2, b""), Splice(3_000_000, 4_000_000, b"!")]
    (tmp_path / "data").write_bytes(data)
    with (tmp_path / "data").open("rb") as source, (tmp_path / "copy").open("wb") as target:
        write_spliced(FileBytes(source), splices, target)
    expected = data[2:3_000_000] + b"new!" + data[4_000_000:]
    assert (tmp_path / "copy").read_bytes() == spliced(data, splices) == expected
