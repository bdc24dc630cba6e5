"""Convolutional networks: y is constant planes."""

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import networks


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def test_conv_labels_are_constant_planes():
    encoder = keras_cvae.build_conv_encoder((28, 28, 1), 10, 2)
    assert encoder.trainable_weights[0].shape == (3, 3, 1 + 10, 32)
    image = np.zeros((2, 3, 4, 1), "float32")
    one_hot = np.float32([[0, 1], [0, 0]])
    planes = numpy(networks.LabelPlanes()([image, one_hot]))
    expected = np.zeros((2, 3, 4, 3))
    expected[0, :, :, 2] = 1
    np.testing.assert_array_equal(planes, expected)


def test_the_default_conv_network_is_the_tutorials():
    decoder = keras_cvae.build_conv_decoder((28, 28, 1), None, 2)
    assert [tuple(w.shape) for w in decoder.trainable_weights[::2]] == [
        (2, 7 * 7 * 32),
        (3, 3, 64, 32),
        (3, 3, 32, 64),
        (3, 3, 1, 32),
    ]
    encoder = keras_cvae.build_conv_encoder((28, 28, 1), None, 2)
    assert encoder.trainable_weights[0].shape == (3, 3, 1, 32)
    assert encoder.trainable_weights[2].shape == (3, 3, 32, 64)


def test_vectors_raise_an_error_in_conv():
    for build in (keras_cvae.build_conv_encoder, keras_cvae.build_conv_decoder):
        with pytest.raises(ValueError, match=r'network="dense" takes vectors. Received: \(784,\)'):
            build((784,), 10, 2)


@pytest.mark.parametrize(
    ("shape", "strides", "padding"),
    [
        ((7, 5, 3), 2, "same"),
        ((8, 8, 1), 1, "valid"),
        *(
            pytest.param(*case, marks=pytest.mark.once)
            for case in [((7, 5, 3), 1, "same"), ((8, 8, 1), 2, "same"), ((7, 5, 3), 2, "valid")]
        ),
    ],
)
def test_label_planes_folded_into_the_convolution(shape, strides, padding):
    rng = np.random.default_rng(0)
    image = rng.random((6, *shape), dtype="float32")
    one_hot = np.eye(4, dtype="float32")[[0, 1, 2, 3, 0, 0]]
    one_hot[4:] = [0, 0, 0, 0], [0.2, 0.3, 0.5, 0]  # an unknown label, a relaxed one
    options = {"strides": strides, "padding": padding, "activation": "tanh"}
    folded = networks.LabelConv2D(5, 3, **options)
    planes = keras.layers.Conv2D(5, 3, **options)
    inputs = [keras.Input(shape), keras.Input((4,))]
    models = [
        keras.Model(inputs, folded(inputs)),
        keras.Model(inputs, planes(networks.conv.join_planes(*inputs))),
    ]
    folded.bias.assign(rng.normal(size=5))
    models[1].set_weights(models[0].get_weights())
    outputs = [model.predict([image, one_hot], verbose=0) for model in models]
    np.testing.assert_allclose(*outputs, atol=1e-6)
    for model in models:  # and the same gradients
        model.compile(keras.optimizers.SGD(1.0), "mse")
        model.train_on_batch([image, one_hot], np.ones_like(outputs[0]))
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
