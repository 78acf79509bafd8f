"""The server at work: its socket, its patience with callers, and its end."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from threading import Event

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from captioner.errors import CaptionerError
from captioner.options import ServerOptions
from captioner.server.complaints import complain

INTERRUPTED = 130
_SIGNALS_AT_ONCE = 3  # which end the process wherever it is
_OTHER_FILES = 32  # that a server has open beside its connections
_BACKLOG = 2048
_HEAD_SECONDS = 20.0  # for a request's head, from the connection or the answer before it on
_ANSWER_SECONDS = 30.0  # for an answer to be taken
_LEFTOVER_SECONDS = 3.0  # for what is still coming of a request that is answered already
_FAREWELL_SECONDS = 1.0  # in which those who keep a connection learn that it ends
_ENDINGS = (signal.SIGINT, signal.SIGTERM)


def open_socket(host: str, port: int) -> socket.socket:
    """Bound, and not yet listening. Raises: CaptionerError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, kind, protocol)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        return opened
    except OSError as error:
        raise CaptionerError(f"cannot listen on {host}, port {port} ({error.strerror or error})") from error


def address_of(listening: socket.socket) -> str:
    """As a browser takes it."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def serve(
    app: ASGIApp, listening: socket.socket, options: ServerOptions, ready: Callable[[], None], ending: Event
) -> int:
    """Answers until SIGINT or SIGTERM comes, and then finishes what was accepted; the signal that came.

    ready: called when the first request can come. ending: set when the signal has come.
    """
    most_connections = allow_many_connections() - _OTHER_FILES
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # which tells of every broken form
    config = uvicorn.Config(
        app,
        http=patient_protocol(options.timeout + _ANSWER_SECONDS, most_connections),
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=int(_HEAD_SECONDS),
    )
    server = _Server(config, ready, ending)
    asyncio.run(server.serve(sockets=[listening]))
    return server.ended_by


@contextlib.contextmanager
def restoring_signals() -> Iterator[None]:
    """Whatever signals meant before means so again on leaving."""
    before = {number: signal.getsignal(number) for number in _ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], ending: Event):
        super().__init__(config)
        self._ready, self._ending, self.ended_by, self._num_signals = ready, ending, 0, 0

    async def startup(self, sockets=None):
        asyncio.get_running_loop().set_exception_handler(_complain_of)
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets=None):
        """Closes no connection on which a request may be under way: each is told with its next answer that it ends."""
        self._ending.set()
        last = time.monotonic() + _FAREWELL_SECONDS
        while self.server_state.connections and time.monotonic() < last:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self):
        """Without sending them once more at the end, as uvicorn does: the end is a regular one.

        They stay handled until `restoring_signals` is left: what is still at work when the server has ended is waited
        for, and the next signal must end that, too.
        """
        for number in _ENDINGS:
            signal.signal(number, self.handle_exit)
        yield

    def handle_exit(self, number, frame):
        """The first signal ends the server when what was accepted is answered, the second one without, the third at
        once: what is under way may be in native code, which nothing else interrupts."""
        self._num_signals += 1
        if self._num_signals >= _SIGNALS_AT_ONCE:
            os._exit(INTERRUPTED if number == signal.SIGINT else 128 + number)
        self.ended_by = number
        self.should_exit = True
        self.force_exit = self._num_signals > 1


def _complain_of(loop: asyncio.AbstractEventLoop, context: dict) -> None:
    """Of what asyncio would tell with a traceback, again and again: as of connections when no file is left."""
    error = context.get("exception")
    complain(f"{context['message']}{f' ({error})' if error else ''}")


def patient_protocol(answer_seconds: float, most_connections: int = sys.maxsize) -> type[H11Protocol]:
    """HTTP/1.1 with an end to everybody's patience: no connection lasts without a request that goes on.

    answer_seconds: from a request's head until its answer is taken. What comes within a request is the application's
    to limit. h11 holds no more of a head than 64 KiB. most_connections: others are closed when they come.
    """

    class PatientProtocol(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport):
            super().connection_made(transport)
            self._allow(_HEAD_SECONDS)
            if len(self.connections) > most_connections:
                transport.abort()

        def handle_events(self):
            before = self.cycle
            super().handle_events()
            if self.cycle is not before and not self.cycle.response_complete:
                self._allow(answer_seconds)

        def on_response_complete(self):
            self._allow(_LEFTOVER_SECONDS if self.conn.their_state is h11.SEND_BODY else _HEAD_SECONDS)
            super().on_response_complete()

        def connection_lost(self, exc):
            self._deadline.cancel()
            super().connection_lost(exc)

        def _allow(self, seconds: float) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
            self._deadline = self.loop.call_later(seconds, self.transport.abort)

    return PatientProtocol


def allow_many_connections() -> int:
    """As many files as the system lets a process open, where it can be asked: a connection is one. How many that is."""
    try:
        import resource
    except ImportError:
        return sys.maxsize
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft
