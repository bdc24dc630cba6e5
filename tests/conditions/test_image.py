"""Conditions seen through the user's own network: trained jointly, NaN unknown, uint8 scaled."""

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import conditions, networks
from keras_cvae.copying import copy_of

pytestmark = pytest.mark.usefixtures("uncompiled")
nan = np.nan
SHAPE = (4, 3, 1)


def numpy(x):
    return keras.ops.convert_to_numpy(x)


@keras.saving.register_keras_serializable("tests")
class Doubled(keras.layers.Layer):
    """A user's own layer."""

    def call(self, x):
        return 2 * x


def body():
    return keras.Sequential([Doubled(), keras.layers.Conv2D(2, 2, bias_initializer="ones")])


def tiny(condition):
    cvae = keras_cvae.build_cvae(
        (6,), condition, 2, network=networks.Dense((8,)), prior="conditional"
    )
    cvae.compile("adam")
    return cvae


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    seen = rng.integers(0, 256, (16, *SHAPE)).astype("uint8")
    return rng.random((16, 6), dtype="float32"), seen


@pytest.fixture(scope="module")
def cvae(data, eagerly):
    """Trained with conditions of uint8 that were hidden now and then."""
    x, seen = data
    keras.utils.set_random_seed(0)
    cvae = tiny(conditions.Image(body(), SHAPE, dropout=0.3))
    before = numpy(cvae.condition.model.weights[0])
    with eagerly():
        held_out = ([x, seen], None)
        cvae.fit([x, seen], validation_data=held_out, epochs=2, batch_size=8, verbose=0)
    assert np.abs(numpy(cvae.condition.model.weights[0]) - before).max() > 1e-4
    assert cvae.condition.has_seen_unknown
    return cvae


def test_y_is_the_output_of_the_model_and_zero_if_unknown():
    model = body()
    condition = conditions.Image(model, SHAPE)
    assert condition.width == 3 * 2 * 2
    values = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype("float32")
    values[1, 2, 0] = nan
    y = numpy(condition(values))
    expected = numpy(model(values[[0, 2]])).reshape(2, -1)
    np.testing.assert_allclose(y[[0, 2]], expected, rtol=1e-6)
    np.testing.assert_array_equal(y[1], 0)
    assert not condition.has_seen_unknown


def test_gradients_are_finite_beside_unknown_examples(gradient):
    """A NaN must not come back through what it has been replaced by."""
    condition = conditions.Image(body(), SHAPE)
    values = np.ones((2, *SHAPE), "float32")
    values[0, 0] = nan
    (slope,) = gradient(lambda v: keras.ops.sum(condition(v) ** 2), values)
    np.testing.assert_array_equal(slope[0], 0)
    assert np.isfinite(slope).all() and np.abs(slope[1]).max() > 0


def test_dropout_hides_whole_examples_in_training_only():
    condition = conditions.Image(keras.layers.Dense(1, bias_initializer="ones"), SHAPE, dropout=0.3)
    values = np.ones((2000, *SHAPE), "float32")
    y = numpy(condition(values, training=True))
    hidden = (y == 0).all(axis=1)
    np.testing.assert_array_equal(hidden, (y == 0).any(axis=1))
    assert abs(hidden.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / len(y))
    assert condition.has_seen_unknown
    assert (numpy(condition(values)) != 0).all()


@pytest.mark.once
def test_every_method_scales_uint8_conditions(cvae, data):
    x, seen = data
    floats = seen / np.float32(255)
    pairs = [
        (cvae.encode(x, seen)[0], cvae.encode(x, floats)[0]),
        (cvae.generate(seen, seed=0), cvae.generate(floats[..., 0], seed=0)),
        (cvae.reconstruct(x, seen), cvae.reconstruct(x, floats)),
        (cvae.generate(seen[3], count=2, seed=0), cvae.generate(floats[[3, 3]], seed=0)),
    ]
    for ours, expected in pairs:
        np.testing.assert_allclose(ours, expected, atol=1e-5)
    quick = {"draws": 1, "verbose": 0, "return_dict": True}
    logs = [cvae.evaluate([x, s], **quick)["kl"] for s in (seen, floats)]
    np.testing.assert_allclose(*logs, rtol=1e-5)
    assert cvae.generate(seen[0]).shape == (1, 6)
    assert np.abs(cvae.generate(None, seed=0) - cvae.generate(seen[0], seed=0)).max() > 1e-4


def test_saving_and_loading(cvae, data, tmp_path):
    x, seen = data
    cvae.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    np.testing.assert_allclose(loaded.reconstruct(x, seen), cvae.reconstruct(x, seen), atol=1e-6)
    loaded.fit([x, seen], verbose=0)
    twin = keras.models.clone_model(cvae)
    twin.set_weights(cvae.get_weights())
    np.testing.assert_allclose(twin.reconstruct(x, seen), cvae.reconstruct(x, seen), atol=1e-6)


@pytest.mark.parametrize("is_built", [True, False])
def test_a_copy_does_not_share_weights(is_built):
    model = body()
    if is_built:
        model.build((None, *SHAPE))
        model.layers[-1].bias.assign([3.0, 4.0])
    condition = conditions.Image(model, None if is_built else SHAPE)
    assert condition.shape == SHAPE
    twin = copy_of(condition)
    values = np.ones((1, *SHAPE), "float32")
    before = numpy(twin(values))
    np.testing.assert_array_equal(before, numpy(condition(values)))
    for weight in model.weights:
        weight.assign(weight + 1)
    np.testing.assert_array_equal(numpy(twin(values)), before)


@pytest.mark.once
def test_an_image_among_other_attributes(data, tmp_path):
    x, seen = data
    condition = conditions.Attributes(
        part=conditions.Image(body(), SHAPE), kind=["a", "b"], size=conditions.Vector(1)
    )
    cvae = tiny(condition)
    values = {"part": seen, "kind": ["a", "b"] * 8, "size": np.arange(16.0)}
    cvae.fit([x, values], verbose=0)
    cvae.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    some = {"part": seen[0], "kind": ["a", "b", "b"], "size": None}
    with pytest.warns(UserWarning, match="never saw an image without"):
        drawn = [model.generate(some, seed=1) for model in (cvae, loaded)]
    assert drawn[0].shape == (3, 6)
    np.testing.assert_allclose(*drawn, atol=1e-6)
    with pytest.raises(ValueError, match="takes .images, part, kind, size"):
        cvae.fit([x, {"part": seen, "kind": 0}], verbose=0)
    with pytest.raises(ValueError, match=r"`y\['part'\]` must have the shape \(1, 4, 3, 1\)"):
        cvae.generate({"part": np.ones((1, 5, 3))})


WRONG = {
    "another shape": (
        lambda s: s[:, :3],
        r"must have the shape \(16, 4, 3, 1\). Received: \(16, 3",
    ),
    "another length": (lambda s: s[:3], r"must have the shape \(16, 4, 3, 1\). Received: \(3, 4"),
    "a number": (lambda s: 3.0, r"must have the shape \(16, 4, 3, 1\). Received: \(\)"),
    "text": (lambda s: s.astype(str), "must be an array of numbers"),
    "a name": (lambda s: "bag", "must be an array of numbers"),
    "infinity": (lambda s: s + np.inf, "must be finite, or NaN where unknown"),
}


@pytest.mark.once
@pytest.mark.parametrize("case", WRONG)
def test_wrong_conditions_raise_an_error(case, cvae, data):
    x, seen = data
    make, message = WRONG[case]
    for use in (cvae.encode, lambda x, s: cvae.fit([x, s], verbose=0)):
        with pytest.raises(ValueError, match="`y` " + message):
            use(x, make(seen))


def two_outputs():
    x = keras.Input((3,))
    return keras.Model(x, [x + 1, x + 2])


NO_MODEL = {
    "no model": (lambda: conditions.Image(3), "`model` must be a Keras model.*Received: 3"),
    "no shape": (
        lambda: conditions.Image(body()),
        "`shape` must be.*`model` is not built",
    ),
    "any size": (
        lambda: conditions.Image(keras.Sequential([keras.Input((None, 3)), Doubled()])),
        "`shape` must be the shape of one example",
    ),
    "another shape": (
        lambda: conditions.Image(keras.Sequential([keras.Input((3,)), Doubled()]), (4,)),
        r"`model` must take one tensor of shape \(4,\)",
    ),
    "two outputs": (lambda: conditions.Image(two_outputs()), "`model` must return one tensor"),
    "vectors of bytes": (
        lambda: conditions.Image(Doubled(), (3,)).check(np.ones((2, 3), "uint8"), 2),
        "must be floating point: only images are scaled",
    ),
}


@pytest.mark.once
@pytest.mark.parametrize("case", NO_MODEL)
def test_an_invalid_model_raises_an_error(case):
    make, message = NO_MODEL[case]
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert len(str(caught.value)) < 500
