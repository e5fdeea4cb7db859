"""Who may do what: IAM documents and roles, Kubernetes RBAC, keys that never expire."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from policies import documents
from policies.rule import Resource, ResourceRule, Settings, Severity
from policies.values import at, is_unknown, mapping, mappings, texts

_DOCUMENTS = {
    "aws:iam/policy:Policy": ("policy",),
    "aws:iam/rolePolicy:RolePolicy": ("policy",),
    "aws:iam/userPolicy:UserPolicy": ("policy",),
    "aws:iam/groupPolicy:GroupPolicy": ("policy",),
    "aws:iam/role:Role": ("assumeRolePolicy",),
}


def _documents(resource: Resource) -> Iterator[tuple[str, Any]]:
    for path in _DOCUMENTS[resource.type]:
        yield path, resource.properties.get(path)
    if resource.type == "aws:iam/role:Role":
        for index, inline in enumerate(mappings(resource.properties.get("inlinePolicies"))):
            yield f"inlinePolicies[{index}].policy", inline.get("policy")


def _wildcards(resource: Resource, _: Settings) -> Iterator[str]:
    for path, document in _documents(resource):
        for statement in documents.statements(document):
            if not documents.allows(statement):
                continue
            where = f"{path}, statement {statement.get('Sid') or '?'}"
            everything = "*" in documents.resources(statement)
            for action in documents.actions(statement):
                if action == "*" or (everything and action.endswith(":*")):
                    on = " on every resource" if everything else ""
                    yield f"{where} allows {action}{on}: name the actions, and the resources they are for"
            if "NotAction" in statement:
                yield f"{where} allows all but some actions (NotAction): name the actions that are needed"
            if documents.anyone(statement) and not statement.get("Condition"):
                yield f"{where} trusts everyone (Principal *): name who may assume the role, or add a Condition"


IAM_WILDCARDS = ResourceRule(
    name="iam-no-wildcards",
    description="AWS IAM documents name the actions and resources they allow.",
    severity=Severity.CRITICAL,
    source="CKV_AWS_62, CKV_AWS_63, CKV_AWS_355",
    types=frozenset(_DOCUMENTS),
    check=_wildcards,
    settings=Settings,
)


class BroadRoles(Settings, frozen=True):
    #: Role names or ARNs, `*` stands for any text.
    forbidden: tuple[str, ...] = (
        "arn:aws*:iam::aws:policy/AdministratorAccess*",
        "arn:aws*:iam::aws:policy/PowerUserAccess",
        "arn:aws*:iam::aws:policy/*FullAccess*",
        "roles/owner",
        "roles/editor",
        "roles/*.admin",
        "roles/*Admin",
        "roles/iam.serviceAccountTokenCreator",
        "roles/iam.serviceAccountUser",
    )
    allowed: tuple[str, ...] = ()


_PROJECT_ROLES = {
    "gcp:projects/iAMMember:IAMMember",
    "gcp:projects/iAMBinding:IAMBinding",
    "gcp:folder/iAMMember:IAMMember",
    "gcp:organizations/iAMMember:IAMMember",
}


def _broad_roles(resource: Resource, settings: BroadRoles) -> Iterator[str]:
    given: list[tuple[str, Any]] = []
    if resource.type in _PROJECT_ROLES:
        given.append(("role", resource.properties.get("role")))
    elif resource.type == "aws:iam/role:Role":
        given += [("managedPolicyArns", arn) for arn in texts(resource.properties.get("managedPolicyArns"))]
    else:
        given.append(("policyArn", resource.properties.get("policyArn")))
    for path, role in given:
        if not isinstance(role, str) or is_unknown(role) or _matches(role, settings.allowed):
            continue
        if _matches(role, settings.forbidden):
            yield f"{path} is {role}, which allows far more than one task needs: grant a narrower role on the resource itself"


def _matches(role: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(role, pattern) for pattern in patterns)


BROAD_ROLES = ResourceRule(
    name="iam-no-broad-roles",
    description="No predefined role that allows whole services is granted on an account or project.",
    severity=Severity.CRITICAL,
    source="CKV_AWS_274, CKV_GCP_41, CKV_GCP_49, CKV_GCP_117",
    types=frozenset(
        {
            *_PROJECT_ROLES,
            "aws:iam/role:Role",
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            "aws:iam/userPolicyAttachment:UserPolicyAttachment",
            "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
        }
    ),
    check=_broad_roles,
    settings=BroadRoles,
)

_RBAC_ROLES = {
    "kubernetes:rbac.authorization.k8s.io/v1:Role",
    "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
}
_RBAC_BINDINGS = {
    "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
    "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
}


def _rbac(resource: Resource, _: Settings) -> Iterator[str]:
    if resource.type in _RBAC_BINDINGS:
        subjects = (
            resource.properties.get("subjects") if at(resource.properties, "roleRef.name") == "cluster-admin" else None
        )
        for subject in mappings(subjects):
            name = str(subject.get("name"))
            if subject.get("kind") == "ServiceAccount" or name.startswith("system:"):
                yield f"roleRef.name is cluster-admin for {name}: bind a role with the permissions that are needed"
        return
    for index, rule in enumerate(mappings(resource.properties.get("rules"))):
        if "*" in texts(rule.get("verbs")) and "*" in texts(rule.get("resources")):
            yield f"rules[{index}] allows every verb on every resource: name them"


RBAC_WILDCARDS = ResourceRule(
    name="rbac-no-wildcards",
    description="Kubernetes roles name the verbs and resources they allow; only named people are bound to cluster-admin.",
    severity=Severity.HIGH,
    source="CKV_K8S_49, CIS Kubernetes 5.1.1, 5.1.3",
    types=frozenset(_RBAC_ROLES | _RBAC_BINDINGS),
    check=_rbac,
    settings=Settings,
)

_KEYS = {
    "aws:iam/accessKey:AccessKey": "use EKS Pod Identity, or a role that is assumed",
    "gcp:serviceaccount/key:Key": "use Workload Identity, or impersonation of the service account",
    "gcp:storage/hmacKey:HmacKey": "use Workload Identity and the JSON API",
}
_SECRET = "kubernetes:core/v1:Secret"
_SECRET_NAMES = frozenset({"AWS_SECRET_ACCESS_KEY", "aws_secret_access_key"})


def _static_keys(resource: Resource, _: Settings) -> Iterator[str]:
    if resource.type in _KEYS:
        yield f"it is a key that does not expire: {_KEYS[resource.type]}"
        return
    for field in ("data", "stringData"):
        for name, value in mapping(at(resource.properties, field)).items():
            if name in _SECRET_NAMES or _is_account_key(value, encoded=field == "data"):
                yield f"{field}.{name} is a cloud key that does not expire: give the pods' service account an identity instead"


def _is_account_key(value: Any, *, encoded: bool) -> bool:
    """A Google service account's key file."""
    if not isinstance(value, str):
        return False
    try:
        text = b64decode(value, validate=True).decode() if encoded else value
        found = mapping(json.loads(text)) if text.lstrip().startswith("{") else {}
    except ValueError:
        return False
    return found.get("type") == "service_account" and "private_key" in found


STATIC_KEYS = ResourceRule(
    name="no-static-keys",
    description="Nobody gets a cloud key that does not expire.",
    severity=Severity.CRITICAL,
    source="none; the practice of EKS Pod Identity and GKE Workload Identity",
    types=frozenset({*_KEYS, _SECRET}),
    check=_static_keys,
    settings=Settings,
)

RULES = (IAM_WILDCARDS, BROAD_ROLES, RBAC_WILDCARDS, STATIC_KEYS)
