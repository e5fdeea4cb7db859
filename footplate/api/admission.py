"""What the API server itself refuses of a person's request: ValidatingAdmissionPolicies, generated from the settings.

`SPECS` judges what is asked for: owner, image, amounts, and what reaches beyond the pod. `ENTRANCES` keeps the pods of
workspaces to their owners; it looks at each Workspace of the namespace, which costs too much for requests as frequent as
those for specs. Who may use the verb `assign` on a kind (`footplate-team-admin`, cluster administrators) acts for others.

Source: https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from footplate.api import labels
from footplate.api.meta import API_VERSION, GROUP
from footplate.api.platform import SERVICE_ACCOUNT_WORKSPACE, Maximum, Platform

Json = dict[str, Any]

SPECS = "footplate-specs"
ENTRANCES = "footplate-entrances"
#: In the namespace of a team, on `workspaces` and `trainingjobs`.
ASSIGN = "assign"
#: The ways into a running pod.
_WAYS = ("pods/exec", "pods/attach", "pods/portforward", "pods/proxy")
_KINDS = ("workspaces", "trainingjobs")
_POD_NAME = "authentication.kubernetes.io/pod-name"
#: Of the container runtime, which takes it from a pod without GPUs too. Source: NVIDIA container toolkit, "Environment variables".
_DEVICES = "NVIDIA_VISIBLE_DEVICES"
_HARMLESS_DEVICES = ("", "none", "void")

#: The platform acts for all of its users, Kubernetes cleans up after them.
_NOT_THE_PLATFORM = {
    "name": "not-the-platform",
    "expression": (
        "request.userInfo.username != 'system:kube-controller-manager'"
        f" && !['system:serviceaccounts:{labels.SYSTEM_NAMESPACE}', 'system:serviceaccounts:kube-system']"
        ".exists(g, has(request.userInfo.groups) && g in request.userInfo.groups)"
    ),
}
_VARIABLES = {
    "caller": "request.userInfo.username",
    # The workspace whose pod asks: its account is the team's, its token the pod's own.
    "pod": (
        f"request.userInfo.username == 'system:serviceaccount:' + request.namespace + ':{SERVICE_ACCOUNT_WORKSPACE}'"
        f" && has(request.userInfo.extra) && '{_POD_NAME}' in request.userInfo.extra"
        f" ? string(request.userInfo.extra['{_POD_NAME}'][0]) : ''"
    ),
    "assigns": (
        f"authorizer.group('{GROUP}').resource(request.operation == 'CONNECT' ? 'workspaces' : request.resource.resource)"
        f".namespace(request.namespace).check('{ASSIGN}').allowed()"
    ),
    "owner": "object != null && has(object.spec) && has(object.spec.owner) ? string(object.spec.owner) : ''",
    "before": "oldObject != null && has(oldObject.spec) && has(oldObject.spec.owner) ? string(oldObject.spec.owner) : ''",
}
_TEAMS = {"namespaceSelector": {"matchExpressions": [{"key": labels.TEAM, "operator": "Exists"}]}}


def policies(platform: Platform) -> list[Json]:
    return [_policy(SPECS, _specs(platform)), _policy(ENTRANCES, _entrances())]


def bindings() -> list[Json]:
    """In the namespaces of teams."""
    specs: Json = {"policyName": SPECS, "validationActions": ["Deny"], "matchResources": _TEAMS}
    entrances: Json = {"policyName": ENTRANCES, "validationActions": ["Deny"], "matchResources": _TEAMS}
    entrances["paramRef"] = {"selector": {}, "parameterNotFoundAction": "Allow"}
    return [_binding(SPECS, specs), _binding(ENTRANCES, entrances)]


def _policy(name: str, spec: Json) -> Json:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {"failurePolicy": "Fail", **spec},
    }


def _binding(name: str, spec: Json) -> Json:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": spec,
    }


def _rule(operations: Sequence[str], groups: Sequence[str], resources: Sequence[str]) -> Json:
    return {
        "apiGroups": list(groups),
        "apiVersions": ["*"],
        "operations": list(operations),
        "resources": list(resources),
    }


def _listed(variables: dict[str, str]) -> list[Json]:
    return [{"name": name, "expression": expression} for name, expression in variables.items()]


def _validation(expression: str, message: str, reason: str = "Invalid") -> Json:
    """`message`: an expression."""
    return {"expression": expression, "messageExpression": message, "reason": reason}


def _text(value: object) -> str:
    """As a literal of CEL, which takes JSON's."""
    return json.dumps(value, ensure_ascii=False)


def _specs(platform: Platform) -> Json:
    variables = {
        **_VARIABLES,
        "creates": "request.operation == 'CREATE'",
        "deletes": "request.operation == 'DELETE'",
        "allowed": _text(list(platform.allowed_images)) if platform.allowed_images else "['']",
        "image": "variables.deletes || !has(object.spec.image) ? '' : string(object.spec.image)",
        "sameImage": "request.operation == 'UPDATE' && has(oldObject.spec.image) && oldObject.spec.image == variables.image",
        "sameAmounts": (
            "request.operation == 'UPDATE' && object.spec.resources == oldObject.spec.resources"
            " && (!has(object.spec.home) || object.spec.home == oldObject.spec.home)"
        ),
    }
    return {
        "matchConditions": [_NOT_THE_PLATFORM],
        "matchConstraints": {"resourceRules": [_rule(("CREATE", "UPDATE", "DELETE"), (GROUP,), _KINDS)]},
        "variables": _listed(variables),
        "validations": [*_ownership(), _image(platform), *_amounts(platform.maximum), *_reach()],
    }


def _ownership() -> list[Json]:
    """A workspace's account is the team's, so that it may not do what is its owner's alone, but to the workspace itself."""
    others = "ask an admin of the team, who may do it for others"
    return [
        _validation(
            "!variables.creates || variables.owner == variables.caller || variables.assigns"
            " || (variables.pod != '' && request.resource.resource == 'trainingjobs')",
            "variables.pod != '' ? 'a workspace makes no other workspaces: make it from your own machine' : "
            "'spec.owner must be ' + variables.caller + ', who asks, not ' + (variables.owner == '' ? 'left out' : variables.owner)"
            f" + ': set it so, or {others}'",
            "Forbidden",
        ),
        _validation(
            "variables.creates || variables.before in ['', variables.caller] || variables.assigns"
            " || (variables.pod != '' && (request.resource.resource == 'trainingjobs' || request.name == variables.pod))",
            "'spec.owner is ' + variables.before + ', and only the owner changes or deletes it: "
            f"make one of your own, or {others}'",
            "Forbidden",
        ),
    ]


def _image(platform: Platform) -> Json:
    allowed = ", ".join(platform.allowed_images) or "none"
    return _validation(
        "variables.image == '' || variables.sameImage || variables.allowed.exists(p, p != '' && (p.endsWith('*')"
        " ? variables.image.startsWith(p.substring(0, size(p) - 1)) : variables.image == p))",
        "'spec.image ' + variables.image + ' is not allowed; allowed images: ' + "
        + _text(f"{allowed}. Name an Environment in spec.environment, or ask for it to be added to allowedImages"),
    )


def _amounts(maximum: Maximum) -> list[Json]:
    found = [
        _validation(
            f"variables.deletes || variables.sameAmounts || quantity(object.spec.resources.{name}).isGreaterThan(quantity('0'))",
            f"'spec.resources.{name} is ' + object.spec.resources.{name} + ', which would bound nothing: "
            f"ask for more than 0, such as {example}'",
        )
        for name, example in (("cpu", "500m"), ("memory", "2Gi"))
    ]
    for name, most in (("cpu", maximum.cpu), ("memory", maximum.memory)):
        if most is not None:
            found.append(_at_most(f"resources.{name}", "true", most))
    if maximum.home is not None:
        found.append(_at_most("home.size", "has(object.spec.home)", maximum.home))
    for field, present, limit in (
        ("resources.gpu.count", "has(object.spec.resources.gpu)", maximum.gpu),
        ("nodes", "has(object.spec.nodes)", maximum.nodes),
    ):
        if limit is not None:
            found.append(
                _validation(
                    f"variables.deletes || variables.sameAmounts || !({present}) || object.spec.{field} <= {limit}",
                    f"'spec.{field} is ' + string(object.spec.{field}) + ', and this platform allows {limit}: ask for less'",
                )
            )
    return found


def _at_most(field: str, present: str, most: str) -> Json:
    return _validation(
        f"variables.deletes || variables.sameAmounts || !({present})"
        f" || quantity(object.spec.{field}).compareTo(quantity({_text(most)})) <= 0",
        f"'spec.{field} is ' + object.spec.{field} + ', and this platform allows {most}: ask for less'",
    )


def _reach() -> list[Json]:
    """What would lead out of the pod. Mounts of the node are no field of a spec, and Pod Security refuses them."""
    return [
        _validation(
            "variables.deletes || !has(object.spec.datasets)"
            r" || object.spec.datasets.all(d, !d.uri.matches('^pvc://[^/]+(/.*)?/[.][.](/|$)'))",
            "'spec.datasets: the path in a uri of pvc:// leads out of its volume: remove the .. from it'",
        ),
        _validation(
            "variables.deletes || !has(object.spec.datasets)"
            " || object.spec.datasets.all(d, !d.uri.matches('^pvc://[^/]+-home(/|$)')) || variables.assigns",
            "'spec.datasets: claims that end in -home are the homes of workspaces, and stay there: copy what is needed to where '"
            " + 'the team keeps its data'",
            "Forbidden",
        ),
        _validation(
            f"variables.deletes || !has(object.spec.env) || !('{_DEVICES}' in object.spec.env)"
            f" || object.spec.env['{_DEVICES}'] in {_text(list(_HARMLESS_DEVICES))}",
            _text(
                f"spec.env.{_DEVICES} would show GPUs of the node that are not the pod's: remove it, "
                "and ask for GPUs in spec.resources.gpu"
            ),
            "Forbidden",
        ),
    ]


def _entrances() -> Json:
    theirs = "has(params.spec.owner) ? string(params.spec.owner) : ''"
    return {
        "matchConditions": [
            _NOT_THE_PLATFORM,
            # And those that work on its home: `name.home-3`.
            {
                "name": "is-its-pod",
                "expression": "params.metadata.name == request.name || request.name.startsWith(params.metadata.name + '.')",
            },
        ],
        "paramKind": {"apiVersion": API_VERSION, "kind": "Workspace"},
        "matchConstraints": {"resourceRules": [_rule(("CONNECT",), ("",), _WAYS)]},
        "variables": _listed({**_VARIABLES, "theirs": theirs}),
        "validations": [
            _validation(
                "variables.theirs in ['', variables.caller] || variables.pod == request.name || variables.assigns",
                "'workspace ' + request.name + ' is of ' + variables.theirs + ', and only they may enter it: "
                "make one of your own'",
                "Forbidden",
            )
        ],
    }
