"""`footplate workspace`: what becomes of one (`lifecycle`), and the ways into one (`access`)."""

from footplate.cli.workspace import access, lifecycle
from footplate.cli.workspace.base import app

__all__ = ["access", "app", "lifecycle"]
