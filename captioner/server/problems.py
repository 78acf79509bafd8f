"""What goes wrong with a whole request: a status, a type, and one plain sentence."""

from collections.abc import Mapping

from starlette.responses import JSONResponse

RETRY_SECONDS = 1  # after which a queue that was full has most likely moved on


class Problem(Exception):
    """Answered as `{"error": {"type", "message"}}`."""

    def __init__(self, status: int, kind: str, message: str, headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.status, self.kind, self.headers = status, kind, dict(headers or {})
        if status == 503:
            self.headers["Retry-After"] = str(RETRY_SECONDS)

    @property
    def response(self) -> JSONResponse:
        error = {"type": self.kind, "message": str(self)}
        return JSONResponse({"error": error}, self.status, self.headers)
