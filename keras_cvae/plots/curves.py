"""Curves of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cvae.checks import require
from keras_cvae.plots.mosaic import DPI

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def loss_curves(
    history: Mapping[str, Sequence[float]],
    *,
    units: Mapping[str, str] | None = None,
    title: str | None = None,
) -> Figure:
    """Draws one panel for each term of the loss, of training and validation.

    Args:
        history: The `history` of the `History` that `fit` returns: lists with one value an epoch.
            It draws `"loss"`, then every other key, each with its `"val_"` twin, and leaves out
            `"learning_rate"`, lists of another length and lists that are not numbers.
        units: Unit of each key that is not in nats per image, as in `{"accuracy": ""}`.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If there is nothing to draw, or twins have unequal lengths.

    Example:
    ```python
    history = cvae.fit([x_train, y_train], epochs=10)
    keras_cvae.plots.loss_curves(history.history).savefig("loss.png")
    ```
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    terms, curves = _terms(history)
    figure = Figure(figsize=(4 * len(terms), 3.2), dpi=DPI, layout="constrained")
    figure.suptitle(title or "")
    for axes, term in zip(figure.subplots(1, len(terms), squeeze=False)[0], terms, strict=True):
        for key, name in ((term, "training"), (f"val_{term}", "validation")):
            if key in curves:
                epochs = len(curves[key])
                axes.plot(range(1, epochs + 1), curves[key], marker=".", label=name)
        axes.set(title=term, xlabel="epoch", ylabel=(units or {}).get(term, "nats per image"))
        axes.set_xlim(0.5, epochs + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def compared_curves(
    histories: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    term: str = "elbo",
    unit: str = "nats per image",
    title: str | None = None,
) -> Figure:
    """Draws one term of several trainings in one panel, of training and validation.

    Args:
        histories: By name, the `history` of each, as for `loss_curves`.
        term: The term, a key of each history.
        unit: Its unit.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If a history does not have the term.

    Example:
    ```python
    plots.compared_curves({"dense": dense.history, "conv": conv.history})
    ```
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 4.5), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    for place, (name, history) in enumerate(histories.items()):
        require(term in history, "histories", f"must each have {term!r}", [*history])
        for key, style, part in ((term, ":", "training"), (f"val_{term}", "-", "validation")):
            values = history.get(key, ())
            epochs = range(1, len(values) + 1)
            axes.plot(epochs, values, style, color=f"C{place}", label=f"{name}, {part}")
    axes.set(xlabel="epoch", ylabel=f"{term} in {unit}", title=title or "")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def _terms(history):
    """Returns the terms to draw, `loss` first, and the curves by their keys in `history`."""
    curves = {
        key: values
        for key, values in history.items()
        if key != "learning_rate" and all(np.ndim(value) == 0 for value in values)
    }
    lengths = {key: len(values) for key, values in curves.items()}
    epochs = lengths.get("loss", max(lengths.values(), default=0))
    aligned = [key.removeprefix("val_") for key in curves if lengths[key] == epochs]
    terms = sorted(dict.fromkeys(aligned), key=lambda term: term != "loss")
    paired = all(lengths.get(f"val_{term}", epochs) == lengths.get(term, epochs) for term in terms)
    expected = "must contain one value per epoch for at least one term, and for its val_ term"
    received = f"numbers of values {lengths} for the keys {list(history)}"
    require(epochs and paired, "history", expected, received)
    return terms, curves
