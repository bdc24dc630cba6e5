"""Settings of a loss layer that rise from 0 to a final value in training.

The number of steps taken is a weight of the layer: a saved model resumes there. In step i of
training, from 1, the setting is min(i / length, 1) times its final value. Evaluation uses the final
value, so that losses of different epochs are comparable.
"""

from __future__ import annotations

import warnings

import keras
from keras import ops

from keras_cvae import checks, layers
from keras_cvae.types import Tensor

EPOCHS = 10  # default, where neither steps nor epochs are set
MOST = 2**24  # steps; float32 represents all integers up to here


def duration(epochs: int | None, steps: int | None) -> dict[str, int | None]:
    """Checks the length of a rise, in epochs or in steps.

    Args:
        epochs: The number of epochs, or None.
        steps: The number of steps, or None.

    Returns:
        Dict of `epochs` and `steps`, one of which is None.

    Raises:
        ValueError: If both are set, or one is not an integer of at least 1.
    """
    if steps is None:
        epochs = checks.integer("epochs", EPOCHS if epochs is None else epochs, least=1)
        return {"epochs": epochs, "steps": None}
    expected = "must be left out if `epochs` is set"
    checks.require(epochs is None, "steps", expected, f"steps={steps!r}, epochs={epochs!r}")
    return {"epochs": None, "steps": checks.integer("steps", steps, least=1, most=MOST)}


class Scheduled(layers.Divergence):
    """A divergence whose term in the loss depends on a setting that rises in training.

    A subclass defines `penalty`, and the name of the setting, `setting`.

    Args:
        end: Final value of the setting.
        epochs: The number of epochs in which it rises; `fit` converts it to steps, and outside of
            `fit` the setting has its final value.
        steps: The number of training steps, in place of `epochs`.
        prior: `"standard_normal"`, another name or an object from `keras_cvae.priors`.

    Call arguments:
        inputs: As for `Divergence`.
        y: As for `Divergence`.
        training: Whether this is a training step, which is counted.

    Returns:
        The inputs, unchanged.

    Raises:
        ValueError: If an argument is not one of the above; in `fit`, if there are `epochs` and
            the number of steps in one is unknown.
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
        """Returns the term of the loss, a scalar.

        Args:
            kl: The KL divergence averaged over the batch, a scalar tensor.
            setting: Value of the setting, a scalar tensor.
        """
        raise NotImplementedError

    def call(self, inputs, y=None, training=False) -> list[Tensor]:
        if training:
            self.taken.assign_add(1.0)
        setting = self.end * self.progress() if training else ops.convert_to_tensor(self.end)
        self.report_setting(self.setting, setting)
        self.add_to_loss(self.penalty(self.report(self.name, self.kl(inputs, y)), setting))
        return inputs

    def progress(self) -> Tensor:
        """Returns the progress of the rise, a scalar tensor from 0 to 1."""
        taken, length = map(ops.convert_to_tensor, (self.taken, self.length))
        return ops.where(taken < length, taken / ops.maximum(length, 1.0), 1.0)

    def on_fit_begin(self, examples, steps, epochs) -> None:
        if self.duration["epochs"]:
            if steps is None:
                raise checks.ArgumentError(
                    "steps",
                    f"must be the number of steps in which {self.setting} rises, or "
                    "`steps_per_epoch` of `fit` that of an epoch, for a stream of unknown length",
                    f"epochs={self.duration['epochs']}",
                )
            self.length.assign(self.duration["epochs"] * steps)
        self._has_warned = False
        if steps is not None:
            self._warn_where_too_short(self._taken + steps * epochs)

    def on_fit_end(self) -> None:
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
                f"{self.end:g}. Train for longer, or set fewer `epochs` or `steps` in the "
                "objective; another `fit` continues from there.",
                stacklevel=2,
            )

    def get_config(self) -> dict:
        return {**super().get_config(), self.setting: self.end, **self.duration}
