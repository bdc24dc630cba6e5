"""Readers of a user's own files: .npz, IDX and folders of images, as raw NumPy arrays.

Each returns the four arrays of `ARRAYS`, the file that each came from, and the names of the
classes, or None where the files hold none. What the arrays hold is for `datasets` to check.
"""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
from pathlib import Path

import keras
import numpy as np

from keras_cvae.checks import explain, require

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


def read_npz(path: Path):
    """Reads an `.npz` file that holds the four arrays."""
    expected = "Expected an .npz file as `np.savez` writes it, or a folder"
    require(zipfile.is_zipfile(path), expected, f"'{path}', truncated or of another kind")
    damaged = f"'{path}' is damaged, or holds pickled Python objects, which are never loaded"
    with explain(damaged), np.load(path, allow_pickle=False) as file:
        found = file.files
        arrays = [np.asarray(file[array]) for array in ARRAYS if array in found]
    require(len(arrays) == 4, f"'{path}' must hold the arrays {', '.join(ARRAYS)}", found)
    return arrays, [path] * 4, None


def idx_files(folder: Path) -> list[Path | None]:
    """Finds MNIST's four files in the order of `ARRAYS`, `None` for a missing one."""
    stems = [f"{s}-{k}" for s in ("train", "t10k") for k in ("images{}idx3", "labels{}idx1")]
    endings = [(mark, suffix) for mark in "-." for suffix in ("-ubyte", "-ubyte.gz")]
    paths = [[folder / (stem.format(mark) + end) for mark, end in endings] for stem in stems]
    return [next(filter(Path.is_file, candidates), None) for candidates in paths]


def read_idx_files(folder: Path, files: list[Path | None]):
    """Reads the files that `idx_files` has found in a folder."""
    names = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-... and t10k-labels-..."
    found = [file.name for file in files if file]
    require(len(found) == 4, f"'{folder}' must hold {names}, plain or .gz", found)
    arrays = [_read_idx(file, ndim) for file, ndim in zip(files, (3, 1, 3, 1), strict=True)]
    return arrays, files, None


def _read_idx(path, ndim):
    """Unsigned bytes in `ndim` dimensions: a magic number, big-endian sizes, the bytes."""
    with explain(f"'{path}' is a truncated or damaged gzip file"):
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":  # by content: browsers unzip a .gz file and keep its name
            data = gzip.decompress(data)
    magic, start = bytes((0, 0, 8, ndim)), 4 + 4 * ndim
    expected = f"'{path}' must begin with the IDX magic number 0x{magic.hex()}"
    require(data[:4] == magic, expected, f"0x{data[:4].hex()}")
    require(len(data) >= start, f"'{path}' is truncated in its header", f"{len(data)} bytes")
    shape = struct.unpack_from(f">{ndim}I", data, 4)
    total = start + math.prod(shape)
    expected = f"'{path}' is damaged: its header {shape} announces {total} bytes"
    require(len(data) == total, expected, f"{len(data)} bytes")
    return np.frombuffer(data, "uint8", offset=start).reshape(shape)


def read_image_folder(folder: Path, size: tuple[int, int] | None, test_fraction: float, seed: int):
    """Reads a folder with a sub-folder of images a class, split or to be split.

    Args:
        folder: The folder, or one that holds two such folders, `train` and `test`.
        size: `(height, width)` to resize every image to, or None.
        test_fraction: As for `split`, where the images are not split already.
        seed: As for `split`.
    """
    halves = [folder / "train", folder / "test"]
    parts = halves if all(part.is_dir() for part in halves) else [folder]
    listed = [_list_images(part) for part in parts]
    names = [class_names for class_names, _, _ in listed]
    require(names[0] == names[-1], f"'{folder}' must train and test with the same classes", names)
    x = _read_images([path for _, paths, _ in listed for path in paths], size)
    y = np.array([label for _, _, labels in listed for label in labels])
    if parts == halves:
        n = len(listed[0][1])
        arrays = x[:n], y[:n], x[n:], y[n:]
    else:
        arrays = split(x, y, test_fraction, seed, folder, names[0])
    return arrays, [folder] * 4, names[0]


def _list_images(folder):
    """The names of the class folders, and the path and integer label of each image."""

    def visible(folder):
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))

    class_folders = [path for path in visible(folder) if path.is_dir()]
    names = [path.name for path in class_folders]
    expected = f"'{folder}' must hold two or more sub-folders of images, one a class (or IDX files)"
    require(len(names) >= 2, expected, f"{len(names)} sub-folders {names}")
    paths, labels = [], []
    for label, class_folder in enumerate(class_folders):
        found = visible(class_folder)
        images = [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES]
        expected = f"The class folder '{class_folder}' must hold images {IMAGE_SUFFIXES}"
        require(images, expected, f"{len(found)} other files or folders")
        paths += images
        labels += [label] * len(images)
    return names, paths, labels


def _read_images(paths, size):
    """Reads images into `(N, H, W, 1)`, or `(N, H, W, 3)` if any has colour."""
    progress = keras.utils.Progbar(len(paths), unit_name="image") if len(paths) > 2000 else None
    images = []
    for path in paths:
        image = _read_image(path)
        images.append(resize(image, size) if size else image)
        first, this = images[0].shape[:2], images[-1].shape[:2]
        expected = "Images are of unequal size: `image_size=(height, width)` resizes them"
        require(first == this, expected, f"'{paths[0]}' of {first} and '{path}' of {this}")
        if progress:
            progress.update(len(images))
    channels = max(image.shape[2] for image in images)
    return np.stack([np.broadcast_to(x, (*x.shape[:2], channels)) for x in images])


def _read_image(path):
    from PIL import Image

    # Going by content alone, Pillow would run Ghostscript on an EPS file called .png.
    readable = explain(f"'{path}' is truncated, damaged, or not a PNG or JPEG image")
    with readable, Image.open(path, formats=("PNG", "JPEG")) as image:
        mode = image.mode
        pixels = np.asarray(image.convert("L" if mode in ("1", "L", "LA") else "RGB"))
    require(mode[0] not in "IF", f"'{path}' must have 8 bits a channel", f"image mode {mode}")
    return pixels[..., None] if pixels.ndim == 2 else pixels


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes one `(H, W, C)` image of uint8 or float32 to `(height, width)`."""
    from PIL import Image

    # Bilinear weights are positive: no pixel leaves the range, as with bicubic ones.
    channels = [Image.fromarray(channel) for channel in np.moveaxis(image, -1, 0)]
    return np.stack([c.resize(size[::-1], Image.Resampling.BILINEAR) for c in channels], axis=-1)


def split(x, y, test_fraction: float, seed: int, source, class_names):
    """Splits images and labels at random, the same share of every class.

    Args:
        x: Images.
        y: Labels, integers.
        test_fraction: Share of each class held out for testing.
        seed: Of the split.
        source: Where the images came from, for the message.
        class_names: Name of each class, for the message.

    Returns:
        `(x_train, y_train, x_test, y_test)`.
    """
    from sklearn.model_selection import train_test_split

    counts = np.bincount(y)
    rarest = f"{counts.min()} image(s) of class '{class_names[counts.argmin()]}' among {len(y)}"
    expected = (
        f"'{source}' has too few images to split: every class needs one to train with and one to "
        f"test with. It has {rarest}, and {test_fraction=}"
    )
    with explain(expected):
        x_train, x_test, y_train, y_test = train_test_split(
            x, y, test_size=test_fraction, random_state=seed, stratify=y
        )
    return x_train, y_train, x_test, y_test
