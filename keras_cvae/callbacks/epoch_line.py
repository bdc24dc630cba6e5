"""One line an epoch, while a model trains: its ELBO, and the time left."""

from __future__ import annotations

import shutil
import sys
import time

import keras

WIDTH = 20  # characters of the bar
OFTEN = 0.1  # seconds between two pictures of the bar
SELDOM = 10.0  # seconds between two lines of a log


class EpochLine(keras.callbacks.Callback):
    """Prints the ELBO of training and validation after each epoch, and how long `fit` still takes.

    On a terminal it shows a bar during the epoch; elsewhere, as in a log, a line every ten seconds
    at most, and the last one. Use it in place of Keras's own line: `fit(..., verbose=0)`.

    Args:
        example: The word for one example, such as "image".
        is_live: Whether it shows a bar; by default on a terminal.
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
        # Seconds an epoch since a moment, of so many epochs: the first steps are compiled.
        self._pace: float | None = None
        self._since: tuple[float, float] | None = None

    def on_epoch_begin(self, epoch, logs=None) -> None:
        if self._first is None:
            self._first = epoch
        elif epoch == self._first + 1:
            self._since = time.monotonic(), 1.0
        self._epoch = epoch
        self._draw(0.0, logs)

    def on_train_batch_end(self, batch, logs=None) -> None:
        steps = self.params.get("steps")
        if steps:
            self._measure((batch + 1) / steps)
            if self._is_live and time.monotonic() - self._shown > OFTEN:
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
        elif epoch == self._first or time.monotonic() - self._shown > SELDOM:
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
        """Returns how long is left, once a part of an epoch tells how long one takes."""
        left = self.params["epochs"] - self._epoch - share
        return f", {duration(self._pace * left)} left" if self._pace and left else ""

    def _measure(self, share):
        """Measures the pace, when a share of the epoch is done."""
        now, done = time.monotonic(), self._epoch - self._first + share
        if self._since is None:
            self._since = now, done
        elif done > self._since[1]:
            self._pace = (now - self._since[0]) / (done - self._since[1])

    def _write(self, text, end):
        self._shown, self._waiting = time.monotonic(), ""
        if self._is_live:  # over a longer line before it
            text = text.ljust(shutil.get_terminal_size().columns - 1)
            text = text[: shutil.get_terminal_size().columns]
        print(text, end=end, flush=True)


def duration(seconds: float) -> str:
    """Returns a time in words, such as "40 s", "3 min" or "2 h 5 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
