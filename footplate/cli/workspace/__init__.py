"""`footplate workspace`: what becomes of one (`lifecycle`), the ways into one (`access`, `carrying`), its idleness (`idling`),
and its home (`homes`).
"""

from footplate.cli.workspace import access, carrying, homes, idling, lifecycle
from footplate.cli.workspace.base import app

__all__ = ["access", "app", "carrying", "homes", "idling", "lifecycle"]
