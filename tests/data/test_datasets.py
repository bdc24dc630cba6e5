"""Data sets by name, and what every source is checked for."""

import re
import socket

import numpy as np
import pytest

from keras_cvae import datasets
from tests.data.files import (
    assert_same_pixels,
    assert_valid,
    small_arrays,
    truncate,
    write_classes,
    write_idx,
    write_image,
    write_npz,
)


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
        ("mnits", "digits, mnist, fashion_mnist.*path.*Did you mean 'mnist'\\? Received: 'mnits'"),
        ("Fashion-MNIST", "Did you mean 'fashion_mnist'"),
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
