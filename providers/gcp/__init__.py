"""Google Cloud: GKE, Cloud Storage, Artifact Registry, Vertex AI."""

from providers.gcp.provider import GcpProvider

__all__ = ["GcpProvider"]
