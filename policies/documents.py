"""IAM policy documents, given as JSON text or as objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from policies.values import is_unknown, listed, mappings, texts


def statements(document: Any) -> Iterator[dict[str, Any]]:
    """None where the document is not known yet, or is no JSON: the provider refuses that itself."""
    if is_unknown(document):
        return
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return
    if isinstance(document, dict):
        yield from mappings(cast(dict[str, Any], document).get("Statement"))


def allows(statement: dict[str, Any]) -> bool:
    return statement.get("Effect") == "Allow"


def actions(statement: dict[str, Any]) -> list[str]:
    return texts(statement.get("Action"))


def resources(statement: dict[str, Any]) -> list[str]:
    return texts(statement.get("Resource"))


def anyone(statement: dict[str, Any]) -> bool:
    """Whether its principal is everyone."""
    principal: Any = statement.get("Principal")
    if isinstance(principal, dict):
        principal = [text for value in cast(dict[str, Any], principal).values() for text in listed(value)]
    return "*" in listed(principal)
