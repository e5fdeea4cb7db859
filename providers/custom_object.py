"""Objects of custom kinds whose fields are not in `spec`, which `apiextensions.CustomResource` cannot express."""

from __future__ import annotations

from typing import Any

import pulumi


def custom_object(
    name: str, api_version: str, kind: str, fields: dict[str, Any], opts: pulumi.ResourceOptions
) -> pulumi.CustomResource:
    """`fields` as the API has them: `metadata` and the kind's own."""
    inputs = {"apiVersion": api_version, "kind": kind, **fields}
    return pulumi.CustomResource(f"kubernetes:{api_version}:{kind}", name, inputs, opts)
