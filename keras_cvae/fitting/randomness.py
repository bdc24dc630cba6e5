"""The states of the random generators that streams, callbacks and layers may use."""

from __future__ import annotations

import random
import sys
from typing import Any

import numpy as np

from keras_cvae.fitting import inside


def states() -> dict[str, Any]:
    """Returns the states of the generators of Python, NumPy, Keras and, if in use, torch."""
    version, words, gauss = random.getstate()
    kept = {"python": (version, np.array(words), gauss), "numpy": np.random.get_state()}
    kept["keras"] = inside.global_generator_state()
    torch = sys.modules.get("torch")
    if torch is not None:
        kept["torch"] = torch.get_rng_state().numpy()
        if torch.cuda.is_initialized():
            kept["cuda"] = [state.numpy() for state in torch.cuda.get_rng_state_all()]
    return kept


def restore(states: dict[str, Any]) -> None:
    """Sets the generators to states that `states` has returned."""
    version, words, gauss = states["python"]
    random.setstate((version, tuple(map(int, words)), gauss))
    np.random.set_state(states["numpy"])
    if states["keras"] is not None:
        inside.set_global_generator_state(states["keras"])
    torch = sys.modules.get("torch")
    if torch is not None and "torch" in states:
        torch.set_rng_state(torch.from_numpy(states["torch"]))
        if "cuda" in states and torch.cuda.is_available():
            torch.cuda.set_rng_state_all([torch.from_numpy(state) for state in states["cuda"]])
