"""Files in every format: read as they are meant, and refused where they are damaged."""

import gzip
import os
import re

import numpy as np
import pytest
from PIL import Image

from keras_cvae import datasets
from keras_cvae.data import readers
from tests.data.files import (
    FIELDS,
    assert_same_pixels,
    assert_valid,
    idx_bytes,
    small_arrays,
    truncate,
    write_classes,
    write_idx,
    write_image,
    write_npz,
)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 4, 3), (7,)])
def test_npz_round_trip(tmp_path, shape):
    path = write_npz(tmp_path, **small_arrays(shape))
    data = datasets.load(path)
    assert_valid(data, 3)
    assert_same_pixels(data, small_arrays(shape))
    assert data.class_names == ("0", "1", "2")
    assert datasets.digest(data) == datasets.digest(datasets.load(str(path)))


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
    monkeypatch.setattr(readers, "_read_image", lambda path: np.zeros((1, 1, 1), "uint8"))
    readers._read_images([tmp_path / "a.png"] * 2 * count, None)
    assert bool(capsys.readouterr().out) == shown


def test_resizing_averages_each_channel_over_height_and_width():
    image = np.zeros((4, 6, 2), "float32")
    image[:2, :, 0] = 1.0
    image[:, :3, 1] = 1.0
    small = readers.resize(image, (2, 1))
    assert small.shape == (2, 1, 2) and small.dtype == "float32"
    assert small[0, 0, 0] > 0.8 and small[1, 0, 0] < 0.2
    np.testing.assert_allclose(small[:, 0, 1], 0.5, atol=1e-6)


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
