"""Who is answered, and what every answer tells the browser."""

import hmac
from threading import Event
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from captioner.options import ServerOptions
from captioner.server.complaints import complain
from captioner.server.problems import Problem

API = "/api/"
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src {style}; img-src 'self' blob: data:; connect-src 'self';"
    " manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_STYLES_OF_DOCS = "'self' 'unsafe-inline'"  # Swagger UI sets styles in its markup


class Bounds:
    """Adds the headers that keep a browser in its bounds, to every answer."""

    def __init__(self, app: ASGIApp, ending: Event):
        """ending: set when the server is about to end."""
        self._app, self._ending = app, ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_docs = scope["path"].startswith("/docs")
        policy = _POLICY.format(style=_STYLES_OF_DOCS if is_docs else "'self'")

        async def send_bounded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = policy
                headers["X-Content-Type-Options"] = "nosniff"
                headers["X-Frame-Options"] = "DENY"
                headers["Referrer-Policy"] = "no-referrer"
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
                headers.setdefault("Cache-Control", "no-store")
                if self._ending.is_set():
                    headers["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, send_bounded)


class Guard:
    """Turns away what must not be answered.

    Nothing new is begun while the server is ending. What fails by our fault is told on stderr in one line.
    """

    def __init__(self, app: ASGIApp, options: ServerOptions, ending: Event):
        """ending: set when the server is about to end."""
        self._app, self._options, self._ending = app, options, ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_answered = False

        async def send_noted(message: Message) -> None:
            nonlocal is_answered
            is_answered = is_answered or message["type"] == "http.response.start"
            await send(message)

        try:
            self._check(scope["path"], Headers(scope=scope))
            await self._app(scope, receive, send_noted)
        except Problem as problem:
            await problem.response(scope, receive, send)
        except Exception as error:
            complain(f"{type(error).__name__}: {' '.join(str(error).split())}")
            if not is_answered:
                problem = Problem(500, "internal", "something went wrong in the server")
                await problem.response(scope, receive, send)

    def _check(self, path: str, headers: Headers) -> None:
        """Raises: Problem for who is not answered."""
        host = headers.get("host", "")
        if not self._options.token and _name_of(host) not in (*_LOOPBACK_NAMES, self._options.host):
            # a page elsewhere whose name was made to lead here would be of our origin: only its host gives it away
            raise Problem(403, "forbidden", f"this server answers to {self._options.host}, not to {host!r}")
        if self._ending.is_set() and path != "/healthz":
            raise Problem(503, "ending", "the server is ending")
        if not path.startswith(API):
            return
        origin = headers.get("origin")
        if origin is not None and origin != self._options.allow_origin and _place_of(origin) != host:
            raise Problem(403, "forbidden", f"pages of {origin!r} may not call this; see --allow-origin")
        if self._options.token and not _shows(headers, self._options.token):
            message = "show the server's token: Authorization: Bearer TOKEN"
            raise Problem(401, "unauthorized", message, {"WWW-Authenticate": "Bearer"})


def _shows(headers: Headers, token: str) -> bool:
    scheme, _, shown = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), token.encode())


def _place_of(origin: str) -> str:
    """Name and port in an Origin header; "" where it has none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _name_of(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
