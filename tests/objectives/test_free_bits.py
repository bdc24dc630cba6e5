import numpy as np
import pytest
from keras import ops

import keras_cvae
from keras_cvae import networks, objectives, priors, terms
from keras_cvae.objectives.free_bits import FreeBitsLoss

RNG = np.random.default_rng(0)
SCALE = np.float32([0.1, 1.0, 0.2, 2.0])  # dimensions that say little, and some that say much
MEAN = SCALE * RNG.normal(size=(6, 4)).astype("float32")
LOG_VAR = SCALE * RNG.normal(size=(6, 4)).astype("float32")
WEIGHTS = np.float32([0, 1, 2, 0.5, 3, 1])
FREE = 0.3


def shares(weights=1.0, prior_mean=0.0, prior_log_var=0.0):
    """KL_j, averaged over the examples, in double precision."""
    m, lv = np.float64(MEAN) - prior_mean, np.float64(LOG_VAR) - prior_log_var
    kl = 0.5 * (np.exp(lv) + m**2 / np.exp(prior_log_var) - 1 - lv)
    return (kl * np.reshape(weights, (-1, 1))).mean(0)


def loss_of(layer, weights=None, **given):
    with terms.step(weights) as step:
        layer([MEAN, LOG_VAR], **given)
    (loss,) = step.losses
    reported = {name: float(ops.convert_to_numpy(v)) for name, v in step.reported.items()}
    return float(ops.convert_to_numpy(loss)), reported[layer.name]


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_each_dimension_contributes_at_least_the_free_nats(weights):
    kl = shares(1.0 if weights is None else weights)
    assert (kl < FREE).any() and (kl > FREE).any()
    loss, reported = loss_of(FreeBitsLoss(FREE), weights)
    assert loss == pytest.approx(np.maximum(FREE, kl).sum(), rel=1e-5)
    assert reported == pytest.approx(kl.sum(), rel=1e-5)


@pytest.mark.parametrize("free", [0.01, 5.0])
def test_a_group_shares_the_free_nats(free):
    kl = shares().sum()
    loss, reported = loss_of(FreeBitsLoss(free, "group"))
    assert loss == pytest.approx(max(4 * free, kl), rel=1e-5)
    assert reported == pytest.approx(kl, rel=1e-5)


def test_free_bits_of_a_conditional_prior_are_per_dimension():
    prior = priors.Conditional(())
    layer, y = FreeBitsLoss(FREE, prior=prior), np.ones((6, 1), "float32")
    layer([MEAN, LOG_VAR], y=y)
    mean, log_var = np.float32([0.5, -1, 0, 0]), np.float32([0.3, 0, -0.5, 1])
    prior.mean.set_weights([mean[None], np.zeros(4)])
    prior.log_var.set_weights([log_var[None], np.zeros(4)])
    kl = shares(1.0, mean, log_var)
    assert (kl < FREE).any() and (kl > FREE).any()
    loss, reported = loss_of(layer, y=y)
    assert loss == pytest.approx(np.maximum(FREE, kl).sum(), rel=1e-5)
    assert reported == pytest.approx(kl.sum(), rel=1e-5)


def test_free_nats_have_no_gradient_and_others_the_whole_gradient(gradient):
    layer = FreeBitsLoss(FREE)

    def loss(mean, log_var):
        layer([mean, log_var])
        return sum(layer.losses)

    pays = shares() > FREE
    of_mean, of_log_var = gradient(loss, MEAN, LOG_VAR)
    np.testing.assert_allclose(of_mean, pays * MEAN / 6, rtol=1e-5, atol=1e-7)
    expected = pays * (np.exp(LOG_VAR) - 1) / 2 / 6
    np.testing.assert_allclose(of_log_var, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("uncompiled")
def test_without_a_closed_form_the_free_nats_are_of_the_whole_kl():
    options = {"network": networks.Dense((4,)), "prior": priors.Mixture(2)}
    with pytest.raises(ValueError, match='`per` must be "group" for a Mixture prior'):
        keras_cvae.build_cvae((6,), None, 2, objective="free_bits", **options)
    objective = objectives.FreeBits(2.0, "group")
    cvae = keras_cvae.build_cvae((6,), None, 2, objective=objective, **options)
    cvae.compile("adam")
    x = RNG.random((16, 6), dtype="float32")
    history = cvae.fit(x, batch_size=16, verbose=0).history
    (loss,), (kl,), (reconstruction,), (elbo,) = (
        history[name] for name in ("loss", "kl", "reconstruction", "elbo")
    )
    assert kl < 4.0
    assert loss == pytest.approx(reconstruction + 4.0, rel=1e-5)
    assert elbo == pytest.approx(-reconstruction - kl, rel=1e-5)


@pytest.mark.once
@pytest.mark.parametrize("kind", [objectives.FreeBits, FreeBitsLoss])
def test_invalid_arguments_raise_an_error(kind):
    with pytest.raises(ValueError, match="`free` must be a finite number of at least 0"):
        kind(-0.1)
    with pytest.raises(ValueError, match="`per` must be one of 'dimension', 'group'"):
        kind(0.1, "grouped")
