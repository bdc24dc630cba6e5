"""Rate and distortion of a linear model, exactly."""

import numpy as np
import pytest

from keras_cvae import evaluation
from tests.evaluation import known


@pytest.mark.parametrize("classes", [None, 3])
def test_rate_and_distortion_of_a_linear_model(classes):
    model = known.Linear(classes, shift=None if classes is None else np.ones((3, 2)))
    x, y = known.data(40), None if classes is None else np.arange(40) % 3
    found = [evaluation.rate_and_distortion(model.cvae, x, y, draws=900, seed=s) for s in range(6)]
    exact = {"rate": model.kl(x, y).sum(1).mean(), "distortion": model.distortion(x, y).mean()}
    for name, value in exact.items():
        means = [one[name].mean() for one in found]
        error = np.std(means, ddof=1) / np.sqrt(len(means))
        assert error < 0.05
        assert np.mean(means) == pytest.approx(value, abs=5 * error), name


def test_they_sum_to_the_elbo_and_bound_log_p():
    model, x = known.Linear(), known.data(30)
    options = {"draws": 300, "seed": 1}
    found = evaluation.rate_and_distortion(model.cvae, x, **options)
    elbo = evaluation.terms(model.cvae, x, **options)["elbo"]
    np.testing.assert_allclose(-found["rate"] - found["distortion"], elbo, rtol=1e-6)
    assert (elbo < model.log_p(x) + 0.3).all() and elbo.mean() < model.log_p(x).mean()
    with pytest.raises(ValueError, match="`draws` must be an integer of at least 1"):
        evaluation.rate_and_distortion(model.cvae, x, draws=0)
