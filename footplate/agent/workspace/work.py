"""Which processes are somebody's work, decided from two looks at them.

- A terminal's foreground process is work by being there, whether it says anything or not; viewers, editors and prompts
  that wait for a person are not.
- A process in the background, or of a terminal that is closed, is work while it does something: uses the CPU, writes, or
  starts others. A server that waits for visitors is not.
- A kernel is work of its own only by what it computes: what it executes, the server says (`jupyter`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from footplate.agent.workspace import vscode
from footplate.agent.workspace.processes import Process, descendants

#: Shares of one core.
KERNEL_CPU = 0.05
SERVICE_CPU = 0.05
BACKGROUND_CPU = 0.002

SHELLS = frozenset({"sh", "bash", "dash", "zsh", "fish", "ksh", "tcsh", "csh"})
INTERPRETERS = frozenset({"python", "ipython", "node", "perl", "ruby", "R", "julia", "irb", "php", "lua"}) | SHELLS
#: Options of interpreters that are followed by what is to be run.
_RUNS = frozenset({"-c", "-m", "-e", "--eval"})
#: Options of shells that a file with settings follows: VS Code's shells.
_SETTINGS = frozenset({"--init-file", "--rcfile"})
#: What waits for a person, or shows what others do. `tail` and `watch` as in che-machine-exec's table.
WATCHES = frozenset(
    {
        "tail", "watch", "less", "more", "man", "top", "htop", "btop", "nvtop", "vi", "vim", "nvim", "nano", "emacs", "tmux",
        "screen", "psql", "sqlite3", "mysql", "redis-cli", "gdb", "pdb", "ssh-agent", "gpg-agent", "dbus-daemon",
        "tensorboard", "mlflow",
    }
)  # fmt: skip
LONGEST = 60
"""Characters of a command that are shown."""


@dataclass(frozen=True)
class Roots:
    """`own`: of the agent. `server`: the user's server. `kernels`: of that, by pid, with the name they have for people."""

    own: frozenset[int]
    server: int
    kernels: Mapping[int, str]


@dataclass(frozen=True)
class Work:
    reasons: frozenset[str] = frozenset()
    passive: frozenset[str] = frozenset()


def work(before: Mapping[int, Process], now: Mapping[int, Process], seconds: float, roots: Roots) -> Work:
    """`seconds` between the two looks."""
    reasons: set[str] = set()
    passive: set[str] = set()
    for process in now.values():
        if process.zombie or process.pid in roots.own or process.pid == roots.server:
            continue
        former = before.get(process.pid)
        if former is not None and former.started != process.started:
            former = None
        share = (process.cpu - (former.cpu if former else 0.0)) / seconds if seconds > 0 else 0.0
        if process.pid in roots.kernels:
            if share >= KERNEL_CPU:
                reasons.add(f"{roots.kernels[process.pid]} computes in the background")
        elif _asks_about_activity(process):
            continue
        elif program(process) in WATCHES or _prompts(process):
            if _is_prompt_that_computes(process, share):
                reasons.add(f"{title(process)} computes in a terminal")
            elif not _is_shell(process):
                passive.add(f"{title(process)} only watches or waits")
        elif process.terminal >= 0 and process.group == process.foreground:
            reasons.add(f"{title(process)} runs in a terminal")
        elif process.parent == roots.server or vscode.serves(process, now.get(process.parent)):
            if share >= SERVICE_CPU:
                reasons.add(f"{title(process)} uses the CPU")
        elif former is None or share >= BACKGROUND_CPU or process.written > former.written:
            reasons.add(f"{title(process)} runs in the background")
    return Work(frozenset(reasons), frozenset(passive))


def of_agent(processes: Mapping[int, Process], observer: int, first: int) -> frozenset[int]:
    """The observer with what it started, and the container's first process."""
    return frozenset({first, *descendants(processes, {observer})})


def _asks_about_activity(process: Process) -> bool:
    return any(word.startswith("footplate.agent.workspace") for word in process.arguments)


def program(process: Process) -> str:
    """`-bash` as `bash`, `/usr/bin/python3.11 /opt/bin/ipython` as `ipython`."""
    return _command(process)[0]


def _command(process: Process) -> tuple[str, tuple[str, ...]]:
    """Name and arguments; a program that is a script of an interpreter goes by its own name, where that tells something."""
    name, rest = _name(process.arguments[0]), process.arguments[1:]
    if name in INTERPRETERS and rest and (script := _name(rest[0])) in WATCHES | INTERPRETERS:
        return script, rest[1:]
    return name, rest


def _name(word: str) -> str:
    name = PurePath(word.split(" ")[0].lstrip("-").rstrip(":")).name
    return "python" if name.startswith("python") else name


def title(process: Process) -> str:
    words = list(process.arguments)
    words[0] = PurePath(words[0]).name
    text = " ".join(" ".join(words).split())
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _prompts(process: Process) -> bool:
    """An interpreter on a terminal that was not told what to run: it reads from a person."""
    name, rest = _command(process)
    if rest and rest[0] in _SETTINGS:
        rest = rest[2:]
    runs = any(word in _RUNS or not word.startswith("-") for word in rest)
    return process.terminal >= 0 and name in INTERPRETERS and not runs


def _is_shell(process: Process) -> bool:
    return program(process) in SHELLS


def _is_prompt_that_computes(process: Process, share: float) -> bool:
    return _prompts(process) and not _is_shell(process) and share >= KERNEL_CPU
