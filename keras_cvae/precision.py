"""The precision of losses, latents and of what is done to data before it is encoded."""

from __future__ import annotations

import keras


class Float32Layer(keras.layers.Layer):
    """A layer that computes in float32 under every dtype policy, one of its own included.

    Sums of nats over pixels, and data before it is standardised, overflow in half precision.

    Args:
        dtype: Accepted as all Keras layers accept it; whichever it is, the layer takes, computes
            and returns float32.
    """

    def __init__(self, *args, dtype="float32", **kwargs):
        super().__init__(*args, dtype="float32", **kwargs)
