"""A small classifier of handwritten digits, trained by DistributedDataParallel on any number of processes.

    footplate job submit train.py --nodes 2 --environment pytorch -- --epochs 3

Resumes from the newest checkpoint, writes one after each epoch, and ends with a line of JSON. Runs with torch 1.13 and
newer, on CPUs (gloo) and on GPUs (nccl), and without Footplate as well: ``python3 train.py``.
"""

import argparse
import gc
import json
import os
import signal
import time

import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

from footplate import checkpoint, training


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=16, help="of one process")
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--pause", type=float, default=0.0, help="seconds to wait after each epoch, to watch or to interrupt"
    )
    return parser.parse_args()


def digits(seed: int) -> tuple[TensorDataset, TensorDataset]:
    """1,797 images of 8×8 pixels, four fifths of them to train on; the same split in every process."""
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16.0
    labels = torch.tensor(data.target, dtype=torch.int64)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    cut = len(labels) * 4 // 5
    return TensorDataset(images[order[:cut]], labels[order[:cut]]), TensorDataset(
        images[order[cut:]], labels[order[cut:]]
    )


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


def accuracy(model: nn.Module, data: TensorDataset, device: torch.device) -> float:
    model.eval()
    with torch.no_grad():
        images, labels = data.tensors
        found = model(images.to(device)).argmax(dim=1)
    model.train()
    return (found == labels.to(device)).float().mean().item()


def largest(value: float, device: torch.device) -> float:
    """The largest value of all processes, in each of them."""
    tensor = torch.tensor([value], dtype=torch.float64, device=device)
    dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
    return tensor.item()


def restore(model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device) -> tuple[int, int]:
    """Epochs and steps done so far, the same in every process."""
    found = checkpoint.latest()
    step = found.step if found else 0
    if largest(step, device) != -largest(-step, device):
        raise SystemExit("the processes found different checkpoints: let the job start again")
    if found is None:
        return 0, 0
    state = torch.load(found.path / "state.pt", map_location=device)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["epoch"], step


def train(options: argparse.Namespace, device: torch.device) -> None:
    rank, world = dist.get_rank(), dist.get_world_size()
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))

    torch.manual_seed(options.seed)
    train_set, test = digits(options.seed)
    model = network().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=options.learning_rate)
    first_epoch, step = restore(model, optimizer, device)
    if rank == 0:
        print(f"{world} processes, {len(train_set)} images, torch {torch.__version__} on {device.type}", flush=True)
        print(f"resuming after epoch {first_epoch}, step {step}" if step else "starting from the beginning", flush=True)
    parallel = DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)
    sampler = DistributedSampler(train_set, seed=options.seed)
    loader = DataLoader(train_set, batch_size=options.batch_size, sampler=sampler)
    loss_of = nn.CrossEntropyLoss()

    for epoch in range(first_epoch + 1, options.epochs + 1):
        started, total = time.monotonic(), 0.0
        sampler.set_epoch(epoch)
        for images, labels in loader:
            optimizer.zero_grad()
            loss = loss_of(parallel(images.to(device)), labels.to(device))
            loss.backward()
            optimizer.step()
            step += 1
            total += loss.item()
            training.report(step, total_steps=options.epochs * len(loader), loss=loss)
        if rank == 0:
            state = {"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
            with checkpoint.saving(step) as directory:
                torch.save(state, directory / "state.pt")
            print(
                f"epoch {epoch}/{options.epochs}: loss {total / len(loader):.3f}, "
                f"accuracy {accuracy(model, test, device):.3f}, step {step}, {time.monotonic() - started:.2f} s",
                flush=True,
            )
        time.sleep(options.pause)
        if largest(bool(stopping), device):
            raise SystemExit(143)  # The checkpoint of this epoch is written.

    if rank == 0:
        reached = accuracy(model, test, device)
        print(f"accuracy {reached:.3f} on {len(test)} images that were not trained on", flush=True)
        result = {"accuracy": round(reached, 4), "epochs": options.epochs, "step": step, "processes": world}
        print(json.dumps({**result, "resumedAtEpoch": first_epoch}), flush=True)
    dist.barrier()


def main() -> None:
    options = arguments()
    for name, default in (("RANK", "0"), ("WORLD_SIZE", "1"), ("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", "29500")):
        os.environ.setdefault(name, default)
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo")
    train(options, device)
    # In torch 1.13 a DistributedDataParallel that outlives the process group ends it while holding the interpreter's
    # lock, for which the group's threads may be waiting: let it go first.
    gc.collect()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
