"""Streams a data set from the object store, and goes on in the middle of an epoch after an interruption.

    footplate job submit examples/streaming/train.py --nodes 2 -- s3://team-data/points

Rank 0 writes the data set where there is none. The model is a line fitted to points by each rank on its own share of the
samples; the same loop feeds any framework. PyTorch reads through ``reader.loader(num_workers=4)`` instead.
"""

import json
import os
import random
import sys
import time

from footplate import checkpoint, data, training

EPOCHS = 3


def points(count: int = 20_000):
    random.seed(1)
    for _ in range(count):
        x = random.uniform(-1, 1)
        yield {"json": json.dumps([x, 3 * x + 1 + random.gauss(0, 0.1)])}


def decode(sample: dict) -> tuple[float, float]:
    x, y = json.loads(sample["json"])
    return x, y


def opened(uri: str, rank: int) -> data.Reader:
    reader = data.Reader(uri, batch_size=50, seed=1, decode=decode)
    while True:
        try:
            print(f"{reader.samples} samples in {uri}", flush=True)
            return reader
        except data.DataError:
            if rank == 0:
                data.write(uri, points(), shard_size=4 << 20, block_size=64 << 10)
            time.sleep(1)


def main() -> None:
    rank = int(os.environ.get("RANK", "0"))
    reader = opened(sys.argv[1], rank)
    slope, offset, step = 0.0, 0.0, 0
    found = checkpoint.latest()
    if found is not None:
        saved = json.loads((found.path / "state.json").read_text())
        slope, offset, step = saved["slope"], saved["offset"], found.step
        reader.load_state_dict(saved["reader"])
        print(f"goes on from step {step}, epoch {reader.epoch}, sample {reader.consumed}", flush=True)
    for _ in range(reader.epoch, EPOCHS):
        for batch in reader:
            errors = [(slope * x + offset - y, x) for x, y in batch]
            slope -= 0.1 * sum(error * x for error, x in errors) / len(batch)
            offset -= 0.1 * sum(error for error, _ in errors) / len(batch)
            step += 1
            training.report(step, loss=sum(error * error for error, _ in errors) / len(batch))
            if rank == 0 and step % 50 == 0:
                with checkpoint.saving(step) as directory:
                    state = {"slope": slope, "offset": offset, "reader": reader.state_dict()}
                    (directory / "state.json").write_text(json.dumps(state))
    print(f"y = {slope:.2f} x + {offset:.2f}", flush=True)


if __name__ == "__main__":
    main()
