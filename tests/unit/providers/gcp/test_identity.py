"""Who may do what on Google Cloud: small roles of the stack's own, each permission with its reason, and no keys."""

from __future__ import annotations

import pytest

from providers.gcp.permissions import PREDEFINED, ROLES
from tests.unit.providers.gcp.conftest import Built

#: Roles of Google's that give more than one part of the platform needs.
BROAD = (
    "roles/owner",
    "roles/editor",
    "roles/viewer",
    "roles/container.admin",
    "roles/container.developer",
    "roles/storage.admin",
    "roles/storage.objectAdmin",
    "roles/compute.admin",
    "roles/compute.networkAdmin",
    "roles/iam.serviceAccountAdmin",
    "roles/iam.serviceAccountUser",
    "roles/iam.serviceAccountTokenCreator",
    "roles/iam.serviceAccountKeyAdmin",
    "roles/resourcemanager.projectIamAdmin",
    "roles/aiplatform.user",
    "roles/aiplatform.admin",
    "roles/artifactregistry.admin",
    "roles/dns.admin",
    "roles/logging.admin",
    "roles/monitoring.admin",
)
#: What gives rights on.
GRANTS = ("iAMMember:IAMMember", "IAMMember", "IamMember")
#: Permissions with which one makes oneself more than one is.
ESCALATION = ("setIamPolicy", "serviceAccountKeys", "getAccessToken", "signBlob", "signJwt", "implicitDelegation")


@pytest.mark.parametrize("name", ROLES)
def test_each_permission_says_what_it_is_for(name: str) -> None:
    role = ROLES[name]
    assert role.permissions
    for permission, reason in role.permissions.items():
        assert permission.count(".") == 2 and "*" not in permission
        assert len(reason) > 15
        assert not any(part in permission for part in ESCALATION)


def test_grants_are_of_the_stacks_own_roles_or_of_the_two_that_are_explained(everything: Built) -> None:
    granted = {
        (name, inputs.get("role"))
        for (type_, name), inputs in everything.registered.resources.items()
        if type_.startswith("gcp:") and type_.endswith(GRANTS)
    }
    predefined = {role for _, role in granted if isinstance(role, str) and role.startswith("roles/")}
    assert len(granted) > 20
    assert predefined == set(PREDEFINED)
    assert not predefined.intersection(BROAD)


def test_a_role_has_the_permissions_of_the_table_and_no_more(everything: Built) -> None:
    roles = everything.of(":IAMCustomRole")
    for name, role in roles.items():
        assert role["permissions"] == sorted(ROLES[name].permissions)
        assert role["roleId"] == f"ml_test_{name.replace('-', '_')}"
    assert roles.keys() <= ROLES.keys()


def test_every_role_of_the_table_is_used(everything: Built) -> None:
    assert everything.of(":IAMCustomRole").keys() == ROLES.keys()


def test_nobody_gets_rights_in_the_project_that_could_be_given_on_less(everything: Built) -> None:
    """Of buckets, keys, images and identities, rights are given on the thing alone."""
    anywhere = {
        name for (type_, name) in everything.registered.resources if type_ == "gcp:projects/iAMMember:IAMMember"
    }
    assert anywhere == {
        "nodes",
        "admin-ml@example.com",
        "admin-ada@example.com",
        "offload-network",
        "research-offload",
        "research-submit",
        "external-dns",
        "cert-manager",
    }


def test_there_are_no_keys_of_identities(everything: Built, closed: Built) -> None:
    for built in (everything, closed):
        assert [type_ for type_, _ in built.registered.resources if type_.endswith((":Key", ":HmacKey"))] == []


def test_a_team_reaches_its_bucket_and_reads_below_a_prefix_of_the_others(everything: Built) -> None:
    members = everything.of(":BucketIAMMember")
    team = {name: one for name, one in members.items() if name.startswith("research-") and "offload" not in name}
    whole, below = sorted(team.values(), key=lambda one: "condition" in one)
    assert whole["bucket"] == "acme-ml-test-team-research"
    assert below["bucket"] == "acme-ml-test-state"
    assert "objects/code/" in below["condition"]["expression"]
    assert "objectListPrefix" in below["condition"]["expression"]


def test_the_link_names_one_kubernetes_service_account_each(everything: Built) -> None:
    members = {one["member"] for name, one in everything.of("serviceaccount/iAMMember:IAMMember").items()}
    links = {member for member in members if isinstance(member, str)}
    assert "serviceAccount:acme-ml.svc.id.goog[team-research/workspace]" in links
    assert not any("/*]" in member or "[default/" in member for member in links)


def test_admins_come_in_by_iam_and_act_by_rbac(everything: Built) -> None:
    (cluster,) = everything.of("container/cluster:Cluster").values()
    assert cluster["authenticatorGroupsConfig"] == {"securityGroup": "gke-security-groups@example.com"}
    subjects = everything.of(":ClusterRoleBinding")["footplate-admins"]["subjects"]
    assert [(one["kind"], one["name"]) for one in subjects] == [
        ("Group", "ml@example.com"),
        ("User", "ada@example.com"),
    ]
