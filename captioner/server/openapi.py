"""The API described for programs: the document `openapi.json`, with what this server takes filled in."""

import json
from importlib import resources

from captioner import __version__
from captioner.options import ServerOptions


def describe_api(options: ServerOptions, most_candidates: int) -> dict:
    """The document, OpenAPI 3.0.3."""
    document = json.loads(resources.files(__package__).joinpath("openapi.json").read_text(encoding="utf-8"))
    document["info"]["version"] = __version__
    operation = document["paths"]["/api/captions"]["post"]
    (candidates,) = (each for each in operation["parameters"] if each["name"] == "candidates")
    candidates["schema"]["maximum"] = most_candidates
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    form["properties"]["files"]["maxItems"] = options.most_photos
    if options.token:
        document["security"] = [{"token": []}]
    return document
