"""Keeps from the SDK what no rule looks at.

The SDK reads the properties of a resource anew for each policy of a pack. With these rules that is most of a second for one
large CustomResourceDefinition, and charts bring tens of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pulumi.runtime import proto
from pulumi_policy import policy as internals

from policies.rule import ResourceRule, Rule

_SERVICER = "_PolicyAnalyzerServicer"


def spare(rules: Iterable[Rule]) -> None:
    """For packs that are served from now on in this process. Without effect on an SDK that is built otherwise."""
    servicer: Any = getattr(internals, _SERVICER, None)
    if servicer is None:
        return
    every = list(rules)
    judged = {type for rule in every if isinstance(rule, ResourceRule) for type in rule.types}
    of_stack = {type for rule in every if not isinstance(rule, ResourceRule) for type in rule.types}

    class Sparing(servicer):
        def Analyze(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC's name)
            return servicer.Analyze(self, request, context) if request.type in judged else proto.AnalyzeResponse()

        def Remediate(self, request: Any, context: Any) -> Any:  # noqa: N802
            return servicer.Remediate(self, request, context) if request.type in judged else proto.RemediateResponse()

        def AnalyzeStack(self, request: Any, context: Any) -> Any:  # noqa: N802
            resources = [resource for resource in request.resources if resource.type in of_stack]
            return servicer.AnalyzeStack(self, proto.AnalyzeStackRequest(resources=resources), context)

    setattr(internals, _SERVICER, Sparing)
