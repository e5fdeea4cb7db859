import pytest

from footplate import errors
from footplate.api import duration
from footplate.client.explain import explain, field_error
from footplate.kube import errors as kube


@pytest.mark.parametrize(
    ("field", "message", "expected"),
    [
        (
            "spec.nodes",
            "Invalid value: -1: spec.nodes in body should be greater than or equal to 1",
            "spec.nodes must be at least 1, not -1",
        ),
        (
            "spec.deadline",
            f"Invalid value: \"3x\": spec.deadline in body should match '{duration.PATTERN}'",
            "spec.deadline: '3x' is not a duration such as 90s, 30m, 1h30m or 2d, of at most 9999d",
        ),
        (
            "spec.priority",
            'Unsupported value: "bar": supported values: "batch", "interactive"',
            "spec.priority must be one of batch, interactive, not bar",
        ),
        ("spec.command", "Required value", "spec.command is required"),
        (
            "<nil>",
            "Invalid value: metadata.name can be at most 45 characters long, to leave room for its children's names",
            "metadata.name can be at most 45 characters long, to leave room for its children's names",
        ),
        (
            "spec",
            'Invalid value: "object": set either environment or image, not both and not neither',
            "set either environment or image, not both and not neither",
        ),
        (
            "spec.home",
            'Invalid value: "object": home.size can grow but not shrink',
            "home.size can grow but not shrink",
        ),
        (
            "spec.team",
            "Invalid value: \"a b\": spec.team in body should match '^x$'",
            "spec.team: 'a b' does not have the form ^x$",
        ),
    ],
)
def test_what_validation_says_of_a_field(field: str, message: str, expected: str) -> None:
    assert field_error(field, message) == expected


def invalid(*causes: tuple[str, str]) -> kube.Invalid:
    listed = [{"field": field, "message": message} for field, message in causes]
    return kube.Invalid(422, "Invalid", "is invalid", {"causes": listed})


def test_noise_beside_telling_causes_is_dropped() -> None:
    error = invalid(
        ("metadata.name", 'Invalid value: "A": a lowercase RFC 1123 subdomain must consist of …'),
        ("<nil>", "Invalid value: some validation rules were not checked because the object was invalid"),
        ("spec.nodes", "Invalid value: 0: spec.nodes in body should be greater than or equal to 1"),
    )
    assert explain(error, "submit job a").message == "Cannot submit job a: spec.nodes must be at least 1, not 0."


def test_a_lone_cause_is_kept_whatever_it_is() -> None:
    error = invalid(("metadata.name", 'Invalid value: "A": a lowercase RFC 1123 subdomain must consist of letters'))
    assert "RFC 1123" in explain(error).message


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (kube.KubeConfigError("x has no context 'y'"), errors.ClusterAccess, "X has no context 'y'."),
        (kube.Unreachable("https://h:1", "dev", "no answer in time"), errors.ClusterAccess, "https://h:1"),
        (kube.Unauthorized(401, "Unauthorized", "https://h did not accept"), errors.ClusterAccess, "https://h did not"),
        (kube.UnknownKind(404, "NotFound", "no such kind"), errors.NotInstalled, "not installed"),
        (kube.NotFound(404, "NotFound", "could not find the requested resource"), errors.NotInstalled, "not installed"),
        (kube.NotFound(404, "NotFound", 'pods "a" not found', {"name": "a"}), errors.NotFound, "not found"),
        (kube.AlreadyExists(409, "AlreadyExists", "it is there"), errors.Conflict, "It is there."),
        (kube.ApiError(500, "InternalError", "etcd is away"), errors.ClusterAccess, "failed to list jobs: etcd"),
        (kube.ApiError(418, "", "teapot"), errors.FootplateError, "Cannot list jobs: teapot."),
    ],
)
def test_each_failure_is_of_a_kind_that_scripts_can_tell(
    error: kube.KubeError, kind: type[errors.FootplateError], says: str
) -> None:
    explained = explain(error, "list jobs")
    assert type(explained) is kind
    assert says in explained.message


def test_forbidden_names_the_person_and_the_deed() -> None:
    message = 'jobs is forbidden: User "ada" cannot list resource "trainingjobs" in API group "footplate.dev" in the namespace "team-a"'
    explained = explain(kube.Forbidden(403, "Forbidden", message))
    assert explained.message == "You (ada) may not list trainingjobs in team-a."
    assert isinstance(explained, errors.Refused)
