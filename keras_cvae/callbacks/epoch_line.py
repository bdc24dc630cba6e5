"""A line for each epoch of training: the ELBO, and the time left."""

from __future__ import annotations

import shutil
import sys
import time

import keras

WIDTH = 20  # characters of the bar
BAR_INTERVAL = 0.1  # seconds
LOG_INTERVAL = 10.0  # seconds


class EpochLine(keras.callbacks.Callback):
    """Prints the ELBO of training and validation after each epoch, and the time left.

    On a terminal it shows a bar during the epoch. In a log file it writes at most one line every
    ten seconds, and always the last one. Use it in place of Keras's own line: `fit(...,
    verbose=0)`.

    Args:
        example: The word for one example, such as "image".
        is_live: Whether to show a bar; by default on a terminal only.
    """

    takes_blocks = True
    has_state = False  # a training may be resumed with or without it

    def __init__(self, example: str = "image", is_live: bool | None = None):
        super().__init__()
        self.unit = f"nats per {example}"
        self.is_live = is_live
        self._is_live = False

    def on_train_begin(self, logs=None) -> None:
        self._is_live = sys.stdout.isatty() if self.is_live is None else self.is_live
        self._shown, self._waiting = 0.0, ""
        self._first: int | None = None
        self._seconds_per_epoch: float | None = None
        # Time, and number of epochs until then. Not from the start: compiling takes time.
        self._start: tuple[float, float] | None = None

    def on_epoch_begin(self, epoch, logs=None) -> None:
        if self._first is None:
            self._first = epoch
        elif epoch == self._first + 1:
            self._start = time.monotonic(), 1.0
        self._epoch = epoch
        self._draw(0.0, logs)

    def on_train_batch_end(self, batch, logs=None) -> None:
        steps = self.params.get("steps")
        if steps:
            self._measure((batch + 1) / steps)
            if self._is_live and time.monotonic() - self._shown > BAR_INTERVAL:
                self._draw((batch + 1) / steps, logs)

    def on_epoch_end(self, epoch, logs=None) -> None:
        if epoch > self._first:
            self._measure(1.0)
        parts = [
            f"{name} {logs[key]:.2f}"
            for key, name in (("elbo", "elbo"), ("val_elbo", "validation"))
            if key in (logs or {})
        ]
        line = f"{self._head()} {', '.join(parts)} {self.unit}{self._left(1.0)}"
        if self._is_live:
            self._write(f"\r{line}", "\n")
        elif epoch == self._first or time.monotonic() - self._shown > LOG_INTERVAL:
            self._write(line, "\n")
        else:
            self._waiting = line

    def on_train_end(self, logs=None) -> None:
        if self._waiting:
            self._write(self._waiting, "\n")

    def _draw(self, share, logs):
        if not self._is_live:
            return
        done = round(WIDTH * share)
        elbo = f" elbo {float(logs['elbo']):.2f}" if logs and "elbo" in logs else ""
        bar = "=" * done + "-" * (WIDTH - done)
        self._write(f"\r{self._head()} [{bar}]{elbo}{self._left(share)}", "")

    def _head(self):
        epochs = str(self.params["epochs"])
        return f"Epoch {self._epoch + 1:>{len(epochs)}}/{epochs}"

    def _left(self, share):
        """Returns the time left in words; empty before the duration of an epoch is known."""
        left = self.params["epochs"] - self._epoch - share
        if not (self._seconds_per_epoch and left):
            return ""
        return f", {duration(self._seconds_per_epoch * left)} left"

    def _measure(self, share):
        """Measures the duration of an epoch, after a share of the current one."""
        now, done = time.monotonic(), self._epoch - self._first + share
        if self._start is None:
            self._start = now, done
        elif done > self._start[1]:
            self._seconds_per_epoch = (now - self._start[0]) / (done - self._start[1])

    def _write(self, text, end):
        self._shown, self._waiting = time.monotonic(), ""
        if self._is_live:  # it may replace a longer line
            text = text.ljust(shutil.get_terminal_size().columns - 1)
            text = text[: shutil.get_terminal_size().columns]
        print(text, end=end, flush=True)


def duration(seconds: float) -> str:
    """Returns a duration in words, such as "40 s", "3 min" or "2 h 5 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
