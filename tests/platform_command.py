"""`footplate` as a person on this machine runs it, with a cluster of the tests as theirs."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMAND = (sys.executable, "-m", "footplate.cli.main")


@dataclass(frozen=True)
class Command:
    environment: Mapping[str, str]

    @staticmethod
    def on(environment: Mapping[str, str], context: str) -> "Command":
        left_out = ("KUBECONFIG", "FOOTPLATE_TEAM", "FOOTPLATE_STACK")
        kept = {name: value for name, value in environment.items() if name not in left_out}
        return Command({**kept, "FOOTPLATE_CONTEXT": context})

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*COMMAND, *words],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def __call__(self, *words: str, given: bytes = b"", code: int | None = 0, seconds: float = 400) -> str:
        """Standard output. Fails where the exit code is not `code`; None takes any."""
        return self._run(words, given, code, seconds).stdout.decode()

    def both(self, *words: str) -> str:
        """Standard output and what is said beside it."""
        done = self._run(words, b"", 0, 400)
        return done.stdout.decode() + done.stderr.decode()

    def _run(
        self, words: tuple[str, ...], given: bytes, code: int | None, seconds: float
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [*COMMAND, *words],
            check=False,
            cwd=ROOT,
            env=self.environment,
            input=given,
            capture_output=True,
            timeout=seconds,
        )
        said = (
            f"footplate {' '.join(words)} ended with {done.returncode}:\n{done.stdout.decode()}\n{done.stderr.decode()}"
        )
        assert code is None or done.returncode == code, said
        return done
