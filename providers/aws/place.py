"""Names and ARNs of a stack's account and region, known before anything is made."""

from __future__ import annotations

from dataclasses import dataclass

from providers.contract import Site


@dataclass(frozen=True)
class Place:
    site: Site

    @property
    def partition(self) -> str:
        """Source: AWS General Reference, "Amazon Resource Names (ARNs)"."""
        prefixes = {"us-gov-": "aws-us-gov", "cn-": "aws-cn"}
        return next((name for prefix, name in prefixes.items() if self.region.startswith(prefix)), "aws")

    @property
    def region(self) -> str:
        return self.site.region

    @property
    def account(self) -> str:
        return self.site.account

    @property
    def cluster(self) -> str:
        return self.site.name

    def arn(self, service: str, resource: str, *, region: bool = True, account: bool = True) -> str:
        where = f"{self.region if region else ''}:{self.account if account else ''}"
        return f"arn:{self.partition}:{service}:{where}:{resource}"

    @property
    def cluster_arn(self) -> str:
        return self.arn("eks", f"cluster/{self.cluster}")

    def role_arn(self, name: str) -> str:
        return self.arn("iam", f"role/{name}", region=False)

    def managed_policy(self, name: str) -> str:
        return f"arn:{self.partition}:iam::aws:policy/{name}"
