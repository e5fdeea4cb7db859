"""YAML as a person means it: what YAML lets pass, or settles silently, is refused with its line."""

from __future__ import annotations

import math
from typing import Any

import yaml

from footplate.errors import BadUsage

_FLOAT = "tag:yaml.org,2002:float"


class _LineError(Exception):
    def __init__(self, node: yaml.Node, says: str) -> None:
        super().__init__(f"line {node.start_mark.line + 1}: {says}")


class _Strict(yaml.SafeLoader):
    """Checks before anchors and merges are resolved, when what is twice was written twice."""

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        made = super().compose_mapping_node(anchor)
        first: dict[tuple[str, str], yaml.Node] = {}
        for key, value in made.value:
            if isinstance(key, yaml.ScalarNode):
                self._finite(value, f" of {key.value}")
                before = first.setdefault((key.tag, key.value), key)
                if before is not key:
                    raise _LineError(key, f"{key.value} is there already, on line {before.start_mark.line + 1}")
        return made

    def compose_sequence_node(self, anchor: dict[Any, yaml.Node]) -> yaml.SequenceNode:
        made = super().compose_sequence_node(anchor)
        for value in made.value:
            self._finite(value, "")
        return made

    def _finite(self, node: yaml.Node, of: str) -> None:
        if (
            isinstance(node, yaml.ScalarNode)
            and node.tag == _FLOAT
            and not math.isfinite(self.construct_yaml_float(node))
        ):
            raise _LineError(node, f"the value{of} must be a finite number, not {node.value}")


def documents(text: str, where: str) -> list[object]:
    """Those that are not empty. Raises BadUsage with the line; `where` names the file."""
    try:
        return [document for document in yaml.load_all(text, Loader=_Strict) if document is not None]
    except _LineError as error:
        raise BadUsage(f"{where}, {error}.") from error
    except yaml.YAMLError as error:
        raise BadUsage(f"{where} is not valid YAML: {error}") from error
    except RecursionError as error:
        raise BadUsage(f"{where} is not a manifest: it is nested too deeply to be read.") from error
