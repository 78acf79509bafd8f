"""The routes: captions, what there is to know of the server, the page, and the API's documentation."""

import mimetypes
from collections.abc import Mapping
from functools import cache
from importlib import resources
from threading import Event

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from captioner.inference.queue import CaptionQueue
from captioner.model_folder import ModelFolder
from captioner.options import ServerOptions
from captioner.server.captions import Captions
from captioner.server.guard import Bounds, Guard
from captioner.server.openapi import describe_api
from captioner.server.problems import Problem

_KINDS = {404: "not-found", 405: "method-not-allowed"}
_REVALIDATE = {"Cache-Control": "no-cache"}
_DOCS = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>captioner: the API</title>
<link rel="icon" href="/page/icon.svg">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>
"""
_START_DOCS = 'SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null });\n'
_DOCS_FILES = ("swagger-ui.css", "swagger-ui-bundle.js")


def build_app(folder: ModelFolder, queue: CaptionQueue, options: ServerOptions, ending: Event) -> Starlette:
    """The server as an ASGI application.

    queue: of the model in `folder`, at work; ending: set when the server is about to end.
    """
    captions = Captions(queue, options)
    model = _model_record(folder, queue, options)
    page = _page_files()

    async def create_captions(request: Request) -> Response:
        return await captions.answer(request)

    async def list_models(request: Request) -> Response:
        return JSONResponse([model])

    async def check(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def describe(request: Request) -> Response:
        return JSONResponse(describe_api(options, queue.most_candidates))

    async def docs(request: Request) -> Response:
        return _served(_docs_files(), request.path_params.get("name", ""))

    async def show_page(request: Request) -> Response:
        return _served(page, request.path_params.get("name", "index.html"))

    return Starlette(
        routes=[
            Route("/", show_page),
            Route("/page/{name}", show_page),
            Route("/api/captions", create_captions, methods=["POST"]),
            Route("/api/models", list_models),
            Route("/healthz", check),
            Route("/readyz", check),
            Route("/openapi.json", describe),
            Route("/docs", docs),
            Route("/docs/{name}", docs),
        ],
        # From the outside in: what the guard refuses is refused in words that another site's page can read, and a
        # browser asks beforehand, without the token, whether that page may call.
        middleware=[Middleware(Bounds, ending), *_cross_origin(options), Middleware(Guard, options, ending)],
        exception_handlers={
            Problem: lambda request, problem: problem.response,
            HTTPException: _answer_http_error,
            ClientDisconnect: lambda request, error: Response(status_code=499),  # which nobody reads any more
        },
    )


def _cross_origin(options: ServerOptions) -> list[Middleware]:
    if not options.allow_origin:
        return []
    allowed = {"allow_methods": ["GET", "POST"], "allow_headers": ["Authorization", "Content-Type", "Prefer"]}
    return [Middleware(CORSMiddleware, allow_origins=[options.allow_origin], expose_headers=["Retry-After"], **allowed)]


def _model_record(folder: ModelFolder, queue: CaptionQueue, options: ServerOptions) -> dict:
    return {
        "name": folder.name,
        "decoder": folder.network.decoder,
        "has_attention": folder.network.attention,
        "licence": folder.training.get("licence", ""),
        "beam_size": folder.decoding.beam_size,
        "most_candidates": queue.most_candidates,
        "max_upload_mb": options.max_upload_mb,
        "max_photos": options.most_photos,
    }


def _answer_http_error(request: Request, error: HTTPException) -> Response:
    kind = _KINDS.get(error.status_code, "bad-request")
    return Problem(error.status_code, kind, str(error.detail).lower(), error.headers).response


def _page_files() -> dict[str, bytes]:
    """Every file of the page by its name, read once: no path a caller gives is ever looked up on disk."""
    return {file.name: file.read_bytes() for file in resources.files(__package__).joinpath("page").iterdir()}


@cache
def _docs_files() -> dict[str, bytes]:
    from swagger_ui_bundle import swagger_ui_path

    files = {name: (swagger_ui_path / name).read_bytes() for name in _DOCS_FILES}
    return files | {"": _DOCS.encode(), "start.js": _START_DOCS.encode()}


def _served(files: Mapping[str, bytes], name: str) -> Response:
    """Raises: HTTPException (404)."""
    if name not in files:
        raise HTTPException(404)
    media_type = mimetypes.guess_type(name)[0] or "text/html"
    return Response(files[name], media_type=media_type, headers=_REVALIDATE)
