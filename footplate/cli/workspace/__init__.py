"""`footplate workspace`: what becomes of one (`lifecycle`), the ways into one (`access`, `carrying`), and its idleness (`idling`)."""

from footplate.cli.workspace import access, carrying, idling, lifecycle
from footplate.cli.workspace.base import app

__all__ = ["access", "app", "carrying", "idling", "lifecycle"]
