"""One model measured on every backend: the numbers agree within their standard errors."""

import json

import numpy as np
import pytest

from tests.evaluation import known

MEASURE = """
import json, sys
import keras, numpy as np
from keras_cvae import evaluation

cvae = keras.saving.load_model(sys.argv[1])
arrays = np.load(sys.argv[2])
x, y = arrays["x"], arrays["y"]
options = {"samples": 100, "verbose": 0}


def sample(measure):
    return [float(np.mean(measure(seed))) for seed in range(6)]


def rates(seed):
    return evaluation.rate_and_distortion(cvae, x, y, draws=500, seed=seed)


found = {
    "rate": sample(lambda seed: rates(seed)["rate"]),
    "distortion": sample(lambda seed: rates(seed)["distortion"]),
    "log p(x | y)": sample(lambda s: evaluation.log_likelihood(cvae, x, y, seed=s, **options)),
    "log p(x)": sample(lambda s: evaluation.marginal_log_likelihood(cvae, x, seed=s, **options)),
}
exact = {
    "variance": evaluation.variance_of_means(cvae, x, y).tolist(),
    "kl": evaluation.kl_per_dimension(cvae, x, y).mean(0).tolist(),
}
json.dump([found, exact], open(sys.argv[3], "w"))
"""


def test_the_numbers_of_every_backend(tmp_path, on_every_backend):
    model = known.Linear(3, gain=0.3 * known.GAIN, spread=np.array([1.5, 1.5]))
    model.cvae.save(tmp_path / "model.keras")
    x, y = known.data(50), np.arange(50) % 3
    np.savez(tmp_path / "arrays.npz", x=x, y=y)
    ours, *others = on_every_backend(MEASURE, "model.keras", "arrays.npz")
    results = {name: json.loads((tmp_path / name).read_text()) for name in (ours, *others)}
    found, exact = results[ours]
    for backend in others:
        for name, values in results[backend][0].items():
            error = np.sqrt((np.var(values, ddof=1) + np.var(found[name], ddof=1)) / len(values))
            assert error < 0.1
            assert np.mean(values) == pytest.approx(np.mean(found[name]), abs=5 * error), name
            assert values != found[name]  # other draws
        for name, values in results[backend][1].items():
            np.testing.assert_allclose(values, exact[name], rtol=1e-4, atol=1e-6)
