"""Names with TLS: a zone and a certificate for the domain, load balancers, and records of Ingress objects."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from providers import charts
from providers.aws import iam, permissions
from providers.aws.cluster import AwsCluster
from providers.aws.place import Place
from providers.contract import Ingress, IngressSpec, ProviderError

LOAD_BALANCERS = charts.Chart(
    "aws-load-balancer-controller",
    "aws-load-balancer-controller",
    "3.5.0",
    "aws-load-balancer",
    "https://aws.github.io/eks-charts",
)


class AwsIngress(pulumi.ComponentResource):
    def __init__(self, place: Place, cluster: AwsCluster, asked: IngressSpec, opts: pulumi.ResourceOptions) -> None:
        super().__init__("footplate:aws:Ingress", "ingress", None, opts)
        self._place = place
        self._cluster = cluster
        self._child = pulumi.ResourceOptions(parent=self)
        domain = asked.asked.domain
        if asked.asked.public and not asked.network.public_subnets:
            raise ProviderError(
                "footplate:ingress.public: a closed network has no way in from the internet: set it to false, or "
                "network.egress to nat"
            )
        zone = aws.route53.Zone("zone", name=domain, opts=self._child) if not asked.asked.dns_zone else None
        zone_id: pulumi.Input[str] = zone.zone_id if zone is not None else asked.asked.dns_zone
        certificate = self._certificate(domain, zone_id)
        self._controller(
            LOAD_BALANCERS,
            "aws-load-balancer-controller",
            pulumi.Output.from_input(iam.document(permissions.load_balancers(place))),
            {
                "clusterName": place.cluster,
                "region": place.region,
                "vpcId": asked.network.id,
                "enableShield": False,
                "enableWaf": False,
                "enableWafv2": False,
                # What its chart leaves open of the restricted level.
                "podSecurityContext": {"fsGroup": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
                "securityContext": {
                    "readOnlyRootFilesystem": True,
                    "runAsNonRoot": True,
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            },
        )
        self._controller(
            charts.EXTERNAL_DNS,
            "external-dns",
            pulumi.Output.from_input(zone_id).apply(lambda id: iam.document(permissions.external_dns(place, id))),
            {
                "provider": {"name": "aws"},
                "policy": "sync",
                "txtOwnerId": place.site.name,
                "domainFilters": [domain],
                "sources": ["ingress"],
            },
        )
        self.result = Ingress(
            domain=domain,
            ingress_class="alb",
            annotations={
                "alb.ingress.kubernetes.io/scheme": "internet-facing" if asked.asked.public else "internal",
                "alb.ingress.kubernetes.io/target-type": "ip",
                "alb.ingress.kubernetes.io/listen-ports": '[{"HTTPS": 443}]',
                "alb.ingress.kubernetes.io/ssl-policy": "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
                "alb.ingress.kubernetes.io/certificate-arn": certificate,
                "alb.ingress.kubernetes.io/inbound-cidrs": ",".join(asked.asked.cidrs or (asked.network.cidr,)),
                "alb.ingress.kubernetes.io/group.name": place.site.name,
            },
            name_servers=zone.name_servers if zone is not None else (),
        )
        self.register_outputs({})

    def _certificate(self, domain: str, zone: pulumi.Input[str]) -> pulumi.Output[str]:
        certificate = aws.acm.Certificate(
            "certificate",
            domain_name=f"*.{domain}",
            subject_alternative_names=[domain],
            validation_method="DNS",
            opts=self._child,
        )
        # The domain and all below it are shown to be ours by one and the same record.
        option = certificate.domain_validation_options[0]
        record = aws.route53.Record(
            "validation",
            zone_id=zone,
            name=option.resource_record_name.apply(str),
            type=option.resource_record_type.apply(str),
            records=[option.resource_record_value.apply(str)],
            ttl=300,
            allow_overwrite=True,
            opts=self._child,
        )
        valid = aws.acm.CertificateValidation(
            "certificate", certificate_arn=certificate.arn, validation_record_fqdns=[record.fqdn], opts=self._child
        )
        return valid.certificate_arn

    def _controller(
        self, chart: charts.Chart, account: str, document: pulumi.Output[str], values: dict[str, Any]
    ) -> None:
        role = iam.role(chart.name, self._place, iam.pod_trust(self._place), [], self._child)
        policy = aws.iam.RolePolicy(chart.name, name=chart.name, role=role.name, policy=document, opts=self._child)
        identity = aws.eks.PodIdentityAssociation(
            chart.name,
            cluster_name=self._cluster.eks.name,
            namespace=chart.namespace,
            service_account=account,
            role_arn=role.arn,
            opts=self._child,
        )
        namespace = charts.namespace(chart.namespace, chart.pod_security, self._child)
        charts.release(
            chart,
            {**charts.ON_SYSTEM_NODES, "serviceAccount": {"create": True, "name": account}, **values},
            self._child,
            within=namespace.metadata["name"],
            after=[policy, identity, *self._cluster.ready],
        )
