"""What no rule looks at is not read."""

from __future__ import annotations

from typing import Any

import pulumi_policy as sdk
import pytest
from pulumi.runtime.proto import analyzer_pb2
from pulumi_policy import policy as internals

from policies.rules import RULES
from policies.sparing import spare

EKS, CRD = "aws:eks/cluster:Cluster", "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"


@pytest.fixture
def servicer(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(internals, "_PolicyAnalyzerServicer", internals._PolicyAnalyzerServicer)
    spare(RULES.values())
    seen = sdk.ResourceValidationPolicy("seen", "Seen.", lambda args, report: report(args.resource_type))
    whole = sdk.StackValidationPolicy(
        "whole", "Whole.", lambda args, report: report(" ".join(r.resource_type for r in args.resources))
    )
    return internals._PolicyAnalyzerServicer("test", "1", [seen, whole], sdk.EnforcementLevel.MANDATORY)


def test_resources_that_no_rule_judges_are_not_analyzed(servicer: Any) -> None:
    def analyzed(type: str) -> int:
        return len(servicer.Analyze(analyzer_pb2.AnalyzeRequest(type=type, urn="urn", name="n"), None).diagnostics)

    assert (analyzed(EKS), analyzed(CRD)) == (1, 0)
    assert not servicer.Remediate(analyzer_pb2.AnalyzeRequest(type=CRD), None).remediations


def test_a_stack_is_analyzed_without_what_no_rule_reads(servicer: Any) -> None:
    resources = [analyzer_pb2.AnalyzerResource(type=type, urn=type, name="n") for type in (EKS, CRD)]
    (found,) = servicer.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=resources), None).diagnostics
    assert found.message == f"Whole.\n{EKS}"


def test_an_sdk_that_is_built_otherwise_serves_as_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(internals, "_PolicyAnalyzerServicer")
    spare(RULES.values())
    assert not hasattr(internals, "_PolicyAnalyzerServicer")
