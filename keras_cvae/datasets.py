"""Data sets by name, and the user's own files, as checked NumPy arrays."""

from __future__ import annotations

import hashlib
import math
import os
import reprlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from keras_cvae import checks
from keras_cvae.checks import require
from keras_cvae.data import checking, image_folders, images, named_sets, readers, splitting

NAMES = named_sets.NAMES


class Dataset(NamedTuple):
    """Images and labels for training and testing, of the shapes and ranges that `load` describes.

    For a table: rows, and a dict of their conditions by name.
    """

    x_train: np.ndarray
    y_train: np.ndarray | dict[str, np.ndarray] | None
    x_test: np.ndarray
    y_test: np.ndarray | dict[str, np.ndarray] | None
    class_names: tuple[str, ...]

    def _repr_html_(self):
        from keras_cvae import html, plots

        x, y, names = self.x_train, self.y_train, self.class_names
        shape = "x".join(map(str, x.shape[1:]))
        text = f"{len(x)} training and {len(self.x_test)} test examples of {shape}"
        text += f", classes {', '.join(names)}" if names else ", no classes"
        shown = html.paragraphs([text])
        if x.ndim < 3 or x.shape[-1] not in (1, 3):
            return shown
        if not names:
            return shown + html.Picture(plots.sheet(x[:36]), "Training images.").__html__()
        rows = [np.flatnonzero(y == label)[:10] for label in range(min(len(names), 20))]
        rows = np.concatenate(rows)
        figure = plots.class_rows(x[rows], y[rows], class_names=names, title=None)
        return shown + html.Picture(figure, "Training images of each class.").__html__()


class Reading(NamedTuple):
    """A data set as `read` returns it.

    Attributes:
        dataset: The `Dataset`.
        validation: Images and labels for validation, `(x, y)`, if the source has them; else None.
        notes: Sentences about data of the source that were left out or changed.
    """

    dataset: Dataset
    validation: tuple[np.ndarray, np.ndarray | None] | None = None
    notes: tuple[str, ...] = ()


def load(
    name_or_path: str | os.PathLike,
    *,
    labelled: bool = True,
    class_names: Sequence[str] | None = None,
    image_size: int | tuple[int, int] | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    background: str = "white",
    skip_damaged: bool = False,
) -> Dataset:
    """Loads a data set by name, or from the user's own files.

    It warns about data that are left out or changed, such as files that are not images, or images
    that are composited on a background.

    Args:
        name_or_path: `"digits"` (8x8, embedded in scikit-learn), `"mnist"` or `"fashion_mnist"`
            (downloaded once by Keras), or the path of one of:
            an `.npz` file of `x_train`, `y_train`, `x_test` and `y_test`, or only `x` and `y` (or
            `x_train` and `y_train`), which are then split, and optionally of the names of the
            classes as strings in `class_names`; its labels may be these names, and an empty name
            means unknown; `x_val` and `y_val` are for validation;
            a folder of four IDX files under MNIST's names, plain or gzipped;
            a folder with one sub-folder of images for each class (PNG, JPEG, JPEG 2000, WebP, GIF,
            BMP, TIFF, PGM or PPM), or with `train/` that contains such sub-folders, beside `test/`,
            `val/` or both.
            Images of 16 bits become floats: white is the largest number of as many bits as the
            greatest pixel.
            A name takes precedence over a path: write `"./mnist"` for a folder of that name.
        labelled: Whether to load labels. If not, the arrays or files of labels may be missing, a
            folder may contain images directly, and the images of all sub-folders are one set.
        class_names: A name for each class, in place of those of the source.
        image_size: The size to resize every image to: an integer or `(height, width)`.
            `None` keeps the images' own size.
        test_fraction: Share of each class (without labels, of all images) held out for testing, in
            (0, 1), if the source is not split already.
        seed: Integer seed of that split.
        background: The colour behind transparent pixels of image files: a name, or a hexadecimal
            number such as `"#ff8000"`.
        skip_damaged: Whether to leave out image files that cannot be read. If not, they raise an
            error.

    Returns:
        `Dataset(x_train, y_train, x_test, y_test, class_names)`. Images have shape
        `(N, H, W, C)`, uint8 in 0..255 or float32 in [0, 1]. Vectors have shape `(N, D)`: float32
        of any scale; or uint8 if they are stored as such, or are integers that span 0 to 255
        exactly, as flattened images do. Labels are int32 of shape `(N,)`, indices into the tuple of
        strings `class_names`. In the training part they may be -1, unknown; when a source is split,
        all unknown ones are in that part. Without labels they are `None`, and `class_names` is
        empty.

    Raises:
        ValueError: If the name is unknown, a file is missing or damaged, or the data are not
            images in range or finite vectors, with integer labels of at least two classes.

    Example:
    >>> keras_cvae.datasets.load("digits").x_train.shape
    (1437, 8, 8, 1)
    >>> keras_cvae.datasets.load("~/photos", image_size=(32, 48)).class_names
    ('cat', 'dog')
    >>> keras_cvae.datasets.load("~/photos/cat", labelled=False, image_size=32).y_train is None
    True
    """
    dataset, validation, notes = read(**locals())
    if validation is not None:
        notes = *notes, "Left out: the validation part, which `datasets.read` returns too"
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return dataset


def read(
    name_or_path: str | os.PathLike,
    *,
    labelled: bool = True,
    class_names: Sequence[str] | None = None,
    image_size: int | tuple[int, int] | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    background: str = "white",
    skip_damaged: bool = False,
) -> Reading:
    """Reads a data set as `load` does, but returns notes instead of warnings.

    The arguments are those of `load`.

    Returns:
        `Reading(dataset, validation, notes)`.

    Raises:
        ValueError: As for `load`.
    """
    size = _height_and_width(image_size)
    checks.number("test_fraction", test_fraction, above=0, below=1)
    checks.integer("seed", seed, least=0, most=2**32 - 1)
    is_path = isinstance(name_or_path, (str, os.PathLike))
    require(is_path, "name_or_path", "must be a string or a path", repr(name_or_path))
    checks.boolean("labelled", labelled)
    checks.boolean("skip_damaged", skip_damaged)
    expected = "must be left out of data without labels"
    require(labelled or class_names is None, "class_names", expected, reprlib.repr(class_names))
    images.colour(background)
    advice = "image_size", "makes images smaller"
    with checks.explain(None, "The data must fit in memory", MemoryError, advice):
        if name_or_path in NAMES:
            source = named_sets.read(name_or_path)
        else:
            path = _existing(name_or_path)
            source = _own_files(path, size, labelled, background, skip_damaged)
        held_out = [] if source.validation is None else [source.validation]
        parts, changes = checking.check_parts([*source.parts, *held_out], size)
        names = checking.class_names(parts, source.names, class_names)
        validation = parts.pop()[:2] if held_out else None
        if len(parts) == 1:
            parts = splitting.split_part(parts[0], names, name_or_path, test_fraction, seed)
    (x_train, y_train), (x_test, y_test) = (part[:2] for part in parts)
    notes = (*source.notes, *changes)
    if not labelled:  # the named sets are split by label all the same
        validation = validation and (validation[0], None)
        return Reading(Dataset(x_train, None, x_test, None, ()), validation, notes)
    return Reading(Dataset(x_train, y_train, x_test, y_test, names), validation, notes)


def hold_out(
    dataset: Dataset, fraction: float = 0.1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray | None]:
    """Splits the training images into a part for training and a part for validation.

    Args:
        dataset: A `Dataset`.
        fraction: Share of the training images to hold out for validation, in (0, 1): the same share
            of every class, unless a class is too small to be split, or there are no labels.
        seed: Integer seed of the split.

    Returns:
        `(x_train, y_train, x_val, y_val)`; at least one image is in each part, and the labels are
        `None` if those of the data set are.

    Raises:
        ValueError: If there are fewer than two training images.

    Example:
    >>> x_train, y_train, x_val, y_val = keras_cvae.datasets.hold_out(dataset)
    >>> cvae.fit([x_train, y_train], validation_data=([x_val, y_val], None), epochs=10)
    """
    checks.number("fraction", fraction, above=0, below=1)
    checks.integer("seed", seed, least=0, most=2**32 - 1)
    x, y = dataset.x_train, dataset.y_train
    count = len(x)
    require(count > 1, "dataset", "must contain two or more training images to be split", count)
    held = min(math.ceil(fraction * count), count - 1)
    is_labels = isinstance(y, np.ndarray)
    sizes = np.unique(np.asarray(y), return_counts=True)[1] if is_labels else np.zeros(1)
    by_label = sizes.min() > 1 and len(sizes) <= min(held, count - held)
    (x_train, y_train), (x_val, y_val) = splitting.split(x, y, held, seed, by_label)
    return x_train, y_train, x_val, y_val


def digest(dataset: Dataset) -> str:
    """Returns a short fingerprint of a data set.

    Args:
        dataset: A `Dataset`. Its class names are ignored.

    Returns:
        The first 16 hexadecimal digits of the SHA-256 of the arrays' dtypes, shapes and bytes;
        labels that are `None` count as such.

    Example:
    >>> run_config["data"] = keras_cvae.datasets.digest(dataset)
    """
    sha = hashlib.sha256()
    for array in dataset[:4]:
        if array is None:
            sha.update(b"None")
            continue
        for part in keras.tree.flatten(array):
            sha.update(f"{part.dtype.str}{part.shape}".encode())
            sha.update(np.ascontiguousarray(part).data)
    return sha.hexdigest()[:16]


def _existing(name_or_path):
    path = os.path.expanduser(name_or_path)
    expected = (
        f"must be one of {', '.join(NAMES)}, or the path of an existing .npz file, "
        "of a folder of IDX files, or of a folder of one sub-folder of images a class"
    )
    expected += checks.nearest(str(path), NAMES, cutoff=0.6)
    require(
        os.path.exists(path), "name_or_path", expected, f"{name_or_path!r}, no such file or folder"
    )
    return Path(path)


def _own_files(path, size, labelled, background, skip_damaged):
    if not path.is_dir():
        return readers.read_npz(path, labelled)
    idx_files = readers.idx_files(path)
    if any(idx_files):
        return readers.read_idx_files(path, idx_files, labelled)
    return image_folders.read_image_folder(path, size, labelled, background, skip_damaged)


def _height_and_width(image_size):
    if image_size is None:
        return None
    pair = tuple(image_size) if isinstance(image_size, (tuple, list)) else (image_size,) * 2
    positive = [hasattr(n, "__index__") and not isinstance(n, bool) and n > 0 for n in pair]
    expected = "must be a positive integer or a pair (height, width) of them"
    require(len(pair) == 2 and all(positive), "image_size", expected, repr(image_size))
    return tuple(int(n) for n in pair)
