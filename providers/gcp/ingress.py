"""Names with TLS: a DNS zone, records of Ingress objects, certificates by DNS challenge, and who may come in."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_gcp as gcp

from providers import charts
from providers.contract import Ingress, IngressSpec, ProviderError
from providers.custom_object import custom_object
from providers.gcp.foundation import Foundation
from providers.gcp.identity import Identities
from providers.gcp.network import Network

CERT_MANAGER = charts.Chart("cert-manager", "cert-manager", "v1.21.1", "cert-manager", "https://charts.jetstack.io")
ISSUER = "footplate"
ACME = "https://acme-v02.api.letsencrypt.org/directory"
#: Of Cloud Armor: the rule for what no other matches.
LAST = 2147483647
#: Ranges of one rule. Source: https://cloud.google.com/armor/quotas
RANGES_OF_A_RULE = 10


class DnsIngress(pulumi.ComponentResource):
    """Public: a global load balancer that Cloud Armor lets the named ranges through to. Else: one inside the network."""

    def __init__(
        self,
        foundation: Foundation,
        identities: Identities,
        network: Network,
        spec: IngressSpec,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("footplate:gcp:Ingress", "ingress", None, opts)
        self._foundation = foundation
        self._identities = identities
        self._asked = asked = spec.asked
        self._child = pulumi.ResourceOptions(parent=self)
        self._inside = pulumi.ResourceOptions(parent=self, provider=spec.cluster.kubernetes)
        self._ready = list(spec.cluster.ready)
        if network.closed:
            raise ProviderError(
                "footplate:ingress: a closed network does not reach the authority that gives certificates: remove the "
                "key, or set network.egress to nat"
            )
        made = None if asked.dns_zone else self._zone(asked.domain)
        zone: pulumi.Input[str] = made.name if made else asked.dns_zone
        self._external_dns(zone)
        self._cert_manager(zone)
        service_annotations: dict[str, pulumi.Input[str]] = {}
        if asked.public:
            service_annotations = self._armor()
        else:
            self._proxies(network)
        kind = "gce" if asked.public else "gce-internal"
        self.result = Ingress(
            domain=asked.domain,
            ingress_class=kind,
            annotations={
                # GKE's own controller knows the annotation alone, not spec.ingressClassName.
                "kubernetes.io/ingress.class": kind,
                "kubernetes.io/ingress.allow-http": "false",
                "cert-manager.io/cluster-issuer": ISSUER,
            },
            service_annotations=service_annotations,
            name_servers=made.name_servers if made else (),
        )
        self.register_outputs({})

    def _zone(self, domain: str) -> gcp.dns.ManagedZone:
        """Public, also for an ingress inside: the authority looks its challenge up there."""
        return gcp.dns.ManagedZone(
            "ingress",
            name=f"{self._foundation.site.name}-ingress",
            project=self._foundation.project,
            dns_name=f"{domain}.",
            visibility="public",
            dnssec_config=gcp.dns.ManagedZoneDnssecConfigArgs(state="on"),
            labels=dict(self._foundation.site.labels),
            opts=self._foundation.options(self._child, apis=["dns"]),
        )

    def _controller(self, chart: charts.Chart, account: str, zone: pulumi.Input[str], values: dict[str, Any]) -> Any:
        """Its identity writes records of this one zone, and finds it among others."""
        identity = self._identities.account(chart.name, f"{chart.name}: records of {self._asked.domain}.", self._child)
        listing = self._identities.in_project("dns-zones", identity.member, chart.name, self._child)
        records = gcp.dns.DnsManagedZoneIamMember(
            chart.name,
            project=self._foundation.project,
            managed_zone=zone,
            role=self._identities.role("dns-records"),
            member=identity.member,
            opts=self._foundation.options(self._child),
        )
        self._identities.link(identity, chart.namespace, [account], chart.name, self._child)
        namespace = charts.namespace(chart.namespace, chart.pod_security, self._inside)
        annotations = {"iam.gke.io/gcp-service-account": identity.email}
        return charts.release(
            chart,
            {
                **charts.ON_SYSTEM_NODES,
                "serviceAccount": {"create": True, "name": account, "annotations": annotations},
                **values,
            },
            self._inside,
            within=namespace.metadata["name"],
            after=[listing, records, *self._ready],
        )

    def _external_dns(self, zone: pulumi.Input[str]) -> None:
        self._controller(
            charts.EXTERNAL_DNS,
            "external-dns",
            zone,
            {
                "provider": {"name": "google"},
                "policy": "sync",
                "txtOwnerId": self._foundation.site.name,
                "domainFilters": [self._asked.domain],
                "sources": ["ingress"],
                "extraArgs": [f"--google-project={self._foundation.project}"],
            },
        )

    def _cert_manager(self, zone: pulumi.Input[str]) -> None:
        released = self._controller(
            CERT_MANAGER,
            "cert-manager",
            zone,
            {
                "crds": {"enabled": True, "keep": True},
                "webhook": charts.ON_SYSTEM_NODES,
                "cainjector": charts.ON_SYSTEM_NODES,
                "startupapicheck": charts.ON_SYSTEM_NODES,
            },
        )
        solver = {"dns01": {"cloudDNS": {"project": self._foundation.project, "hostedZoneName": zone}}}
        acme = {"server": ACME, "privateKeySecretRef": {"name": f"{ISSUER}-acme"}, "solvers": [solver]}
        custom_object(
            "issuer",
            "cert-manager.io/v1",
            "ClusterIssuer",
            {"metadata": {"name": ISSUER}, "spec": {"acme": acme}},
            pulumi.ResourceOptions.merge(self._inside, pulumi.ResourceOptions(depends_on=[released])),
        )

    def _armor(self) -> dict[str, pulumi.Input[str]]:
        """Annotations of the services behind the ingress: the load balancer asks Cloud Armor first."""
        cidrs = list(self._asked.cidrs)
        parts = [cidrs[start : start + RANGES_OF_A_RULE] for start in range(0, len(cidrs), RANGES_OF_A_RULE)]
        policy = gcp.compute.SecurityPolicy(
            "ingress",
            name=f"{self._foundation.site.name}-ingress",
            project=self._foundation.project,
            type="CLOUD_ARMOR",
            description=f"Who reaches {self._asked.domain}",
            rules=[
                *(_rule("allow", 1000 + number, ranges) for number, ranges in enumerate(parts)),
                _rule("deny(403)", LAST, ["*"]),
            ],
            opts=self._foundation.options(self._child, apis=["compute"]),
        )
        custom_object(
            "ingress-callers",
            "cloud.google.com/v1",
            "BackendConfig",
            {
                "metadata": {"name": ISSUER, "namespace": "footplate-system"},
                "spec": {"securityPolicy": {"name": policy.name}, "logging": {"enable": True, "sampleRate": 1.0}},
            },
            self._inside,
        )
        return {"cloud.google.com/backend-config": json.dumps({"default": ISSUER})}

    def _proxies(self, network: Network) -> None:
        """Where the load balancer's own machines are, in the stack's network."""
        gcp.compute.Subnetwork(
            "proxies",
            name=f"{self._foundation.site.name}-proxies",
            project=self._foundation.project,
            region=self._foundation.region,
            network=network.vpc.id,
            ip_cidr_range=str(network.ranges.proxies),
            purpose="REGIONAL_MANAGED_PROXY",
            role="ACTIVE",
            opts=self._foundation.options(self._child),
        )
        gcp.compute.Firewall(
            "proxies",
            name=f"{self._foundation.site.name}-proxies",
            project=self._foundation.project,
            network=network.vpc.id,
            direction="INGRESS",
            source_ranges=[str(network.ranges.proxies)],
            allows=[gcp.compute.FirewallAllowArgs(protocol="tcp")],
            opts=self._foundation.options(self._child),
        )


def _rule(action: str, priority: int, ranges: list[str]) -> gcp.compute.SecurityPolicyRuleArgs:
    return gcp.compute.SecurityPolicyRuleArgs(
        action=action,
        priority=priority,
        match=gcp.compute.SecurityPolicyRuleMatchArgs(
            versioned_expr="SRC_IPS_V1",
            config=gcp.compute.SecurityPolicyRuleMatchConfigArgs(src_ip_ranges=ranges),
        ),
    )
