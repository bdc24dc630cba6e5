"""Data sets by name, and the user's own files, as checked NumPy arrays."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from keras_cvae import checks
from keras_cvae.checks import require
from keras_cvae.data import readers
from keras_cvae.data.readers import ARRAYS

NUMERALS = tuple("0123456789")
CLOTHES = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot".split(",")
OF_KERAS = {  # the file in Keras' cache, and the names of the classes
    "mnist": ("mnist.npz", NUMERALS),
    "fashion_mnist": ("fashion-mnist/*-ubyte.gz", CLOTHES),
}
NAMES = ("digits", *OF_KERAS)
MAX_CLASSES = 65536  # each costs a class name and a column of the one-hot vector


class Dataset(NamedTuple):
    """Images and labels to train and to test with; `load` gives their shapes and ranges."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]


def load(
    name_or_path: str | os.PathLike,
    *,
    image_size: int | tuple[int, int] | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """Loads a data set by name, or from the user's own files.

    Args:
        name_or_path: `"digits"` (8x8, embedded in scikit-learn), `"mnist"` or `"fashion_mnist"`
            (downloaded once by Keras), or the path of one of:
            an `.npz` file that holds `x_train`, `y_train`, `x_test` and `y_test`;
            a folder of four IDX files under MNIST's names, plain or gzipped;
            a folder with one sub-folder of PNG or JPEG images a class, or with `train/` and
            `test/` that each hold such sub-folders.
            A name wins over a path: write `"./mnist"` for a folder called so.
        image_size: What to resize every image to: an integer or `(height, width)`.
            `None` keeps the images' own size.
        test_fraction: Share of each class held out for testing, in (0, 1), where the source is
            not split already: `"digits"`, and class folders without `train/` and `test/`.
        seed: Integer seed of that split.

    Returns:
        `Dataset(x_train, y_train, x_test, y_test, class_names)`. Images have shape
        `(N, H, W, C)`, vectors `(N, D)`; both are uint8 in 0..255 or float32 in [0, 1]. Labels
        are int32 of shape `(N,)`, indices into the tuple of strings `class_names`.

    Raises:
        ValueError: If the name is unknown, a file is missing or damaged, or the data are not
            images in range with integer labels of at least two classes.

    Example:
    >>> keras_cvae.datasets.load("digits").x_train.shape
    (1437, 8, 8, 1)
    >>> keras_cvae.datasets.load("~/photos", image_size=(32, 48)).class_names
    ('cat', 'dog')
    """
    size = _height_and_width(image_size)
    checks.number("test_fraction", test_fraction, above=0, below=1)
    checks.integer("seed", seed, least=0, most=2**32 - 1)
    is_path = isinstance(name_or_path, (str, os.PathLike))
    require(is_path, "`name_or_path` must be a string or a path", repr(name_or_path))
    if name_or_path == "digits":
        found = _digits(test_fraction, seed)
    elif name_or_path in OF_KERAS:
        found = _of_keras(name_or_path)
    else:
        found = _own_files(_existing(name_or_path), size, test_fraction, seed)
    return _dataset(*found, size)


def digest(dataset: Dataset) -> str:
    """Returns a short fingerprint of a data set, to record with a run.

    Args:
        dataset: A `Dataset`. Its class names do not count.

    Returns:
        The first 16 hexadecimal digits of the SHA-256 of the arrays' dtypes, shapes and bytes.

    Example:
    >>> run_config["data"] = keras_cvae.datasets.digest(dataset)
    """
    sha = hashlib.sha256()
    for array in dataset[:4]:
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array))
    return sha.hexdigest()[:16]


def _digits(test_fraction, seed):
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x.reshape(-1, 8, 8) / 16).astype("float32")
    arrays = readers.split(x, y, test_fraction, seed, "digits", NUMERALS)
    return arrays, ["digits"] * 4, NUMERALS


def _of_keras(name):
    file, class_names = OF_KERAS[name]
    expected = (
        f"The data set '{name}' could not be downloaded or read. Expected a connection, or an "
        f"undamaged datasets/{file} in Keras' cache (~/.keras, or $KERAS_HOME). The path of a "
        "local .npz file or of a folder of IDX files works too"
    )
    with checks.explain(expected):
        train, test = getattr(keras.datasets, name).load_data()
    return (*train, *test), [name] * 4, class_names


def _existing(name_or_path):
    path = os.path.expanduser(name_or_path)
    expected = (
        f"`name_or_path` must be one of {', '.join(NAMES)}, or the path of an existing .npz file, "
        "of a folder of IDX files, or of a folder of one sub-folder of images a class"
    )
    expected += checks.nearest(str(path), NAMES, cutoff=0.6)
    require(os.path.exists(path), expected, f"{name_or_path!r}, no such file or folder")
    return Path(path)


def _own_files(path, size, test_fraction, seed):
    if path.is_file():
        return readers.read_npz(path)
    idx_files = readers.idx_files(path)
    if any(idx_files):
        return readers.read_idx_files(path, idx_files)
    return readers.read_image_folder(path, size, test_fraction, seed)


def _dataset(arrays, sources, class_names, size):
    """Checks the four arrays; messages say from which of the `sources` each came."""
    origins = [f"{name} of '{source}'" for name, source in zip(ARRAYS, sources, strict=True)]
    x_train, x_test = (_images(arrays[i], origins[i], size) for i in (0, 2))
    y_train, y_test = (_labels(arrays[i], origins[i]) for i in (1, 3))
    for x, y, i in ((x_train, y_train, 0), (x_test, y_test, 2)):
        received = f"{len(x)} in {origins[i]} and {len(y)} in {origins[i + 1]}"
        require(len(x) == len(y), "Images and labels must be equally many", received)
    kinds = [f"{x.shape[1:]} {x.dtype}" for x in (x_train, x_test)]
    received = f"{kinds[0]} in {origins[0]} and {kinds[1]} in {origins[2]}"
    expected = "Training and test images must have one shape and dtype"
    require(kinds[0] == kinds[1], expected, received)
    expected = f"{origins[0]} must have pixels in 0..255 (binary ones: as floats or booleans)"
    require(x_train.dtype != "uint8" or x_train.max() != 1, expected, "integers of at most 1")
    found = np.unique(y_train)
    require(len(found) > 1, f"{origins[1]} must hold two or more classes", f"only label {found[0]}")
    if class_names is None:
        class_names = [str(i) for i in range(max(y_train.max(), y_test.max()) + 1)]
    return Dataset(x_train, y_train, x_test, y_test, tuple(class_names))


def _images(x, origin, size):
    require(x.dtype.kind in "buif", f"{origin} must hold numbers", f"dtype {x.dtype}")
    shaped = f"{origin} must hold images (N, H, W) or (N, H, W, C) or vectors (N, D), at least one"
    require(x.ndim in (2, 3, 4) and x.size, shaped, f"shape {x.shape}")
    x = x[..., None] if x.ndim == 3 else x
    low, high = float(x.min()), float(x.max())
    finite = math.isfinite(low) and math.isfinite(high)
    require(finite, f"{origin} must be finite", "NaN or infinite pixels")
    dtype, top = ("uint8", 255) if x.dtype.kind in "iu" else ("float32", 1)
    expected = f"{origin} must have integer pixels in 0..255, or floats in [0, 1] (divide by 255?)"
    require(0 <= low and high <= top, expected, f"{x.dtype} from {low:g} to {high:g}")
    x = np.require(x, dtype, "W")  # an array over a file's bytes is read-only
    if size and x.shape[1:3] != size:
        require(x.ndim == 4, f"`image_size` resizes images only, not {origin}", f"shape {x.shape}")
        x = np.stack([readers.resize(image, size) for image in x])
    return x


def _labels(y, origin):
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    expected = f"{origin} must hold integer labels of shape (N,)"
    hint = "; of one-hot labels, `y.argmax(axis=1)`" if y.ndim == 2 else ""
    is_integer = y.ndim == 1 and y.dtype.kind in "iu"
    require(is_integer, expected + hint, f"dtype {y.dtype}, shape {y.shape}")
    found = np.unique(y)
    inside = not found.size or (found[0] >= 0 and found[-1] < MAX_CLASSES)
    require(inside, f"{origin} must hold labels 0, 1, ... below {MAX_CLASSES}", found)
    return y.astype("int32")


def _height_and_width(image_size):
    if image_size is None:
        return None
    pair = tuple(image_size) if isinstance(image_size, (tuple, list)) else (image_size,) * 2
    positive = [hasattr(n, "__index__") and not isinstance(n, bool) and n > 0 for n in pair]
    expected = "`image_size` must be a positive integer or a pair (height, width) of them"
    require(len(pair) == 2 and all(positive), expected, repr(image_size))
    return tuple(int(n) for n in pair)
