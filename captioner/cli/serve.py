"""`captioner serve`"""

import signal
from threading import Event

import click

from captioner.cli.shared import model_option, say, with_asked
from captioner.quiet import without_native_chatter, without_pillow_s_warnings

_PACKAGES = ("starlette", "uvicorn", "python_multipart", "swagger_ui_bundle")


@click.command()
@model_option
@click.option("--host", metavar="HOST", help="Address to listen on.  [default: 127.0.0.1, this machine only]")
@click.option("--port", type=int, metavar="N", help="Port to listen on; 0 is any free one.  [default: 8000]")
@click.option("--token", metavar="TEXT", help="What callers of the API must show; needed beyond this machine.")
@click.option("--allow-origin", metavar="ORIGIN", help="Another site whose pages may call, as https://example.org.")
@click.option("--max-upload-mb", type=float, metavar="X", help="Megabytes a request.  [default: 20]")
@click.option("--max-photos", type=int, metavar="N", help="Photos a request.  [default: 100]")
@click.option("--max-megapixels", type=float, metavar="X", help="Megapixels a photo.  [default: 64]")
@click.option("--max-queue", type=int, metavar="N", help="Photos waiting, before others are put off.  [default: 128]")
@click.option("--timeout", type=float, metavar="SECONDS", help="Longest a request may take.  [default: 60]")
@click.option("--threads", type=int, metavar="N", help="Threads to compute with.  [default: all cores]")
def serve(model, threads, **asked):
    """Serve captions over HTTP: a page to drop photos on, and an API.

    The page is at /, the API at /api/captions, its documentation at /docs. Nothing leaves the machine. Ends with Ctrl-C
    or SIGTERM, when what was accepted is answered.

    Example: captioner serve --port 8000
    """
    from captioner.cli import INTERRUPTED
    from captioner.options import ServerOptions

    options = with_asked(ServerOptions(), asked)
    _check_packages()
    from captioner.inference import Captioner
    from captioner.inference.queue import CaptionQueue
    from captioner.presets import open_model
    from captioner.server.serving import address_of, open_socket

    listening = open_socket(options.host, options.port)
    without_pillow_s_warnings()
    with without_native_chatter():
        captioner = Captioner(open_model(model), threads)
        queue = CaptionQueue(captioner, options.max_queue, options.most_pixels)
    from captioner.server import app, serving

    ready = f"{captioner.name} at {address_of(listening)} (Ctrl-C ends it)"
    ending = Event()
    with serving.restoring_signals(), queue:
        served = app.build_app(captioner.folder, queue, options, ending)
        ended_by = serving.serve(served, listening, options, lambda: say(ready), ending)
    return INTERRUPTED if ended_by == signal.SIGINT else 0


def _check_packages() -> None:
    """Raises: CaptionerError where the extra is not installed."""
    from importlib.util import find_spec

    from captioner.errors import CaptionerError

    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        raise CaptionerError(f"serving needs {', '.join(missing)}: pip install 'captioner[server]'")
