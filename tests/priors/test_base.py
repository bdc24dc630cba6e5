"""A prior of the user's own: nothing but a density and a way from noise to z."""

import keras
import numpy as np
import pytest
from scipy import stats

import keras_cvae
from keras_cvae import evaluation, layers, networks, objectives, priors


@keras.saving.register_keras_serializable("test_priors")
class Laplace(priors.Prior):
    """p(z) = exp(-|z| / b) / 2b, z = -b sign(u) log(1 - |u|), u = erf(noise / sqrt(2))."""

    def __init__(self, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def log_prob(self, z, y=None):
        density = -keras.ops.abs(z) / self.scale - np.log(2 * self.scale)
        return keras.ops.sum(density, axis=-1)

    def transport(self, noise, y=None):
        u = keras.ops.erf(noise / np.sqrt(2))
        return -self.scale * keras.ops.sign(u) * keras.ops.log1p(-keras.ops.abs(u))

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def test_the_example_is_correct():
    prior, rng = Laplace(0.5), np.random.default_rng(0)
    z = rng.normal(size=(5, 2)).astype("float32")
    expected = stats.laplace.logpdf(z, scale=0.5).sum(-1)
    np.testing.assert_allclose(numpy(prior.log_prob(z)), expected, rtol=1e-5)
    noise = rng.standard_normal((5000, 1), "float32")
    assert stats.kstest(numpy(prior.transport(noise))[:, 0], "laplace", (0, 0.5)).pvalue > 1e-3


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("objective", [objectives.ELBO(), objectives.IWAE(3)])
def test_it_trains_and_generates_saves_and_loads(objective, tmp_path):
    cvae = keras_cvae.build_cvae(
        (6,), 3, 2, network=networks.Dense((8,)), prior=Laplace(0.5), objective=objective
    )
    cvae.compile(keras.optimizers.Adam(1e-2))
    rng = np.random.default_rng(0)
    x, y = rng.random((64, 6), dtype="float32"), rng.integers(0, 3, 64)
    m, lv = cvae.encode(x, y)
    z = m + np.exp(lv / 2) * rng.standard_normal((2000, *m.shape))
    log_ratio = stats.norm.logpdf(z, m, np.exp(lv / 2)) - stats.laplace.logpdf(z, scale=0.5)
    log_ratio = log_ratio.sum(-1)
    expected = log_ratio.mean()  # the Monte Carlo estimate's expectation
    error = np.sqrt(log_ratio.var(0).sum() / 40) / len(x)
    found = cvae.evaluate([x, y], draws=40, verbose=0, return_dict=True)["kl"]
    assert abs(found - expected) < 5 * error + 1e-3
    history = cvae.fit([x, y], epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    images = cvae.generate(y[:5], seed=1)
    noise = np.random.default_rng(1).standard_normal((5, 2), "float32")
    drawn = stats.laplace.ppf(stats.norm.cdf(noise), scale=0.5)
    np.testing.assert_allclose(images, cvae.decode(drawn, y[:5]), atol=1e-4)
    cvae.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    assert type(loaded.prior) is Laplace and loaded.prior.scale == 0.5
    np.testing.assert_allclose(loaded.generate(y[:5], seed=1), images, atol=1e-6)
    log_p = [
        evaluation.log_likelihood(model, x[:8], y[:8], samples=4, verbose=0)
        for model in (cvae, loaded)
    ]
    np.testing.assert_allclose(*log_p, rtol=1e-4)


def test_without_a_closed_form_the_kl_layer_needs_z():
    posterior = [np.zeros((2, 2), "float32")] * 2
    with pytest.raises(ValueError, match=r"\[z_mean, z_log_var, z\]: Laplace has no closed"):
        layers.KLDivergence(prior=Laplace())(posterior)


@pytest.mark.parametrize("method", ["log_prob", "transport"])
def test_a_subclass_without_a_required_method_raises_an_error(method):
    with pytest.raises(NotImplementedError, match=f"Prior must define `{method}"):
        getattr(priors.Prior(), method)(np.zeros((2, 2)))


def test_a_missing_kl_by_dimension_raises_an_error():
    with pytest.raises(NotImplementedError, match="Prior must define `kl_by_dimension"):
        priors.Prior().kl_by_dimension(np.zeros((2, 2)), np.zeros((2, 2)))
