r"""Trains an epoch on a stream larger than memory, and prints the memory that this takes.

Writes shards of images and labels as `.npy` files, `--gigabytes` in all, reads them through a
`keras.utils.PyDataset` and removes them.

    KERAS_BACKEND=jax python scripts/benchmarks/big_stream.py --gigabytes 20 --folder /tmp
"""

from __future__ import annotations

import argparse
import functools
import resource
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

import keras_cvae

IMAGE_SHAPE, NUM_CLASSES, BATCH_SIZE = (28, 28, 1), 10, 100
BATCHES = 200  # in a shard: 63 MB of images
IMAGE_BYTES = 4 * 28 * 28


class Shards(keras.utils.PyDataset):
    """Batches of a folder's shards, in order; one shard is in memory."""

    def __init__(self, folder: Path, count: int):
        super().__init__()
        self.folder, self.count = folder, count
        self.read = functools.lru_cache(maxsize=1)(self._read)

    def _read(self, shard):
        return [np.load(self.folder / f"{name}{shard}.npy") for name in ("images", "labels")]

    def __len__(self):
        return self.count * BATCHES

    def __getitem__(self, batch):
        shard, batch = divmod(batch, BATCHES)
        rows = slice(batch * BATCH_SIZE, (batch + 1) * BATCH_SIZE)
        return tuple(part[rows] for part in self.read(shard))


def write(folder: Path, count: int) -> int:
    """Writes so many shards, each drawn anew, and returns their size in bytes."""
    rng = np.random.default_rng(0)
    for shard in range(count):
        images = rng.random((BATCHES * BATCH_SIZE, *IMAGE_SHAPE), "float32")
        np.save(folder / f"images{shard}.npy", images)
        np.save(folder / f"labels{shard}.npy", rng.integers(0, NUM_CLASSES, len(images)))
    return sum(path.stat().st_size for path in folder.iterdir())


def peak() -> float:
    """Peak resident memory of this process, in MB."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1024**2 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Write the shards, train on them, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=20.0, help="size of all shards")
    parser.add_argument("--folder", help="where the shards lie for a while")
    args = parser.parse_args()
    count = max(1, round(args.gigabytes * 1e9 / (IMAGE_BYTES * BATCHES * BATCH_SIZE)))
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        size = write(Path(folder), count)
        cvae = keras_cvae.build_cvae(IMAGE_SHAPE, NUM_CLASSES, 20, network="dense")
        cvae.compile("adam")
        before, began = peak(), time.perf_counter()
        shards = Shards(Path(folder), count)  # not shuffled: each is read once
        verbose = 1 if sys.stdout.isatty() else 2
        loss = cvae.fit(shards, shuffle=False, verbose=verbose).history["loss"][-1]
        seconds = time.perf_counter() - began
    images = count * BATCHES * BATCH_SIZE
    print(f"{keras.backend.backend()}: {size / 1e9:.1f} GB in {count} shards, loss {loss:.1f}")
    print(f"one epoch: {seconds:.0f} s, {images / seconds:,.0f} images/s")
    print(f"peak resident memory: {peak():.0f} MB, {before:.0f} MB before training")


if __name__ == "__main__":
    main()
