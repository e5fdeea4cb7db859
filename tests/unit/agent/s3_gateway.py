"""The embedded cluster's object store, versitygw, as a process on loopback."""

import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

ACCESS, SECRET = "footplate-test", "footplate-test-secret"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Gateway:
    def __init__(self, program: Path, root: Path) -> None:
        self._program = program
        self.root = root
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(self._program), "--port", f"127.0.0.1:{self.port}", "--access", ACCESS, "--secret", SECRET]
        (self.root / "buckets").mkdir(parents=True, exist_ok=True)
        with (self.root / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--quiet", "posix", str(self.root / "buckets")], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, (self.root / "log").read_text()
                time.sleep(0.02)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }
