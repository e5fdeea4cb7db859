"""Mocks with what AWS computes, for the programs that read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from tests.unit.conftest import Registered

#: Type → outputs beside the inputs, as the provider would give them.
COMPUTED: dict[str, dict[str, Any]] = {
    "aws:eks/cluster:Cluster": {
        "endpoint": "https://cluster.example",
        "certificateAuthority": {"data": "Q0E="},
    },
    "aws:acm/certificate:Certificate": {
        "domainValidationOptions": [
            {"resourceRecordName": "_x.example", "resourceRecordType": "CNAME", "resourceRecordValue": "_y.example"}
        ],
    },
    "aws:ec2/launchTemplate:LaunchTemplate": {"latestVersion": 1},
}


class AwsMocks(pulumi.runtime.Mocks):
    def __init__(self, registered: Registered) -> None:
        self._registered = registered

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self._registered.resources[args.typ, args.name] = args.inputs
        outputs = {"arn": f"arn:aws:mock:::{args.name}", **args.inputs, **COMPUTED.get(args.typ, {})}
        if args.typ == "aws:eks/cluster:Cluster":
            outputs["vpcConfig"] = {**args.inputs["vpcConfig"], "clusterSecurityGroupId": "sg-0"}
        return args.name, outputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        raise AssertionError(f"the program calls {args.token}")


@pytest.fixture
def register(pulumi_loop: None) -> Callable[[Callable[[], object]], Registered]:
    def run(program: Callable[[], object]) -> Registered:
        registered = Registered()
        pulumi.runtime.set_mocks(AwsMocks(registered), project="footplate", stack="test")
        pulumi.runtime.test(program)()
        return registered

    return run
