"""Continuous conditions: standardised by what they have seen; a NaN is unknown."""

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import conditions, networks

pytestmark = pytest.mark.usefixtures("uncompiled")
nan = np.nan


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def tiny(condition):
    keras.utils.set_random_seed(0)
    cvae = keras_cvae.build_cvae((6,), condition, 2, network=networks.Dense((8,)))
    cvae.compile("adam")
    return cvae


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.random((64, 6), dtype="float32"), rng.normal(5, 3, 64).astype("float32")


def test_adapt_learns_mean_and_variance_of_known_values():
    vector = conditions.Vector(2)
    values = np.float32([[1, 10], [3, 30], [nan, 1000], [1000, nan]])
    vector.adapt(values)
    np.testing.assert_allclose(numpy(vector.mean), [2, 20])
    np.testing.assert_allclose(numpy(vector.variance), [1, 100])
    y = numpy(vector(values))
    np.testing.assert_allclose(y, [[-1, -1, 1], [1, 1, 1], [0, 0, 0], [0, 0, 0]], atol=1e-6)
    vector.adapt(10 * values)  # anew, not on top of it
    np.testing.assert_allclose(numpy(vector.mean), [20, 200])


def test_adapt_is_precise_if_the_mean_is_large():
    values = np.float32(1e6) + np.arange(1001, dtype="float32")
    vector = conditions.Vector(1)
    vector.adapt(values)
    np.testing.assert_allclose(numpy(vector.origin + vector.mean), [1e6 + 500])
    np.testing.assert_allclose(numpy(vector.variance), [(1001**2 - 1) / 12], rtol=1e-6)


def test_a_constant_column_is_zero():
    vector = conditions.Vector(2)
    vector.adapt(np.float32([[7, 0], [7, 2]]))
    np.testing.assert_allclose(numpy(vector(np.float32([[7, 2]]))), [[0, 1, 1]])
    np.testing.assert_allclose(numpy(vector.variance), [1, 1])


def test_a_mean_value_differs_from_an_unknown_one():
    vector = conditions.Vector(1, mean=3.0, variance=4.0)
    y = numpy(vector(np.float32([[3], [nan], [5]])))
    np.testing.assert_allclose(y, [[0, 1], [0, 0], [1, 1]])


def test_dropout_hides_whole_vectors_in_training_only():
    vector = conditions.Vector(2, dropout=0.3, mean=0.0, variance=1.0, seed=0)
    values = np.random.default_rng(0).normal(size=(10_000, 2)).astype("float32")
    whole = np.insert(values, 2, 1, axis=1)
    np.testing.assert_allclose(numpy(vector(values)), whole, rtol=1e-6)
    assert numpy(vector.seen_unknown) == 0
    y = numpy(vector(values, training=True))
    hidden = y[:, 2] == 0
    assert abs(hidden.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / len(y))
    assert (y[hidden] == 0).all()
    np.testing.assert_allclose(y[~hidden], whole[~hidden], rtol=1e-6)
    assert numpy(vector.seen_unknown) == 1


@pytest.mark.once
def test_the_config_contains_the_learned_statistics():
    vector = conditions.Vector(2, dropout=0.1)
    assert "mean" not in vector.get_config()
    vector.adapt(np.float32([[1, 10], [3, 30]]))
    again = conditions.Vector.from_config(vector.get_config())
    np.testing.assert_allclose(numpy(again.mean), [2, 20])
    np.testing.assert_allclose(numpy(again.variance), [1, 100])
    assert again.get_config() == vector.get_config()


def test_the_first_fit_of_arrays_adapts_and_later_ones_do_not(data, tmp_path):
    x, slant = data
    cvae = tiny(conditions.Vector(1))
    cvae.fit([x, slant], verbose=0)
    np.testing.assert_allclose(numpy(cvae.condition.mean), [slant.mean()], rtol=1e-5)
    np.testing.assert_allclose(numpy(cvae.condition.variance), [slant.var()], rtol=1e-4)
    cvae.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    for model in (cvae, loaded):
        model.evaluate([x, 2 * slant], draws=1, verbose=0)
    loaded.fit({"image": x, "vector": 100 * slant[:, None]}, verbose=0)
    np.testing.assert_allclose(numpy(loaded.condition.mean), [slant.mean()], rtol=1e-5)
    loaded.set_weights(cvae.get_weights())
    images = cvae.generate(np.float32([1, 5, 9]), seed=0)
    assert images.shape == (3, 6)
    np.testing.assert_allclose(loaded.generate(np.float32([1, 5, 9]), seed=0), images, atol=1e-6)
    np.testing.assert_allclose(cvae.generate(5.0, count=3, seed=0)[1], images[1], atol=1e-6)
    assert np.abs(images - cvae.generate(5.0, count=3, seed=0)).max() > 1e-4


class Pairs(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return 2

    def __getitem__(self, i):
        return self.x[32 * i : 32 * i + 32], self.y[32 * i : 32 * i + 32]


def test_the_first_batches_of_a_stream_are_adapted_to(data):
    x, slant = data
    stream = Pairs(x, slant[:, None])
    vector = conditions.Vector(1)
    vector.adapt(slant[:64])
    for begun, adapted in (
        (conditions.Vector(1), vector),
        (conditions.Vector(1, mean=5.0, variance=9.0),) * 2,
    ):
        cvae = tiny(begun)
        assert np.isfinite(cvae.fit(stream, verbose=0).history["loss"]).all()
        np.testing.assert_allclose(numpy(cvae.condition.mean), numpy(adapted.mean))


@pytest.mark.once
def test_unknown_values_warn_until_training_has_seen_one(data):
    x, slant = data
    cvae = tiny(conditions.Vector(1, mean=5.0, variance=9.0))
    with pytest.warns(UserWarning, match="never saw an image without its label"):
        cvae.generate(None)
    cvae.fit([x, np.where(slant > 5, nan, slant)], verbose=0)
    for unknown in (None, nan, [nan]):
        assert np.isfinite(cvae.generate(unknown)).all()
    assert np.isfinite(cvae.reconstruct(x, slant, as_y=nan)).all()


WRONG = {
    "length": (lambda x, y: [x, y[:-1]], r"must have the shape \(64, 1\). Received: \(63, 1\)"),
    "width": (lambda x, y: [x, np.stack([y, y], 1)], r"\(64, 1\). Received: \(64, 2\)"),
    "infinite": (lambda x, y: [x, y / 0], "must be finite, or NaN where unknown"),
    "all unknown": (lambda x, y: [x, y * nan], "must have a known vector"),
    "text": (lambda x, y: [x, y.astype(str)], "must be an array of numbers"),
    "None": (lambda x, y: [x, None], "`vector` must not be None: an unknown label"),
}


@pytest.mark.once
@pytest.mark.filterwarnings("ignore:divide")
@pytest.mark.parametrize("case", WRONG)
def test_wrong_values_raise_an_error_before_training(case, data):
    make, message = WRONG[case]
    with pytest.raises(ValueError, match=message) as caught:
        tiny(conditions.Vector(1)).fit(make(*data), verbose=0)
    assert len(str(caught.value)) < 500


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "`size` must be an integer of at least 1"),
        ({"size": 1, "mean": 2.0}, "`mean` and `variance` must both be passed"),
        ({"size": 1, "mean": nan, "variance": 1.0}, "`mean` must be finite"),
        ({"size": 2, "mean": 0.0, "variance": [1.0, -1.0]}, "finite and at least 0"),
    ],
)
def test_wrong_arguments_raise_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        conditions.Vector(**arguments)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_values_beyond_half_precision_are_standardised_before_they_are_rounded(policy):
    years = conditions.Vector(1, mean=1e6, variance=1.0, dtype=policy)
    y = keras.ops.convert_to_numpy(
        keras.ops.cast(years(np.float32([[1e6 - 1], [1e6 + 2]])), "float32")
    )
    np.testing.assert_array_equal(y, [[-1, 1], [2, 1]])
    several = conditions.Attributes(year=years, dtype=policy)
    both = several({"year": keras.ops.convert_to_tensor(np.float32([[1e6 - 1], [1e6 + 2]]))})
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(keras.ops.cast(both, "float32")), y)
