import itertools
import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from keras_cvae import layers, likelihoods
from keras_cvae.likelihoods import LogisticMixture

LEVELS = np.arange(256, dtype="float32") / np.float32(255)


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def mass(x, mean, scale):
    """Probability of the level at x in [0, 1], of one logistic on [-1, 1]."""
    x = 2 * x - 1
    low = -np.inf if x < -1 + 1 / 255 else x - 1 / 255
    high = np.inf if x > 1 - 1 / 255 else x + 1 / 255
    logistic = stats.logistic(mean, scale)
    if low > mean:  # in double precision the upper tail is lost to 1 - cdf
        return logistic.sf(low) - logistic.sf(high)
    return logistic.cdf(high) - logistic.cdf(low)


def read(parameters, components, channels):
    """Of one pixel: weights, means, scales, coefficients as the documentation lays them out."""
    count = channels * (channels - 1) // 2
    groups = np.float64(parameters).reshape(1 + 2 * channels + count, components)
    centres = np.array([-1 + (2 * k + 1) / components for k in range(components)])
    scales = np.exp(np.clip(groups[1 + channels : 1 + 2 * channels] - 1, -7, 7))
    shifts = np.tanh(groups[1 + 2 * channels :])
    return special.softmax(groups[0]), groups[1 : 1 + channels] + centres, scales, shifts


def direct(pixel, parameters, components):
    """Log-probability of one pixel, a vector of channels in [0, 1], by cdf differences."""
    pixel = np.float64(pixel)
    weights, means, scales, shifts = read(parameters, components, len(pixel))
    total = 0.0
    for k in range(components):
        p = weights[k]
        index = 0
        for j in range(len(pixel)):
            mean = means[j, k]
            for i in range(j):
                mean += shifts[index, k] * (2 * pixel[i] - 1)
                index += 1
            p *= mass(pixel[j], mean, scales[j, k])
        total += p
    return np.log(total)


def parameters_of(shape, components, count, scale=1.0, seed=0):
    rng = np.random.default_rng(seed)
    shape = LogisticMixture(components).parameter_shape(shape)
    return (scale * rng.normal(size=(count, *shape))).astype("float32")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((784,), (784, 30)),
        ((28, 28), (28, 28, 30)),
        ((28, 28, 1), (28, 28, 1, 30)),
        ((32, 32, 3), (32, 32, 100)),
        ((8, 8, 2), (8, 8, 60)),
        ((8, 8, 4), (8, 8, 150)),
        ((3, 8, 8, 3), (3, 8, 8, 3, 30)),
    ],
)
def test_parameter_shape(shape, expected):
    assert LogisticMixture().parameter_shape(shape) == expected


@pytest.mark.parametrize("grid", [True, False], ids=["levels", "between levels"])
@pytest.mark.parametrize("shape", [(4,), (3, 2), (2, 3, 1), (2, 2, 2), (2, 2, 3), (2, 1, 4)])
def test_equals_differences_of_the_cdf(shape, grid):
    components, count = 3, 8
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (count, *shape)) / 255 if grid else rng.random((count, *shape))
    x = x.astype("float32")
    x[0], x[1] = 0.0, 1.0
    parameters = parameters_of(shape, components, count)
    ours = numpy(LogisticMixture(components).log_prob(x, parameters))
    channels = shape[-1] if len(shape) == 3 else 1
    for i in range(count):
        pixels = x[i].reshape(-1, channels)
        rows = parameters[i].reshape(len(pixels), -1)
        expected = sum(direct(p, r, components) for p, r in zip(pixels, rows, strict=True))
        np.testing.assert_allclose(ours[i], expected, rtol=2e-5)


NUMBERS = st.floats(-3, 3, width=32)


@given(st.integers(0, 255), st.lists(NUMBERS, min_size=6, max_size=6))
@settings(max_examples=60, deadline=None)
def test_one_pixel_equals_differences_of_the_cdf(level, numbers):
    parameters = np.float32([[numbers]])
    ours = numpy(LogisticMixture(2).log_prob(LEVELS[None, level : level + 1], parameters))
    expected = direct(LEVELS[level : level + 1], parameters[0, 0], 2)
    np.testing.assert_allclose(ours[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1.0, 5.0, 50.0])
def test_probabilities_of_all_levels_sum_to_one(scale):
    for parameters in parameters_of((1,), 4, 5, scale):
        log_probs = numpy(
            LogisticMixture(4).log_prob(LEVELS[:, None], np.tile(parameters, (256, 1, 1)))
        )
        assert abs(np.exp(np.float64(log_probs)).sum() - 1) < 2e-5


@pytest.mark.parametrize("scale", [0.0, 1.0, 5.0])
def test_summed_over_its_last_channel_a_pixel_has_the_probability_of_the_others(scale):
    """So that, by the chain down to one channel, the probabilities of all colours sum to 1."""
    mixture, rng = LogisticMixture(4), np.random.default_rng(0)
    # The groups of a pixel with 3, 2 and 1 channels: logits, means, log-scales, coefficients.
    groups = {3: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 2: [0, 1, 2, 4, 5, 7], 1: [0, 1, 4]}
    for parameters in parameters_of((1, 1, 3), 4, 5, scale):
        pixel = LEVELS[rng.integers(0, 256, 3)]
        of = {c: parameters.reshape(10, 4)[groups[c]].reshape(1, 1, -1) for c in groups}
        for channels in (3, 2):
            x = np.tile(pixel[:channels], (256, 1, 1, 1))
            x[..., -1] = LEVELS[:, None, None]
            joint = mixture.log_prob(x, np.tile(of[channels], (256, 1, 1, 1)))
            others = pixel[: channels - 1].reshape((1, 1, 1, -1) if channels == 3 else (1, 1))
            rest = of[channels - 1] if channels == 2 else of[channels - 1][None]
            expected = numpy(mixture.log_prob(others, rest))[0]
            ours = special.logsumexp(np.float64(numpy(joint)))
            np.testing.assert_allclose(ours, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("x", [0.0, 0.5 / 255, 1 / 255, 0.5, 254 / 255, 1.0])
@pytest.mark.parametrize("shape", [(1,), (1, 1, 3)])
def test_values_and_gradients_are_finite_at_the_extremes(x, shape, gradient):
    mixture = LogisticMixture(2)
    groups = {(1,): (1, 1, 1, 0), (1, 1, 3): (1, 3, 3, 3)}[shape]
    extremes = list(itertools.product((-1e3, 1e3), (-1e6, -1.0, 0.0, 1.0, 1e6), (-1e3, 0.0, 1e3)))
    rows = []
    for logit, mean, log_scale in extremes:
        row = np.repeat([logit, mean, log_scale, 1e3], groups)
        other = np.repeat([0.0, -mean, -log_scale, -1e3], groups)
        rows.append(np.stack([row, other], axis=-1).ravel())
    parameters = np.float32(rows).reshape(len(rows), *mixture.parameter_shape(shape))
    pixels = np.full((len(rows), *shape), x, "float32")
    assert np.isfinite(numpy(mixture.log_prob(pixels, parameters))).all()
    (slope,) = gradient(lambda p: keras.ops.sum(mixture.log_prob(pixels, p)), parameters)
    assert np.isfinite(slope).all()
    mean = numpy(mixture.mean(parameters))
    assert (0 <= mean).all() and (mean <= 1).all()


@pytest.mark.parametrize("shape", [(2,), (1, 1, 3)])
def test_gradient_equals_finite_differences(shape, gradient):
    mixture = LogisticMixture(2)
    x = np.float32([[0.0, 100 / 255]]) if shape == (2,) else np.float32([[[[20, 90, 255]]]]) / 255
    parameters = parameters_of(shape, 2, 1)
    (slope,) = gradient(lambda p: mixture.log_prob(x, p)[0], parameters)
    pixels = x.reshape(-1, 1 if shape == (2,) else 3)

    def value(flat):
        rows = flat.reshape(len(pixels), -1)
        return sum(direct(p, r, 2) for p, r in zip(pixels, rows, strict=True))

    flat = np.float64(parameters).ravel()
    for i in range(flat.size):
        step = np.eye(flat.size)[i] * 1e-5
        difference = (value(flat + step) - value(flat - step)) / 2e-5
        np.testing.assert_allclose(slope.ravel()[i], difference, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0, 100.0])
def test_mean_is_that_of_the_levels_within_half_a_level(scale):
    mixture = LogisticMixture(3)
    for parameters in parameters_of((1,), 3, 20, scale):
        log_probs = mixture.log_prob(LEVELS[:, None], np.tile(parameters, (256, 1, 1)))
        expected = (np.exp(np.float64(numpy(log_probs))) * LEVELS).sum()
        assert abs(numpy(mixture.mean(parameters[None]))[0, 0] - expected) < 0.51 / 255


def test_a_component_far_outside_the_range_is_at_its_end():
    parameters = np.zeros((1, 1, 3, 2), "float32")
    parameters[0, 0, 1] = -20.0, 0.5  # at -20.5 and at 1.0 on [-1, 1]
    parameters[0, 0, 2] = -6.0
    mean = numpy(LogisticMixture(2).mean(parameters.reshape(1, 1, 6)))
    np.testing.assert_allclose(mean, 0.5, atol=1e-3)


def agree(counts, probabilities):
    """Whether counts are drawn from these probabilities, by a chi-squared test."""
    expected = probabilities * counts.sum() / probabilities.sum()
    often = expected > 5
    observed = np.append(counts[often], counts[~often].sum() + 1)
    expected = np.append(expected[often], expected[~often].sum() + 1)
    return stats.chisquare(observed, expected, sum_check=False).pvalue > 1e-3


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_samples_have_the_frequencies_of_the_levels(scale):
    mixture = LogisticMixture(3)
    parameters = parameters_of((1,), 3, 1, scale)
    samples = numpy(mixture.sample(np.repeat(parameters, 40_000, axis=0), seed=0))
    levels = np.round(samples * 255)
    np.testing.assert_allclose(samples, levels / 255, atol=1e-7)
    log_probs = mixture.log_prob(LEVELS[:, None], np.repeat(parameters, 256, axis=0))
    counts = np.bincount(levels.astype(int).ravel(), minlength=256)
    assert agree(counts, np.exp(np.float64(numpy(log_probs))))


def test_samples_of_two_channels_have_their_joint_frequencies():
    mixture = LogisticMixture(2)
    parameters = parameters_of((1, 1, 2), 2, 1, scale=1.5)
    samples = numpy(mixture.sample(np.repeat(parameters, 40_000, axis=0), seed=0))
    pairs = np.stack(np.meshgrid(LEVELS, LEVELS, indexing="ij"), axis=-1).reshape(-1, 1, 1, 2)
    log_probs = numpy(mixture.log_prob(pairs, np.repeat(parameters, len(pairs), axis=0)))
    probabilities = np.exp(np.float64(log_probs)).reshape(16, 16, 16, 16).sum((1, 3))
    assert abs(probabilities.sum() - 1) < 1e-4
    i, j = np.round(samples.reshape(-1, 2) * 255).astype(int).T // 16
    counts = np.bincount(16 * i + j, minlength=256)
    assert agree(counts, probabilities.ravel())


def test_samples_and_mean_of_colours_equal_a_plain_simulation():
    components, count = 3, 40_000
    parameters = parameters_of((1, 1, 3), components, 1, seed=4)
    parameters.reshape(10, components)[4:7] -= 2.0  # narrow: few reach the range's ends
    parameters.reshape(10, components)[1:4] *= 0.2
    samples = numpy(LogisticMixture(components).sample(np.repeat(parameters, count, 0), seed=0))
    weights, means, scales, shifts = read(parameters, components, 3)
    rng = np.random.default_rng(0)
    k = rng.choice(components, count, p=weights)
    drawn = []
    for j in range(3):
        value = means[j, k] + scales[j, k] * rng.logistic(size=count)
        value += sum(shifts[math.comb(j, 2) + i, k] * drawn[i] for i in range(j))
        drawn.append(2 * np.round((np.clip(value, -1, 1) + 1) * 127.5) / 255 - 1)
    expected = (np.stack(drawn, axis=-1) + 1) / 2
    samples = samples.reshape(count, 3)
    tolerance = 5 * expected.std(axis=0) * np.sqrt(2 / count)
    assert (np.abs(samples.mean(axis=0) - expected.mean(axis=0)) < tolerance).all()
    np.testing.assert_allclose(np.cov(samples.T), np.cov(expected.T), atol=0.003)
    ours = numpy(LogisticMixture(components).mean(parameters)).ravel()
    np.testing.assert_allclose(ours, expected.mean(axis=0), atol=0.01)


@pytest.mark.parametrize("components", [1, 5, 10])
def test_outputs_of_zero_give_no_level_a_low_probability(components):
    zeros = np.zeros((256, 1, 3 * components), "float32")
    bits = -numpy(LogisticMixture(components).log_prob(LEVELS[:, None], zeros)) / np.log(2)
    assert bits.max() < 11
    if components > 1:
        assert bits.max() < 9.5


@pytest.mark.slow
@pytest.mark.once
def test_learns_digits(digits):
    """About 3.8 bits a pixel of the test images are reached; 4.2 leaves room for chance.

    A uniform distribution takes 8 bits over the 256 levels, 4.1 over the 17 that occur in these
    images. That only every 15th or 16th level occurs is what a few smooth components cannot say.
    """
    mixture = LogisticMixture(5)
    x = keras.Input((8, 8, 1))
    h = keras.layers.Dense(64, activation="relu")(keras.layers.Flatten()(x))
    posterior = layers.KLDivergence()([keras.layers.Dense(8)(h), keras.layers.Dense(8)(h)])
    z = layers.Sampling(seed=0)(posterior)
    h = keras.layers.Dense(64, activation="relu")(z)
    shape = mixture.parameter_shape((8, 8, 1))
    parameters = keras.layers.Reshape(shape)(keras.layers.Dense(math.prod(shape))(h))
    outputs = layers.ReconstructionLoss(mixture)([x, parameters])
    model = keras.Model(x, outputs)
    model.compile(keras.optimizers.Adam(3e-3))
    model.fit(digits.x_train, epochs=20, batch_size=100, verbose=0)
    bits = model.evaluate(digits.x_test, verbose=0) / (64 * np.log(2))
    assert 3 < bits < 4.2
    assert np.abs(model.predict(digits.x_test, verbose=0) - digits.x_test).mean() < 0.2


@pytest.mark.parametrize("components", [0, -1, 2.0, "ten", None, True])
def test_an_invalid_number_of_components_raises_an_error(components):
    with pytest.raises(ValueError, match="`components` must be a positive integer. Received"):
        LogisticMixture(components)


@pytest.mark.parametrize("size", [10, 31, 40, 120])
def test_parameters_of_another_size_raise_an_error(size):
    with pytest.raises(ValueError, match=r"a last axis of 30 .* or 100 \(RGB\).*Received: shape"):
        likelihoods.LogisticMixture().mean(np.zeros((2, 4, size), "float32"))
