"""The rules as Pulumi policies."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
import pulumi_policy as sdk

from policies.exemptions import Exemptions
from policies.rule import Finding, Resource, ResourceRule, Rule, Settings, Severity
from policies.rules import RULES
from policies.settings import Configured, load, load_exemptions
from policies.sparing import spare
from policies.values import mapping, plain, raw

NAME = "footplate"
NOTES = "exemptions"
"""The policy that tells of exemptions. It is no rule: it cannot be violated."""
DIRECTORY = "FOOTPLATE_POLICY_SETTINGS"
"""Environment variable: the directory with the settings, instead of the pack's own."""

Report = Callable[..., None]


def settings_directory(environ: Mapping[str, str] = os.environ) -> Path:
    return Path(environ.get(DIRECTORY) or Path(__file__).parent / "settings").resolve()


def start(environ: Mapping[str, str] = os.environ) -> None:
    """Serves the pack until it is stopped. Raises SettingsError."""
    directory = settings_directory(environ)
    exemptions = load_exemptions(directory, RULES, datetime.now(UTC).date())
    stack, project = environ.get("PULUMI_STACK", ""), environ.get("PULUMI_PROJECT", "")
    stack_urn = f"urn:pulumi:{stack}::{project}::pulumi:pulumi:Stack::{project}-{stack}"
    configured = load(directory, stack, RULES)
    policies = [as_policy(one, exemptions, stack_urn) for one in configured]
    policies.append(notes(exemptions, stack))
    spare(RULES.values())
    sdk.PolicyPack(
        NAME,
        policies=policies,
        enforcement_level=sdk.EnforcementLevel.MANDATORY,
        initial_config=initial(configured),
    )


def as_policy(configured: Configured, exemptions: Exemptions, stack_urn: str) -> sdk.Policy:
    """Pulumi's configuration of the policy (`--policy-pack-config`) counts before `configured`."""
    rule = configured.rule
    described: dict[str, Any] = {
        "name": rule.name,
        "description": rule.description,
        "enforcement_level": sdk.EnforcementLevel(configured.level.value),
        "severity": sdk.Severity(rule.severity.value),
        "config_schema": _schema(rule),
    }

    def tell(findings: list[Finding], report: Report) -> None:
        for finding in findings:
            judged = exemptions.judge(rule.name, finding, stack_urn)
            if judged is not None:
                report(judged.message, judged.urn or None)

    if isinstance(rule, ResourceRule):

        def validate(args: sdk.ResourceValidationArgs, report: Report) -> None:
            if args.resource_type in rule.types:
                tell(rule.findings(_resource(args), _settings(rule, args.get_config(), configured)), report)

        def remediate(args: sdk.ResourceValidationArgs) -> Any:
            if args.resource_type not in rule.types or exemptions.exempts(rule.name, args.urn):
                return None
            changed = rule.mended(_resource(args), _settings(rule, args.get_config(), configured))
            return None if changed is None else {**raw(args.props), **changed}

        return sdk.ResourceValidationPolicy(**described, validate=validate, remediate=remediate if rule.mend else None)

    def validate_stack(args: sdk.StackValidationArgs, report: Report) -> None:
        resources = [_of_stack(resource) for resource in args.resources]
        tell(rule.findings(resources, _settings(rule, args.get_config(), configured)), report)

    return sdk.StackValidationPolicy(**described, validate=validate_stack)


def notes(exemptions: Exemptions, stack: str) -> sdk.Policy:
    def validate(args: sdk.StackValidationArgs, report: Report) -> None:
        for note in exemptions.notes(stack):
            report(note.message, note.urn or None)

    return sdk.StackValidationPolicy(
        NOTES,
        "Exemptions are known, used and about to end.",
        validate=validate,
        enforcement_level=sdk.EnforcementLevel.ADVISORY,
        severity=sdk.Severity(Severity.LOW.value),
    )


def _settings(rule: Rule, given: Mapping[str, Any], configured: Configured) -> Settings:
    """Pulumi hands all numbers over as floats."""
    return msgspec.convert(plain(dict(given)), rule.settings) if given else configured.settings


def initial(configured: Sequence[Configured]) -> dict[str, Any]:
    """What Pulumi shows as the pack's configuration. It takes a policy whose level is not there for an advisory one."""
    return {
        one.rule.name: {
            "enforcementLevel": sdk.EnforcementLevel(one.level.value),
            **cast(dict[str, Any], msgspec.to_builtins(one.settings)),
        }
        for one in configured
    }


def _schema(rule: Rule) -> sdk.PolicyConfigSchema | None:
    _, components = msgspec.json.schema_components([rule.settings], ref_template="#/$defs/{name}")
    properties: dict[str, Any] = components[rule.settings.__name__].get("properties") or {}
    return sdk.PolicyConfigSchema(properties=properties) if properties else None


def _resource(args: sdk.ResourceValidationArgs) -> Resource:
    return Resource(
        args.resource_type, args.name, args.urn, plain(args.props), args.opts.protect, _provider(args.provider)
    )


def _of_stack(resource: sdk.PolicyResource) -> Resource:
    uses = {key: [used.urn for used in several] for key, several in resource.property_dependencies.items()}
    properties, provider = plain(resource.props), _provider(resource.provider)
    return Resource(
        resource.resource_type, resource.name, resource.urn, properties, resource.opts.protect, provider, uses
    )


def _provider(provider: sdk.PolicyProviderResource | None) -> dict[str, Any]:
    return mapping(plain(provider.props)) if provider else {}
