"""Time of an import, and until the end of the first batch of `fit`, in new interpreters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

NOT_AT_IMPORT = ("matplotlib", "scipy.stats", "sklearn", "PIL")
IMPORT = """
import json, sys, time
start = time.perf_counter()
import {module}
seconds = time.perf_counter() - start
print(json.dumps([seconds, [name for name in {names} if name in sys.modules]]))
"""
FIRST_FIT = """
import json, sys, time
import numpy as np
import keras_cvae
images, labels = np.random.default_rng(0).random((100, 28, 28, 1), "float32"), np.arange(100) % 10
cvae = keras_cvae.build_cvae((28, 28, 1), condition=10, latent_dim=20)
cvae.compile(optimizer="adam")
cvae.fit([images, labels], batch_size=100, verbose=0)
print(json.dumps([time.time() - float(sys.argv[1]), None]))
"""
PROGRAMS = {
    "import keras": IMPORT.format(module="keras", names=NOT_AT_IMPORT),
    "import keras_cvae": IMPORT.format(module="keras_cvae", names=NOT_AT_IMPORT),
    "keras_cvae: start to first batch": FIRST_FIT,
}


def measure(backend: str, rounds: int) -> dict[str, tuple[list[float], list[str] | None]]:
    """Runs the programs in turn, `rounds` times after one untimed run.

    Args:
        backend: The Keras backend.
        rounds: Number of timed runs of each program.

    Returns:
        For each program the seconds of its runs, and the modules of `NOT_AT_IMPORT` that it
        imported. Programs that fail are left out, with a message.
    """
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    results = {name: ([], None) for name in PROGRAMS}
    for turn in range(rounds + 1):  # the first fills the file cache
        for name, (seconds, _) in list(results.items()):
            command = [sys.executable, "-c", PROGRAMS[name], str(time.time())]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                print(f"left out: {name}, {backend}: {done.stderr.strip().splitlines()[-1:]}")
                del results[name]
                continue
            duration, imported = json.loads(done.stdout.splitlines()[-1])
            results[name] = (seconds + [duration] * (turn > 0), imported)
    return results
