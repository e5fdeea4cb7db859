"""What Pulumi is told of the rules' configuration, and what it hands back."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pulumi_policy as sdk
import pytest
from google.protobuf import json_format
from pulumi.runtime.proto import analyzer_pb2
from pulumi_policy import policy as internals

from policies.exemptions import Exemptions
from policies.pack import as_policy, initial
from policies.rules import RULES
from policies.settings import load


def servicer(directory: Path) -> Any:
    configured = load(directory, "dev", RULES)
    policies = [as_policy(one, Exemptions((), date(2026, 11, 24)), "") for one in configured]
    level = sdk.EnforcementLevel.MANDATORY
    return internals._PolicyAnalyzerServicer("test", "1", policies, level, initial(configured))


@pytest.fixture
def info(tmp_path: Path) -> dict[str, Any]:
    return json_format.MessageToDict(servicer(tmp_path).GetAnalyzerInfo(None, None))


def test_the_settings_of_each_rule_are_right_by_its_own_schema(info: dict[str, Any]) -> None:
    assert {policy["name"] for policy in info["policies"]} == set(RULES) == set(info["initialConfig"])
    for policy in info["policies"]:
        fields = policy.get("configSchema", {}).get("properties", {})
        schema = {"type": "object", "properties": fields, "additionalProperties": False}
        jsonschema.Draft7Validator.check_schema(schema)
        jsonschema.validate(info["initialConfig"][policy["name"]].get("properties", {}), schema)


def test_levels_are_told_as_they_are(info: dict[str, Any]) -> None:
    told = {name: given.get("enforcementLevel", "ADVISORY").lower() for name, given in info["initialConfig"].items()}
    assert told == {name: rule.level.value for name, rule in RULES.items()}


def test_pulumis_own_configuration_of_a_policy_counts(tmp_path: Path) -> None:
    served = servicer(tmp_path)
    given = analyzer_pb2.PolicyConfig(enforcementLevel=analyzer_pb2.MANDATORY)
    given.properties.update({"hopLimit": 3})
    served.Configure(analyzer_pb2.ConfigureAnalyzerRequest(policyConfig={"imdsv2": given}), None)
    template = analyzer_pb2.AnalyzeRequest(type="aws:ec2/launchTemplate:LaunchTemplate", urn="urn", name="n")
    template.properties.update({"metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 4}})
    found = [d.message for d in served.Analyze(template, None).diagnostics if d.policyName == "imdsv2"]
    assert len(found) == 1
    assert "HopLimit is 4: set it to 3" in found[0]
