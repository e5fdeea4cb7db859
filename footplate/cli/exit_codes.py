"""The one place that turns what went wrong into a line on stderr and an exit code that scripts can use.

| code | meaning |
|---|---|
| 0 | done |
| 1 | the workload failed, or something unexpected |
| 2 | the request makes no sense as written |
| 3 | not found |
| 4 | exists already, or is in a state that does not allow the request |
| 5 | refused by validation, policy or permissions |
| 6 | no cluster, not reachable, credentials not accepted, or Footplate not installed on it |
| 7 | not finished in the time allowed |
| 8 | the job was cancelled |
| 9 | this machine lacks a tool, a permission, a port or disk |
| 130 | interrupted |

`footplate job run` and `workspace exec` pass the exit code of the user's own program on instead.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
import unicodedata
from collections.abc import Callable
from enum import IntEnum

import typer

from footplate import errors
from footplate.errors import FootplateError


class ExitCode(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    REFUSED = 5
    CLUSTER_ACCESS = 6
    TIMED_OUT = 7
    CANCELLED = 8
    MACHINE_LACKS = 9
    INTERRUPTED = 130


_MAKE_ROOM = "make room, or set FOOTPLATE_DATA and FOOTPLATE_CACHE to directories on a larger disk"
_ELSEWHERE = "set FOOTPLATE_DATA and FOOTPLATE_CACHE to directories that you may write to"
_OF_THE_DISK = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _MAKE_ROOM),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR), _ELSEWHERE),
}

#: Control sequences of terminals (ECMA-48): colours, titles, cursor.
_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\^_])")

#: The first kind that fits counts.
_KINDS: tuple[tuple[type[FootplateError], ExitCode], ...] = (
    (errors.BadUsage, ExitCode.USAGE),
    (errors.NotFound, ExitCode.NOT_FOUND),
    (errors.Conflict, ExitCode.CONFLICT),
    (errors.Refused, ExitCode.REFUSED),
    (errors.ClusterAccess, ExitCode.CLUSTER_ACCESS),
    (errors.TimedOut, ExitCode.TIMED_OUT),
    (errors.JobCancelled, ExitCode.CANCELLED),
    (errors.MachineLacks, ExitCode.MACHINE_LACKS),
)


def exit_code(error: FootplateError) -> ExitCode:
    return next((code for kind, code in _KINDS if isinstance(error, kind)), ExitCode.FAILED)


def run(command: Callable[[], object]) -> int:
    """The exit code of `command`, after saying on stderr why it is not 0. An int that it returns is its own code."""
    try:
        code = command()
        sys.stdout.flush()
        return code if isinstance(code, int) else ExitCode.OK
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nothing more to say, and nothing to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except typer.Abort:
        print("Nothing was done.", file=sys.stderr)
        return ExitCode.FAILED
    except typer.TyperException as error:
        return _usage(error)
    except Exception as error:
        return report(error)


def report(error: Exception) -> ExitCode:
    """Says what went wrong; the code it stands for."""
    if os.environ.get("FOOTPLATE_DEBUG"):
        traceback.print_exception(error)
    known = _known(error)
    if known is None:
        say(
            f"unexpected {type(error).__name__}: {error}",
            "this is a bug in Footplate; FOOTPLATE_DEBUG=1 shows where it happened",
        )
        return ExitCode.FAILED
    say(known.message, known.remedy)
    return exit_code(known)


def say(message: str, remedy: str | None = None) -> None:
    print(f"{_styled('error:', '1;31')} {_plain(message)}", file=sys.stderr)
    if remedy:
        print(f"{_styled('hint:', '1;36')} {_plain(remedy)}", file=sys.stderr)


def _plain(text: str) -> str:
    """Messages quote what others wrote: none of it commands the terminal."""
    return "".join(c for c in _ESCAPE.sub("", text) if c in "\n\t" or not unicodedata.category(c).startswith("Cc"))


def _known(error: Exception) -> FootplateError | None:
    if isinstance(error, FootplateError):
        return error
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        where = f"{os.fsdecode(error.filename)}: " if error.filename is not None else ""
        return errors.MachineLacks(f"{where}{error.strerror}.", _OF_THE_DISK[error.errno])
    # What has not been imported cannot have been raised: this module must stay quick to import.
    if "footplate.kube.errors" not in sys.modules:
        return None
    from footplate.client.explain import explain
    from footplate.kube.errors import KubeError

    return explain(error) if isinstance(error, KubeError) else None


def _usage(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        # A group without a command: its help, as `--help` prints it, but on stderr and not as a success.
        print(error.message, file=sys.stderr)
        return ExitCode.USAGE
    message = error.format_message()
    say(message[:1].lower() + message[1:], f"see `{context.command_path} --help`" if context is not None else None)
    return error.exit_code


def _styled(text: str, codes: str) -> str:
    plain = not sys.stderr.isatty() or "NO_COLOR" in os.environ
    return text if plain else f"\x1b[{codes}m{text}\x1b[0m"
