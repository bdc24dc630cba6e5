"""Convolutions rewritten for XLA on CPUs: the same numbers, whatever their shape and layout."""

import importlib

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if keras.backend.backend() != "jax":
    pytest.skip("rewrites convolutions of JAX", allow_module_level=True)

import jax  # noqa: E402

import keras_cvae  # noqa: E402
from keras_cvae.fitting import jax_convolutions  # noqa: E402

LAYOUTS = [("NHWC", "HWIO", "NHWC"), ("NCHW", "OIHW", "NCHW"), ("HWNC", "IOHW", "NHWC")]


def assert_same(function, *args):
    rewritten = jax.jit(jax_convolutions.in_fast_layout(function))(*args)
    expected = jax.jit(function)(*args)
    assert jax.tree.structure(rewritten) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(rewritten), jax.tree.leaves(expected), strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def gradients(function):
    """The value and the gradients of a sum that no gradient is constant of."""
    total = lambda *args: jax.numpy.sum(jax.numpy.sin(function(*args)))  # noqa: E731
    return jax.value_and_grad(total, argnums=(0, 1))


def draw(*shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype("float32") for shape in shapes]


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(3, 9),
    width=st.integers(3, 9),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.sampled_from(["SAME", "VALID"]),
    transposed=st.booleans(),
    channels=st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
def test_convolutions_and_gradients(height, width, kernel, stride, padding, transposed, channels):
    into, out = channels
    if padding == "VALID":
        height, width = max(height, kernel), max(width, kernel)
    x, flat = draw((2, height, width, into), kernel * kernel * into * out)
    strides = (stride, stride)

    def convolve(x, w):
        if transposed:
            w = w.reshape(kernel, kernel, out, into)
            return jax.lax.conv_transpose(x, w, strides, padding, transpose_kernel=True)
        w = w.reshape(kernel, kernel, into, out)
        return jax.lax.conv_general_dilated(
            x, w, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    assert_same(gradients(convolve), x, flat)


@pytest.mark.parametrize("layout", LAYOUTS, ids="-".join)
def test_layouts(layout):
    sizes = {"N": 2, "H": 6, "W": 5, "C": 3, "I": 3, "O": 4}
    lhs = [sizes[axis] for axis in layout[0]]
    rhs = [{**sizes, "H": 3, "W": 2}[axis] for axis in layout[1]]
    x, w = draw(lhs, rhs)
    convolve = lambda x, w: jax.lax.conv_general_dilated(  # noqa: E731
        x, w, (2, 1), [(1, 0), (2, 1)], rhs_dilation=(1, 2), dimension_numbers=layout
    )
    assert_same(gradients(convolve), x, w)


def test_convolutions_that_are_not_rewritten():
    """Grouped and one-dimensional convolutions, loops, functions with rules of their own."""
    x, w, line, taps = draw((2, 6, 6, 4), (3, 3, 2, 4), (2, 9, 3), (3, 3, 5))

    def grouped(x, w):
        return jax.nn.relu(
            jax.lax.conv_general_dilated(
                x, w, (1, 1), "SAME", dimension_numbers=LAYOUTS[0], feature_group_count=2
            )
        )

    def one_dimensional(x, w):
        return jax.nn.softplus(
            jax.lax.conv_general_dilated(
                x, w, (2,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
            )
        )

    def loop(x, w):
        return jax.lax.fori_loop(0, 3, lambda i, x: grouped(x, w) / (i + 1), x)

    assert_same(gradients(grouped), x, w)
    assert_same(gradients(one_dimensional), line, taps)
    assert_same(lambda x, w: {"y": loop(x, w), "n": 3}, x, w)


def test_unknown_operations_are_not_rewritten(monkeypatch):
    x, w = draw((2, 6, 6, 3), (3, 3, 3, 4))
    convolve = lambda x, w: jax.lax.conv_general_dilated(  # noqa: E731
        x, w, (1, 1), "SAME", dimension_numbers=LAYOUTS[0]
    )

    def unknown(*args, **params):
        raise NotImplementedError("a new parameter")

    monkeypatch.setattr(jax_convolutions, "_convolve", unknown)
    with pytest.warns(UserWarning, match="left in the layout.*a new parameter"):
        assert_same(convolve, x, w)


def test_renamed_primitives_of_a_later_jax_cause_no_error(monkeypatch):
    x, w = draw((2, 6, 6, 3), (3, 3, 3, 4))
    monkeypatch.delattr("jax.extend.core.primitives.jit_p")
    importlib.reload(jax_convolutions)
    with pytest.warns(UserWarning, match="left in the layout.*jit_p"):
        assert_same(lambda x, w: jax.lax.conv(x, w, (1, 1), "SAME"), x.transpose(0, 3, 1, 2), w)
    vae = keras_cvae.build_cvae((4, 4, 1), latent_dim=2, network=keras_cvae.networks.Conv((2,)))
    vae.compile("adam")
    with pytest.warns(UserWarning, match="left in the layout.*jit_p"):
        history = vae.fit(np.zeros((8, 4, 4, 1), "float32"), batch_size=4, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_the_environment_variable_turns_it_off(monkeypatch):
    assert jax_convolutions.is_on() == (jax.default_backend() == "cpu")
    monkeypatch.setenv(jax_convolutions.SWITCH, "0")
    assert not jax_convolutions.is_on()


def test_rewriting_does_not_change_training(monkeypatch):
    """Residual blocks, grouped and dilated convolutions, normalisation, a loop of convolutions."""
    layers = keras.layers

    @keras.saving.register_keras_serializable("tests")
    class Repeated(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight((3, 3, shape[-1], shape[-1]), name="kernel")

        def call(self, x):
            def body(_, x):
                return keras.ops.tanh(keras.ops.conv(x, self.kernel, padding="same"))

            return keras.ops.fori_loop(0, 2, body, x)

    def network():
        x = image = keras.Input((8, 8, 1))
        x = layers.Conv2D(8, 3, padding="same")(x)
        y = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", groups=2)(x))
        x = layers.Activation("relu")(layers.Add()([x, y]))
        y = layers.GroupNormalization(2)(layers.Conv2D(8, 3, padding="same", dilation_rate=2)(x))
        x = layers.Conv2D(8, 3, strides=2, activation="gelu")(layers.Add()([x, y]))
        encoder = keras.Model(image, Repeated()(x))
        z = keras.Input((2,))
        x = layers.Reshape((4, 4, 4))(layers.Dense(64, activation="relu")(z))
        x = layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu")(x)
        decoder = keras.Model(
            z, layers.Conv2D(1, 3, padding="same")(layers.LayerNormalization()(x))
        )
        return encoder, decoder

    x = np.random.default_rng(0).random((70, 8, 8, 1), dtype="float32")
    histories = []
    for switch in ("0", "1"):
        monkeypatch.setenv(jax_convolutions.SWITCH, switch)
        keras.utils.set_random_seed(0)
        vae = keras_cvae.build_cvae((8, 8, 1), None, 2, network=network())
        vae.compile("adam")
        histories.append(vae.fit(x, epochs=3, batch_size=16, verbose=0).history)
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-3)  # of 15 steps of Adam
