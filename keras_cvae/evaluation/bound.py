"""The bound of a data set: the loss, its terms and the ELBO, with standard errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from keras_cvae import fitting
from keras_cvae.evaluation.estimates import Estimate
from keras_cvae.evaluation.repeated import average_over_draws, number_of_draws, seeded
from keras_cvae.reports import RATE


def bound(
    cvae,
    x,
    y=None,
    *,
    draws: int | None = None,
    seed: int = 0,
    sample_weight=None,
    batch_size: int | None = None,
    verbose=0,
    **options,
) -> dict[str, Estimate]:
    """Measures the loss of a model, its terms and the ELBO, as the loss layers compute them.

    `CVAE.evaluate`, `measure` and a run report these numbers.

    Args:
        cvae: A `CVAE`.
        x: As for `CVAE.fit`: arrays, or a stream of batches.
        y: As for `CVAE.fit`.
        draws: The number of samples of z for each example of arrays; by default enough for about
            two decimals. For a stream it is 1.
        seed: Seed of all randomness: the same seed gives the same numbers on one backend.
        sample_weight: As for `CVAE.fit`.
        batch_size: The number of examples in a batch; large by default.
        verbose: As for `keras.Model.evaluate`.
        **options: As for `keras.Model.evaluate`.

    Returns:
        Dict of `loss`, the terms, `elbo`, and `rate`, the sum of all terms of the ELBO except the
        reconstruction: each an `Estimate`, in nats per example. Standard errors are over examples,
        with one sample of z each, and therefore slightly too large. Values that are not averages
        over examples, such as a metric of the reconstruction, have no standard error.

    Raises:
        ValueError: If the data is invalid, or `draws` is not an integer of at least 1.
    """
    data, _ = cvae.intake.take(x, y, sample_weight)
    options |= {"batch_size": batch_size, "verbose": verbose}

    def evaluate(data, **options):
        return fitting.FusedModel.evaluate(cvae, data, return_dict=True, **options)

    examples = None
    with _compile_if_needed(cvae), seeded(cvae, seed):
        if isinstance(data, dict):
            examples = len(data[cvae.input_names[0]])
            if draws is None and cvae.run_eagerly:
                draws = 1  # more would take minutes
            copies = not any(layer.compares_examples for layer in cvae.loss_layers)
            draws = number_of_draws(examples, draws)
            values = average_over_draws(evaluate, data, draws, copies=copies, **options)
        else:
            values = evaluate(data, **options)
        errors = cvae.reports.spread.standard_errors(examples)
    values[RATE] = sum(values[name] for name in cvae.elbo_terms[1:])
    return {name: Estimate(value, errors.get(name)) for name, value in values.items()}


@contextlib.contextmanager
def _compile_if_needed(cvae) -> Iterator[None]:
    """Compiles a model inside the context, if it is not compiled, such as a model from a file."""
    if cvae.compiled:
        yield
        return
    cvae.compile()
    try:
        yield
    finally:
        cvae.compiled = False
