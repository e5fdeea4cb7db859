"""A reader's batches through PyTorch's DataLoader. Imported only where PyTorch is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from footplate.data.batches import Batches


class _Stream(IterableDataset[Any]):  # pyright: ignore[reportUntypedBaseClass]
    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self._batches = batches

    def __iter__(self) -> Iterator[Any]:
        worker: Any = get_worker_info()
        return self._batches.read(worker.id, worker.num_workers) if worker else self._batches.read()


def started(batches: Batches, options: dict[str, Any]) -> Iterator[Any]:
    """With its processes running."""
    return iter(DataLoader(_Stream(batches), batch_size=None, **options))
