"""Dense networks: y is concatenated."""

import keras_cvae


def test_dense_labels_are_concatenated_to_the_flattened_image_and_to_z():
    encoder = keras_cvae.build_dense_encoder((28, 28, 1), 10, 20)
    decoder = keras_cvae.build_dense_decoder((28, 28, 1), 10, 20)
    assert encoder.trainable_weights[0].shape == (784 + 10, 256)
    assert decoder.trainable_weights[0].shape == (20 + 10, 256)
