"""What every likelihood must obey: the cases are made from `likelihoods.NAMES`."""

import json
import math

import keras
import numpy as np
import pytest

from keras_cvae import layers, likelihoods

SHAPES = [(5,), (4, 3), (4, 3, 1), (4, 3, 3)]
CASES = [
    pytest.param(name, shape, marks=() if shape in (SHAPES[0], SHAPES[-1]) else pytest.mark.once)
    for name in likelihoods.NAMES
    for shape in SHAPES
]
every_case = pytest.mark.parametrize(("name", "shape"), CASES)


@keras.saving.register_keras_serializable("test_likelihoods")
class Laplace(likelihoods.Likelihood):
    """The example of `Likelihood`: nothing but what a subclass must define."""

    def log_prob(self, x, parameters):
        log_density = -keras.ops.abs(x - parameters) - math.log(2.0)
        return keras.ops.sum(log_density, axis=tuple(range(1, log_density.ndim)))

    def mean(self, parameters):
        return parameters


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def data(likelihood, shape, count=6, seed=0):
    """Values of x within the support and parameters for them."""
    rng = np.random.default_rng(seed)
    low, high = np.clip(likelihood.support, -3, 3)
    x = rng.uniform(low, high, (count, *shape)).astype("float32")
    parameters = 3 * rng.normal(size=(count, *likelihood.parameter_shape(shape)))
    return x, parameters.astype("float32")


@pytest.mark.parametrize("name", likelihoods.NAMES)
def test_config_round_trip(name):
    likelihood = likelihoods.get(name)
    assert type(likelihood) is likelihoods.NAMES[name]
    assert isinstance(likelihood, likelihoods.Likelihood)
    assert likelihoods.get(likelihood) is likelihood
    config = keras.saving.serialize_keras_object(likelihood)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert type(again) is type(likelihood)
    assert again.get_config() == likelihood.get_config()


@every_case
def test_shapes_and_support(name, shape):
    likelihood = likelihoods.get(name)
    x, parameters = data(likelihood, shape)
    assert all(type(size) is int for size in likelihood.parameter_shape(shape))
    log_prob = numpy(likelihood.log_prob(x, parameters))
    assert log_prob.shape == (6,) and np.isfinite(log_prob).all()
    low, high = likelihood.support
    for scale in (1.0, 1e4):
        for result in (
            likelihood.mean(scale * parameters),
            likelihood(scale * parameters),
            likelihood.sample(scale * parameters, seed=1),
        ):
            assert keras.backend.standardize_dtype(result.dtype) == "float32"
            result = numpy(result)
            assert result.shape == x.shape
            assert low <= result.min() and result.max() <= high


@pytest.mark.parametrize(("name", "shape"), [case for case in CASES if not case.marks])
def test_an_example_does_not_depend_on_the_others(name, shape):
    likelihood = likelihoods.get(name)
    x, parameters = data(likelihood, shape)
    for method in (likelihood.log_prob, lambda x, parameters: likelihood.mean(parameters)):
        one = numpy(method(x[2:3], parameters[2:3]))
        np.testing.assert_allclose(numpy(method(x, parameters))[2:3], one, rtol=1e-5, atol=1e-6)


@every_case
def test_seeds(name, shape):
    """An integer gives the same draw, a generator or None a new one at every call."""
    likelihood = likelihoods.get(name)
    _, parameters = data(likelihood, shape)
    one, other = (numpy(likelihood.sample(parameters, seed=3)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    for seed in (keras.random.SeedGenerator(3), None):
        one, other = (numpy(likelihood.sample(parameters, seed=seed)) for _ in range(2))
        assert (one != other).any()


@pytest.mark.parametrize("name", likelihoods.NAMES)
def test_samples_have_the_mean(name):
    """Within half an 8-bit level; how near a mean of colours comes is the member's to say."""
    likelihood = likelihoods.get(name)
    _, parameters = data(likelihood, (4, 3, 1), count=1)
    samples = numpy(likelihood.sample(np.repeat(parameters, 2000, axis=0), seed=0))
    error = samples.std(axis=0) * 5 / np.sqrt(2000) + 0.5 / 255
    assert (np.abs(samples.mean(axis=0) - numpy(likelihood.mean(parameters))[0]) < error).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", likelihoods.NAMES)
def test_half_precision_parameters_are_computed_in_float32(name, dtype):
    likelihood = likelihoods.get(name)
    x, parameters = data(likelihood, (4, 3, 3))
    half = keras.ops.cast(parameters, dtype)
    single = keras.ops.cast(half, "float32")
    for ours, expected in (
        (likelihood.log_prob(x, half), likelihood.log_prob(x, single)),
        (likelihood.mean(half), likelihood.mean(single)),
        (likelihood.sample(half, seed=0), likelihood.sample(single, seed=0)),
    ):
        np.testing.assert_array_equal(numpy(ours), numpy(expected))


def graph(likelihood, shape):
    x = keras.Input(shape)
    h = keras.layers.Dense(8, activation="tanh")(keras.layers.Flatten()(x))
    parameter_shape = likelihood.parameter_shape(shape)
    parameters = keras.layers.Dense(math.prod(parameter_shape))(h)
    parameters = keras.layers.Reshape(parameter_shape)(parameters)
    outputs = layers.ReconstructionLoss(likelihood)([x, parameters])
    return keras.Model(x, outputs), parameters


@every_case
def test_saves_and_loads(name, shape, tmp_path):
    likelihood = likelihoods.get(name)
    model, parameters = graph(likelihood, shape)
    assert model.output_shape == (None, *shape)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x, _ = data(likelihood, shape)
    outputs = numpy(model(x))
    np.testing.assert_array_equal(numpy(loaded(x)), outputs)
    (loss,) = loaded.losses
    value = keras.Model(model.input, parameters)(x)
    nll = -numpy(likelihood.log_prob(x, value)).mean()
    np.testing.assert_allclose(numpy(loss), nll, rtol=1e-5)
    np.testing.assert_allclose(numpy(likelihood(value)), outputs, atol=1e-6)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("name", likelihoods.NAMES)
def test_trains_as_a_part_of_any_model(name, tmp_path):
    likelihood = likelihoods.get(name)
    model, parameters = graph(likelihood, SHAPES[-1])
    model.compile(keras.optimizers.Adam(0.01))
    x, _ = data(likelihood, SHAPES[-1], count=32)
    history = model.fit(x, epochs=3, batch_size=16, verbose=0).history["loss"]
    assert np.isfinite(history).all() and history[-1] < history[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    outputs = model.predict(x, verbose=0)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), outputs)
    value = keras.Model(model.input, parameters).predict(x, verbose=0)
    nll = -numpy(likelihood.log_prob(x, value)).mean()
    np.testing.assert_allclose(loaded.evaluate(x, verbose=0), nll, rtol=1e-5)
    generator = keras.Model(model.input, likelihood(parameters))
    np.testing.assert_allclose(generator.predict(x, verbose=0), outputs, atol=1e-6)


@every_case
def test_the_decoder_must_return_the_shape_of_the_parameters(name, shape):
    likelihood = likelihoods.get(name)
    x, parameters = data(likelihood, shape)
    with pytest.raises(ValueError, match=f"must return parameters.*{type(likelihood).__name__}"):
        layers.ReconstructionLoss(name)([x, np.repeat(parameters, 2, axis=-1)])


@pytest.mark.parametrize("name", likelihoods.NAMES)
def test_gradients_are_finite(name, gradient):
    likelihood = likelihoods.get(name)
    x, parameters = data(likelihood, (4, 3, 3))
    for scale in (0.0, 1.0, 1e4):
        (slope,) = gradient(
            lambda p: keras.ops.sum(likelihood.log_prob(x, p)),  # noqa: B023
            scale * parameters,
        )
        assert np.isfinite(slope).all()


def test_get():
    assert isinstance(likelihoods.get("gaussian"), likelihoods.Gaussian)
    with pytest.raises(ValueError, match="Did you mean 'bernoulli'. Received: 'bernouli'"):
        likelihoods.get("bernouli")
    for wrong in (likelihoods.Bernoulli, keras.layers.Dense(3), None, 3):
        with pytest.raises(ValueError, match=r"a name or a `likelihoods.Likelihood` \(subclass"):
            likelihoods.get(wrong)


@pytest.mark.usefixtures("uncompiled")
def test_a_likelihood_of_the_user(tmp_path):
    model, _ = graph(Laplace(), (5,))
    model.compile("adam")
    x = np.random.default_rng(0).normal(size=(32, 5)).astype("float32")
    model.fit(x, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    with pytest.raises(NotImplementedError, match="Laplace cannot be sampled from: define `sample"):
        Laplace().sample(x)


def test_a_subclass_without_required_methods_raises_an_error():
    class Half(likelihoods.Likelihood):
        def log_prob(self, x, parameters):
            return x

    with pytest.raises(TypeError, match="mean"):
        Half()
