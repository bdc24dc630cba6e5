"""Training speed of one model in several JAX processes on this machine: strong and weak scaling.

    python scripts/experiments/scaling.py --processes 1,2

Each process has one thread and takes its share of every batch. With strong scaling the batch size
is constant, with weak scaling it is constant per process. All sizes are measured in turn, several
times; the fastest epoch counts, without the first, in which the steps are compiled.
"""

import json
import os
import socket
import subprocess
import sys
from typing import Annotated

import typer

ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
WORKER = """
import json, os, sys, time
import keras, numpy as np
import keras_cvae
from keras_cvae import networks, processes

count, number, address, batch_size, units = json.loads(sys.argv[1])
keras.utils.set_random_seed(0)
if count > 1:
    processes.join(count, address, number)
x = np.random.default_rng(0).random((batch_size * 40, 28, 28, 1), "float32")
y = np.arange(len(x)) % 10
cvae = keras_cvae.build_cvae((28, 28, 1), 10, latent_dim=16, network=networks.Dense((units,) * 2))
cvae.compile("adam")
times = []
for epoch in range(4):
    start = time.perf_counter(), time.process_time()
    cvae.fit([x, y], batch_size=batch_size, verbose=0)
    times.append([time.perf_counter() - start[0], time.process_time() - start[1]])
bytes_of_gradients = 4 * sum(int(np.prod(v.shape)) for v in cvae.trainable_variables)
print(json.dumps({"times": times[1:], "examples": len(x), "bytes": bytes_of_gradients}))
"""


def measure(count: int, batch_size: int, units: int) -> tuple[float, float, int]:
    """Returns examples per second of wall and of total processor time, and bytes of gradients."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": ONE_THREAD}
    running = []
    for number in range(count):
        arguments = json.dumps([count, number, address, batch_size, units])
        command = [sys.executable, "-c", WORKER, arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        running.append(subprocess.Popen(command, env=environment, **pipes))
    results = [json.loads(each.communicate()[0].splitlines()[-1]) for each in running]
    wall = min(seconds for seconds, _ in results[0]["times"])
    processor = sum(min(seconds for _, seconds in each["times"]) for each in results)
    return results[0]["examples"] / wall, results[0]["examples"] / processor, results[0]["bytes"]


def main(
    processes: Annotated[str, typer.Option(help="Numbers of processes.")] = "1,2",
    batch_size: Annotated[int, typer.Option(help="Examples per batch and process.")] = 256,
    units: Annotated[int, typer.Option(help="Width of the two hidden layers.")] = 512,
    repeats: Annotated[int, typer.Option(help="Measurements of each size.")] = 2,
) -> None:
    """Print a table of batch sizes and examples per second of wall time and of processor time."""
    counts = [int(count) for count in processes.split(",")]
    sizes = [("strong", count, batch_size) for count in counts]
    sizes += [("weak", count, batch_size * count) for count in counts if count > 1]
    best: dict[tuple, tuple] = {}
    for _ in range(repeats):
        for size in sizes:
            best[size] = max(best.get(size, (0.0,)), measure(*size[1:], units))
    print("scaling  processes  batch  examples/s  examples/s of processor time")
    for (kind, count, batch), (wall, processor, _) in best.items():
        print(f"{kind:7}  {count:9}  {batch:5}  {wall:10.0f}  {processor:28.0f}")
    print(f"Bytes of gradients summed over all processes in each step: {best[sizes[0]][2]:,}")


if __name__ == "__main__":
    typer.run(main)
