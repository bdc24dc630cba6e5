"""The bound of a data set: the loss, its terms and the ELBO, with standard errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from keras_cvae import fitting
from keras_cvae.evaluation.estimates import Estimate
from keras_cvae.evaluation.repeated import averaged, draws_of, seeded
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

    What `CVAE.evaluate`, `measure` and a run report are these numbers.

    Args:
        cvae: A `CVAE`.
        x: As for `CVAE.fit`: arrays, or a stream of batches.
        y: As for `CVAE.fit`.
        draws: How many draws of z for each example of arrays; by default enough for about two
            decimals. Of a stream each example is drawn once.
        seed: Seed of all that is random: the same seed gives the same numbers on one backend.
        sample_weight: As for `CVAE.fit`.
        batch_size: How many examples are in a batch; a large one by default.
        verbose: As for `keras.Model.evaluate`.
        **options: As for `keras.Model.evaluate`.

    Returns:
        Dict of `loss`, the terms, `elbo`, and `rate`, the sum of all terms of the ELBO but the
        reconstruction: each an `Estimate`, in nats per example. Standard errors are over examples,
        with one draw of z each, and so slightly too large; what is no average over examples, such
        as a metric of the reconstruction, has none.

    Raises:
        ValueError: If the data is not what the model takes, or `draws` is not an integer of at
            least 1.
    """
    data, _ = cvae.intake.take(x, y, sample_weight)
    options |= {"batch_size": batch_size, "verbose": verbose}

    def evaluate(data, **options):
        return fitting.FusedModel.evaluate(cvae, data, return_dict=True, **options)

    examples = None
    with _compiled(cvae), seeded(cvae, seed):
        if isinstance(data, dict):
            examples = len(data[cvae.input_names[0]])
            if draws is None and cvae.run_eagerly:
                draws = 1  # more would take minutes
            copies = not any(layer.compares_examples for layer in cvae.loss_layers)
            draws = draws_of(examples, draws)
            values = averaged(evaluate, data, draws, copies=copies, **options)
        else:
            values = evaluate(data, **options)
        errors = cvae.reports.spread.standard_errors(examples)
    values[RATE] = sum(values[name] for name in cvae.elbo_terms[1:])
    return {name: Estimate(value, errors.get(name)) for name, value in values.items()}


@contextlib.contextmanager
def _compiled(cvae) -> Iterator[None]:
    """Within it a model is compiled, which a model from a file need not be."""
    if cvae.compiled:
        yield
        return
    cvae.compile()
    try:
        yield
    finally:
        cvae.compiled = False
