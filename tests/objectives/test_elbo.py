import pytest

import keras_cvae
from keras_cvae import layers, objectives


def test_the_default_graph_is_the_classic_one():
    cvae = keras_cvae.build_cvae((6,), 3, 2)
    names = [layer.name for layer in cvae.layers]
    expected = "image pixels label condition encoder kl sampling decoder reconstruction"
    assert sorted(names) == sorted(expected.split())
    order = [names.index(name) for name in ("encoder", "kl", "sampling", "decoder")]
    assert order == sorted(order)
    assert isinstance(cvae.get_layer("kl"), layers.KLDivergence)


def test_beta_weighs_the_divergence():
    cvae = keras_cvae.build_cvae((6,), objective=objectives.ELBO(beta=3.0))
    assert float(cvae.get_layer("kl").beta) == 3.0
    assert objectives.get("elbo").beta == 1.0


@pytest.mark.parametrize("beta", [-1, float("nan"), float("inf"), "large"])
def test_an_invalid_beta_raises_an_error(beta):
    with pytest.raises(ValueError, match="`beta` must be a finite number of at least 0"):
        objectives.ELBO(beta)
