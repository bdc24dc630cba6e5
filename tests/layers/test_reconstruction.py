import keras
import numpy as np
import pytest

from keras_cvae import layers


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def test_reconstruction_layer_adds_the_mean_over_the_batch_of_sums_over_pixels():
    x, logits = np.ones((4, 3, 2), "float32"), np.zeros((4, 3, 2), "float32")
    layer = layers.ReconstructionLoss()
    np.testing.assert_allclose(numpy(layer([x, logits])), 0.5)
    (loss,) = layer.losses
    np.testing.assert_allclose(numpy(loss), 6 * np.log(2), rtol=1e-6)
    with pytest.raises(ValueError, match=r"must return parameters of shape \(3, 2\), as Ber"):
        layers.ReconstructionLoss()([x, np.zeros((4, 6), "float32")])


def test_loss_layers_train_any_keras_model():
    x = keras.Input((6,))
    z_mean, z_log_var = keras.layers.Dense(2)(x), keras.layers.Dense(2)(x)
    z = layers.Sampling()([z_mean, z_log_var])
    _, _, z = layers.KLDivergence()([z_mean, z_log_var, z])
    outputs = layers.ReconstructionLoss()([x, keras.layers.Dense(6)(z)])
    model = keras.Model(x, outputs)
    model.compile(keras.optimizers.Adam(0.02))
    data = (np.random.default_rng(0).random((512, 6)) < 0.1).astype("float32")
    history = model.fit(data, epochs=10, verbose=0).history["loss"]
    assert history[-1] < 0.8 * history[0]
