"""What programs say as they fail: the first row that matches the end of a log counts.

Sources: the error strings of cudaGetErrorString (https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html),
of ncclGetErrorString (https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/api/types.html), of PyTorch's
ProcessGroupNCCL and gloo, of XLA, of glibc (errno), and of the object stores' clients.
"""

from __future__ import annotations

import re

from footplate.api.trainingjob import CauseClass
from footplate.controllers.failure import gpu
from footplate.controllers.failure.rule import Rule, Weight

_APP, _INFRA, _HANG = CauseClass.APP, CauseClass.INFRA, CauseClass.HANG


def _row(pattern: str, rule: Rule) -> tuple[re.Pattern[str], Rule]:
    return re.compile(pattern), rule


def _node(reason: str, says: str) -> Rule:
    return Rule(reason, _INFRA, says, suspect=True)


TABLE: tuple[tuple[re.Pattern[str], Rule], ...] = (
    # Of launch.py and prepare.
    _row(r"^Cannot start '", Rule("CommandNotStarted", _APP, "its command could not be started", retry=False)),
    _row(r"first node, .* could not be found", Rule("Rendezvous", _INFRA, "the first node could not be found")),
    _row(r"could not be uploaded within", Rule("StoreAway", _INFRA, "the last checkpoints could not be uploaded")),
    _row(r"killed by SIGKILL \(out of memory\)", Rule("OutOfMemory", _APP, "its process ran out of memory")),
    _row(
        r"killed by SIGKILL \(not for memory\)",
        Rule("Killed", _INFRA, "a process was killed from outside (SIGKILL, not for memory)", weight=Weight.SIGNAL),
    ),
    # GPUs.
    _row(
        r"CUDA out of memory|cuda\.OutOfMemoryError|RESOURCE_EXHAUSTED: Out of memory",
        Rule("GpuOutOfMemory", _APP, "it ran out of GPU memory"),
    ),
    _row(r"uncorrectable ECC error", _node("GpuHardware", "a GPU of node {node} has an uncorrectable memory error")),
    _row(r"uncorrectable NVLink error", _node("GpuHardware", "an NVLink of node {node} failed")),
    _row(r"GPU is lost|fallen off the bus", _node("GpuHardware", "a GPU of node {node} has fallen off the bus")),
    _row(
        r"no CUDA-capable device is detected|CUDA-capable device\(s\) is/are busy or unavailable|No devices were found",
        _node("GpuMissing", "node {node} offers no usable GPU to its program"),
    ),
    _row(
        r"CUDA error: (hardware stack error|system not yet initialized|unknown error|initialization error)",
        _node("GpuHardware", "CUDA fails on node {node}"),
    ),
    _row(
        r"CUDA driver version is insufficient|no kernel image is available for execution",
        Rule("GpuImageMismatch", _APP, "its image does not fit the node's GPU or driver", retry=False),
    ),
    _row(
        r"CUDA error: (device-side assert|an illegal memory access|misaligned address|unspecified launch failure)",
        Rule("GpuProgramError", _APP, "its program made a GPU fail"),
    ),
    # Of ray_node.py.
    _row(
        r"first node of the Ray cluster (is gone|ended with code)",
        Rule("RankLost", _INFRA, "the head of its Ray cluster ended", weight=Weight.CONSEQUENCE),
    ),
    # Collectives: these notice that another rank is gone, or hangs.
    _row(
        r"Watchdog caught collective operation timeout|collective operation timeout|DistStoreError: .*timed out",
        Rule("CollectiveTimeout", _HANG, "a collective operation did not end in time", weight=Weight.CONSEQUENCE),
    ),
    _row(
        r"ncclRemoteError|remote process exiting prematurely|Connection (reset|closed) by peer|Broken pipe"
        r"|Socket Timeout|recvValue failed|UNAVAILABLE: .*[Cc]oordinat",
        Rule("RankLost", _INFRA, "a rank lost its connection to another", weight=Weight.CONSEQUENCE),
    ),
    _row(
        r"ncclSystemError|ncclInternalError|ibv_\w+ failed|NET/IB .*(error|fail)",
        Rule("Network", _INFRA, "communication between its nodes failed", weight=Weight.CONSEQUENCE),
    ),
    # Machines.
    _row(
        r"No space left on device|The disk of this node is full", _node("DiskFull", "the disk of node {node} is full")
    ),
    _row(
        r"Input/output error|Stale file handle|Read-only file system", _node("Storage", "storage of node {node} fails")
    ),
    _row(
        r"Temporary failure in name resolution|Name or service not known",
        Rule("Network", _INFRA, "a name could not be resolved"),
    ),
    _row(
        r"Could not connect to the endpoint|EndpointConnectionError|SlowDown|Service ?Unavailable|object store (of \S+ )?(does not|cannot|is away)",
        Rule("StoreAway", _INFRA, "the object store does not answer"),
    ),
    # Python.
    _row(r"\bMemoryError\b|can't allocate memory|std::bad_alloc", Rule("OutOfMemory", _APP, "it ran out of memory")),
    _row(
        r"^(ModuleNotFoundError|ImportError|SyntaxError|IndentationError): ",
        Rule("CodeError", _APP, "its program cannot be run as it is", retry=False),
    ),
    _row(
        r"^footplate\.data\.errors\.CorruptData: ",
        Rule("DataDamaged", _APP, "a shard of its data is not what the data set's index says", retry=False),
    ),
    _row(
        r"can't open file '.*': \[Errno 2\]",
        Rule("CodeError", _APP, "its program cannot be run as it is", retry=False),
    ),
    _row(r"Traceback \(most recent call last\)", Rule("PythonException", _APP, "its program raised an exception")),
)


def recognise(text: str) -> tuple[Rule, str] | None:
    """The rule for the end of a log, and the line that it was recognised by."""
    found = gpu.xid(text)
    if found is not None:
        return found, _line(text, re.search(r"xid", text, re.IGNORECASE))
    for pattern, rule in TABLE:
        match = re.search(pattern.pattern, text, re.MULTILINE)
        if match is not None:
            return rule, _line(text, match)
    return None


def _line(text: str, match: re.Match[str] | None) -> str:
    if match is None:
        return ""
    start = text.rfind("\n", 0, match.start()) + 1
    end = text.find("\n", match.start())
    return text[start : end if end >= 0 else len(text)].strip()[:200]


_LAUNCHER = re.compile(r"^Rank (?P<rank>\d+) (?P<what>exited with code \d+|was killed by \w+(?: \([^)]*\))?)")


def last_words(text: str) -> str:
    """The line that says most to a person: the launcher's sentence where it wrote one, else the log's last line."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if not lines:
        return ""
    if _LAUNCHER.match(lines[0]):
        return f"{lines[0][0].lower()}{lines[0][1:]}".rstrip(".")[:300]
    return lines[-1].rstrip(".")[:200]


def by_launcher(text: str) -> bool:
    return _LAUNCHER.match(text.lstrip()) is not None
