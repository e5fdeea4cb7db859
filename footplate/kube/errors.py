"""What can go wrong between this process and a Kubernetes API server.

`KubeConfigError` comes before a connection exists, `Unreachable` when there was no answer, `ApiError` and its
subclasses when the server answered with a `Status` (one class per reason a caller decides on).
"""
# ruff: noqa: N818 (the classes are named as Kubernetes names its status reasons)

from __future__ import annotations

from typing import Any

import msgspec


class KubeError(Exception):
    """Base of all errors of this package."""


class KubeConfigError(KubeError):
    """No usable cluster configuration or credentials: the message names the file or plugin and the field."""


class Unreachable(KubeError):
    """The server did not answer: refused, no route, name unknown, time-out, broken TLS or a lost connection."""

    def __init__(self, server: str, context: str, cause: str, *, sent: bool = True, transient: bool = True) -> None:
        self.server = server
        self.context = context
        self.cause = cause
        self.sent = sent
        """False when the request certainly never reached the server."""
        self.transient = transient
        """False when trying again cannot help: TLS trust, a name that does not exist."""
        super().__init__(f"cannot reach the Kubernetes API at {server} (context {context}): {cause}")


class ApiError(KubeError):
    """An answer other than success. `reason` is the Status reason (metav1.StatusReason), `details` its details."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.reason = reason
        self.message = message
        self.details: dict[str, Any] = details or {}
        self.retry_after = retry_after
        """Seconds from the Retry-After header."""
        super().__init__(message)

    @property
    def causes(self) -> list[str]:
        """`field: message` of each cause: what a validation error has to say about each field."""
        found: list[dict[str, Any]] = self.details.get("causes") or []
        return [": ".join(part for part in (c.get("field"), c.get("message")) if part) for c in found]


class BadRequest(ApiError):
    pass


class Unauthorized(ApiError):
    """The credentials were not accepted: missing, expired or for another cluster."""


class Forbidden(ApiError):
    """Known, but not allowed: RBAC, an admission policy or a quota."""


class NotFound(ApiError):
    pass


class UnknownKind(NotFound):
    """The server serves no such kind: its CRD is not installed, or the API version is off."""


class Conflict(ApiError):
    """The object changed since it was read, or another field manager owns an applied field."""


class AlreadyExists(ApiError):
    pass


class Gone(ApiError):
    """The resource version is too old: list again."""


class Invalid(ApiError):
    """The schema or a CEL rule refused the object; `causes` names the fields."""


class TooManyRequests(ApiError):
    pass


_BY_REASON: dict[str, type[ApiError]] = {
    "BadRequest": BadRequest,
    "Unauthorized": Unauthorized,
    "Forbidden": Forbidden,
    "NotFound": NotFound,
    "Conflict": Conflict,
    "AlreadyExists": AlreadyExists,
    "Gone": Gone,
    "Expired": Gone,
    "Invalid": Invalid,
    "TooManyRequests": TooManyRequests,
}
_BY_STATUS: dict[int, tuple[type[ApiError], str]] = {
    400: (BadRequest, "BadRequest"),
    401: (Unauthorized, "Unauthorized"),
    403: (Forbidden, "Forbidden"),
    404: (NotFound, "NotFound"),
    409: (Conflict, "Conflict"),
    410: (Gone, "Gone"),
    422: (Invalid, "Invalid"),
    429: (TooManyRequests, "TooManyRequests"),
}


class Status(msgspec.Struct, omit_defaults=True):
    """metav1.Status, as far as errors need it."""

    kind: str = ""
    status: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: dict[str, Any] | None = None


def from_status(status: Status, http_status: int = 0, retry_after: float | None = None) -> ApiError:
    code = status.code or http_status
    kind, default_reason = _BY_STATUS.get(code, (ApiError, ""))
    kind = _BY_REASON.get(status.reason, kind)
    message = status.message or status.reason or f"HTTP {code}"
    details = status.details
    if retry_after is None and details and "retryAfterSeconds" in details:
        retry_after = float(details["retryAfterSeconds"])
    return kind(code, status.reason or default_reason, message, details, retry_after)


def from_response(http_status: int, body: bytes, retry_after: float | None = None) -> ApiError:
    """The typed error for a response; a body that is no Status (a proxy's page, plain text) becomes the message."""
    try:
        status = msgspec.json.decode(body, type=Status)
    except msgspec.DecodeError:
        status = Status()
    if status.kind != "Status":
        text = body.decode(errors="replace").strip()
        status = Status(message=text[:500] or f"HTTP {http_status}")
    return from_status(status, http_status, retry_after)
