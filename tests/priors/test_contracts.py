"""What every prior must obey: the cases are made from `priors.NAMES`."""

import json

import keras
import numpy as np
import pytest

from keras_cvae import divergences, layers, priors

WIDTH, SIZE = 4, 3
every_prior = pytest.mark.parametrize("name", priors.NAMES)


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def tensor(values):
    return keras.ops.convert_to_tensor(np.asarray(values, "float32"))


def build_prior(name):
    """A prior with weights that are no longer those it starts with, and y for it."""
    keras.utils.set_random_seed(0)
    prior = priors.get(name)
    prior.build((None, SIZE), shapes_of(condition_of(prior, 1)))
    rng = np.random.default_rng(0)
    for weight in prior.trainable_weights:
        fan_in = weight.shape[0] if weight.path.endswith("kernel") else 1
        weight.assign(numpy(weight) + rng.normal(size=weight.shape) / (4 * np.sqrt(fan_in)))
    return prior


def shapes_of(y):
    return keras.tree.map_structure(lambda t: None if t is None else tuple(t.shape), y)


def condition_of(prior, rows, labels=None):
    """What a graph would call a prior with as y."""
    y = np.eye(WIDTH)[[1] * rows if labels is None else labels]

    def encode():
        return [*map(tensor, np.random.default_rng(2).normal(size=(2, prior.components, SIZE)))]

    return prior.arguments(tensor(y), encode).get("y")


def test_get():
    for name, kind in priors.NAMES.items():
        prior = priors.get(name)
        assert type(prior) is kind and priors.get(prior) is prior
    with pytest.raises(ValueError, match="Did you mean 'conditional'"):
        priors.get("conditionl")
    with pytest.raises(ValueError, match="`prior` must be one of 'standard_normal'"):
        priors.get(priors.StandardNormal)


@every_prior
def test_config_round_trip(name):
    prior = priors.get(name)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(prior)))
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(prior)
    assert json.dumps(again.get_config()) == json.dumps(prior.get_config())


@every_prior
def test_transported_noise_has_the_density(name):
    r"""E_p[f(z)] over transported noise is \int p(z) f(z) dz, here by importance sampling."""
    prior = build_prior(name)
    rng = np.random.default_rng(0)
    count = 40_000
    noise = rng.standard_normal((count, SIZE))
    z = numpy(prior.transport(tensor(noise), condition_of(prior, count)))
    assert z.shape == (count, SIZE) and z.dtype == np.float32
    proposal = z.mean(0) + 3 * rng.standard_normal((count, SIZE)) * z.std(0)
    log_q = -0.5 * (((proposal - z.mean(0)) / (3 * z.std(0))) ** 2).sum(1)
    log_q -= SIZE * 0.5 * np.log(2 * np.pi) + np.log(3 * z.std(0)).sum()
    log_p = numpy(prior.log_prob(tensor(proposal), condition_of(prior, count)))
    assert log_p.shape == (count,)
    weights = np.exp(log_p - log_q)
    assert abs(weights.mean() - 1) < 0.1  # it is normalised
    for moment in (1, 2):
        expected = (weights[:, None] * proposal**moment).mean(0)
        spread = (z**moment).std(0)
        assert (np.abs((z**moment).mean(0) - expected) < 0.1 * (1 + spread)).all()


@every_prior
def test_noise_is_the_inverse_of_transport(name):
    prior, rng = build_prior(name), np.random.default_rng(3)
    y = condition_of(prior, 200)
    z = prior.transport(tensor(rng.standard_normal((200, SIZE))), y)
    noise = prior.noise(z, y)
    np.testing.assert_allclose(numpy(prior.transport(noise, y)), numpy(z), atol=2e-3)
    np.testing.assert_allclose(numpy(prior(z, y=y, inverse=True)), numpy(noise), atol=1e-5)
    assert np.abs(numpy(prior(noise, y=y)) - numpy(z)).max() < 2e-3


@every_prior
def test_the_divergence_is_that_of_the_density(name):
    prior = build_prior(name)
    rng = np.random.default_rng(1)
    mean, log_var = rng.normal(size=(2, 1, SIZE))
    count = 40_000
    rows = [tensor(np.repeat(a, count, axis=0)) for a in (mean, log_var)]
    z = tensor(mean + np.exp(log_var / 2) * rng.standard_normal((count, SIZE)))
    y = condition_of(prior, count)
    estimates = numpy(priors.Prior.kl(prior, *rows, z, y))
    kl = numpy(prior.kl(tensor(mean), tensor(log_var), z[:1], condition_of(prior, 1)))
    assert kl.shape == (1,) and estimates.shape == (count,)
    if prior.closed_form:
        assert abs(estimates.mean() - kl[0]) < 5 * estimates.std() / np.sqrt(count)
        shares = prior.kl_by_dimension(tensor(mean), tensor(log_var), condition_of(prior, 1))
        assert shares.shape == (1, SIZE)
        np.testing.assert_allclose(numpy(shares).sum(-1), kl, rtol=1e-5)
    expected = divergences.normal_log_prob(z, *rows) - prior.log_prob(z, y)
    np.testing.assert_allclose(estimates, numpy(expected), rtol=1e-5, atol=1e-5)


@every_prior
def test_an_example_does_not_depend_on_the_others(name):
    prior = build_prior(name)
    rng = np.random.default_rng(0)
    z, labels = rng.normal(size=(5, SIZE)), np.array([0, 1, 2, 3, 0])
    for method in (prior.log_prob, prior.transport):
        several, one = (
            numpy(method(tensor(z[rows]), condition_of(prior, 1, labels[rows])))
            for rows in (slice(None), slice(2, 3))
        )
        np.testing.assert_allclose(several[2:3], one, rtol=1e-5, atol=1e-6)


@every_prior
def test_priors_compute_in_float32_under_half_precision(name):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = layers.KLDivergence(prior=name)
        half = [keras.ops.cast(tensor(np.ones((2, SIZE))), "bfloat16")] * 3
        y = condition_of(layer.prior, 2)
        layer(half, **({} if y is None else {"y": y}))
    finally:
        keras.config.set_dtype_policy(policy)
    assert keras.backend.standardize_dtype(layer.losses[0].dtype) == "float32"
    assert {w.dtype for w in layer.prior.weights} <= {"float32"}
