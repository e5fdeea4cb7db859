"""The API server's and the network's errors in a person's words."""

from __future__ import annotations

import re

from footplate import errors as e
from footplate.api import duration, quantity
from footplate.api.resources import DATASET_PATH
from footplate.client.target import HOW_TO_GET_A_CLUSTER
from footplate.errors import FootplateError
from footplate.kube import errors as kube

_INVALID = re.compile(r'^Invalid value: (?:(?P<value>"(?:[^"\\]|\\.)*"|[^\s:]*): ?)?|^Required value: ?')
_UNSUPPORTED = re.compile(r"^Unsupported value: (?P<value>\S+): supported values: (?P<allowed>.*)$")
_BOUND = re.compile(r"^(?P<field>\S+) in body should (?P<rest>.*)$")
_BOUNDS = (
    (re.compile(r"^be greater than or equal to (.*)$"), r"must be at least \1"),
    (re.compile(r"^be less than or equal to (.*)$"), r"must be at most \1"),
    (re.compile(r"^be at most (.*) chars long$"), r"can be at most \1 characters long"),
    (re.compile(r"^be at least (.*) chars long$"), r"must be at least \1 characters long"),
)
_PATTERN = re.compile(r"^match '(.*)'$")
_FORMS = {
    DATASET_PATH: "is not an absolute path such as /data/digits",
    duration.PATTERN: "is not a duration such as 90s, 30m, 1h30m or 2d, of at most 9999d",
    quantity.PATTERN: "is not a quantity such as 500m, 2 or 4Gi",
}
_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<what>[^"]*)" in API group "[^"]*"'
    r'(?: in the namespace "(?P<namespace>[^"]*)"| at the cluster scope)?'
)
#: Said beside causes that say it all: by a schema error that kept CEL rules from running; by Kubernetes' own rule on
#: names, which is wider than ours and longer.
_NOISE = ("some validation rules were not checked", "a lowercase RFC 1123 subdomain")


def explain(error: kube.KubeError, doing: str = "") -> FootplateError:
    """`doing`: what was being tried, such as `create workspace demo`, for errors that do not say."""
    match error:
        case kube.KubeConfigError():
            return e.ClusterAccess(_sentence(str(error)), HOW_TO_GET_A_CLUSTER)
        case kube.Unreachable():
            return e.ClusterAccess(
                _sentence(str(error)),
                "check it with `footplate doctor`; an embedded cluster starts again with `footplate cluster start`",
            )
        case kube.Unauthorized():
            return e.ClusterAccess(_sentence(error.message))
        case kube.Forbidden():
            return _forbidden(error)
        case kube.Invalid() | kube.BadRequest():
            return e.Refused(_refused(error, doing))
        case kube.UnknownKind():
            return not_installed()
        case kube.NotFound() if not error.details.get("name"):
            # An unknown path: the CRD is not there.
            return not_installed()
        case kube.NotFound():
            return e.NotFound(_sentence(error.message))
        case kube.AlreadyExists() | kube.Conflict():
            return e.Conflict(_sentence(error.message))
        case kube.ApiError() if error.status >= 500:
            return e.ClusterAccess(
                f"The cluster failed to {doing or 'answer'}: {error.message}",
                "try again; `footplate doctor` shows what is wrong with the cluster",
            )
        case _:
            return FootplateError(_sentence(f"cannot {doing}: {error}" if doing else str(error)))


def not_installed() -> e.NotInstalled:
    return e.NotInstalled("Footplate is not installed on this cluster.", "install it with `footplate up`")


def _forbidden(error: kube.Forbidden) -> FootplateError:
    match = _FORBIDDEN.search(error.message)
    if match is None:
        return e.Refused(_sentence(error.message))
    where = f" in {match['namespace']}" if match["namespace"] else ""
    return e.Refused(
        f"You ({match['user']}) may not {match['verb']} {match['what']}{where}.",
        "ask for membership of the team, or use another --team or --context",
    )


def _refused(error: kube.ApiError, doing: str) -> str:
    causes = _causes(error)
    telling = [cause for cause in causes if not any(noise in cause[1] for noise in _NOISE)]
    texts = list(dict.fromkeys(field_error(*cause) for cause in telling or causes))
    if not texts:
        return _sentence(f"cannot {doing}: {error.message}" if doing else error.message)
    return f"Cannot {doing or 'do that'}: {'; '.join(texts)}."


def _causes(error: kube.ApiError) -> list[tuple[str, str]]:
    found: list[dict[str, object]] = error.details.get("causes") or []
    return [(str(cause.get("field") or ""), str(cause.get("message") or "")) for cause in found]


def field_error(field: str, message: str) -> str:
    """`spec.nodes`, `Invalid value: -1: spec.nodes in body should be greater …` → `spec.nodes must be at least 1, not -1`."""
    if unsupported := _UNSUPPORTED.match(message):
        allowed = unsupported["allowed"].replace('"', "")
        return f"{field} must be one of {allowed}, not {_bare(unsupported['value'])}"
    invalid = _INVALID.match(message)
    value = _bare(invalid["value"] or "") if invalid else ""
    rest = message[invalid.end() :] if invalid else message
    if bound := _BOUND.match(rest):
        return _bounded(field, value, bound["rest"])
    if message.startswith("Required value"):
        return f"{field} is required"
    if not field or field in ("<nil>", "spec") or rest.startswith(field.split("[")[0]):
        return rest
    leaf = field.removeprefix("spec.")
    return rest if rest.startswith(leaf) or "metadata.name" in rest else f"{field}: {rest}"


def _bounded(field: str, value: str, wanted: str) -> str:
    but = f", not {value}" if value and len(value) < 40 else ""
    for pattern, text in _BOUNDS:
        if pattern.match(wanted):
            return f"{field} {pattern.sub(text, wanted)}{but}"
    if form := _PATTERN.match(wanted):
        what = f"{field}: {value!r}" if value else field
        return f"{what} {_FORMS.get(form[1], f'does not have the form {form[1]}')}"
    return f"{field} should {wanted}{but}"


def _bare(value: str) -> str:
    return value.strip('"')


def _sentence(text: str) -> str:
    if not text.startswith("http"):
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else f"{text}."
