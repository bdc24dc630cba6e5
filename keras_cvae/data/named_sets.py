"""Data sets that are loaded by name: scikit-learn's digits, and those that Keras downloads."""

from __future__ import annotations

import keras

from keras_cvae import checks
from keras_cvae.data.readers import Part, Source

NUMERALS = tuple("0123456789")
CLOTHES = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot".split(",")
OF_KERAS = {  # the file in Keras' cache, and the names of the classes
    "mnist": ("mnist.npz", NUMERALS),
    "fashion_mnist": ("fashion-mnist/*-ubyte.gz", CLOTHES),
}
NAMES = ("digits", *OF_KERAS)


def read(name: str) -> Source:
    """Reads a data set.

    Args:
        name: One of `NAMES`.

    Raises:
        ValueError: If the data set cannot be downloaded or read.
    """
    return _digits() if name == "digits" else _of_keras(name)


def _digits():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x.reshape(-1, 8, 8) / 16).astype("float32")
    return Source([Part(x, y, ("digits", "digits"))], NUMERALS)


def _of_keras(name):
    file, class_names = OF_KERAS[name]
    expected = (
        f"The data set '{name}' could not be downloaded or read. Expected a connection, or an "
        f"undamaged datasets/{file} in Keras' cache (~/.keras, or $KERAS_HOME). The path of a "
        "local .npz file or of a folder of IDX files works too"
    )
    with checks.explain(None, expected):
        train, test = getattr(keras.datasets, name).load_data()
    origins = [(f"x_{mark} of '{name}'", f"y_{mark} of '{name}'") for mark in ("train", "test")]
    return Source([Part(*train, origins[0]), Part(*test, origins[1])], class_names)
