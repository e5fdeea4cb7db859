"""GPU errors: NVIDIA's Xid codes, and the node conditions by which monitors report them.

Sources: https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html (resolution buckets),
https://docs.aws.amazon.com/eks/latest/userguide/node-health.html (AcceleratedHardwareReady),
https://learn.microsoft.com/azure/aks/gpu-health-monitoring (GPUMissing and others),
https://docs.nebius.com/kubernetes/maintenance/health-checks (NebiusGPUError).
"""

from __future__ import annotations

import re

from footplate.api.trainingjob import CauseClass
from footplate.controllers.failure.rule import Rule

_APP, _INFRA = CauseClass.APP, CauseClass.INFRA


def _program(says: str) -> Rule:
    return Rule("GpuProgramError", _APP, says)


def _hardware(says: str) -> Rule:
    return Rule("GpuHardware", _INFRA, says, suspect=True)


#: By code. Those of programs are in the bucket RESTART_APP; a GPU that needs a reset or more is the node's fault.
XIDS: dict[int, Rule] = {
    13: _program("its program made a GPU fail (Xid 13, graphics engine exception)"),
    31: _program("its program read GPU memory that is not its own (Xid 31)"),
    43: _program("its program made a GPU stop (Xid 43)"),
    45: _program("a GPU ended its work early (Xid 45)"),
    48: _hardware("a GPU of node {node} has an uncorrectable memory error (Xid 48)"),
    61: _hardware("a GPU of node {node} has a firmware error (Xid 61)"),
    62: _hardware("a GPU of node {node} has a firmware error (Xid 62)"),
    63: _hardware("a GPU of node {node} remaps faulty memory and needs a reset (Xid 63)"),
    64: _hardware("a GPU of node {node} could not remap faulty memory (Xid 64)"),
    74: _hardware("an NVLink of node {node} failed (Xid 74)"),
    79: _hardware("a GPU of node {node} has fallen off the bus (Xid 79)"),
    92: _hardware("a GPU of node {node} has many memory errors (Xid 92)"),
    94: _hardware("a GPU of node {node} had a contained memory error (Xid 94)"),
    95: _hardware("a GPU of node {node} has an uncontained memory error (Xid 95)"),
    119: _hardware("a GPU of node {node} does not answer its driver (Xid 119)"),
    120: _hardware("a GPU of node {node} has a firmware error (Xid 120)"),
    140: _hardware("a GPU of node {node} has an unrecovered memory error (Xid 140)"),
    143: _hardware("a GPU of node {node} could not be initialised (Xid 143)"),
    149: _hardware("an NVLink of node {node} failed (Xid 149)"),
}
_OTHER_XID = Rule("GpuHardware", _INFRA, "a GPU of node {node} reported an error", suspect=True)

_XID = re.compile(r"\bXid\b[^0-9\n]{0,4}(?:\([^)]*\))?[:\s]*(\d{1,3})\b|XID[ _-]?(\d{1,3})", re.IGNORECASE)

#: Condition type → the status that means trouble.
CONDITIONS: dict[str, str] = {
    "AcceleratedHardwareReady": "False",
    "GPUMissing": "True",
    "NVLinkStatusInactive": "True",
    "XIDErrors": "True",
    "NebiusGPUError": "True",
}
#: Of node-problem-detector's custom plug-ins, whose types are their makers' choice; True means trouble there.
_CUSTOM = re.compile(r"(gpu|xid|nvlink|nvidia).*(error|unhealthy|missing|fail|fault|problem|lost)", re.IGNORECASE)


def xid(text: str) -> Rule | None:
    """The rule for the first Xid code in a text."""
    found = _XID.search(text)
    if found is None:
        return None
    code = int(found[1] or found[2])
    return XIDS.get(code, Rule("GpuHardware", _INFRA, f"{_OTHER_XID.says} (Xid {code})", suspect=True))


def is_trouble(type_: str, status: str) -> bool:
    if type_ in CONDITIONS:
        return status == CONDITIONS[type_]
    return status == "True" and _CUSTOM.search(type_) is not None
