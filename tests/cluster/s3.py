"""An S3 server on this machine."""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

_BUCKET_ALLOWED = "allow_bucket_creation=true"


@contextmanager
def s3_server(bucket, monkeypatch):
    """Inside, s3:// leads there, and there is such a bucket."""
    import pyarrow.fs

    program = shutil.which("moto_server", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("moto's server is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in (settings | {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}"}).items():
        monkeypatch.setenv(name, value)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], env=dict(os.environ), **quiet) as server:
        try:
            _wait_for(port)
            address = f"s3://{bucket}?scheme=http&endpoint_override=127.0.0.1:{port}&{_BUCKET_ALLOWED}"
            files, path = pyarrow.fs.FileSystem.from_uri(address)
            files.create_dir(path)
            yield f"s3://{bucket}"
        finally:
            server.kill()


def _wait_for(port):
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert time.monotonic() < until, "the server did not come"
            time.sleep(0.05)
