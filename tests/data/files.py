"""Small data sets, written in every format that is read."""

import gzip
import struct

import numpy as np
from PIL import Image

FIELDS = ("x_train", "y_train", "x_test", "y_test")
IDX_STEMS = ("train-images{}idx3", "train-labels{}idx1", "t10k-images{}idx3", "t10k-labels{}idx1")


def small_arrays(shape=(5, 4), seed=0):
    rng = np.random.default_rng(seed)
    pixels = [rng.integers(0, 256, (n, *shape), dtype="uint8") for n in (6, 3)]
    return {
        "x_train": pixels[0],
        "y_train": np.array([0, 1, 2, 0, 1, 2], "uint8"),
        "x_test": pixels[1],
        "y_test": np.array([2, 1, 0], "uint8"),
    }


def write_npz(folder, **changes):
    return write_arrays(folder, **{**small_arrays(), **changes})


def write_arrays(folder, **arrays):
    np.savez(folder / "own.npz", **arrays)
    return folder / "own.npz"


def idx_bytes(array):
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes((0, 0, 8, array.ndim)) + shape + array.astype("uint8").tobytes()


def write_idx(folder, mark="-", gz=True, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {**small_arrays(), **changes}
    for stem, field in zip(IDX_STEMS, FIELDS, strict=True):
        data = idx_bytes(arrays[field])
        name = f"{stem.format(mark)}-ubyte" + (".gz" if gz else "")
        (folder / name).write_bytes(gzip.compress(data) if gz else data)
    return folder


def write_image(path, pixels, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(pixels))
    (image.convert(mode) if mode else image).save(path)


def write_classes(folder, classes=("cat", "dog"), n=5, shape=(4, 3)):
    """Writes PNG images; pixels of image i of class c are 60 c + i + 2."""
    for label, name in enumerate(classes):
        for i in range(n):
            write_image(folder / name / f"{i}.png", np.full(shape, 60 * label + i + 2, "uint8"))
    return folder


def assert_valid(data, num_classes):
    assert data._fields == (*FIELDS, "class_names")
    assert isinstance(data.class_names, tuple) and len(data.class_names) == num_classes
    assert all(isinstance(name, str) for name in data.class_names)
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert x.ndim in (2, 4) and len(x) == len(y) and y.shape == (len(y),)
        assert x.dtype in ("uint8", "float32") and y.dtype == "int32"
        assert x.max() <= (255 if x.dtype == "uint8" else 1) and x.min() >= 0
        assert y.min() >= 0 and y.max() < num_classes
        assert x.flags.writeable and y.flags.writeable


def assert_same_pixels(data, arrays):
    for field in FIELDS:
        found = getattr(data, field)
        expected = arrays[field]
        if field[0] == "x" and expected.ndim == 3:
            expected = expected[..., None]
        np.testing.assert_array_equal(found, expected)
    assert data.x_train.dtype == "uint8" and data.y_test.dtype == "int32"


def truncate(path):
    data = path.read_bytes()
    path.write_bytes(data[: 2 * len(data) // 3])
