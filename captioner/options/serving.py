"""How captions are served over HTTP."""

import ipaddress
import math
import re
from dataclasses import dataclass

from captioner.options.base import Options, require

_ORIGIN = re.compile(r"https?://[^/\s?#@]+")


@dataclass(frozen=True)
class ServerOptions(Options):
    """Where the server listens, whom it answers, and what it bears."""

    host: str = "127.0.0.1"
    port: int = 8000  # 0: any that is free
    token: str = ""  # that callers of the API must show; "" for none
    allow_origin: str = ""  # of another site, whose pages may call the API; "" for none
    max_upload_mb: float = 20.0  # of 1,000,000 bytes, a request
    max_photos: int = 100  # a request
    max_megapixels: float = 64.0  # a photo
    max_queue: int = 128  # photos that wait or are captioned
    timeout: float = 60.0  # seconds a request

    def __post_init__(self):
        require(0 <= self.port <= 65535, f"port must be 0 to 65535, not {self.port}")
        require(bool(self.host), "host must not be empty")
        for name, value in (
            ("max-upload-mb", self.max_upload_mb),
            ("max-megapixels", self.max_megapixels),
            ("timeout", self.timeout),
        ):
            require(0 < value < math.inf, f"{name} must be above 0, not {value:g}")
        for name, value in (("max-photos", self.max_photos), ("max-queue", self.max_queue)):
            require(value >= 1, f"{name} must be at least 1, not {value}")
        require(
            self.token.isascii() and self.token.isprintable() and " " not in self.token,
            "token must be printable ASCII without spaces",
        )
        require(
            not self.allow_origin or _ORIGIN.fullmatch(self.allow_origin),
            f"allow-origin must be like https://example.org, not {self.allow_origin!r}",
        )
        require(
            self.token or self.is_loopback,
            f"host {self.host} can be reached from other machines: give --token TEXT, which callers must then show,"
            " or stay on 127.0.0.1",
        )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the host."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def most_photos(self) -> int:
        """Of a request: more than the queue holds could never be taken."""
        return min(self.max_photos, self.max_queue)

    @property
    def most_bytes(self) -> int:
        return int(self.max_upload_mb * 1_000_000)

    @property
    def most_pixels(self) -> int:
        return int(self.max_megapixels * 1_000_000)
