"""What the server as a whole knows of Google's API: its paths, and its own shape of an error."""

from collections.abc import Mapping
from typing import Any

# The names of google.rpc.Code, by the HTTP status that stands for each; 405, 413, 415 and 422 stand for none.
CANONICAL = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    507: "RESOURCE_EXHAUSTED",
}
API_PATH = "/v1alpha1/"
BATCH_PATHS = ("/batch", "/batch/commentanalyzer/v1alpha1")
ERROR_TYPE = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"


def google_error(status: int, message: str, detail: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The `error` member of an answer with this HTTP status.

    `detail` is what Perspective's own error type says besides: its `errorType`, and for some of them more.
    """
    error: dict[str, Any] = {"code": status, "message": message, "status": CANONICAL.get(status, "INTERNAL")}
    if detail:
        error["details"] = [{"@type": ERROR_TYPE, **detail}]
    return error
