"""Readers of a user's own files: .npz, IDX and folders of images, as raw NumPy arrays.

Each returns a list of one `Part`, that is to be split, or of two, to train and to test with; and
the names of the classes, or None where the files hold none. What the arrays hold is for `datasets`
to check.
"""

from __future__ import annotations

import gzip
import math
import os
import reprlib
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from keras_cvae.checks import explain, require

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
GZIP_RATIO = 1032  # gzip makes no file smaller than by this factor


class Part(NamedTuple):
    """Images and their labels, or None without; messages say from which `origins` they came."""

    images: np.ndarray
    labels: np.ndarray | None
    origins: tuple[str, str]


def read_npz(path: Path, labelled: bool):
    """Reads an `.npz` file that holds arrays to train and to test with, or to be split."""
    _check_file(path)
    expected = "Expected an .npz file as `np.savez` writes it, or a folder"
    require(zipfile.is_zipfile(path), expected, f"'{path}', truncated or of another kind")
    damaged = f"'{path}' is damaged, or holds pickled Python objects, which are never loaded"
    with explain(damaged):
        archive = np.load(path, allow_pickle=False)
    with archive:
        found = archive.files
        is_split = "x_test" in found or "y_test" in found
        marks = ["_train", "_test"] if is_split else ["_train" if "x_train" in found else ""]
        wanted = [kind + mark for mark in marks for kind in ("xy" if labelled else "x")]
        expected = f"'{path}' must hold the arrays x_train and x_test, or x to be split"
        if labelled:
            expected = (
                f"'{path}' must hold the arrays x_train, y_train, x_test and y_test, or x and y to "
                "be split; `labelled=False` takes data without labels"
            )
        require(set(wanted) <= set(found), expected, found)
        with explain(damaged):
            arrays = {name: _read_member(archive, name) for name in wanted}
            named = labelled and "class_names" in found
            names = _read_member(archive, "class_names").ravel().tolist() if named else None
    parts = [
        Part(arrays["x" + m], arrays.get("y" + m), (f"x{m} of '{path}'", f"y{m} of '{path}'"))
        for m in marks
    ]
    return _numbered(parts, names)


def _numbered(parts: list[Part], names: list[str] | None):
    """Returns parts whose labels are names with integers instead, and the names.

    They are in the order of `names`, or else sorted; an empty one, or `-1`, is unknown.
    """
    are_names = [part.labels is not None and part.labels.dtype.kind == "U" for part in parts]
    if not any(are_names):
        return parts, names
    first = parts[0].origins[1]
    require(all(are_names), f"All labels must be names, as those of {first}, or none", "both")
    unknown = {"": -1, "-1": -1}
    source = "class_names" if names else first
    names = names or sorted({*parts[0].labels.ravel().tolist()} - {*unknown})
    numbers = unknown | {name: label for label, name in enumerate(names)}
    found = []
    for part in parts:
        texts = part.labels.ravel().tolist()
        strange = sorted({*texts} - {*numbers})
        expected = f"{part.origins[1]} must hold names that {source} holds"
        require(not strange, expected, reprlib.repr(strange))
        labels = np.array([numbers[text] for text in texts], "int64")
        found.append(part._replace(labels=labels.reshape(part.labels.shape)))
    return found, names


def _read_member(archive, name):
    """Reads an array, if the file is as large as the array's header announces."""
    info = archive.zip.getinfo(f"{name}.npy")
    with archive.zip.open(info) as member:
        version = np.lib.format.read_magic(member)
        form = np.lib.format
        header = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
        shape, _, dtype = header(member)
    total = math.prod(shape) * dtype.itemsize
    if total > info.file_size and not dtype.hasobject:
        raise ValueError(f"{name} of shape {shape} announces {total} bytes, has {info.file_size}")
    return archive[name]


def idx_files(folder: Path) -> list[Path | None]:
    """Finds MNIST's four files, images and labels to train, then to test; `None` if missing."""
    stems = [f"{s}-{k}" for s in ("train", "t10k") for k in ("images{}idx3", "labels{}idx1")]
    endings = [(mark, suffix) for mark in "-." for suffix in ("-ubyte", "-ubyte.gz")]
    paths = [[folder / (stem.format(mark) + end) for mark, end in endings] for stem in stems]

    def is_there(path):  # broken links too, and what cannot be read: reading says so
        return os.path.lexists(path) and not os.path.isdir(path)

    return [next(filter(is_there, candidates), None) for candidates in paths]


def read_idx_files(folder: Path, files: list[Path | None], labelled: bool):
    """Reads the files that `idx_files` has found in a folder."""
    if labelled:
        needed, hint = files, "; `labelled=False` takes data without labels"
        names = (
            "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-... and t10k-labels-..."
        )
    else:
        needed, hint = files[::2], ""
        names = "train-images-idx3-ubyte and t10k-images-idx3-ubyte"
    expected = f"'{folder}' must hold {names}, plain or .gz{hint}"
    require(all(needed), expected, [file.name for file in files if file])
    parts = []
    for mark, images, labels in (("_train", *files[:2]), ("_test", *files[2:])):
        y = _read_idx(labels, 1) if labelled else None
        origins = f"x{mark} of '{images}'", f"y{mark} of '{labels}'"
        parts.append(Part(_read_idx(images, 3), y, origins))
    return parts, None


def _read_idx(path, ndim):
    """Unsigned bytes in `ndim` dimensions: a magic number, big-endian sizes, the bytes."""
    magic, start = bytes((0, 0, 8, ndim)), 4 + 4 * ndim
    damaged = f"'{path}' is a truncated or damaged gzip file"
    _check_file(path)
    with open(path, "rb") as file, explain(damaged, (OSError, EOFError, zlib.error)):
        # By content: browsers unzip a .gz file and keep its name.
        zipped = file.peek(2)[:2] == b"\x1f\x8b"
        stream = gzip.GzipFile(fileobj=file) if zipped else file
        header = stream.read(start)
        expected = f"'{path}' must begin with the IDX magic number 0x{magic.hex()}"
        require(header[:4] == magic, expected, f"0x{header[:4].hex()}")
        expected = f"'{path}' is truncated in its header"
        require(len(header) == start, expected, f"{len(header)} bytes")
        shape = struct.unpack_from(f">{ndim}I", header, 4)
        size = math.prod(shape)
        expected = f"'{path}' is damaged: its header {shape} announces {start + size} bytes"
        stored = os.fstat(file.fileno()).st_size
        possible = stored * (GZIP_RATIO if zipped else 1)
        received = f"{stored} {'gzipped ' * zipped}bytes"
        require(start + size <= possible, expected, received)
        data = stream.read(size + 1)  # a small file may unzip to gigabytes
    received = f"{start + len(data)} bytes{' or more' * (len(data) > size)}"
    require(len(data) == size, expected, received)
    return np.frombuffer(data, "uint8").reshape(shape)


def read_image_folder(folder: Path, size: tuple[int, int] | None, labelled: bool):
    """Reads a folder of images, with a sub-folder a class if they are labelled.

    Args:
        folder: The folder, or one that holds two such folders, `train` and `test`.
        size: `(height, width)` to resize every image to, or None.
        labelled: Whether sub-folders are classes; else all images in them are one set.
    """
    halves = [folder / "train", folder / "test"]
    folders = halves if all(map(os.path.isdir, halves)) else [folder]
    listed = [(_list_classes if labelled else _list_images)(part) for part in folders]
    names = [class_names for class_names, _, _ in listed]
    require(names[0] == names[-1], f"'{folder}' must train and test with the same classes", names)
    x = _read_images([path for _, paths, _ in listed for path in paths], size)
    parts, start = [], 0
    for part, (_, paths, labels) in zip(folders, listed, strict=True):
        images = x[start : start + len(paths)]
        parts.append(Part(images, labels, (f"images of '{part}'", f"labels of '{part}'")))
        start += len(paths)
    return parts, names[0]


def _list_classes(folder):
    """The names of the class folders, and the path and integer label of each image."""
    class_folders = [path for path in _visible(folder) if os.path.isdir(path)]
    names = [path.name for path in class_folders]
    expected = (
        f"'{folder}' must hold two or more sub-folders of images, one a class (or IDX files); "
        "`labelled=False` takes data without labels"
    )
    require(len(names) >= 2, expected, f"{len(names)} sub-folders {names}")
    paths, labels = [], []
    for label, class_folder in enumerate(class_folders):
        printed = str(class_folder).encode(errors="backslashreplace").decode()
        expected = f"The name of the class folder '{printed}' must be valid UTF-8"
        require(printed == str(class_folder), expected, repr(os.fsencode(class_folder.name)))
        found = _visible(class_folder)
        images = [path for path in found if _is_image(path)]
        expected = f"The class folder '{class_folder}' must hold images {', '.join(IMAGE_SUFFIXES)}"
        require(images, expected, f"{len(found)} other files or folders")
        paths += images
        labels += [label] * len(images)
    return names, paths, np.array(labels)


def _list_images(folder):
    """The paths of all images in a folder, without names of classes and labels."""
    paths = list(_images_within(folder))
    expected = f"'{folder}' must hold images {', '.join(IMAGE_SUFFIXES)}"
    require(paths, expected, f"{len(_visible(folder))} other files or folders")
    return None, paths, None


def _images_within(folder, above=()):
    above = *above, folder.resolve()
    for path in _visible(folder):
        if os.path.isdir(path):
            expected = "A link must not lead to a folder that it is in"
            require(path.resolve() not in above, expected, f"'{path}'")
            yield from _images_within(path, above)
        elif _is_image(path):
            yield path


def _visible(folder):
    with explain(f"'{folder}' must be a folder that can be read", OSError):
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _is_image(path):
    return path.suffix.lower() in IMAGE_SUFFIXES


def _read_images(paths, size):
    """Reads images into `(N, H, W, 1)`, or `(N, H, W, 3)` if any has colour."""
    progress = keras.utils.Progbar(len(paths), unit_name="image") if len(paths) > 2000 else None
    for i, path in enumerate(paths):
        image = _read_image(path)
        image = resize(image, size) if size else image
        if i == 0:
            # Memory is taken at once, so that what is too much for it ends here.
            images = np.empty((len(paths), *image.shape), "uint8")
        first, this = images.shape[1:3], image.shape[:2]
        expected = "Images are of unequal size: `image_size=(height, width)` resizes them"
        require(first == this, expected, f"'{paths[0]}' of {first} and '{path}' of {this}")
        if image.shape[2] > images.shape[3]:
            images = np.repeat(images, 3, axis=-1)
        images[i] = image
        if progress:
            progress.update(i + 1)
    return images


def _read_image(path):
    from PIL import Image, ImageOps

    # Going by content alone, Pillow would run Ghostscript on an EPS file called .png.
    formats = ("PNG", "JPEG", "WEBP")
    damaged = f"'{path}' is truncated, damaged, too large, or not a PNG, JPEG or WebP image"
    _check_file(path)
    with explain(damaged), warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path, formats=formats) as image:
            mode = image.mode
            image = ImageOps.exif_transpose(image)
            if mode == "P":  # straight to RGB, Pillow warns of each transparent colour
                image = image.convert("RGBA")
            pixels = np.asarray(image.convert("L" if mode in ("1", "L", "LA") else "RGB"))
    require(mode[0] not in "IF", f"'{path}' must have 8 bits a channel", f"image mode {mode}")
    return pixels[..., None] if pixels.ndim == 2 else pixels


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes one `(H, W, C)` image of uint8 or float32 to `(height, width)`."""
    from PIL import Image

    # Bilinear weights are positive: no pixel leaves the range, as with bicubic ones.
    channels = [Image.fromarray(channel) for channel in np.moveaxis(image, -1, 0)]
    return np.stack([c.resize(size[::-1], Image.Resampling.BILINEAR) for c in channels], axis=-1)


def _check_file(path):
    """Refuses what is no file: from a FIFO or a device, reading might never end."""
    expected = f"'{path}' must be a file that can be read"
    kind = "a folder" if os.path.isdir(path) else "a FIFO, a socket or a device"
    require(os.path.isfile(path), expected, kind if os.path.exists(path) else "a broken link")
    require(os.access(path, os.R_OK), expected, "a file without permission to read it")
