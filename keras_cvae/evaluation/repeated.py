"""Repeatable numbers of `evaluate`: a seed, and averages over many draws of z."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import keras
import numpy as np
from keras import ops

from keras_cvae import batched, checks, noise
from keras_cvae.fitting import inside

DRAWS = 2**15  # of z in all, with which averages of a trained model vary by about 0.02 nats
MOST_DRAWS = 64  # of one example
REPEATED = 2**26  # bytes of repeated data, so that a small data set needs few passes


def number_of_draws(count: int, draws: int | None = None) -> int:
    """Returns the number of draws of z of each of `count` examples, chosen if it is None.

    Raises:
        ValueError: If `draws` is neither None nor an integer of at least 1.
    """
    if draws is None:
        return min(MOST_DRAWS, -(-DRAWS // count))
    return checks.integer("draws", draws, least=1)


@contextlib.contextmanager
def seeded(model: keras.Model, seed: int) -> Iterator[None]:
    """Seeds all randomness of a model within the context; afterwards it continues as before."""
    states = inside.generator_states(model)
    before = [np.array(ops.convert_to_numpy(state)) for state in states]
    noise.seed_states(states, seed)
    try:
        yield
    finally:
        for state, value in zip(states, before, strict=True):
            state.assign(value)


def average_over_draws(
    evaluate: Callable[..., dict],
    arrays: Mapping[str, np.ndarray],
    draws: int,
    copies: bool = True,
    **options,
) -> dict:
    """Averages `evaluate` over draws of z, by repeated data and by passes over them.

    Args:
        evaluate: `keras.Model.evaluate`, or a function like it that returns a dict.
        arrays: Checked arrays by the names of the inputs.
        draws: The least number of draws of each example.
        copies: Whether an example may be in a batch twice; if not, every draw is a pass.
        **options: For `evaluate`. Only the first pass shows progress.
    """
    count = len(next(iter(arrays.values())))
    size = sum(array.nbytes for array in arrays.values())
    times = max(1, min(draws, REPEATED // max(size, 1))) if copies else 1
    passes = -(-draws // times)
    if times > 1:
        arrays = {name: np.concatenate([array] * times) for name, array in arrays.items()}
        options["batch_size"] = options["batch_size"] or min(batched.BATCH_SIZE, count * times)
    results = []
    for _ in range(passes):
        results.append(evaluate(arrays, **options))
        options["verbose"] = 0
    return {name: float(np.mean([one[name] for one in results])) for name in results[0]}
