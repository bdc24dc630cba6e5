"""Anomaly scores of a linear model, for which they are known."""

import numpy as np
import pytest

from keras_cvae import evaluation
from tests.evaluation import known


@pytest.fixture(scope="module")
def model():
    return known.Linear(3, gain=0.3 * known.GAIN, spread=np.array([1.5, 1.5]))


@pytest.mark.parametrize("kind", ["reconstruction", "elbo", "log_likelihood"])
def test_scores_of_a_linear_model(model, kind):
    x, y = 2 * known.data(12), np.arange(12) % 3
    distortion = model.distortion(x, y)
    exact = {
        "reconstruction": distortion,
        "elbo": distortion + model.kl(x, y).sum(1),
        "log_likelihood": -model.log_p(x, y),
    }[kind]
    options = {"kind": kind, "samples": 3000}
    found = [evaluation.anomaly_score(model.cvae, x, y, seed=s, **options) for s in range(4)]
    error = np.std(found, axis=0, ddof=1).max()
    np.testing.assert_allclose(np.mean(found, axis=0), exact, atol=3 * error)
    assert error < 0.1 * np.std(exact)
    np.testing.assert_array_equal(
        found[0], evaluation.anomaly_score(model.cvae, x, y, seed=0, **options)
    )


def test_anomalies_have_higher_scores():
    model = known.Linear()
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 2))
    usual = (z @ model.w + model.b + 0.7 * rng.normal(size=(300, 5))).astype("float32")
    unusual = usual + 4 * rng.choice([-1, 1], size=usual.shape).astype("float32")
    for kind in ("reconstruction", "elbo", "log_likelihood"):
        scores = [evaluation.anomaly_score(model.cvae, x, kind=kind) for x in (usual, unusual)]
        assert np.mean(scores[0][:, None] < scores[1]) > 0.95, kind


@pytest.mark.parametrize(
    "options, message",
    [
        ({"kind": "elb"}, "`kind` must be one of .* Did you mean 'elbo'?"),
        ({"samples": 0}, "`samples` must be an integer of at least 1"),
        ({"y": [0, 1, 3]}, r"`y` must be in -1..2"),
    ],
)
def test_bad_arguments(model, options, message):
    with pytest.raises(ValueError, match=message):
        evaluation.anomaly_score(model.cvae, known.data(3), **options)
