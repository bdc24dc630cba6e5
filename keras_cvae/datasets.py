"""Data sets by name, and the user's own files, as checked NumPy arrays."""

from __future__ import annotations

import contextlib
import difflib
import gzip
import hashlib
import math
import os
import struct
import zipfile
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
NUMERALS = tuple("0123456789")
CLOTHES = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot".split(",")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
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
    is_fraction = isinstance(test_fraction, float) and 0 < test_fraction < 1
    _check(is_fraction, "`test_fraction` must lie between 0 and 1", repr(test_fraction))
    is_seed = hasattr(seed, "__index__") and 0 <= seed < 2**32
    _check(is_seed, "`seed` must be an integer from 0 to 2**32 - 1", repr(seed))
    if name_or_path == "digits":
        return _load_digits(size, test_fraction, seed)
    if name_or_path == "mnist":
        return _load_keras("mnist", "mnist.npz", NUMERALS, size)
    if name_or_path == "fashion_mnist":
        return _load_keras("fashion_mnist", "fashion-mnist/*-ubyte.gz", CLOTHES, size)
    path = _existing_path(name_or_path)
    if path.is_file():
        return _load_npz(path, size)
    idx_files = _idx_files(path)
    if any(idx_files):
        return _load_idx(path, idx_files, size)
    return _load_image_folder(path, size, test_fraction, seed)


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


def _load_digits(size, test_fraction, seed):
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x.reshape(-1, 8, 8) / 16).astype("float32")
    arrays = _stratified_split(x, y, test_fraction, seed, "digits", NUMERALS)
    return _dataset(arrays, ["digits"] * 4, size, NUMERALS)


def _load_keras(name, file, class_names, size):
    expected = (
        f"The data set '{name}' could not be downloaded or read. Expected a connection, or an "
        f"undamaged datasets/{file} in Keras' cache (~/.keras, or $KERAS_HOME). The path of a "
        "local .npz file or of a folder of IDX files works too"
    )
    with _explain(expected):
        train, test = getattr(keras.datasets, name).load_data()
    return _dataset((*train, *test), [name] * 4, size, class_names)


def _load_npz(path, size):
    expected = "Expected an .npz file as `np.savez` writes it, or a folder"
    _check(zipfile.is_zipfile(path), expected, f"'{path}', truncated or of another kind")
    damaged = f"'{path}' is damaged, or holds pickled Python objects, which are never loaded"
    with _explain(damaged), np.load(path, allow_pickle=False) as file:
        found = file.files
        arrays = [np.asarray(file[array]) for array in ARRAYS if array in found]
    _check(len(arrays) == 4, f"'{path}' must hold the arrays {', '.join(ARRAYS)}", found)
    return _dataset(arrays, [path] * 4, size)


def _idx_files(folder):
    """MNIST's four files in the order of `ARRAYS`, `None` for a missing one."""
    stems = [f"{s}-{k}" for s in ("train", "t10k") for k in ("images{}idx3", "labels{}idx1")]
    endings = [(mark, suffix) for mark in "-." for suffix in ("-ubyte", "-ubyte.gz")]
    paths = [[folder / (stem.format(mark) + end) for mark, end in endings] for stem in stems]
    return [next(filter(Path.is_file, candidates), None) for candidates in paths]


def _load_idx(folder, files, size):
    names = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-... and t10k-labels-..."
    found = [file.name for file in files if file]
    _check(len(found) == 4, f"'{folder}' must hold {names}, plain or .gz", found)
    arrays = [_read_idx(file, ndim) for file, ndim in zip(files, (3, 1, 3, 1), strict=True)]
    return _dataset(arrays, files, size)


def _read_idx(path, ndim):
    """Unsigned bytes in `ndim` dimensions: a magic number, big-endian sizes, the bytes."""
    with _explain(f"'{path}' is a truncated or damaged gzip file"):
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":  # by content: browsers unzip a .gz file and keep its name
            data = gzip.decompress(data)
    magic, start = bytes((0, 0, 8, ndim)), 4 + 4 * ndim
    expected = f"'{path}' must begin with the IDX magic number 0x{magic.hex()}"
    _check(data[:4] == magic, expected, f"0x{data[:4].hex()}")
    _check(len(data) >= start, f"'{path}' is truncated in its header", f"{len(data)} bytes")
    shape = struct.unpack_from(f">{ndim}I", data, 4)
    total = start + math.prod(shape)
    expected = f"'{path}' is damaged: its header {shape} announces {total} bytes"
    _check(len(data) == total, expected, f"{len(data)} bytes")
    return np.frombuffer(data, "uint8", offset=start).reshape(shape)


def _load_image_folder(folder, size, test_fraction, seed):
    split = [folder / "train", folder / "test"]
    parts = split if all(part.is_dir() for part in split) else [folder]
    listed = [_list_images(part) for part in parts]
    names = [class_names for class_names, _, _ in listed]
    _check(names[0] == names[-1], f"'{folder}' must train and test with the same classes", names)
    x = _read_images([path for _, paths, _ in listed for path in paths], size)
    y = np.array([label for _, _, labels in listed for label in labels])
    if parts == split:
        n = len(listed[0][1])
        arrays = x[:n], y[:n], x[n:], y[n:]
    else:
        arrays = _stratified_split(x, y, test_fraction, seed, folder, names[0])
    return _dataset(arrays, [folder] * 4, size, names[0])


def _list_images(folder):
    """The names of the class folders, and the path and integer label of each image."""

    def visible(folder):
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))

    class_folders = [path for path in visible(folder) if path.is_dir()]
    names = [path.name for path in class_folders]
    expected = f"'{folder}' must hold two or more sub-folders of images, one a class (or IDX files)"
    _check(len(names) >= 2, expected, f"{len(names)} sub-folders {names}")
    paths, labels = [], []
    for label, class_folder in enumerate(class_folders):
        found = visible(class_folder)
        images = [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES]
        expected = f"The class folder '{class_folder}' must hold images {IMAGE_SUFFIXES}"
        _check(images, expected, f"{len(found)} other files or folders")
        paths += images
        labels += [label] * len(images)
    return names, paths, labels


def _read_images(paths, size):
    """Reads images into `(N, H, W, 1)`, or `(N, H, W, 3)` if any has colour."""
    progress = keras.utils.Progbar(len(paths), unit_name="image") if len(paths) > 2000 else None
    images = []
    for path in paths:
        image = _read_image(path)
        images.append(_resize(image, size) if size else image)
        first, this = images[0].shape[:2], images[-1].shape[:2]
        expected = "Images are of unequal size: `image_size=(height, width)` resizes them"
        _check(first == this, expected, f"'{paths[0]}' of {first} and '{path}' of {this}")
        if progress:
            progress.update(len(images))
    channels = max(image.shape[2] for image in images)
    return np.stack([np.broadcast_to(x, (*x.shape[:2], channels)) for x in images])


def _read_image(path):
    from PIL import Image

    # Going by content alone, Pillow would run Ghostscript on an EPS file called .png.
    readable = _explain(f"'{path}' is truncated, damaged, or not a PNG or JPEG image")
    with readable, Image.open(path, formats=("PNG", "JPEG")) as image:
        mode = image.mode
        pixels = np.asarray(image.convert("L" if mode in ("1", "L", "LA") else "RGB"))
    _check(mode[0] not in "IF", f"'{path}' must have 8 bits a channel", f"image mode {mode}")
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _resize(image, size):
    """Resizes one `(H, W, C)` image of uint8 or float32."""
    from PIL import Image

    # Bilinear weights are positive: no pixel leaves the range, as with bicubic ones.
    channels = [Image.fromarray(channel) for channel in np.moveaxis(image, -1, 0)]
    return np.stack([c.resize(size[::-1], Image.Resampling.BILINEAR) for c in channels], axis=-1)


def _stratified_split(x, y, test_fraction, seed, source, class_names):
    from sklearn.model_selection import train_test_split

    counts = np.bincount(y)
    rarest = f"{counts.min()} image(s) of class '{class_names[counts.argmin()]}' among {len(y)}"
    expected = (
        f"'{source}' has too few images to split: every class needs one to train with and one to "
        f"test with. It has {rarest}, and {test_fraction=}"
    )
    with _explain(expected):
        x_train, x_test, y_train, y_test = train_test_split(
            x, y, test_size=test_fraction, random_state=seed, stratify=y
        )
    return x_train, y_train, x_test, y_test


def _dataset(arrays, sources, size, class_names=None):
    """Checks the four arrays; messages say from which of the `sources` each came."""
    origins = [f"{name} of '{source}'" for name, source in zip(ARRAYS, sources, strict=True)]
    x_train, x_test = (_images(arrays[i], origins[i], size) for i in (0, 2))
    y_train, y_test = (_labels(arrays[i], origins[i]) for i in (1, 3))
    for x, y, i in ((x_train, y_train, 0), (x_test, y_test, 2)):
        received = f"{len(x)} in {origins[i]} and {len(y)} in {origins[i + 1]}"
        _check(len(x) == len(y), "Images and labels must be equally many", received)
    kinds = [f"{x.shape[1:]} {x.dtype}" for x in (x_train, x_test)]
    received = f"{kinds[0]} in {origins[0]} and {kinds[1]} in {origins[2]}"
    _check(kinds[0] == kinds[1], "Training and test images must have one shape and dtype", received)
    expected = f"{origins[0]} must have pixels in 0..255 (binary ones: as floats or booleans)"
    _check(x_train.dtype != "uint8" or x_train.max() != 1, expected, "integers of at most 1")
    found = np.unique(y_train)
    _check(len(found) > 1, f"{origins[1]} must hold two or more classes", f"only label {found[0]}")
    if class_names is None:
        class_names = [str(i) for i in range(max(y_train.max(), y_test.max()) + 1)]
    return Dataset(x_train, y_train, x_test, y_test, tuple(class_names))


def _images(x, origin, size):
    _check(x.dtype.kind in "buif", f"{origin} must hold numbers", f"dtype {x.dtype}")
    shaped = f"{origin} must hold images (N, H, W) or (N, H, W, C) or vectors (N, D), at least one"
    _check(x.ndim in (2, 3, 4) and x.size, shaped, f"shape {x.shape}")
    x = x[..., None] if x.ndim == 3 else x
    low, high = float(x.min()), float(x.max())
    finite = math.isfinite(low) and math.isfinite(high)
    _check(finite, f"{origin} must be finite", "NaN or infinite pixels")
    dtype, top = ("uint8", 255) if x.dtype.kind in "iu" else ("float32", 1)
    expected = f"{origin} must have integer pixels in 0..255, or floats in [0, 1] (divide by 255?)"
    _check(0 <= low and high <= top, expected, f"{x.dtype} from {low:g} to {high:g}")
    x = np.require(x, dtype, "W")  # an array over a file's bytes is read-only
    if size and x.shape[1:3] != size:
        _check(x.ndim == 4, f"`image_size` resizes images only, not {origin}", f"shape {x.shape}")
        x = np.stack([_resize(image, size) for image in x])
    return x


def _labels(y, origin):
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    expected = f"{origin} must hold integer labels of shape (N,)"
    hint = "; of one-hot labels, `y.argmax(axis=1)`" if y.ndim == 2 else ""
    is_integer = y.ndim == 1 and y.dtype.kind in "iu"
    _check(is_integer, expected + hint, f"dtype {y.dtype}, shape {y.shape}")
    found = np.unique(y)
    inside = not found.size or (found[0] >= 0 and found[-1] < MAX_CLASSES)
    _check(inside, f"{origin} must hold labels 0, 1, ... below {MAX_CLASSES}", found)
    return y.astype("int32")


def _height_and_width(image_size):
    if image_size is None:
        return None
    pair = tuple(image_size) if isinstance(image_size, (tuple, list)) else (image_size,) * 2
    positive = [hasattr(n, "__index__") and not isinstance(n, bool) and n > 0 for n in pair]
    expected = "`image_size` must be a positive integer or a pair (height, width) of them"
    _check(len(pair) == 2 and all(positive), expected, repr(image_size))
    return tuple(int(n) for n in pair)


def _existing_path(name_or_path):
    is_path = isinstance(name_or_path, (str, os.PathLike))
    _check(is_path, "`name_or_path` must be a string or a path", repr(name_or_path))
    path = os.path.expanduser(name_or_path)
    names = ("digits", "mnist", "fashion_mnist")
    nearest = difflib.get_close_matches(str(path).lower(), names, n=1)
    hint = f" (did you mean '{nearest[0]}'?)" if nearest else ""
    expected = (
        f"`name_or_path` must be one of {', '.join(names)}, or the path of an existing .npz file, "
        "of a folder of IDX files, or of a folder of one sub-folder of images a class"
    )
    _check(os.path.exists(path), expected, f"{name_or_path!r}{hint}, no such file or folder")
    return Path(path)


def _check(condition, expected, received):
    if not condition:
        raise ValueError(f"{expected}. Received: {received}")


@contextlib.contextmanager
def _explain(expected):
    """Turns whatever Keras, zip, gzip, NumPy or Pillow raise on bad data into a `ValueError`."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{expected}. Received: {type(error).__name__}: {error}") from error
