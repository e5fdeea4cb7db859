"""What of the AWS stack an emulator can judge: address ranges, documents of IAM, and what a team's role reaches.

Moto speaks the real APIs. It does not know conditions of IAM, Pod Identity, Karpenter, or whether a service would accept
a combination of settings that its own model does not have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import set_initial_no_auth_action_count
from moto.iam.aws_managed_policies import aws_managed_policies_data

from footplate.engine.events import Step
from footplate.engine.values import Unknown
from tests.unit.stacks.plan import planned

STACK, REGION = "prod-aws", "us-east-2"


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield


def client(service: str, **credentials: str) -> Any:
    return boto3.client(service, region_name=REGION, **credentials)  # pyright: ignore


def of(type_: str) -> dict[str, Step]:
    return {step.name: step for step in planned(STACK) if step.type == type_}


def capitalised(value: Any) -> Any:
    """An input of Pulumi as the API names it."""
    if isinstance(value, dict):
        return {"ID" if key == "id" else key[0].upper() + key[1:]: capitalised(item) for key, item in value.items()}
    return [capitalised(item) for item in value] if isinstance(value, list) else value


def test_the_subnets_fit_into_the_network_and_beside_each_other() -> None:
    ec2 = client("ec2")
    (vpc,) = of("aws:ec2/vpc:Vpc").values()
    made = ec2.create_vpc(CidrBlock=vpc.inputs["cidrBlock"])["Vpc"]["VpcId"]
    for association in of("aws:ec2/vpcIpv4CidrBlockAssociation:VpcIpv4CidrBlockAssociation").values():
        ec2.associate_vpc_cidr_block(VpcId=made, CidrBlock=association.inputs["cidrBlock"])
    subnets = of("aws:ec2/subnet:Subnet")
    for step in subnets.values():
        ec2.create_subnet(
            VpcId=made, CidrBlock=step.inputs["cidrBlock"], AvailabilityZone=step.inputs["availabilityZone"]
        )
    assert len(ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [made]}])["Subnets"]) == len(subnets) == 9


def test_iam_takes_every_role_and_document() -> None:
    iam = client("iam")
    for step in of("aws:iam/role:Role").values():
        document = step.inputs["assumeRolePolicy"]
        iam.create_role(RoleName=step.inputs["name"], AssumeRolePolicyDocument=document)
    taken = 0
    for step in planned(STACK):
        if step.type == "aws:iam/rolePolicy:RolePolicy" and step.inputs["policy"] is not Unknown:
            iam.create_policy(PolicyName=f"{step.name}-{taken}", PolicyDocument=step.inputs["policy"])
            taken += 1
    assert taken >= 6
    with pytest.raises(ClientError, match="MalformedPolicyDocument"):
        iam.create_policy(PolicyName="wrong", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [{}]}))


def test_the_policies_of_aws_that_are_attached_are_there() -> None:
    known = {
        f"arn:aws:iam::aws:policy{row['Path']}{name}" for name, row in json.loads(aws_managed_policies_data).items()
    }
    attached = {step.inputs["policyArn"] for step in of("aws:iam/rolePolicyAttachment:RolePolicyAttachment").values()}
    assert attached <= known


def test_buckets_take_their_settings() -> None:
    s3 = client("s3")
    where = {"LocationConstraint": REGION}
    for step in of("aws:s3/bucket:Bucket").values():
        s3.create_bucket(Bucket=step.inputs["bucket"], CreateBucketConfiguration=where)
    for name, step in of("aws:s3/bucket:Bucket").items():
        bucket = step.inputs["bucket"]
        s3.put_bucket_policy(Bucket=bucket, Policy=of("aws:s3/bucketPolicy:BucketPolicy")[name].inputs["policy"])
        block = of("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")[name].inputs
        s3.put_public_access_block(
            Bucket=bucket,
            PublicAccessBlockConfiguration=capitalised({k: v for k, v in block.items() if isinstance(v, bool)}),
        )
        rules = of("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")[name].inputs["rules"]
        s3.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": capitalised(json.loads(json.dumps(rules)))}
        )
        kept = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        assert [rule["ID"] for rule in kept] == [rule["id"] for rule in rules]
        assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())


def test_a_teams_pods_read_and_write_its_own_bucket_and_no_other() -> None:
    """With IAM's decisions on: the emulator refuses what no statement allows."""
    iam, s3, sts = client("iam"), client("s3"), client("sts")
    for bucket in ("acme-ml-prod-team-vision", "acme-ml-prod-team-research", "acme-ml-prod-state"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    role = of("aws:iam/role:Role")["team-vision"].inputs
    arn = iam.create_role(RoleName=role["name"], AssumeRolePolicyDocument=role["assumeRolePolicy"])["Role"]["Arn"]
    policy = of("aws:iam/rolePolicy:RolePolicy")["team-vision"].inputs["policy"]
    iam.put_role_policy(RoleName=role["name"], PolicyName="own", PolicyDocument=policy)
    taken = sts.assume_role(RoleArn=arn, RoleSessionName="pod")["Credentials"]
    keys = {
        "aws_access_key_id": taken["AccessKeyId"],
        "aws_secret_access_key": taken["SecretAccessKey"],
        "aws_session_token": taken["SessionToken"],
    }
    pod = client("s3", **keys)

    @set_initial_no_auth_action_count(0)
    def decided() -> list[bool]:
        return [_reaches(pod, f"acme-ml-prod-{bucket}") for bucket in ("team-vision", "team-research", "state")]

    assert decided() == [True, False, False]

    @set_initial_no_auth_action_count(0)
    def of_jobs() -> list[bool]:
        return [_reaches(pod, "acme-ml-prod-state", f"jobs/{team}/1/logs") for team in ("vision", "research")]

    assert of_jobs() == [True, False]


def _reaches(pod: Any, bucket: str, key: str = "checkpoints/1") -> bool:
    try:
        pod.put_object(Bucket=bucket, Key=key, Body=b"x")
        return pod.get_object(Bucket=bucket, Key=key)["Body"].read() == b"x"
    except ClientError as error:
        assert error.response["Error"]["Code"] in ("AccessDenied", "403")
        return False
