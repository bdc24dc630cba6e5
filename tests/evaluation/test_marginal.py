"""log p(x) against the exact sum over labels."""

import numpy as np
import pytest
import scipy.special

from keras_cvae import evaluation
from tests.evaluation import known

WEIGHTS = np.array([5.0, 0.0, 3.0])


@pytest.fixture(scope="module")
def model():
    """q(z | x, y) is wider than p(z), so that importance weights are bounded."""
    return known.Linear(3, spread=np.array([1.5, 1.5]), gain=0.3 * known.GAIN)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_log_p_of_a_linear_model(model, weights):
    x = 2 * known.data(8)
    p = np.full(3, 1 / 3) if weights is None else weights / weights.sum()
    each = np.stack([model.log_p(x, np.full(8, label)) for label in range(3)])
    exact = scipy.special.logsumexp(each, axis=0, b=p[:, None])
    seeds = [
        evaluation.marginal_log_likelihood(
            model.cvae, x, weights, samples=4000, seed=seed, verbose=0
        )
        for seed in range(4)
    ]
    error = np.std(seeds, axis=0, ddof=1).max()
    assert error < 0.2
    np.testing.assert_allclose(np.mean(seeds, axis=0), exact, atol=3 * error)


def test_a_label_of_weight_zero_is_skipped(model, monkeypatch):
    asked = []

    def log_likelihood(cvae, images, label, **options):
        asked.append(label)
        return np.zeros(len(images))

    monkeypatch.setattr(evaluation.marginal, "log_likelihood", log_likelihood)
    found = evaluation.marginal_log_likelihood(model.cvae, known.data(2), WEIGHTS, verbose=0)
    assert asked == [0, 2]
    np.testing.assert_allclose(found, 0.0, atol=1e-12)  # the weights sum to 1


@pytest.mark.parametrize(
    "options, message",
    [
        ({"samples": 0}, "`samples` must be an integer of at least 1"),
        ({"label_weights": [1, 2]}, r"`label_weights` must be a non-empty array .* \(3,\)"),
        ({"label_weights": [1, -1, 1]}, "`label_weights` must be at least 0"),
        ({"label_weights": [0, 0, 0]}, "not all of them 0"),
    ],
)
def test_bad_arguments(model, options, message):
    with pytest.raises(ValueError, match=message):
        evaluation.marginal_log_likelihood(model.cvae, known.data(2), **options)


def test_bad_models_and_data(model):
    with pytest.raises(ValueError, match="must have a condition of classes.*NoneType"):
        evaluation.marginal_log_likelihood(known.Linear().cvae, known.data(2))
    with pytest.raises(ValueError, match="must have the shape"):
        evaluation.marginal_log_likelihood(model.cvae, known.data(2)[:, :4])
