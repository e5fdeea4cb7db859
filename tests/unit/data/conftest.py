"""The embedded cluster's object store, as the agent's tests have it."""

from tests.unit.agent.conftest import bucket, gateway, shared_gateway, versitygw

__all__ = ["bucket", "gateway", "shared_gateway", "versitygw"]
