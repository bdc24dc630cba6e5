"""What `fit` says of itself: a loss that is not finite, classes not seen, a z that is not used."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping

import keras
import numpy as np

from keras_cvae import evaluation
from keras_cvae.evaluation.latent_use import COLLAPSED

IGNORED = 0.05  # of what images differ, that another label must change
EPOCHS = 3  # before which nothing is said of either


class Watch(keras.callbacks.Callback):
    """Stops training where the loss is not finite, with the last good weights; warns at its end.

    Args:
        sample: Some training examples, checked arrays by the names of the inputs; None where they
            are a stream.

    Attributes:
        failure: What went wrong, in words; None where nothing did.
    """

    def __init__(self, sample: Mapping[str, np.ndarray] | None = None):
        super().__init__()
        self.sample = sample

    def on_train_begin(self, logs=None):
        self.failure = None
        self._epochs = 0
        self._keep(0)

    def on_epoch_end(self, epoch, logs=None):
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
            for sentence in self.model.condition.describe_missing():  # of arrays `fit` has said it
                warnings.warn(sentence, stacklevel=1)
        self._keep(epoch + 1)
        self._logs = logs

    def on_train_end(self, logs=None):
        is_known = (
            self._epochs >= EPOCHS and "elbo" in self._logs
        )  # not of an epoch without batches
        if self.failure or not is_known:
            return
        kl = sum(self._logs[name] for name in self.model.kl_terms)
        if kl < COLLAPSED:
            warnings.warn(
                f"Posterior collapse: the KL divergence is {kl:.2f} nats, so z says nothing of an "
                "example, and all that is drawn for a label is alike but for noise. Try "
                "`likelihoods.OptimalGaussian()`, whose variance is never larger than what the "
                "decoder leaves, a smaller beta (`objectives.ELBO(beta=0.5)`), or a smaller "
                "decoder. (Where columns or pixels say nothing of each other, z has nothing to "
                "say.)",
                stacklevel=1,
            )
        effect = self._label_effect()
        if effect < IGNORED:
            warnings.warn(
                f"The model ignores its label: to change it changes {100 * effect:.1f}% as much as "
                "another z does, since z holds the class too. Fit a prior that depends on it "
                "(`cvae.fit_prior`), try a smaller `latent_dim` or a larger beta "
                "(`objectives.ELBO(beta=3.0)`), and see whether labels and examples are in the "
                "same order.",
                stacklevel=1,
            )

    def _label_effect(self):
        if self.sample is None or not self.model.classes:
            return math.nan
        return evaluation.label_effect(self.model, self.sample["image"], self.sample["label"])

    def _keep(self, epoch):
        self._good_epoch = epoch
        # Copies: on some backends an array of a variable is the variable's own memory.
        self._good = [np.array(keras.ops.convert_to_numpy(v)) for v in self._variables()]

    def _restore(self):
        for variable, value in zip(self._variables(), self._good, strict=False):
            variable.assign(value)

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def _why(self, epoch, wrong, logs):
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        terms = ", ".join(f"{name} is {logs[name]}" for name in wrong)
        return (
            f"The loss must stay finite; in epoch {epoch} {terms}. The weights are those after "
            f"epoch {self._good_epoch}. Likely the learning rate is too large: try a tenth of it, "
            f"or `clipnorm=1.0` of the optimizer. Received: learning rate {rate:g}"
        )
