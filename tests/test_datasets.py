import gzip
import os
import re
import socket
import struct

import numpy as np
import pytest
from PIL import Image

from keras_cvae import datasets

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
    np.savez(folder / "own.npz", **{**small_arrays(), **changes})
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


def test_digits_is_a_seeded_stratified_split_of_scikit_learns_images():
    from sklearn.datasets import load_digits

    data = datasets.load("digits")
    assert_valid(data, 10)
    assert data.x_train.shape == (1437, 8, 8, 1) and data.x_test.shape == (360, 8, 8, 1)
    assert data.x_train.dtype == "float32" and data.x_train.max() == 1
    assert data.class_names == tuple("0123456789")
    share = np.bincount(data.y_test) / np.bincount(np.append(data.y_train, data.y_test))
    np.testing.assert_allclose(share, 0.2, atol=0.005)
    both = np.concatenate([data.x_train, data.x_test]).sum(axis=0)[..., 0] * 16
    np.testing.assert_allclose(both, load_digits().images.sum(axis=0), rtol=1e-5)


def test_seed_and_test_fraction_decide_the_split():
    first, again = datasets.load("digits", seed=3), datasets.load("digits", seed=3)
    assert datasets.digest(first) == datasets.digest(again)
    assert datasets.digest(first) != datasets.digest(datasets.load("digits", seed=4))
    assert len(datasets.load("digits", test_fraction=0.5).x_test) == 899


@pytest.fixture
def keras_cache(tmp_path, monkeypatch):
    """An empty cache folder for Keras, and no network."""

    def no_network(*args, **kwargs):
        raise socket.gaierror("no network")

    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    return tmp_path / "datasets"


def test_fashion_mnist_comes_from_the_cache_of_keras(keras_cache):
    arrays = small_arrays((28, 28))
    write_idx(keras_cache / "fashion-mnist", **arrays)
    data = datasets.load("fashion_mnist")
    assert_valid(data, 10)
    assert_same_pixels(data, arrays)
    assert data.class_names[0] == "T-shirt/top" and data.class_names[9] == "Ankle boot"


def test_mnist_comes_from_the_file_that_keras_fetches(tmp_path, monkeypatch):
    # Keras takes no other file than the original, by its hash: stand in for the download alone.
    path = write_npz(tmp_path)
    monkeypatch.setattr("keras.src.datasets.mnist.get_file", lambda **kwargs: str(path))
    data = datasets.load("mnist")
    assert_valid(data, 10)
    assert_same_pixels(data, small_arrays())
    assert data.class_names == tuple("0123456789")


@pytest.mark.parametrize(
    ("name", "file"), [("mnist", "mnist.npz"), ("fashion_mnist", "fashion-mnist/*-ubyte.gz")]
)
def test_a_failed_download_names_the_file_and_the_way_out(keras_cache, name, file):
    message = re.escape(f"datasets/{file}") + ".*local .npz file or of a folder of IDX.*Received"
    with pytest.raises(ValueError, match=message):
        datasets.load(name)


def test_a_damaged_cache_is_a_value_error(keras_cache):
    folder = write_idx(keras_cache / "fashion-mnist", **small_arrays((28, 28)))
    truncate(folder / "train-images-idx3-ubyte.gz")
    with pytest.raises(ValueError, match="'fashion_mnist' could not be downloaded or read"):
        datasets.load("fashion_mnist")


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 4, 3), (7,)])
def test_npz_round_trip(tmp_path, shape):
    path = write_npz(tmp_path, **small_arrays(shape))
    data = datasets.load(path)
    assert_valid(data, 3)
    assert_same_pixels(data, small_arrays(shape))
    assert data.class_names == ("0", "1", "2")
    assert datasets.digest(data) == datasets.digest(datasets.load(str(path)))


@pytest.mark.parametrize("stored", ["int64", "uint16", ">i4"])
def test_integer_images_within_0_to_255_become_uint8(tmp_path, stored):
    arrays = small_arrays()
    converted = {field: array.astype(stored) for field, array in arrays.items()}
    assert_same_pixels(datasets.load(write_npz(tmp_path, **converted)), arrays)


@pytest.mark.parametrize("stored", ["float16", "float64", "bool"])
def test_floats_and_booleans_become_float32(tmp_path, stored):
    binary = {f: small_arrays()[f] > 127 for f in ("x_train", "x_test")}
    data = datasets.load(write_npz(tmp_path, **{f: x.astype(stored) for f, x in binary.items()}))
    assert data.x_train.dtype == "float32"
    np.testing.assert_array_equal(data.x_train[..., 0], binary["x_train"])


def test_labels_in_a_column_are_flattened(tmp_path):
    column = small_arrays()["y_train"][:, None]
    assert datasets.load(write_npz(tmp_path, y_train=column)).y_train.tolist() == [0, 1, 2, 0, 1, 2]


def test_a_home_folder_is_expanded(tmp_path, monkeypatch):
    write_npz(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert_same_pixels(datasets.load("~/own.npz"), small_arrays())


@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("gz", [True, False])
def test_idx_round_trip(tmp_path, mark, gz):
    data = datasets.load(write_idx(tmp_path, mark, gz))
    assert_valid(data, 3)
    assert_same_pixels(data, small_arrays())


def test_an_unzipped_idx_file_that_kept_its_gz_name_is_read(tmp_path):
    path = write_idx(tmp_path) / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.decompress(path.read_bytes()))
    assert_same_pixels(datasets.load(tmp_path), small_arrays())


def test_image_folder_round_trip(tmp_path):
    write_classes(tmp_path, ("dog", "cat"))
    for junk in (".DS_Store", "cat/.hidden.png", "cat/notes.txt", "readme.md"):
        (tmp_path / junk).write_text("not an image")
    (tmp_path / ".git").mkdir()
    data = datasets.load(tmp_path, test_fraction=0.4)
    assert_valid(data, 2)
    assert data.class_names == ("cat", "dog")
    assert data.x_train.shape == (6, 4, 3, 1) and data.x_test.shape == (4, 4, 3, 1)
    assert np.bincount(data.y_train).tolist() == [3, 3]
    pixels = np.concatenate([data.x_train, data.x_test])
    labels = np.concatenate([data.y_train, data.y_test])
    assert sorted(pixels[labels == 1].mean(axis=(1, 2, 3))) == [2, 3, 4, 5, 6]
    assert sorted(pixels[labels == 0].mean(axis=(1, 2, 3))) == [62, 63, 64, 65, 66]


def test_train_and_test_folders_are_kept(tmp_path):
    write_classes(tmp_path / "train", n=3)
    write_classes(tmp_path / "test", n=1)
    data = datasets.load(tmp_path)
    assert_valid(data, 2)
    assert data.x_train[:, 0, 0, 0].tolist() == [2, 3, 4, 62, 63, 64]
    assert data.y_train.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.x_test[:, 0, 0, 0].tolist() == [2, 62] and data.y_test.tolist() == [0, 1]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P"])
def test_gray_images_have_one_channel_and_coloured_ones_three(tmp_path, mode):
    color = np.zeros((4, 3, 3), "uint8")
    color[..., 0] = 255
    write_classes(tmp_path)
    for name in ("cat", "dog"):
        for i in range(5):
            write_image(tmp_path / name / f"{i}.png", color, mode)
    data = datasets.load(tmp_path)
    if mode in ("1", "L", "LA"):
        assert data.x_train.shape == (8, 4, 3, 1)
        assert set(data.x_train.ravel()) <= ({0, 255} if mode == "1" else {76})
    else:
        np.testing.assert_array_equal(data.x_train, np.broadcast_to(color, (8, 4, 3, 3)))


def test_one_coloured_image_makes_all_of_them_rgb(tmp_path):
    write_classes(tmp_path / "train")
    write_classes(tmp_path / "test", n=2)
    write_image(tmp_path / "test/dog/1.png", np.full((4, 3, 3), (9, 8, 7), "uint8"))
    data = datasets.load(tmp_path)
    assert data.x_train.shape == (10, 4, 3, 3)
    assert data.x_train[0, 0, 0].tolist() == [2, 2, 2]
    assert data.x_test[3, 0, 0].tolist() == [9, 8, 7]


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG", ".PNG"])
def test_images_are_known_by_suffix_in_either_case(tmp_path, suffix):
    for name in ("cat", "dog"):
        for i in range(5):
            write_image(tmp_path / name / f"{i}{suffix}", np.full((8, 8), 40, "uint8"))
    assert (datasets.load(tmp_path).x_train == 40).all()


@pytest.mark.parametrize(("count", "shown"), [(1000, False), (1001, True)])
def test_a_progress_bar_is_shown_for_many_files_only(tmp_path, capsys, monkeypatch, count, shown):
    monkeypatch.setattr(datasets, "_read_image", lambda path: np.zeros((1, 1, 1), "uint8"))
    datasets._read_images([tmp_path / "a.png"] * 2 * count, None)
    assert bool(capsys.readouterr().out) == shown


@pytest.mark.parametrize(("image_size", "shape"), [(6, (6, 6)), ((6, 9), (6, 9)), ([2, 3], (2, 3))])
def test_image_size_resizes_images_of_every_source(tmp_path, image_size, shape):
    write_classes(tmp_path / "images")
    write_image(tmp_path / "images/dog/0.png", np.full((40, 50), 62, "uint8"))
    write_npz(tmp_path)
    write_idx(tmp_path / "idx")
    for source in ("digits", tmp_path / "own.npz", tmp_path / "idx", tmp_path / "images"):
        data = datasets.load(source, image_size=image_size)
        assert data.x_train.shape[1:] == data.x_test.shape[1:] == (*shape, 1)
        assert_valid(data, len(data.class_names))
    assert sorted(np.concatenate([data.x_train, data.x_test]).mean(axis=(1, 2, 3))) == [
        *range(2, 7), *range(62, 67)
    ]  # fmt: skip


def test_resizing_averages_each_channel_over_height_and_width():
    image = np.zeros((4, 6, 2), "float32")
    image[:2, :, 0] = 1.0
    image[:, :3, 1] = 1.0
    small = datasets._resize(image, (2, 1))
    assert small.shape == (2, 1, 2) and small.dtype == "float32"
    assert small[0, 0, 0] > 0.8 and small[1, 0, 0] < 0.2
    np.testing.assert_allclose(small[:, 0, 1], 0.5, atol=1e-6)


def test_image_size_that_the_images_have_changes_nothing(tmp_path):
    assert_same_pixels(datasets.load(write_npz(tmp_path), image_size=(5, 4)), small_arrays())


def test_digest_depends_on_bytes_shapes_and_dtypes(tmp_path):
    data = datasets.load(write_npz(tmp_path))
    digest = datasets.digest(data)
    assert re.fullmatch("[0-9a-f]{16}", digest)
    changed = data.x_test.copy()
    changed[0, 0, 0] ^= 1
    others = [
        data._replace(x_test=changed),
        data._replace(x_test=data.x_test.transpose(0, 2, 1, 3)),
        data._replace(x_train=data.x_train.reshape(6, 20)),
        data._replace(y_train=data.y_train.view("uint32")),
        data._replace(y_test=data.y_test[::-1]),
    ]
    assert len({digest, *map(datasets.digest, others)}) == 6
    assert datasets.digest(data._replace(class_names=("a", "b", "c"))) == digest
    assert datasets.digest(data._replace(x_test=np.asfortranarray(data.x_test))) == digest


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnits", "digits, mnist, fashion_mnist.*path.*Received: 'mnits'.*did you mean 'mnist'"),
        ("Fashion-MNIST", "did you mean 'fashion_mnist'"),
        ("no/such/file.npz", r"path of an existing \.npz file.*Received: 'no/such/file.npz'"),
        ("", "digits, mnist.*Received: ''"),
        (None, "must be a string or a path. Received: None"),
        (3, "must be a string or a path. Received: 3"),
    ],
)
def test_unknown_names_and_missing_paths(name, message):
    with pytest.raises(ValueError, match=message):
        datasets.load(name)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("image_size", v) for v in (0, -3, 2.5, True, "8", (8,), (8, 0), (8, 8, 1), (8, None))]
    + [("test_fraction", v) for v in (0, 1, 0.0, 1.0, -0.1, 1.5, True, "0.2", float("nan"))]
    + [("seed", v) for v in (-1, 0.5, None, 2**32)],
)
def test_bad_arguments(argument, value):
    with pytest.raises(ValueError, match=rf"`{argument}`.*Received: {re.escape(repr(value))}"):
        datasets.load("digits", **{argument: value})


def one_hot():
    return np.eye(3, dtype="uint8")[small_arrays()["y_train"]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": np.arange(5)}, "equally many.*6 in x_train.*5 in y_train"),
        ({"y_test": np.zeros(0, "int32")}, "equally many.*3 in x_test.*0 in y_test"),
        ({"y_train": np.zeros(6, "int32")}, "y_train.*two or more classes.*only label 0"),
        ({"y_train": np.arange(6.0)}, "y_train.*integer labels.*Received: dtype float64"),
        ({"y_train": np.arange(6) - 1}, r"y_train.*labels 0, 1.*Received: \[-1"),
        ({"y_train": np.arange(6) + 2**40}, r"y_train.*below 65536.*Received: \[1099"),
        ({"y_train": np.array(list("abcdef"))}, "y_train.*integer labels.*Received: dtype <U1"),
        ({"y_train": one_hot()}, r"y_train.*one-hot.*argmax\(axis=1\).*shape \(6, 3\)"),
        ({"y_train": one_hot() * 1.0}, r"y_train.*one-hot.*argmax\(axis=1\)"),
        ({"x_train": np.full((6, 5, 4), np.nan)}, "x_train.*finite.*Received: NaN or inf"),
        ({"x_test": np.full((3, 5, 4), np.inf)}, "x_test.*finite.*Received: NaN or inf"),
        ({"x_train": np.full((6, 5, 4), 1.5)}, r"\[0, 1\] \(divide by 255\?\).*float64 from 1.5"),
        ({"x_test": np.full((3, 5, 4), -0.1)}, r"x_test.*\[0, 1\].*Received: float64 from -0.1"),
        ({"x_train": np.full((6, 5, 4), 256)}, "x_train.*0..255.*Received: int64 from 256"),
        ({"x_train": np.full((6, 5, 4), -1)}, "x_train.*0..255.*Received: int64 from -1"),
        ({"x_train": np.full((6, 5, 4), 1)}, "x_train.*as floats or booleans.*at most 1"),
        ({"x_train": np.full((6, 5, 4), "a")}, "x_train.*numbers.*Received: dtype <U1"),
        ({"x_train": np.full((6, 5, 4), 1j)}, "x_train.*numbers.*Received: dtype complex128"),
        ({"x_train": np.zeros(6)}, r"x_train.*\(N, H, W\).*Received: shape \(6,\)"),
        ({"x_train": np.zeros((6, 1, 2, 3, 4))}, r"\(N, H, W\).*Received: shape \(6, 1, 2, 3, 4\)"),
        ({"x_train": np.zeros((0, 5, 4))}, r"at least one.*Received: shape \(0, 5, 4\)"),
        ({"x_train": np.zeros((6, 5, 5), "uint8")}, r"one shape and dtype.*\(5, 5, 1\).*\(5, 4, 1"),
        ({"x_train": np.zeros((6, 5, 4))}, "one shape and dtype.*float32 in x_train.*uint8 in x_t"),
    ],
)
def test_bad_arrays(tmp_path, changes, message):
    path = write_npz(tmp_path, **changes)
    with pytest.raises(ValueError, match=message) as error:
        datasets.load(path)
    assert str(path) in str(error.value) and "Received: " in str(error.value)


def test_vectors_cannot_be_resized(tmp_path):
    path = write_npz(tmp_path, **small_arrays((7,)))
    with pytest.raises(ValueError, match=r"resizes images only.*Received: shape \(6, 7\)"):
        datasets.load(path, image_size=8)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("field", FIELDS)
def test_a_pickle_is_refused_and_not_run(tmp_path, field):
    trap = tmp_path / "executed"
    path = write_npz(tmp_path, **{field: np.array([Malicious(trap)], dtype=object)})
    with pytest.raises(ValueError, match="own.npz.*pickled Python objects.*never loaded.*Received"):
        datasets.load(path)
    assert not trap.exists()
    with np.load(path, allow_pickle=True) as file:
        file[field]
    assert trap.exists()  # the trap was armed


def test_a_missing_array_is_named(tmp_path):
    np.savez(tmp_path / "own.npz", **{f: small_arrays()[f] for f in FIELDS[:3]})
    with pytest.raises(ValueError, match=r"own.npz.*y_test.*Received: \['x_train', 'y_train'"):
        datasets.load(tmp_path / "own.npz")


def truncate(path):
    data = path.read_bytes()
    path.write_bytes(data[: 2 * len(data) // 3])


def flip_bytes(path):
    data = bytearray(path.read_bytes())
    middle = len(data) // 3
    data[middle : middle + 8] = bytes(255 - byte for byte in data[middle : middle + 8])
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, flip_bytes, empty])
@pytest.mark.parametrize("kind", ["npz", "gz", "png"])
def test_damaged_files_are_named(tmp_path, damage, kind):
    noise = np.random.default_rng(0).integers(0, 256, (20, 20), dtype="uint8")
    if kind == "npz":
        source = path = write_npz(tmp_path)
    elif kind == "gz":
        source = write_idx(tmp_path)
        path = source / "t10k-images-idx3-ubyte.gz"
    else:
        source = write_classes(tmp_path, shape=(20, 20))
        path = source / "dog" / "3.png"
        write_image(path, noise)
    damage(path)
    message = re.escape(str(path)) + ".*Received: "
    if damage is empty and kind == "gz":
        message = re.escape(str(path)) + ".*magic number"
    if kind == "npz" and damage is not flip_bytes:
        message = r"Expected an \.npz file.*Received: '.*own.npz', truncated"
    with pytest.raises(ValueError, match=message):
        datasets.load(source)


@pytest.mark.parametrize("kind", ["text", "npy", "pickle"])
def test_files_of_another_kind(tmp_path, kind):
    path = tmp_path / "own.npz"
    if kind == "npy":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    else:
        path.write_bytes(b"x,y\n1,2\n" if kind == "text" else b"\x80\x04K\x01.")
    with pytest.raises(ValueError, match=r"Expected an \.npz file.*Received: '.*own\.npz'"):
        datasets.load(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (idx_bytes(np.zeros(3)), "magic number 0x00000803. Received: 0x00000801"),
        (b"\x00\x00\x0d\x03" + bytes(72), "magic number 0x00000803. Received: 0x00000d03"),
        (b"\x00\x00", "magic number 0x00000803. Received: 0x0000"),
        (b"\x00\x00\x08\x03\x00\x00", "truncated in its header. Received: 6 bytes"),
        (idx_bytes(np.zeros((3, 5, 4)))[:-1], r"\(3, 5, 4\) announces 76 bytes. Received: 75"),
        (idx_bytes(np.zeros((3, 5, 4))) + b"\x00", "announces 76 bytes. Received: 77 bytes"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12, r"announces \d{29} bytes. Received: 16 bytes"),
    ],
)
@pytest.mark.parametrize("gz", [True, False])
def test_bad_idx_files(tmp_path, data, message, gz):
    path = write_idx(tmp_path, gz=gz) / ("t10k-images-idx3-ubyte" + (".gz" if gz else ""))
    path.write_bytes(gzip.compress(data) if gz else data)
    with pytest.raises(ValueError, match=re.escape(str(path)) + ".*" + message):
        datasets.load(tmp_path)


def test_missing_and_unequal_idx_files(tmp_path):
    path = write_idx(tmp_path, y_test=np.array([0, 1])) / "t10k-labels-idx1-ubyte.gz"
    with pytest.raises(ValueError, match="equally many.*3 in x_test.*2 in y_test of '.*t10k-label"):
        datasets.load(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match="must hold train-images.*Received: .*t10k-images-idx3"):
        datasets.load(tmp_path)


def no_classes(folder):
    (folder / "readme.txt").write_text("hello")


def one_class(folder):
    write_classes(folder, ["cat"])


def class_without_images(folder):
    write_classes(folder)
    (folder / "emu").mkdir()
    (folder / "emu" / "notes.txt").write_text("none yet")


def class_with_one_image(folder):
    write_classes(folder)
    write_image(folder / "emu" / "0.png", np.zeros((4, 3), "uint8"))


def fewer_test_images_than_classes(folder):
    write_classes(folder, "abcd", n=2)


def unequal_sizes(folder):
    write_classes(folder)
    write_image(folder / "dog" / "2.png", np.zeros((9, 7), "uint8"))


def sixteen_bits(folder):
    write_classes(folder)
    write_image(folder / "dog" / "2.png", np.full((4, 3), 5000, "uint16"))


def other_format(folder):
    write_classes(folder)
    Image.new("L", (3, 4)).save(folder / "dog" / "2.png", format="GIF")


def unequal_classes(folder):
    write_classes(folder / "train")
    write_classes(folder / "test", ["cat", "emu"])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda folder: None, r"two or more sub-folders of images.*Received: 0 sub-folders"),
        (no_classes, r"two or more sub-folders of images.*Received: 0 sub-folders"),
        (one_class, r"two or more sub-folders of images.*Received: 1 sub-folders \['cat'\]"),
        (class_without_images, r"class folder '.*emu' must hold images.*\.png.*Received: 1 other"),
        (class_with_one_image, "too few images to split.* 1 image.* of class 'emu' among 11"),
        (fewer_test_images_than_classes, "too few images to split.*test_fraction=0.2.*Received"),
        (unequal_sizes, r"unequal size.*image_size=\(height, width\)` resizes.*Received: '.*cat/0"),
        (unequal_sizes, r"Received: '.*cat/0.png' of \(4, 3\) and '.*dog/2.png' of \(9, 7\)"),
        (sixteen_bits, "dog/2.png' must have 8 bits a channel. Received: image mode I;16"),
        (other_format, "dog/2.png' is truncated, damaged, or not a PNG or JPEG.*Received"),
        (unequal_classes, r"the same classes. Received: \[\['cat', 'dog'\], \['cat', 'emu'\]\]"),
    ],
)
def test_bad_image_folders(tmp_path, write, message):
    write(tmp_path)
    with pytest.raises(ValueError, match=message) as error:
        datasets.load(tmp_path)
    assert str(tmp_path) in str(error.value)
