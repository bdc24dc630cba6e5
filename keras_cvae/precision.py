"""The precision of losses, latents and the preprocessing of data: float32."""

from __future__ import annotations

import keras


class Float32Layer(keras.layers.Layer):
    """A layer that computes in float32 under every dtype policy, its own `dtype` included.

    Sums of nats over pixels, and data before it is standardised, overflow in half precision.

    Args:
        dtype: Any dtype or policy, as for all Keras layers, without effect: inputs are cast to
            float32, and outputs are float32.
    """

    def __init__(self, *args, dtype="float32", **kwargs):
        super().__init__(*args, dtype="float32", **kwargs)
