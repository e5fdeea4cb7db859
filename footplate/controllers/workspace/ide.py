"""How each IDE is started in a workspace, and how it says that it is there."""

from __future__ import annotations

from dataclasses import dataclass

from footplate.api.workspace import HOME, PORT


@dataclass(frozen=True)
class Ide:
    command: tuple[str, ...]
    alive: str
    """Path that answers without a token."""
    page: str
    """Path with its query."""


IDES = {
    "jupyterlab": Ide(
        (
            "jupyter",
            "lab",
            "--ip=0.0.0.0",
            f"--port={PORT}",
            "--no-browser",
            f"--ServerApp.root_dir={HOME}",
        ),
        "/api",
        "/lab",
    ),
    # Source: https://coder.com/docs/code-server/guide
    "vscode": Ide(
        (
            "code-server",
            f"--bind-addr=0.0.0.0:{PORT}",
            "--auth=password",
            "--disable-telemetry",
            "--disable-update-check",
            HOME,
        ),
        "/healthz",
        f"/?folder={HOME}",
    ),
}
