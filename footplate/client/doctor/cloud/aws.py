"""AWS: who calls, whether the machines are offered, quotas, and permissions to deploy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, cast

from footplate import errors
from footplate.client.doctor.cloud.needs import Need, Needs
from footplate.client.doctor.finding import Finding, failed, ok, skipped, warning
from footplate.costs.machines import vcpus
from footplate.costs.prices import Market
from footplate.errors import FootplateError, MachineLacks, Refused

REMEDY: Final = "`aws sso login`, or set AWS_PROFILE; in CI a role by OIDC: no keys are needed"
_LATER: Final = ("region", "machines", "quotas", "permissions")


class Quota(NamedTuple):
    """In vCPUs. Source of codes: Service Quotas console, service `ec2`."""

    code: str
    name: str
    spot: bool
    families: str


QUOTAS: Final = (
    Quota("L-417A185B", "Running On-Demand P instances", False, r"p\d"),
    Quota("L-DB2E81BA", "Running On-Demand G and VT instances", False, r"(g|gr|vt)\d"),
    Quota("L-1216C47A", "Running On-Demand Standard instances", False, r"[acdhimrtz]\d"),
    Quota("L-7212CCBC", "All P4, P3 and P2 Spot Instance Requests", True, r"p[234]"),
    Quota("L-C4BD4855", "All P5 Spot Instance Requests", True, r"p5"),
    Quota("L-3819A6DF", "All G and VT Spot Instance Requests", True, r"(g|gr|vt)\d"),
    Quota("L-34B43A08", "All Standard Spot Instance Requests", True, r"[acdhimrtz]\d"),
)
#: What `pulumi up` of a stack does first, by which a missing permission is found before it stops half-way.
PERMISSIONS: Final = {
    "ec2:CreateVpc": "the network",
    "ec2:CreateSubnet": "the network",
    "ec2:CreateNatGateway": "the nodes' way out",
    "ec2:CreateVpcEndpoint": "private ways to AWS services",
    "ec2:CreateSecurityGroup": "the network",
    "ec2:CreateLaunchTemplate": "GPU pools",
    "ec2:RunInstances": "GPU pools",
    "eks:CreateCluster": "the cluster",
    "eks:CreateNodegroup": "the system pool",
    "eks:CreateAccessEntry": "who may use the cluster",
    "eks:CreatePodIdentityAssociation": "identities of teams and controllers",
    "iam:CreateRole": "identities of teams and controllers",
    "iam:PutRolePolicy": "identities of teams and controllers",
    "iam:PassRole": "the cluster's and the nodes' roles",
    "kms:CreateKey": "encryption of secrets and data",
    "s3:CreateBucket": "data, checkpoints, code and outputs",
    "s3:PutBucketPolicy": "data, checkpoints, code and outputs",
    "ecr:CreateRepository": "the platform's images",
    "logs:CreateLogGroup": "audit logs",
    "sqs:CreateQueue": "Karpenter's notices of interruptions",
    "servicequotas:GetServiceQuota": "this check",
}


def examine(session: Any, asked: Needs, account: str) -> Iterator[Finding]:
    """`session`: a boto3 session. `account`: that the stack is for; empty: any."""
    try:
        caller = client(session, "sts", asked.region).get_caller_identity()
    except cloud_errors() as error:
        yield failed("identity", explained(error))
        yield from (skipped(name, "needs credentials") for name in _LATER)
        return
    if account and caller["Account"] != account:
        wrong = f"the credentials are of account {caller['Account']}, the stack is for {account}"
        yield failed("identity", Refused(wrong, REMEDY))
    else:
        yield ok("identity", f"{caller['Arn']} in account {caller['Account']}")
    checks = {"region": _region, "machines": _machines, "quotas": _quotas, "permissions": _permissions}
    for name, check in checks.items():
        try:
            yield from check(session, asked, caller["Arn"])
        except cloud_errors() as error:
            yield warning(name, f"could not be looked at: {explained(error).message}")


def _region(session: Any, asked: Needs, arn: str) -> Iterator[Finding]:
    found = client(session, "ec2", asked.region).describe_availability_zones()["AvailabilityZones"]
    zones = [zone["ZoneName"] for zone in found if zone["ZoneType"] == "availability-zone"] if found else []
    yield ok("region", f"{asked.region}, with {', '.join(zones)}")


def _machines(session: Any, asked: Needs, arn: str) -> Iterator[Finding]:
    if not asked.machines:
        yield skipped("machines", "no stack is named, or it has no nodes of its own")
        return
    pages = client(session, "ec2", asked.region).get_paginator("describe_instance_type_offerings")
    where = {"Name": "instance-type", "Values": asked.machines}
    offered: dict[str, list[str]] = {}
    for page in pages.paginate(LocationType="availability-zone", Filters=[where]):
        for row in page["InstanceTypeOfferings"]:
            offered.setdefault(row["InstanceType"], []).append(row["Location"])
    for machine in asked.machines:
        if machine in offered:
            yield ok("machines", f"{machine} is offered in {', '.join(sorted(offered[machine]))}")
        else:
            missing = f"{machine} is not offered in {asked.region}"
            yield failed("machines", Refused(missing, "choose another region or GPU in footplate:gpuPools"))


def _quotas(session: Any, asked: Needs, arn: str) -> Iterator[Finding]:
    quotas = client(session, "service-quotas", asked.region)
    for quota in QUOTAS:
        wanted = [_wanted(quota, pool) for pool in asked.pools]
        if not any(amount is None or amount for amount in wanted):
            continue
        try:
            granted = quotas.get_service_quota(ServiceCode="ec2", QuotaCode=quota.code)["Quota"]["Value"]
        except quotas.exceptions.NoSuchResourceException:
            yield warning("quotas", f"{quota.name} ({quota.code}) is not known in {asked.region}")
            continue
        yield _judged(quota, wanted, granted, asked.region)


def _judged(quota: Quota, wanted: Sequence[float | None], granted: float, region: str) -> Finding:
    request = f"aws service-quotas request-service-quota-increase --region {region} --service-code ec2 --quota-code {quota.code}"
    if None in wanted:
        return warning("quotas", f"{quota.name}: {granted:g} vCPUs; a pool without limits can ask for more")
    total = sum(amount or 0 for amount in wanted)
    detail = f"{quota.name}: {granted:g} vCPUs, the stack's maximum is {total:g}"
    if granted >= total:
        return ok("quotas", detail)
    return failed("quotas", Refused(detail, f"{request} --desired-value {total:g}"))


def _wanted(quota: Quota, pool: Sequence[Need]) -> float | None:
    """vCPUs of that quota that a pool can come to; None: no bound."""
    amounts = [
        None if need.nodes is None else need.nodes * (vcpus("aws", need.machine) or 0)
        for need in pool
        if (need.market is Market.SPOT) == quota.spot and re.match(quota.families, need.machine)
    ]
    return None if None in amounts else max((amount for amount in amounts if amount is not None), default=0)


def _permissions(session: Any, asked: Needs, arn: str) -> Iterator[Finding]:
    if arn.endswith(":root"):
        yield warning("permissions", "the account's root user may do all; deploy with a role instead")
        return
    iam = client(session, "iam", "us-east-1")
    source = arn
    if role := re.fullmatch(r"arn:[^:]+:sts::\d+:assumed-role/([^/]+)/.*", arn):
        source = iam.get_role(RoleName=role[1])["Role"]["Arn"]
    answer = iam.simulate_principal_policy(PolicySourceArn=source, ActionNames=list(PERMISSIONS))
    denied = [r["EvalActionName"] for r in answer["EvaluationResults"] if r["EvalDecision"] != "allowed"]
    if not denied:
        yield ok("permissions", f"the {len(PERMISSIONS)} that a deployment begins with")
        return
    for action in denied:
        missing = f"{action} is denied: {PERMISSIONS.get(action, 'needed')} cannot be made"
        yield failed("permissions", Refused(missing, f"allow it to {source}"))


def client(session: Any, service: str, region: str) -> Any:
    from botocore.config import Config

    quick = Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 2})
    return session.client(service, region_name=region or None, config=quick)


def session_for(region: str) -> Any:
    """Raises MachineLacks without boto3."""
    try:
        import boto3
    except ImportError as error:
        raise MachineLacks("boto3 is not installed", "pip install 'footplate[aws]'") from error
    return boto3.Session(region_name=region or None)


def cloud_errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)


def explained(error: Exception) -> FootplateError:
    from botocore.exceptions import (
        ClientError,
        CredentialRetrievalError,
        EndpointConnectionError,
        NoCredentialsError,
        NoRegionError,
        PartialCredentialsError,
        ProfileNotFound,
        TokenRetrievalError,
        UnauthorizedSSOTokenError,
    )

    if isinstance(error, NoRegionError):
        return errors.BadUsage("no region is named", "give --region, or a stack that has one")
    if isinstance(error, NoCredentialsError | PartialCredentialsError | ProfileNotFound):
        return Refused(f"there are no credentials for AWS: {error}", REMEDY)
    if isinstance(error, CredentialRetrievalError | TokenRetrievalError | UnauthorizedSSOTokenError):
        return Refused(f"the credentials for AWS are not valid any more: {error}", REMEDY)
    if isinstance(error, ClientError):
        response = cast(Any, error).response
        code, text = response["Error"].get("Code", ""), response["Error"].get("Message", "")
        expired = code in ("ExpiredToken", "InvalidClientTokenId", "ExpiredTokenException", "SignatureDoesNotMatch")
        return Refused(f"AWS says {code}: {text}", REMEDY if expired else None)
    if isinstance(error, EndpointConnectionError):
        return FootplateError(f"AWS cannot be reached: {error}", "check the network and the region's name")
    return FootplateError(f"AWS cannot be asked: {error}")
