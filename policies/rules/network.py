"""What the internet reaches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.rule import Resource, ResourceRule, Settings, Severity
from policies.rules.clusters import EVERYWHERE
from policies.values import is_unknown, mappings, number, texts

_GROUP = "aws:ec2/securityGroup:SecurityGroup"
_GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
_INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_FIREWALL = "gcp:compute/firewall:Firewall"


class Ingress(Settings, frozen=True):
    #: Ports that may be open to everyone.
    ports: tuple[int, ...] = (80, 443)


def _ingress(resource: Resource, settings: Ingress) -> Iterator[str]:
    for where, sources, ports in _openings(resource):
        open_to = EVERYWHERE.intersection(sources)
        if open_to and ports is not None and not set(ports) <= set(settings.ports):
            shown = f"{ports.start}-{ports.stop - 1}" if len(ports) > 1 else str(ports.start)
            yield f"{where} opens ports {shown} to {', '.join(sorted(open_to))}: name the networks, or leave it out"


def _openings(resource: Resource) -> Iterator[tuple[str, list[str], range | None]]:
    """Where, from which networks, which ports; None where they are not known."""
    properties = resource.properties
    if resource.type == _FIREWALL:
        if properties.get("direction") == "EGRESS" or properties.get("disabled") is True:
            return
        for index, allowed in enumerate(mappings(properties.get("allows"))):
            for ports in texts(allowed.get("ports")) or ["0-65535"]:
                first, _, last = ports.partition("-")
                yield (
                    f"allows[{index}]",
                    texts(properties.get("sourceRanges")),
                    range(int(first), int(last or first) + 1),
                )
    elif resource.type == _GROUP:
        for index, rule in enumerate(mappings(properties.get("ingress"))):
            yield f"ingress[{index}]", _sources(rule), _ports(rule, "protocol")
    elif resource.type == _INGRESS:
        sources = texts(properties.get("cidrIpv4")) + texts(properties.get("cidrIpv6"))
        yield "the rule", sources, _ports(properties, "ipProtocol")
    elif properties.get("type") == "ingress":
        yield "the rule", _sources(properties), _ports(properties, "protocol")


def _sources(rule: Any) -> list[str]:
    return texts(rule.get("cidrBlocks")) + texts(rule.get("ipv6CidrBlocks"))


def _ports(rule: Any, protocol: str) -> range | None:
    first, last = rule.get("fromPort"), rule.get("toPort")
    if any(is_unknown(value) for value in (first, last, rule.get(protocol))):
        return None
    if rule.get(protocol) in ("-1", -1, "all"):
        return range(65536)
    highest = number(last)
    return range(number(first) or 0, (65535 if highest is None else highest) + 1)


OPEN_INGRESS = ResourceRule(
    name="no-open-ingress",
    description="No port but those of web traffic is open to everyone.",
    severity=Severity.HIGH,
    source="CKV_AWS_24, CKV_AWS_260, CKV_GCP_2",
    types=frozenset({_GROUP, _GROUP_RULE, _INGRESS, _FIREWALL}),
    check=_ingress,
    settings=Ingress,
)

RULES = (OPEN_INGRESS,)
