"""Corruptions of images and of vectors, and models that are trained with them."""

import math

import keras
import numpy as np
import pytest
from scipy import ndimage, stats

import keras_cvae
from keras_cvae import corruptions, networks, terms

RNG = np.random.default_rng(0)
IMAGES = RNG.random((400, 9, 7, 2), dtype="float32")
VECTORS = RNG.normal(0, 3, (400, 6)).astype("float32")
every_corruption = pytest.mark.parametrize("name", corruptions.NAMES)


def spoil(layer, x):
    return keras.ops.convert_to_numpy(layer(keras.ops.convert_to_tensor(x), training=True))


@every_corruption
def test_images_are_corrupted_in_training_only_and_within_bounds(name):
    layer = corruptions.get(name)
    layer.set_default_bounds((0.0, 1.0))
    assert layer.bounds == (0.0, 1.0)
    for x in (IMAGES, np.round(IMAGES), IMAGES[..., 0], IMAGES[:, 0, :, 0]):
        found, again = spoil(layer, x), spoil(layer, x)
        assert found.shape == x.shape and found.min() >= 0 and found.max() <= 1
        assert (found != x).any() and (found != again).any()
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x)), x)


@every_corruption
def test_a_corruption_keeps_its_seed_and_bounds(name):
    kind = corruptions.NAMES[name]
    one, other, unbounded = kind(seed=3, bounds=(-9, 9)), kind(seed=3, bounds=(-9, 9)), kind()
    one.set_default_bounds((0.0, 1.0))
    assert one.bounds == (-9, 9)
    np.testing.assert_array_equal(spoil(one, VECTORS), spoil(other, VECTORS))
    unbounded.set_default_bounds((0.0, math.inf))
    assert unbounded.bounds is None
    for bounds in (3, (1,), (1, 0), (0, math.inf)):
        with pytest.raises(ValueError, match="`bounds` must be"):
            kind(bounds=bounds)


def test_normal_noise():
    added = spoil(corruptions.GaussianNoise(0.5), VECTORS) - VECTORS
    assert stats.kstest(added.ravel(), stats.norm(0, 0.5).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(added.ravel(), VECTORS.ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("bounds", [None, (-2.0, 5.0)])
def test_salt_and_pepper(bounds):
    x = np.clip(VECTORS, -2, 5) if bounds else VECTORS
    found = spoil(corruptions.SaltAndPepper(0.3, bounds), x)
    low, high = bounds or (x.min(0), x.max(0))  # of each column
    inner = (x != low) & (x != high)
    for end in (low, high):
        lost = np.sum((found == end) & inner)
        assert stats.binomtest(int(lost), int(inner.sum()), 0.15).pvalue > 1e-3
    kept = (found != low) & (found != high)
    np.testing.assert_array_equal(found[kept], x[kept])


def test_a_block_of_an_image_and_of_a_vector():
    x = IMAGES + 1
    found = spoil(corruptions.HiddenBlocks(0.5, value=-3.0), x)
    hidden = found == -3
    np.testing.assert_array_equal(found[~hidden], x[~hidden])
    corners = set()
    for channels in np.moveaxis(hidden, -1, 1):
        np.testing.assert_array_equal(channels[0], channels[1])
        labelled, count = ndimage.label(channels[0])
        rows, columns = ndimage.find_objects(labelled)[0]
        assert count == 1 and channels[0].sum() == 4 * 4  # round halves to even
        assert (rows.stop - rows.start, columns.stop - columns.start) == (4, 4)
        corners.add((rows.start, columns.start))
    assert len(corners) == (9 - 4 + 1) * (7 - 4 + 1)  # every place
    hidden = spoil(corruptions.HiddenBlocks(0.34), VECTORS) == 0
    assert {tuple(np.flatnonzero(row)) for row in hidden} == {(i, i + 1) for i in range(5)}
    twice = (spoil(corruptions.HiddenBlocks(0.34, count=2), VECTORS) == 0).sum(1)
    assert set(twice) == {2, 3, 4}


@pytest.mark.once
def test_invalid_strengths_raise_an_error():
    for kind, argument, value in (
        (corruptions.GaussianNoise, "deviation", -1),
        (corruptions.SaltAndPepper, "rate", 1.5),
        (corruptions.HiddenBlocks, "size", 0),
        (corruptions.HiddenBlocks, "count", 0.5),
        (corruptions.HiddenBlocks, "value", math.nan),
    ):
        with pytest.raises(ValueError, match=f"`{argument}` must be"):
            kind(**{argument: value})
    with pytest.raises(ValueError, match="`corruption` must be one of .*mean 'gaussian'"):
        keras_cvae.build_cvae((6,), 3, corruption="gausian")


@pytest.fixture(scope="module")
def hiding():
    """A model whose encoder sees nothing of an image in training."""
    network, corruption = networks.Dense((8,)), corruptions.HiddenBlocks(1.0, value=0.5)
    cvae = keras_cvae.build_cvae((9, 7, 2), 3, 2, network=network, corruption=corruption)
    cvae.compile("adam")
    return cvae


def test_only_the_input_of_the_encoder_is_corrupted(hiding):
    """Its z is that of the spoilt image, and the likelihood of the clean one."""
    y = np.zeros(400, "int32")
    given = [keras.ops.convert_to_tensor(part) for part in (IMAGES, y)]
    hidden = np.full_like(IMAGES, 0.5)
    divergences = []
    for training, seen in ((True, hidden), (False, IMAGES)):
        with terms.step() as step:
            hiding(given, training=training)
        found = {k: float(keras.ops.convert_to_numpy(v)) for k, v in step.reported.items()}
        mean, log_var = (a.astype("float64") for a in hiding.encode(seen, y))
        kl = 0.5 * (np.exp(log_var) + mean**2 - 1 - log_var).sum(1).mean()
        divergences.append(kl)
        assert found["kl"] == pytest.approx(kl, rel=1e-4)
        draws = RNG.standard_normal((20, *mean.shape))
        mean = hiding.decode(mean + np.exp(log_var / 2) * draws, np.zeros((20, 400), "int32"))
        expected = -(np.log(mean) * IMAGES + np.log(1 - mean) * (1 - IMAGES)).sum((2, 3, 4)).mean()
        assert found["reconstruction"] == pytest.approx(expected, rel=5e-3)
    assert abs(np.diff(divergences)) > 1e-3


def test_submodels_do_not_corrupt_images(hiding):
    assert type(hiding.corruption) is corruptions.HiddenBlocks
    for model in (hiding.encoder, hiding.generator):
        assert "corruption" not in {layer.name for layer in model.layers}
