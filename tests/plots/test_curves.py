"""Loss curves: every term once, for training and validation."""

import pytest

from keras_cvae import plots
from tests.plots.drawn import png

pytestmark = pytest.mark.once

HISTORY = {
    "loss": [3.0, 2.0, 1.5],
    "kl": [1.0, 0.5, 0.25],
    "reconstruction": [2.0, 1.5, 1.25],
    "val_loss": [3.5, 2.5, 2.0],
    "learning_rate": [1e-3, 1e-4, 1e-5],
}


def test_loss_curves_show_each_term_once():
    figure = plots.loss_curves(HISTORY, title="Run")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "kl", "reconstruction"]
    curves = {
        (axes.get_title(), line.get_label()): line for axes in figure.axes for line in axes.lines
    }
    assert {key: list(line.get_ydata()) for key, line in curves.items()} == {
        ("loss", "training"): HISTORY["loss"],
        ("loss", "validation"): HISTORY["val_loss"],
        ("reconstruction", "training"): HISTORY["reconstruction"],
        ("kl", "training"): HISTORY["kl"],
    }
    for line in curves.values():
        assert list(line.get_xdata()) == [1, 2, 3]
    for axes in figure.axes:
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "nats per image")
        assert axes.get_legend() is not None
    assert figure.get_suptitle() == "Run"
    png(figure)


def test_every_reported_value_is_plotted_with_the_loss_first():
    history = {
        "kl_2": [1.0, 0.5],
        "val_mae": [0.2, 0.1],
        "mae": [0.3, 0.2],
        "loss": [3.0, 2.0],
        "fid": [7.0],  # not every epoch
        "val_fid": [8.0],
        "weights": [[1.0, 2.0], [1.0, 2.0]],
    }
    figure = plots.loss_curves(history, units={"mae": "grey levels"})
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert list(panels) == ["loss", "kl_2", "mae"]
    assert [line.get_label() for line in panels["mae"].lines] == ["training", "validation"]
    assert panels["mae"].get_ylabel() == "grey levels"
    assert panels["kl_2"].get_ylabel() == "nats per image"


@pytest.mark.parametrize("epochs", [1, 2, 3, 30])
def test_epochs_are_whole_numbers(epochs):
    figure = plots.loss_curves({"val_classification": [1.0] * epochs})
    low, high = figure.axes[0].get_xlim()
    shown = [tick for tick in figure.axes[0].get_xticks() if low <= tick <= high]
    assert shown and all(tick == int(tick) >= 1 for tick in shown)


def test_a_diverged_run_can_be_plotted():
    png(plots.loss_curves({"loss": [1.0, float("inf"), float("nan")]}))


@pytest.mark.parametrize(
    "history",
    [
        {},
        {"learning_rate": [1.0]},
        {"loss": []},
        {"loss": [[1.0, 2.0]]},
        {"loss": [2.0, 1.0], "val_loss": [2.0]},
    ],
)
def test_loss_curves_refuse_a_history_without_aligned_terms(history):
    with pytest.raises(ValueError, match=r"`history` must contain one value per epoch.*Received:"):
        plots.loss_curves(history)
