"""Repeatable results of `evaluate`: a seed, and averages over many samples of z."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import keras
import numpy as np
from keras import ops

from keras_cvae import batched, checks, noise
from keras_cvae.fitting import inside

DRAWS = 2**15  # samples of z in total: averages of a trained model then vary by about 0.02 nats
MOST_DRAWS = 64  # samples of z for one example
REPEATED = 2**26  # bytes of repeated data, so that a small data set needs few passes


def number_of_draws(count: int, draws: int | None = None) -> int:
    """Returns the number of samples of z for each example.

    Args:
        count: The number of examples.
        draws: The number of samples that the user wants; None to choose it.

    Raises:
        ValueError: If `draws` is neither None nor an integer of at least 1.
    """
    if draws is None:
        return min(MOST_DRAWS, -(-DRAWS // count))
    return checks.integer("draws", draws, least=1)


@contextlib.contextmanager
def seeded(model: keras.Model, seed: int) -> Iterator[None]:
    """Seeds all random generators of a model inside the context, and then restores their states."""
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
    """Averages `evaluate` over samples of z, by repeating the data and by several passes.

    Args:
        evaluate: `keras.Model.evaluate`, or a function like it that returns a dict.
        arrays: Dict of checked arrays by the names of the inputs.
        draws: The least number of samples of z for each example.
        copies: Whether a batch may contain an example twice. If not, every sample is a pass.
        **options: Arguments of `evaluate`. Only the first pass shows progress.

    Returns:
        Dict of the averages.
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
