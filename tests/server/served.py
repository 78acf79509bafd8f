"""A server in a process of its own, and what one says to it."""

import http.client
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PHOTOS = sorted((Path(__file__).parents[2] / "data" / "photos").glob("*.jpg"))
JPEG = {"Content-Type": "image/jpeg"}
BOUNDARY = "----captions"


@dataclass
class Served:
    process: subprocess.Popen
    host: str
    port: int

    @property
    def address(self):
        return f"http://{self.host}:{self.port}"

    def connect(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=3600)

    def ask(self, method, path, body=None, headers=None):
        """`(status, headers, body)`, the body as JSON if it is; over a connection of its own."""
        connection = self.connect()
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        content = response.read()
        is_json = response.headers.get_content_type() == "application/json"
        return response.status, response.headers, json.loads(content) if is_json else content

    def caption(self, *files, query="", headers=None):
        """What the API says of `(name, content)`, in a form."""
        body, kind = form(*files)
        return self.ask("POST", f"/api/captions{query}", body, kind | (headers or {}))

    def memory(self):
        """Resident bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def is_alive(self):
        return self.process.poll() is None and self.ask("GET", "/healthz")[0] == 200


def form(*files, field="files"):
    """The body of a form and its header."""
    parts = b""
    for name, content in files:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
        parts += head.encode() + content + b"\r\n"
    return parts + f"--{BOUNDARY}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@contextmanager
def serving(*options, command=(sys.executable, "-m", "captioner")):
    started = [*command, "serve", "--port", "0", *map(str, options)]
    with subprocess.Popen(started, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = process.stderr.readline()
            assert "http://" in said, said + process.stderr.read()
            host, _, port = said.split("http://")[1].split()[0].rpartition(":")
            yield Served(process, host.strip("[]"), int(port))
        finally:
            process.kill()
