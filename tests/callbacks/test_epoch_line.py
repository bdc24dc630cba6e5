"""The line of an epoch: on a terminal, in a log, and what it costs."""

import numpy as np
import pytest

import keras_cvae
from keras_cvae import callbacks, networks
from keras_cvae.callbacks import epoch_line
from keras_cvae.fitting.callbacks import looks_at_batches

pytestmark = pytest.mark.once


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [0.0]
    monkeypatch.setattr(epoch_line.time, "monotonic", lambda: now[0])
    return now


def epochs_of(line, clock, count, seconds, first=0):
    """Shows `count` epochs of four steps."""
    line.set_params({"epochs": count, "steps": 4})
    line.on_train_begin()
    for epoch in range(first, count):
        line.on_epoch_begin(epoch)
        for step in range(4):
            clock[0] += seconds / 4
            line.on_train_batch_end(step, {"elbo": np.float32(-90.0 + epoch)})
        line.on_epoch_end(epoch, {"elbo": -90.0 + epoch, "val_elbo": -95.0, "loss": 90.0})
    line.on_train_end()


def test_a_terminal_shows_a_bar_and_the_time_left(clock, capsys):
    epochs_of(callbacks.EpochLine("row", is_live=True), clock, 3, 40.0)
    out = capsys.readouterr().out
    first, second, third = (line.split("\r") for line in out.rstrip("\n").split("\n"))
    assert [part.strip() for part in first[1:4]] == [
        "Epoch 1/3 [--------------------]",
        "Epoch 1/3 [=====---------------] elbo -90.00",
        "Epoch 1/3 [==========----------] elbo -90.00, 2 min left",
    ]
    assert first[-1].strip() == "Epoch 1/3 elbo -90.00, validation -95.00 nats per row, 80 s left"
    assert second[-1].strip().endswith("nats per row, 40 s left")
    assert third[-1].strip() == "Epoch 3/3 elbo -88.00, validation -95.00 nats per row"


def test_a_log_has_few_lines(clock, capsys):
    epochs_of(callbacks.EpochLine(is_live=False), clock, 12, 4.0)
    shown = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert shown == ["1/12", "4/12", "7/12", "10/12", "12/12"]
    epochs_of(callbacks.EpochLine(is_live=False), clock, 12, 4.0, first=10)
    assert "left" in capsys.readouterr().out.splitlines()[0]


def test_durations():
    assert [epoch_line.duration(s) for s in (0.2, 89, 150, 7500)] == [
        *("1 s", "89 s", "2 min", "2 h 5 min")
    ]


def test_training_still_runs_many_steps_at_once(capsys):
    line = callbacks.EpochLine()
    assert not looks_at_batches(line, "train") and not looks_at_batches(line, "test")
    cvae = keras_cvae.build_cvae((4,), 2, 1, network=networks.Dense((3,)))
    cvae.compile("adam", run_eagerly=True)
    x, y = np.zeros((8, 4), "float32"), np.arange(8) % 2
    cvae.fit([x, y], epochs=2, batch_size=4, callbacks=[line], verbose=0)
    assert "Epoch 2/2 elbo -" in capsys.readouterr().out
