"""Data sets by name, and the checks of every source."""

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
    write_arrays,
    write_classes,
    write_idx,
    write_image,
    write_npz,
)

pytestmark = pytest.mark.once


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


def test_seed_and_test_fraction_determine_the_split():
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
def test_a_failed_download_names_the_file_and_a_remedy(keras_cache, name, file):
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


@pytest.mark.parametrize("dtype", ["uint8", "float64", "bool"])
def test_one_hot_labels_and_whole_floats_are_integers(tmp_path, dtype):
    one_hot = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    one_hot[1] = 0  # unknown
    data = datasets.load(write_npz(tmp_path, y_train=one_hot.astype(dtype)))
    assert data.y_train.tolist() == [0, -1, 2, 0, 1, 2] and data.y_train.dtype == "int32"
    data = datasets.load(write_npz(tmp_path, y_train=np.array([0.0, 1, 2, -1, 1, 2])))
    assert data.y_train.tolist() == [0, 1, 2, -1, 1, 2]


def test_arrays_of_sixteen_bits_are_scaled_by_their_range(tmp_path):
    arrays = {f: x for f, x in small_arrays().items() if f[0] == "x"}
    deep = {f: np.linspace(49, 3531, x.size).astype("uint16") for f, x in arrays.items()}
    deep = {f: x.reshape(arrays[f].shape) for f, x in deep.items()}
    dataset, _, notes = datasets.read(write_npz(tmp_path, **deep))
    assert notes == ("Images of uint16, of at most 3531, are divided by 4095",)
    np.testing.assert_allclose(dataset.x_train[..., 0], deep["x_train"] / 4095, rtol=1e-6)


@pytest.mark.parametrize("low, high", [(0, 256), (-7, 300), (0.1, 255.5), (-1, 1), (0, 255)])
def test_the_advice_on_images_out_of_range_works(tmp_path, low, high):
    arrays = {f: x / 255 * (high - low) + low for f, x in small_arrays().items() if f[0] == "x"}
    arrays["x_test"].flat[0], arrays["x_test"].flat[1] = low, high
    with pytest.raises(ValueError) as error:
        datasets.load(write_npz(tmp_path, **arrays))
    advice = re.search(r"floats in \[0, 1\] \((.*)\?\)", str(error.value))[1]
    expression = advice.replace("divide by 255", "x / 255").removeprefix("of all images, ")
    mended = {f: eval(expression, {"x": x}) for f, x in arrays.items()}
    datasets.load(write_npz(tmp_path, **mended))


def test_labels_of_bytes_are_names_and_minus_one_is_unknown(tmp_path):
    arrays = small_arrays()
    names = {f: np.array([b"owl", b"cat", b"dog"])[y] for f, y in arrays.items() if f[0] == "y"}
    assert datasets.load(write_npz(tmp_path, **names)).class_names == ("cat", "dog", "owl")
    signs = {"y_train": np.array([-1, 1] * 3), "y_test": np.array([1, 1, 1])}
    with pytest.raises(ValueError, match="only label 1, and -1, which means unknown: is it"):
        datasets.load(write_npz(tmp_path, **signs))


def test_validation_arrays_are_read_and_others_mentioned(tmp_path):
    arrays = small_arrays()
    more = {"x_val": arrays["x_test"], "y_val": arrays["y_test"], "z": np.zeros(3)}
    path = write_npz(tmp_path, **more)
    dataset, (x_val, y_val), notes = datasets.read(path)
    np.testing.assert_array_equal(x_val[..., 0], more["x_val"])
    assert y_val.tolist() == [2, 1, 0] and notes == (f"Left out of '{path}': the arrays z",)
    with pytest.warns(UserWarning, match="Left out: the validation part.*datasets.read"):
        datasets.load(path)


@pytest.mark.parametrize("background", ["whitish", "#12", 3, None])
def test_bad_backgrounds(background):
    with pytest.raises(ValueError, match="`background` must be a colour"):
        datasets.load("digits", background=background)


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
    + [("seed", v) for v in (-1, 0.5, None, 2**32)]
    + [("labelled", v) for v in (0, "no", None)],
)
def test_bad_arguments(argument, value):
    with pytest.raises(ValueError, match=rf"`{argument}`.*Received: {re.escape(repr(value))}"):
        datasets.load("digits", **{argument: value})


def one_hot():
    return np.eye(3, dtype="uint8")[small_arrays()["y_train"]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": np.arange(5)}, "as many labels as images.*6 in x_train.*5 in y_train"),
        ({"y_test": np.zeros(0, "int32")}, "as many labels as images.*3 in x_test.*0 in y_test"),
        ({"y_train": np.zeros(6, "int32")}, "two or more classes; `labelled=False`.*only label 0"),
        ({"y_train": np.arange(6.0) + 0.5}, "y_train.*integer labels.*float64.*not whole"),
        ({"y_train": np.arange(6) - 2}, r"y_train.*labels 0, 1.*or -1 for unknown.*\[-2"),
        ({"y_test": np.arange(6) - 1}, r"y_test.*labels 0, 1.* below \d+\. Received: \[-1"),
        ({"y_train": np.arange(6) + 2**40}, r"y_train.*below 65536.*Received: \[1099"),
        ({"y_train": np.array(list("abcdef"))}, "All labels must be names, as those of y_train"),
        (
            {"y_train": np.array(list("abcdef"), "S")},
            "All labels must be names, as those of y_train",
        ),
        ({"y_train": one_hot() * 2}, r"y_train.*integer labels.*one-hot rows.*shape \(6, 3\)"),
        ({"x_train": np.full((6, 5, 4), np.nan)}, "x_train.*finite.*Received: NaN or inf"),
        ({"x_test": np.full((3, 5, 4), np.inf)}, "x_test.*finite.*Received: NaN or inf"),
        ({"x_train": np.full((6, 5, 4), 1.5)}, r"\[0, 1\] \(divide by 255\?\).*float64 from 1.5"),
        ({"x_test": np.full((3, 5, 4), -0.1)}, r"x_test.*\[0, 1\].*Received: float64 from -0.1"),
        ({"x_train": np.full((6, 5, 4), 256)}, "x_train.*0..255.*Received: int64 from 256"),
        ({"x_train": np.full((6, 5, 4), -1)}, "x_train.*0..255.*Received: int64 from -1"),
        ({"x_train": np.full((6, 5, 4), 1)}, r"x_train.*astype\('float32'\).*at most 1"),
        ({"x_train": np.full((6, 5, 4), "a")}, "x_train.*numbers.*Received: dtype <U1"),
        ({"x_train": np.full((6, 5, 4), 1j)}, "x_train.*numbers.*Received: dtype complex128"),
        ({"x_train": np.zeros((6, 5), "i4,f4")}, "x_train.*numbers.*Received: dtype \\[.*i4"),
        ({"x_train": np.full((6, 5), np.nan)}, "x_train.*finite.*Received: NaN or inf"),
        ({"x_test": np.full((3, 5), 1e39)}, "x_test.*range of float32.*float64 from 1e\\+39"),
        (
            {"x_test": np.full((3, 7), 256), "x_train": np.zeros((6, 7), "uint8")},
            "0..255.*from 256",
        ),
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


@pytest.mark.parametrize("stored", ["float16", "float64", "int64", "int8", "uint16"])
def test_vectors_of_any_scale_become_float32(tmp_path, stored):
    table = np.array([[0, 3, 100], [1, -7 if stored != "uint16" else 1680, 90]] * 3, stored)
    data = datasets.load(write_npz(tmp_path, x_train=table, x_test=table[:3]))
    assert data.x_train.dtype == data.x_test.dtype == "float32"
    np.testing.assert_array_equal(data.x_train, table)


@pytest.mark.parametrize(
    ("lowest", "highest", "dtype"),
    [(0, 254, "float32"), (0, 255, "uint8"), (1, 255, "float32"), (0, 256, "float32")],
)
def test_integer_vectors_that_span_0_to_255_are_pixels(tmp_path, lowest, highest, dtype):
    x_train, x_test = np.full((6, 7), lowest), np.full((3, 7), 9)
    x_train[0, 0] = highest
    data = datasets.load(write_npz(tmp_path, x_train=x_train, x_test=x_test))
    assert data.x_train.dtype == data.x_test.dtype == dtype
    np.testing.assert_array_equal(data.x_train, x_train)


def test_vectors_cannot_be_resized(tmp_path):
    path = write_npz(tmp_path, **small_arrays((7,)))
    with pytest.raises(ValueError, match=r"resizes images only.*Received: shape \(6, 7\)"):
        datasets.load(path, image_size=8)


@pytest.mark.parametrize("names", [("x", "y"), ("x_train", "y_train")])
def test_an_npz_without_a_test_part_is_split_by_label(tmp_path, names):
    x = np.arange(40).repeat(6).reshape(40, 2, 3) + 10
    arrays = dict(zip(names, (x, np.arange(40) % 4), strict=True))
    data = datasets.load(write_arrays(tmp_path, **arrays), test_fraction=0.3, seed=1)
    assert_valid(data, 4)
    assert np.bincount(data.y_test).tolist() == [3] * 4
    found = np.append(data.x_train[:, 0, 0, 0], data.x_test[:, 0, 0, 0]) - 10
    assert sorted(found) == [*range(40)]
    np.testing.assert_array_equal(found % 4, np.append(data.y_train, data.y_test))
    assert datasets.digest(data) == datasets.digest(
        datasets.load(tmp_path / "own.npz", test_fraction=0.3, seed=1)
    )
    assert datasets.digest(data) != datasets.digest(datasets.load(tmp_path / "own.npz"))


def test_unlabelled_examples_of_a_split_file_are_for_training(tmp_path):
    x, y = np.arange(40).repeat(6).reshape(40, 2, 3) + 10, np.arange(40) % 4
    y[::5] = -1
    data = datasets.load(write_arrays(tmp_path, x=x, y=y), test_fraction=0.25)
    assert np.bincount(data.y_test).tolist() == [2] * 4 and (data.y_train == -1).sum() == 8
    found = np.append(data.x_train[:, 0, 0, 0], data.x_test[:, 0, 0, 0]) - 10
    assert sorted(found) == [*range(40)]
    np.testing.assert_array_equal(y[found], np.append(data.y_train, data.y_test))


def test_too_few_rows_to_split(tmp_path):
    path = write_arrays(tmp_path, x=np.eye(5), y=np.array([0, 0, 0, 3, 3]))
    message = "enough images.* of each class .*Received: 2 of class '3' among 5 .* share of 0.2"
    with pytest.raises(ValueError, match=message):
        datasets.load(path)
    path = write_arrays(tmp_path, x=np.eye(1))
    with pytest.raises(
        ValueError, match="own.npz' must contain enough images to train with one and"
    ):
        datasets.load(path, labelled=False)


def assert_unlabelled(data, shape, count, test_count):
    assert data.x_train.shape == (count, *shape) and data.x_test.shape == (test_count, *shape)
    assert data.y_train is None and data.y_test is None and data.class_names == ()
    assert re.fullmatch("[0-9a-f]{16}", datasets.digest(data))


@pytest.mark.parametrize(
    ("names", "count", "test_count"),
    [(("x_train", "x_test"), 6, 3), (("x_train",), 4, 2), (("x",), 4, 2)],
)
def test_an_npz_without_labels(tmp_path, names, count, test_count):
    arrays = small_arrays()
    given = {name: arrays[name if "_" in name else "x_train"] for name in names}
    path = write_arrays(tmp_path, **given)
    data = datasets.load(path, labelled=False)
    assert_unlabelled(data, (5, 4, 1), count, test_count)
    whole = np.concatenate([given[name] for name in names])
    found = np.concatenate([data.x_train, data.x_test])[..., 0]
    assert sorted(map(bytes, found)) == sorted(map(bytes, whole))
    with pytest.raises(ValueError, match="y_train.*`labelled=False` takes data without labels"):
        datasets.load(path)


def test_the_labels_of_every_labelled_source_can_be_left_out(tmp_path):
    write_npz(tmp_path, y_train=np.zeros(6), class_names=np.array(["a"]))  # not looked at
    write_idx(tmp_path / "idx")
    write_classes(tmp_path / "images", n=5)
    assert_unlabelled(datasets.load(tmp_path / "own.npz", labelled=False), (5, 4, 1), 6, 3)
    assert_unlabelled(datasets.load(tmp_path / "idx", labelled=False), (5, 4, 1), 6, 3)
    assert_unlabelled(datasets.load(tmp_path / "images", labelled=False), (4, 3, 1), 8, 2)
    data = datasets.load("digits", labelled=False)
    assert_unlabelled(data, (8, 8, 1), 1437, 360)
    np.testing.assert_array_equal(data.x_test, datasets.load("digits").x_test)


def test_class_names_replace_those_of_the_source(tmp_path):
    path = write_npz(tmp_path, class_names=np.array(["ant", "bee", "cat", "dog"]))
    assert datasets.load(path).class_names == ("ant", "bee", "cat", "dog")
    names = datasets.load(path, class_names=np.array(list("wxyz"))).class_names
    assert names == tuple("wxyz") and type(names[0]) is str
    assert datasets.load(write_idx(tmp_path / "idx"), class_names=list("xyz")).class_names[2] == "z"
    folder = write_classes(tmp_path / "images")
    assert datasets.load(folder, class_names=("Katze", "Hund")).class_names == ("Katze", "Hund")


@pytest.mark.parametrize(
    "names",
    [
        list("ab"),
        list("abcd"),
        list("aab"),
        ["a", "b", " "],
        "abc",
        [0, 1, 2],
        ["\udcff", "a", "b"],
    ],
)
def test_bad_class_names(tmp_path, names):
    message = r"`class_names` must be 3 different, non-empty strings.*Received: "
    with pytest.raises(ValueError, match=message):
        datasets.load(write_npz(tmp_path), class_names=names)
    if names != list("abcd") and names[0] != "\udcff":  # NumPy cannot store the last
        path = write_npz(tmp_path, class_names=np.array(names))
        with pytest.raises(ValueError, match="The array class_names of the .npz.*Received: "):
            datasets.load(path)


def test_class_names_need_labels():
    with pytest.raises(ValueError, match="`class_names` must be left out of .*Received.*'a'"):
        datasets.load("digits", labelled=False, class_names=["a"])


@pytest.mark.parametrize("path", ["~nosuchuser/own.npz", "a\0b.npz", "\udcff.npz", "x" * 5000])
def test_invalid_paths(path):
    with pytest.raises(ValueError, match="path of an existing.*Received.*no such file or folder"):
        datasets.load(path)


def test_too_little_memory_is_a_value_error(monkeypatch):
    def too_much(size):
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr(datasets.named_sets, "_digits", lambda: too_much(9))
    with pytest.raises(ValueError, match="fit in memory; `image_size`.*Unable to allocate 9 TiB"):
        datasets.load("digits")


def test_hold_out_takes_the_same_share_of_every_class():
    data = datasets.load("digits")
    x_train, y_train, x_val, y_val = datasets.hold_out(data, 0.25, seed=1)
    assert len(x_train) == len(y_train) == 1077 and len(x_val) == len(y_val) == 360
    np.testing.assert_allclose(np.bincount(y_val) / np.bincount(data.y_train), 0.25, atol=0.01)
    rows = {(bytes(x), y) for x, y in zip(data.x_train, data.y_train, strict=True)}
    both = [*zip(x_train, y_train, strict=True), *zip(x_val, y_val, strict=True)]
    assert {(bytes(x), y) for x, y in both} == rows
    again, other = (datasets.hold_out(data, 0.25, seed=seed)[3] for seed in (1, 2))
    assert (y_val == again).all() and (y_val != other).any()


@pytest.mark.parametrize(
    ("y", "fraction", "held"),
    [
        ([0, 0, 1, 1, 1, 2], 0.5, 3),  # a class of one image
        ([0, 0, 1, 1, 2, 2], 0.1, 1),  # fewer to validate with than classes
        ([0, 0, 1, 1, 2, 2], 0.99, 5),
        ([0, 0, 1, 1, 2, 2], 0.5, 3),
        (None, 0.5, 3),
        (None, 1e-6, 1),
    ],
)
def test_hold_out_of_small_data(y, fraction, held):
    x = np.arange(6)[:, None]
    labels = None if y is None else np.array(y)
    data = datasets.Dataset(x, labels, x, labels, ())
    x_train, y_train, x_val, y_val = datasets.hold_out(data, fraction)
    assert sorted(np.append(x_train, x_val)) == [*range(6)] and len(x_val) == held
    if y is None:
        assert y_train is None and y_val is None
    else:
        assert (labels[x_train[:, 0]] == y_train).all() and (labels[x_val[:, 0]] == y_val).all()
    if (y, fraction) == ([0, 0, 1, 1, 2, 2], 0.5):
        assert sorted(y_val) == [0, 1, 2]


def test_hold_out_needs_two_images_and_a_share():
    data = datasets.Dataset(np.eye(1), None, np.eye(1), None, ())
    with pytest.raises(ValueError, match="two or more training images.*Received: 1"):
        datasets.hold_out(data)
    for fraction in (0, 1, "a"):
        with pytest.raises(ValueError, match="`fraction`.*Received"):
            datasets.hold_out(data, fraction)
    with pytest.raises(ValueError, match="`seed`.*Received: -1"):
        datasets.hold_out(data, seed=-1)
