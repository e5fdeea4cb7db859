"""Every document of IAM in the AWS stacks: nothing is allowed that no row of a table justifies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from footplate.engine.events import Step
from footplate.engine.values import Unknown
from providers.aws import cluster, iam, permissions
from providers.aws.place import Place
from providers.contract import Site
from tests.unit.stacks.plan import planned

STACKS = ("dev-aws", "prod-aws")

#: Actions that AWS offers for no single resource. Source: Service Authorization Reference, by service.
NO_RESOURCE = re.compile(
    r"^(ec2:Describe\w+|elasticloadbalancing:Describe\w+|pricing:GetProducts|iam:ListInstanceProfiles"
    r"|route53:ListHostedZones|acm:(List|Describe)Certificates?|ecr:GetAuthorizationToken)$"
)


def roles(stack: str) -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = {"aws:iam/role:Role": [], "aws:iam/rolePolicy:RolePolicy": []}
    for step in planned(stack):
        found.setdefault(step.type, []).append(step)
    return found


def statements(stack: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for step in roles(stack)["aws:iam/rolePolicy:RolePolicy"]:
        if step.inputs["policy"] is not Unknown:
            for statement in json.loads(step.inputs["policy"])["Statement"]:
                yield step.name, statement


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_is_allowed_on_everything_but_what_has_no_resource(stack: str) -> None:
    found = list(statements(stack))
    assert found
    for name, statement in found:
        actions: list[str] = statement["Action"]
        assert not any(action == "*" or action.endswith(":*") for action in actions), (name, statement["Sid"])
        if "*" in statement["Resource"]:
            assert all(NO_RESOURCE.match(action) for action in actions), (name, statement["Sid"])


@pytest.mark.parametrize("stack", STACKS)
def test_no_broad_policy_of_aws_is_attached(stack: str) -> None:
    """What AWS keeps for one purpose, each with its reason in a table."""
    tables = [
        *cluster.NODE_POLICIES,
        *(add_on.policy for add_on in (*cluster.ADD_ONS, *cluster.FILESYSTEM_ADD_ONS.values()) if add_on.policy),
        iam.Managed("AmazonEKSClusterPolicy", "in cluster.py"),
    ]
    known = {row.name.rpartition("/")[2] for row in tables}
    for step in roles(stack)["aws:iam/rolePolicyAttachment:RolePolicyAttachment"]:
        name = step.inputs["policyArn"].rpartition("/")[2]
        assert name in known
        assert not re.search("Admin|PowerUser|FullAccess", name)
    assert all(row.why.endswith(".") or row.why == "in cluster.py" for row in tables)


@pytest.mark.parametrize("stack", STACKS)
def test_every_role_is_taken_by_one_service_for_this_account_or_cluster_alone(stack: str) -> None:
    account = "111122223333" if stack == "dev-aws" else "444455556666"
    for step in roles(stack)["aws:iam/role:Role"]:
        (statement,) = json.loads(step.inputs["assumeRolePolicy"])["Statement"]
        assert statement["Principal"].keys() == {"Service"}, step.name
        service = statement["Principal"]["Service"]
        if service == "pods.eks.amazonaws.com":
            assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": account}
            assert statement["Condition"]["ArnLike"]["aws:SourceArn"].endswith(f":cluster/footplate-{stack}")


@pytest.mark.parametrize("stack", STACKS)
def test_there_are_no_static_keys(stack: str) -> None:
    types = {step.type for step in planned(stack)}
    assert not types & {"aws:iam/accessKey:AccessKey", "aws:iam/user:User"}
    secrets = [step for step in planned(stack) if step.type == "kubernetes:core/v1:Secret"]
    assert secrets == [], "pods have identities, so no team's namespace has keys"


def test_a_teams_role_reaches_its_own_bucket_and_what_its_jobs_leave_behind_alone() -> None:
    by_role = {name: statement for name, statement in statements("prod-aws") if statement["Sid"] == "Objects0"}
    assert by_role["team-research"]["Resource"] == ["arn:aws:s3:::acme-ml-prod-team-research/*"]
    assert by_role["team-vision"]["Resource"] == ["arn:aws:s3:::acme-ml-prod-team-vision/*"]
    records = {name: statement for name, statement in statements("prod-aws") if statement["Sid"] == "Objects1"}
    listed = {name: statement for name, statement in statements("prod-aws") if statement["Sid"] == "List1"}
    for team in ("team-research", "team-vision"):
        prefix = f"jobs/{team.removeprefix('team-')}"
        assert records[team]["Resource"] == [f"arn:aws:s3:::acme-ml-prod-state/{prefix}/*"]
        assert listed[team]["Condition"] == {"StringLike": {"s3:prefix": [f"{prefix}/*", prefix]}}
    accounts = [
        (step.inputs["namespace"], step.inputs["serviceAccount"])
        for step in planned("prod-aws")
        if step.type == "aws:eks/podIdentityAssociation:PodIdentityAssociation" and step.name.startswith("team-")
    ]
    assert sorted(accounts) == [
        (f"team-{team}", account) for team in ("research", "vision") for account in ("job", "workspace")
    ]


def test_a_teams_offloaded_jobs_are_its_own() -> None:
    by_sid = {s["Sid"]: s for name, s in statements("prod-aws") if name == "team-vision"}
    assert by_sid["OffloadJobs"]["Resource"] == ["arn:aws:sagemaker:us-east-2:444455556666:training-job/team-vision-*"]
    assert by_sid["PassJobRole"]["Resource"] == [
        "arn:aws:iam::444455556666:role/footplate-prod-aws-offload-team-vision"
    ]
    assert by_sid["PassJobRole"]["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    assert "OffloadJobs" not in {s["Sid"] for name, s in statements("dev-aws")}


def test_each_permission_says_why() -> None:
    place = Place(Site("footplate", "111122223333", "us-east-2", ("us-east-2a",)))
    rows = [
        *permissions.karpenter(place, "arn:aws:iam::111122223333:role/node", "arn:aws:sqs:::queue"),
        *permissions.load_balancers(place),
        *permissions.external_dns(place, "Z1"),
    ]
    assert len({row.sid for row in rows}) == len(rows)
    for row in rows:
        assert len(row.why) > 20 and row.why.endswith("."), row.sid
        assert row.actions and row.resources


@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-north-1", "eu-west-1"])
def test_arns_are_of_the_regions_partition(region: str) -> None:
    partition = {"us-gov-west-1": "aws-us-gov", "cn-north-1": "aws-cn"}.get(region, "aws")
    place = Place(Site("footplate", "111122223333", region))
    assert place.cluster_arn == f"arn:{partition}:eks:{region}:111122223333:cluster/footplate"
    assert place.managed_policy("X") == f"arn:{partition}:iam::aws:policy/X"


@pytest.mark.parametrize("stack", STACKS)
def test_snapshots_of_homes_are_written_by_an_identity_of_their_own_below_the_team_s_prefix(stack: str) -> None:
    """What runs in a workspace is not it: a slip there takes no snapshot along."""
    homes = [
        (name, statement) for name, statement in statements(stack) if "home-" in name and "Objects" in statement["Sid"]
    ]
    objects = [statement for _, statement in homes if "s3:PutObject" in statement["Action"]]
    assert objects
    for statement in objects:
        (resource,) = statement["Resource"]
        assert re.search(r"-state/homes/[a-z]+/\*$", resource)
    for name, statement in statements(stack):
        if name.startswith("team-"):
            assert not any(
                re.search(r"-state(/\*|/homes/.*)?$", resource)
                for resource in statement["Resource"]
                if "Objects" in statement["Sid"]
            )
    associations = [
        (step.inputs["serviceAccount"], step.name)
        for step in planned(stack)
        if step.type == "aws:eks/podIdentityAssociation:PodIdentityAssociation" and "home-" in step.name
    ]
    assert associations and {account for account, _ in associations} == {"home"}
