import numpy as np
import pytest

from keras_cvae import objectives
from keras_cvae.objectives.warmup import WarmedKLDivergence

MEAN, LOG_VAR = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")


def test_gradients_are_those_of_the_divergence_times_beta_of_the_step(gradient):
    """d KL / d mean = mean, d KL / d log_var = (exp(log_var) - 1) / 2, and the batch is 5."""
    layer = WarmedKLDivergence(beta=3.0, steps=4)

    def loss(mean, log_var):
        layer([mean, log_var], training=True)
        return sum(layer.losses)

    for beta in (0.75, 1.5, 2.25, 3.0, 3.0):
        of_mean, of_log_var = gradient(loss, MEAN, LOG_VAR)
        np.testing.assert_allclose(of_mean, beta * MEAN / 5, rtol=1e-5, atol=1e-6)
        expected = beta * (np.exp(LOG_VAR) - 1) / 2 / 5
        np.testing.assert_allclose(of_log_var, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("beta", [-1, float("nan"), "large"])
def test_an_invalid_beta_raises_an_error(beta):
    for kind in (objectives.Warmup, WarmedKLDivergence):
        with pytest.raises(ValueError, match="`beta` must be a finite number of at least 0"):
            kind(beta)
