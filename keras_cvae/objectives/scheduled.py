"""What rises from 0 to its end as training goes on, and knows how far it has come.

How many steps were taken is a weight of the layer, so that a saved model goes on where it was.
Step i of training, from 1, is at min(i / length, 1) of the end. Evaluation takes no step and is at
the end: losses of different epochs measure the same thing.
"""

from __future__ import annotations

import warnings

import keras
from keras import ops

from keras_cvae import checks, layers
from keras_cvae.types import Tensor

EPOCHS = 10  # where neither steps nor epochs are given
MOST = 2**24  # steps, up to which float32 counts without gaps


def duration(epochs: int | None, steps: int | None) -> dict[str, int | None]:
    """Checks for how long something rises: `epochs` and `steps`, of which one is None.

    Raises:
        ValueError: If both are given, or one is not an integer of at least 1.
    """
    if steps is None:
        epochs = checks.integer("epochs", EPOCHS if epochs is None else epochs, least=1)
        return {"epochs": epochs, "steps": None}
    expected = "must be left out where `epochs` are given"
    checks.require(epochs is None, "steps", expected, f"steps={steps!r}, epochs={epochs!r}")
    return {"epochs": None, "steps": checks.integer("steps", steps, least=1, most=MOST)}


class Scheduled(layers.Divergence):
    """A divergence whose place in the loss depends on a setting that rises in training.

    A subclass defines `penalty`, and says in `setting` what it calls that which rises.

    Args:
        end: What it rises to.
        epochs: For how many epochs; `fit` tells how many steps that is, and without it the
            setting is at its end.
        steps: For how many steps of training, in place of `epochs`.
        prior: `"standard_normal"`, another name or an object from `keras_cvae.priors`.

    Call arguments:
        inputs: As of `Divergence`.
        y: As of `Divergence`.
        training: Whether this is a step of training, which is counted.

    Returns:
        The inputs, unchanged.

    Raises:
        ValueError: If an argument is not one of the above; in `fit`, if there are `epochs` and it
            is not known how many steps one has.
    """

    setting: str

    def __init__(self, end, epochs=None, steps=None, prior="standard_normal", **kwargs):
        super().__init__(prior, **kwargs)
        self.end = checks.number(self.setting, end, least=0)
        self.duration = duration(epochs, steps)
        options = {"shape": (), "dtype": "float32", "trainable": False}
        options |= {"aggregation": "only_first_replica"}
        self.taken = self.add_weight(name="taken", initializer="zeros", **options)
        known = keras.initializers.Constant(steps or 0)
        self.length = self.add_weight(name="length", initializer=known, **options)

    @property
    def setting_names(self) -> tuple[str, ...]:
        return (self.setting,)

    def penalty(self, kl, setting) -> Tensor:
        """What is added to the loss, a scalar.

        Args:
            kl: The average of the KL divergence over the batch, a scalar tensor.
            setting: What rises, a scalar tensor.
        """
        raise NotImplementedError

    def call(self, inputs, y=None, training=False):
        if training:
            self.taken.assign_add(1.0)
        setting = self.end * self.progress() if training else ops.convert_to_tensor(self.end)
        self.report_setting(self.setting, setting)
        self.add_to_loss(self.penalty(self.report(self.name, self.kl(inputs, y)), setting))
        return inputs

    def progress(self) -> Tensor:
        """How far it has come, a scalar tensor from 0 to 1."""
        taken, length = map(ops.convert_to_tensor, (self.taken, self.length))
        return ops.where(taken < length, taken / ops.maximum(length, 1.0), 1.0)

    def on_fit_begin(self, examples, steps, epochs):
        if self.duration["epochs"]:
            if steps is None:
                raise checks.ArgumentError(
                    "steps",
                    f"must tell for how long {self.setting} rises, or `steps_per_epoch` of "
                    "`fit` how many steps an epoch has, where a stream does not",
                    f"epochs={self.duration['epochs']}",
                )
            self.length.assign(self.duration["epochs"] * steps)
        self._has_warned = False
        if steps is not None:
            self._warn_where_too_short(self._taken + steps * epochs)

    def on_fit_end(self):
        if not self._has_warned:
            self._warn_where_too_short(self._taken)

    @property
    def _taken(self):
        return int(ops.convert_to_numpy(self.taken))

    def _warn_where_too_short(self, last):
        length = int(ops.convert_to_numpy(self.length))
        if last < length:
            self._has_warned = True
            warnings.warn(
                f"Training is shorter than the rise of {self.setting}: it ends at step {last} of "
                f"{length}, where {self.setting} is {self.end * last / length:.3g} instead of "
                f"{self.end:g}. Train for longer, or give fewer `epochs` or `steps` to the "
                "objective; another `fit` goes on from there.",
                stacklevel=2,
            )

    def get_config(self):
        return {**super().get_config(), self.setting: self.end, **self.duration}
