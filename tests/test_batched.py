"""Batches of few shapes: the numbers of Keras's own `predict`."""

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import batched, networks
from keras_cvae.fitting import inside


class Shapes(keras.layers.Layer):
    """Notes the batch sizes that it is traced for."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def call(self, x):
        self.seen.append(x.shape[0])
        return x


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,)), keras.Input((), dtype="int32")
    y = keras_cvae.conditions.Classes(3)(inputs[1])
    hidden = keras.layers.Dense(5, activation="tanh")(keras.layers.Concatenate()([inputs[0], y]))
    return keras.Model(inputs, [hidden, keras.layers.Dense(2)(hidden)])


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 50])
@pytest.mark.parametrize("batch_size", [1, 8, 64])
def test_the_numbers_are_those_of_keras(model, count, batch_size):
    rng = np.random.default_rng(count)
    data = [rng.random((count, 4), "float32"), rng.integers(0, 3, count, "int32")]
    expected = model.predict(data, verbose=0)
    for ours, theirs in zip(batched.predict(model, data, batch_size), expected, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_few_shapes_are_compiled_for_any_number_of_rows():
    shapes = Shapes()
    model = keras.Sequential([keras.Input((3,)), shapes])
    shapes.seen.clear()
    for count in (1000, 1001, 999, 37, 40, 64, 5):
        rows = np.arange(3 * count, dtype="float32").reshape(count, 3)
        np.testing.assert_array_equal(batched.predict(model, rows, 64), rows)
    if keras.backend.backend() == "torch":  # which runs every batch
        assert set(shapes.seen) == {64, 8}
    else:  # TensorFlow compiles a second time for any size
        assert shapes.seen in ([64, 8], [64, None])


def lora(layer):
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(np.full(layer.lora_kernel_b.shape, 0.5))


def quantized(layer):
    layer.quantize("int8")


@pytest.mark.parametrize("change", [lora, quantized])
def test_a_traced_program_uses_the_current_weights(change):
    cvae = keras_cvae.build_cvae((4, 4, 1), 10, 2, network=networks.Dense((8,)))
    z, labels = np.random.default_rng(0).normal(size=(4, 2)).astype("float32"), np.arange(4)
    before = cvae.decode(z, labels)
    dense = [
        layer for layer in inside.layers(cvae.decoder) if isinstance(layer, keras.layers.Dense)
    ]
    dense[0].set_weights([3 * weight for weight in dense[0].get_weights()])
    for layer in dense:
        change(layer)
    inputs = [keras.ops.convert_to_tensor(part) for part in (z, labels.astype("int32"))]
    expected = keras.ops.convert_to_numpy(cvae.generator(inputs, training=False))
    assert np.abs(before - expected).max() > 0.01
    for _ in range(2):
        np.testing.assert_allclose(cvae.decode(z, labels), expected, atol=1e-5)


def test_encode_and_decode_in_batches():
    x, y, *_ = keras_cvae.datasets.load("digits")
    cvae = keras_cvae.build_cvae((8, 8, 1), 10, 3, network=networks.Dense((8,)))
    z_mean, z_log_var = cvae.encode(x[:70], y[:70], batch_size=32)
    for ours, theirs in zip(
        (z_mean, z_log_var), cvae.encoder.predict([x[:70], y[:70]], verbose=0), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    np.testing.assert_allclose(
        cvae.decode(z_mean, y[:70], batch_size=32), cvae.reconstruct(x[:70], y[:70]), atol=1e-5
    )
    assert cvae.decode(np.zeros((20, 20, 3)), 4).shape == (20, 20, 8, 8, 1)
    with pytest.raises(ValueError, match="`y` must be 70"):
        cvae.encode(x[:70], y[:69])


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="traces on torch")
def test_a_trace_samples_and_uses_current_weights_like_keras():
    from keras_cvae.fitting import torch_steps

    def build():
        inputs = keras.Input((4,))
        mean = keras.layers.Dense(3, kernel_initializer="ones", name="mean")(inputs)
        return keras.Model(inputs, keras_cvae.layers.Sampling(seed=5)([mean, mean]))

    rows, ours, theirs, apply = (
        np.ones((6, 4), "float32"),
        build(),
        build(),
        torch_steps.Predictions(),
    )
    for number in range(6):
        if number == 5:  # when a trace is there already
            for model in (ours, theirs):
                model.get_layer("mean").set_weights([np.full((4, 3), 0.1), np.ones(3)])
        found = apply(ours, rows)
        expected = theirs.predict_on_batch(rows)
        np.testing.assert_array_equal(found, expected)
    assert apply._traces
