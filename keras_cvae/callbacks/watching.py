"""Stops a training whose loss is not finite; warns of missing classes, an unused z or label."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping

import keras
import numpy as np

from keras_cvae import evaluation
from keras_cvae.evaluation.latent_use import COLLAPSED

IGNORED = 0.05  # effect of another label relative to another z, below which labels are ignored
EPOCHS = 3  # epochs of training before it warns of an unused z or label


class Watch(keras.callbacks.Callback):
    """Stops training if the loss is not finite, and restores earlier weights; warns at the end.

    Args:
        sample: Some training examples, checked arrays by the names of the inputs; None for a
            stream.

    Attributes:
        failure: The reason for stopping, in words; None if the loss stayed finite.
    """

    def __init__(self, sample: Mapping[str, np.ndarray] | None = None):
        super().__init__()
        self.sample = sample

    def on_train_begin(self, logs=None) -> None:
        self.failure = self._good = None
        self._epochs = 0

    def on_epoch_begin(self, epoch, logs=None) -> None:
        if self._good is None:
            self._keep(epoch)

    def on_epoch_end(self, epoch, logs=None) -> None:
        names = ["loss", *self.model.term_names]
        watched = [*names, *(f"val_{name}" for name in names)]
        wrong = [name for name in watched if name in logs and not math.isfinite(logs[name])]
        if wrong:
            self.failure = self._why(epoch + 1, wrong, logs)
            self._restore()
            self.model.stop_training = True
            return
        self._epochs += 1
        if self._epochs == 1 and self.model.condition is not None and self.sample is None:
            # For arrays, `fit` has warned before training.
            for sentence in self.model.condition.describe_missing():
                warnings.warn(sentence, stacklevel=1)
        self._keep(epoch + 1)
        self._logs = logs

    def on_train_end(self, logs=None) -> None:
        # An epoch without batches has no ELBO.
        is_trained = self._epochs >= EPOCHS and "elbo" in self._logs
        if self.failure or not is_trained:
            return
        kl = sum(self._logs[name] for name in self.model.kl_terms)
        if kl < COLLAPSED:
            warnings.warn(
                f"Posterior collapse: the KL divergence is {kl:.2f} nats, so z contains no "
                "information, and all samples of a label are alike except for noise. Try "
                "`likelihoods.OptimalGaussian()`, whose variance is never larger than the squared "
                "error of the decoder, a smaller beta (`objectives.ELBO(beta=0.5)`), or a smaller "
                "decoder. (If the columns or pixels are independent, there is no information for z "
                "to contain.)",
                stacklevel=1,
            )
        effect = self._label_effect()
        if effect < IGNORED:
            warnings.warn(
                f"The model ignores its label: another label changes an image {100 * effect:.1f}% "
                "as much as another z does, because z also contains the class. Fit a prior that "
                "depends on the label (`cvae.fit_prior`), try a smaller `latent_dim` or a larger "
                "beta (`objectives.ELBO(beta=3.0)`), and check that labels and examples are in the "
                "same order.",
                stacklevel=1,
            )

    def get_state(self) -> dict:
        """Returns what a resumed training needs to warn at its end."""
        return {"epochs": self._epochs, "logs": getattr(self, "_logs", None)}

    def set_state(self, state) -> None:
        """Restores the state of a training."""
        self._epochs, self._logs = state["epochs"], state["logs"]

    def _label_effect(self):
        if self.sample is None or not self.model.classes:
            return math.nan
        return evaluation.label_effect(self.model, self.sample["image"], self.sample["label"])

    def _keep(self, epoch):
        self._good_epoch, self._rate = epoch, self._rate_now()
        # Copies: on some backends an array of a variable shares its memory.
        self._good = [np.array(keras.ops.convert_to_numpy(v)) for v in self._variables()]

    def _restore(self):
        for variable, value in zip(self._variables(), self._good, strict=False):
            variable.assign(value)

    def _rate_now(self):
        return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def _why(self, epoch, wrong, logs):
        rate = max(self._rate, self._rate_now())  # a schedule may end at 0
        terms = ", ".join(f"{name} is {logs[name]}" for name in wrong)
        return (
            f"The loss must stay finite; in epoch {epoch} {terms}. The weights are those after "
            f"epoch {self._good_epoch}. Probably the learning rate is too large: try a tenth of it "
            f"or `clipnorm=1.0` of the optimizer. Received: learning rate {rate:g}"
        )
