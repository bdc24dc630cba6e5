"""Files in every format: read as they are meant, and refused where they are damaged."""

import gzip
import os
import re
import socket
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from PIL import Image

from keras_cvae import datasets
from keras_cvae.data import image_folders, images
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

pytestmark = pytest.mark.once


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 4, 3), (7,)])
def test_npz_round_trip(tmp_path, shape):
    path = write_npz(tmp_path, **small_arrays(shape))
    data = datasets.load(path)
    assert_valid(data, 3)
    assert_same_pixels(data, small_arrays(shape))
    assert data.class_names == ("0", "1", "2")
    assert datasets.digest(data) == datasets.digest(datasets.load(str(path)))


def test_labels_of_an_npz_may_be_names(tmp_path):
    train, test = np.array(["emu", "cat", "", "dog", "cat", "-1"]), np.array(["dog", "cat", "emu"])
    data = datasets.load(write_npz(tmp_path, y_train=train, y_test=test))
    assert data.class_names == ("cat", "dog", "emu")
    assert data.y_train.tolist() == [2, 0, -1, 1, 0, -1] and data.y_test.tolist() == [1, 0, 2]
    names = np.array(["emu", "dog", "cat", "ant"])
    data = datasets.load(
        write_npz(tmp_path, y_train=train, y_test=test[:, None], class_names=names)
    )
    assert data.class_names == tuple(names) and data.y_test.tolist() == [1, 2, 0]
    for changes, message in (
        ({"y_test": np.array(["dog", "eel", "cat"])}, "y_test .*names of .*y_train.*eel"),
        (
            {"class_names": np.array(["cat", "dog"])},
            "y_train .*names of class_names.*'emu'",
        ),
        ({"y_test": np.arange(3)}, "All labels must be names"),
        ({"y_test": np.array(["dog", "", "cat"])}, "y_test .*labels 0, 1"),
    ):
        path = write_npz(tmp_path, **{"y_train": train, "y_test": test, **changes})
        with pytest.raises(ValueError, match=message):
            datasets.load(path)


@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("gz", [True, False])
def test_idx_round_trip(tmp_path, mark, gz):
    data = datasets.load(write_idx(tmp_path, mark, gz))
    assert_valid(data, 3)
    assert_same_pixels(data, small_arrays())


def test_an_unzipped_idx_file_named_gz_is_read(tmp_path):
    path = write_idx(tmp_path) / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.decompress(path.read_bytes()))
    assert_same_pixels(datasets.load(tmp_path), small_arrays())


def test_image_folder_round_trip(tmp_path):
    write_classes(tmp_path, ("dog", "cat"))
    for junk in (".DS_Store", "cat/.hidden.png", "cat/notes.txt", "readme.md"):
        (tmp_path / junk).write_text("not an image")
    (tmp_path / ".git").mkdir()
    with pytest.warns(UserWarning, match=r"that are not images: 2 \(1 .md, 1 .txt\)"):
        data = datasets.load(tmp_path, test_fraction=0.4)
    assert_valid(data, 2)
    assert data.class_names == ("cat", "dog")
    assert data.x_train.shape == (6, 4, 3, 1) and data.x_test.shape == (4, 4, 3, 1)
    assert np.bincount(data.y_train).tolist() == [3, 3]
    pixels = np.concatenate([data.x_train, data.x_test])
    labels = np.concatenate([data.y_train, data.y_test])
    assert sorted(pixels[labels == 1].mean(axis=(1, 2, 3))) == [2, 3, 4, 5, 6]
    assert sorted(pixels[labels == 0].mean(axis=(1, 2, 3))) == [62, 63, 64, 65, 66]


def test_train_and_test_folders_are_the_split(tmp_path):
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


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp", ".JPG", ".PNG"])
def test_images_are_known_by_suffix_in_either_case(tmp_path, suffix):
    for name in ("cat", "dog"):
        for i in range(5):
            write_image(tmp_path / name / f"{i}{suffix}", np.full((8, 8), 40, "uint8"))
    assert (datasets.load(tmp_path).x_train == 40).all()


@pytest.mark.parametrize(("count", "shown"), [(1000, False), (1001, True)])
def test_a_progress_bar_is_shown_for_many_files_only(tmp_path, capsys, monkeypatch, count, shown):
    pixel = images.ImageFile(np.zeros((1, 1, 1), "uint8"))
    monkeypatch.setattr(images, "read", lambda path, background: pixel)
    image_folders._read_images([tmp_path / "a.png"] * 2 * count, None, "white", False, [])
    assert bool(capsys.readouterr().out) == shown


def test_resizing_averages_each_channel_over_height_and_width():
    image = np.zeros((4, 6, 2), "float32")
    image[:2, :, 0] = 1.0
    image[:, :3, 1] = 1.0
    small = images.resize(image, (2, 1))
    assert small.shape == (2, 1, 2) and small.dtype == "float32"
    assert small[0, 0, 0] > 0.8 and small[1, 0, 0] < 0.2
    np.testing.assert_allclose(small[:, 0, 1], 0.5, atol=1e-6)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("field", FIELDS)
def test_a_pickle_raises_an_error_and_runs_no_code(tmp_path, field):
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
        (
            idx_bytes(np.zeros((3, 5, 4))) + b"\x00",
            "announces 76 bytes. Received: 77 bytes or more",
        ),
        (b"\x00\x00\x08\x03" + b"\xff" * 12, r"announces \d{29} bytes. Received: \d\d.* bytes"),
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
    with pytest.raises(
        ValueError, match="as many labels as images.*3 in x_test.*2 in y_test of '.*t10k-label"
    ):
        datasets.load(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match="must contain train-images.*Received: .*t10k-images-idx3"):
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


def floats(folder):
    write_classes(folder)
    write_image(folder / "dog" / "2.tif", np.full((4, 3), 0.5, "float32"))


def other_format(folder):
    write_classes(folder)
    Image.new("L", (3, 4)).save(folder / "dog" / "2.png", format="EPS")


def unequal_classes(folder):
    write_classes(folder / "train")
    write_classes(folder / "test", ["cat", "emu"])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda folder: None, r"two or more sub-folders of images.*Received: 0 sub-folders"),
        (lambda folder: None, "`labelled=False` takes data without labels"),
        (no_classes, r"two or more sub-folders of images.*Received: 0 sub-folders"),
        (one_class, r"two or more sub-folders of images.*Received: 1 sub-folders \['cat'\]"),
        (
            class_without_images,
            r"class folder '.*emu' must contain images.*\.png.*Received: 1 other",
        ),
        (class_with_one_image, "enough images to train .*: 1 of class 'emu' among 11"),
        (fewer_test_images_than_classes, "enough images to train .*test share of 0.2"),
        (
            unequal_sizes,
            r"must have one size.*image_size=\(height, width\)` resizes.*Received: '.*cat/0",
        ),
        (unequal_sizes, r"Received: '.*cat/0.png' of \(4, 3\) and '.*dog/2.png' of \(9, 7\)"),
        (floats, "dog/2.tif' must have 8 or 16 bits per channel.*Received: image mode F"),
        (other_format, "dog/2.png' is truncated, damaged, .*or not a PNG.*Received"),
        (
            unequal_classes,
            r"the same classes in .*Received: \[\['cat', 'dog'\], \['cat', 'emu'\]\]",
        ),
    ],
)
def test_bad_image_folders(tmp_path, write, message):
    write(tmp_path)
    with pytest.raises(ValueError, match=message) as error:
        datasets.load(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_a_folder_of_images_without_labels_is_one_set_with_all_below_it(tmp_path):
    for i, name in enumerate(("b.png", "a/1.png", "a/c/0.jpg", "d/0.webp", ".h/0.png", "a/.0.png")):
        write_image(tmp_path / name, np.full((4, 3), 10 * i, "uint8"))
    data = datasets.load(tmp_path, labelled=False)
    assert data.y_train is None and data.x_train.shape[0] == 3 and data.x_test.shape[0] == 1
    assert sorted(np.append(data.x_train[:, 0, 0, 0], data.x_test[0, 0, 0, 0])) == [0, 10, 20, 30]


def test_train_and_test_folders_without_labels_are_the_split(tmp_path):
    for i, name in enumerate(("train/1.png", "train/0.png", "test/x/0.png")):
        write_image(tmp_path / name, np.full((4, 3), 10 * i, "uint8"))
    data = datasets.load(tmp_path, labelled=False)
    assert data.x_train[:, 0, 0, 0].tolist() == [10, 0] and data.x_test[:, 0, 0, 0].tolist() == [20]


def test_idx_images_without_labels(tmp_path):
    for path in write_idx(tmp_path).glob("*labels*"):
        path.unlink()
    data = datasets.load(tmp_path, labelled=False)
    np.testing.assert_array_equal(data.x_test[..., 0], small_arrays()["x_test"])
    with pytest.raises(ValueError, match="and t10k-labels.*`labelled=False`.*Received: .*t10k-im"):
        datasets.load(tmp_path)
    next(tmp_path.glob("train-images*")).unlink()
    with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte, plain.*Received: \['t10k-image"):
        datasets.load(tmp_path, labelled=False)


def test_a_folder_without_labels_must_contain_images(tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(ValueError, match=r"must contain images \.png.*Received: 1 other file"):
        datasets.load(tmp_path, labelled=False)


def test_a_link_to_a_parent_folder_raises_an_error(tmp_path):
    write_image(tmp_path / "a/0.png", np.zeros((4, 3), "uint8"))
    (tmp_path / "a/b").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="link must not lead to a folder that it is in.*a/b'"):
        datasets.load(tmp_path, labelled=False)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_exif_orientation_turns_an_image_upright(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    pixels = np.zeros((16, 8), "uint8")
    pixels[:8] = 255
    lossless = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(pixels).save(tmp_path / f"0{suffix}", exif=exif, **lossless)
    image = images.read(tmp_path / f"0{suffix}").pixels
    assert image.shape[:2] == (8, 16)
    np.testing.assert_array_equal(image[..., 0], np.rot90(pixels, -1))


def test_opaque_palettes_and_animations_are_read_by_their_first_frame(tmp_path):
    color = Image.fromarray(np.full((4, 3, 3), (9, 8, 7), "uint8"))
    next_frame = Image.new("RGB", (3, 4))
    color.quantize().save(tmp_path / "0.png", transparency=b"\xff")
    for name in ("1.webp", "1.gif", "1.tiff"):
        lossless = {"lossless": True} if name == "1.webp" else {}
        color.save(tmp_path / name, save_all=True, append_images=[next_frame], **lossless)
    for path in tmp_path.iterdir():
        image = images.read(path)
        assert (image.pixels == (9, 8, 7)).all() and not image.is_transparent
        assert image.has_more == (path.name != "0.png")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L"])
def test_colours_hidden_under_transparency_are_not_seen(tmp_path, mode):
    """The left half is transparent over noise, the right one is opaque and of one colour."""
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 4), "uint8")
    pixels[:, 3:] = 100, 100, 100, 255
    pixels[:, :3, 3] = 0
    path = tmp_path / "0.png"
    if mode in ("RGBA", "LA"):
        Image.fromarray(pixels).convert(mode).save(path)
    else:
        numbers = np.where(np.arange(6) < 3, 7, 100).astype("uint8") * np.ones((4, 1), "uint8")
        image = Image.fromarray(numbers)
        if mode == "P":
            image.putpalette([value for value in range(256) for _ in range(3)])
        image.save(path, transparency=7)
    white, grey = images.read(path), images.read(path, images.colour("#ff8000"))
    assert white.is_transparent and (white.pixels[:, :3] == 255).all()
    assert (grey.pixels[:, :3] == (255, 128, 0)).all() and (grey.pixels[:, 3:] == 100).all()
    assert white.pixels.shape[-1] == (3 if mode == "RGBA" else 1)


def test_other_files_in_a_folder_are_read_or_mentioned(tmp_path):
    write_classes(tmp_path / "train", n=3)
    write_classes(tmp_path / "validation", n=2)
    write_image(tmp_path / "train/cat/more/9.gif", np.full((4, 3), 90, "uint8"))
    write_image(tmp_path / "train/dog/9.bmp", np.full((4, 3), 91, "uint8"))
    write_image(tmp_path / "train/dog/9.pgm", np.full((4, 3), 92, "uint8"))
    write_image(tmp_path / "train/astray.png", np.full((4, 3), 92, "uint8"))
    for name in ("train/cat/a.eps", "train/cat/b.eps", "train/c.txt", "validation/LICENSE"):
        (tmp_path / name).write_text("%!PS-Adobe-3.0")
    dataset, (x_val, y_val), notes = datasets.read(tmp_path)
    assert len(dataset.x_train) + len(dataset.x_test) == 9  # split, since there is no test folder
    assert x_val.shape == (4, 4, 3, 1) and y_val.tolist() == [0, 0, 1, 1]
    said = "\n".join(notes)
    assert "that are not images: 4 (2 .eps, 1 .txt, 1 without an ending)" in said
    assert "1 images of" in said and "not in a class folder" in said
    assert "1 images are in deeper folders of the class folders" in said
    with pytest.warns(UserWarning) as warned:
        datasets.load(tmp_path)
    assert {str(warning.message) for warning in warned} > {*notes}
    write_classes(tmp_path / "test", n=2)
    (tmp_path / "extra").mkdir()
    dataset, validation, notes = datasets.read(tmp_path, labelled=False)
    assert len(dataset.x_test) == 4 and len(dataset.x_train) == 10 and validation[1] is None
    assert "Left out beside train and test and validation: extra" in notes


def test_train_and_val_may_be_names_of_classes(tmp_path):
    write_classes(tmp_path, ("bus", "train", "val"))
    assert datasets.load(tmp_path).class_names == ("bus", "train", "val")


def test_folders_in_capitals_and_files_that_macos_adds(tmp_path):
    write_classes(tmp_path / "Train", n=3)
    write_classes(tmp_path / "Testing", n=2)
    (tmp_path / "Train/__MACOSX/cat").mkdir(parents=True)
    (tmp_path / "Train/cat/._0.png").write_text("of a Mac")
    dataset, _, notes = datasets.read(tmp_path)
    assert len(dataset.x_train) == 6 and len(dataset.x_test) == 4 and not notes
    assert dataset.class_names == ("cat", "dog")


def test_sixteen_bits_are_scaled_by_their_range(tmp_path):
    write_classes(tmp_path)  # of 8 bits, 2 to 6 and 62 to 66
    for name, value in (("cat/8.png", 3531), ("dog/8.tiff", 49)):
        write_image(tmp_path / name, np.full((4, 3), value, "uint16"))
    dataset, _, notes = datasets.read(tmp_path, image_size=(4, 4))
    values = np.concatenate([dataset.x_train, dataset.x_test])[:, 0, 0, 0]
    expected = [*range(2, 7), *range(62, 67)] + [3531 * 255 / 4095, 49 * 255 / 4095]
    np.testing.assert_allclose(sorted(values * 255), sorted(expected), rtol=1e-5)
    assert "Images of 16 bits, divided by 4095: 2" in notes


def test_damaged_images_are_skipped_on_request(tmp_path):
    write_classes(tmp_path)
    truncate(tmp_path / "cat/0.png")
    (tmp_path / "dog/1.png").write_bytes(b"")
    (tmp_path / "dog/2.png").unlink()
    (tmp_path / "dog/2.png").symlink_to("nowhere")
    with pytest.raises(ValueError, match="cat/0.png' is truncated.*`skip_damaged=True` leaves"):
        datasets.load(tmp_path)
    dataset, _, notes = datasets.read(tmp_path, skip_damaged=True, test_fraction=0.3)
    x, y = (np.concatenate([dataset[i], dataset[i + 2]]) for i in (0, 1))
    pixels = sorted(zip(x[:, 0, 0, 0].tolist(), y.tolist(), strict=True))
    assert pixels == [(3, 0), (4, 0), (5, 0), (6, 0), (62, 1), (65, 1), (66, 1)]
    assert f"Damaged images left out: 3, the first '{tmp_path}/cat/0.png'" in notes
    for path in (tmp_path / "cat").iterdir():
        path.write_bytes(b"")
    (tmp_path / "cat/note.txt").write_text("")
    with pytest.raises(ValueError, match="must contain images that can be read"):
        datasets.load(tmp_path / "cat", labelled=False, skip_damaged=True)


@pytest.mark.parametrize(("limit", "kind"), [(8, "Warning"), (5, "Error")])
def test_an_image_of_too_many_pixels_raises_an_error(tmp_path, monkeypatch, limit, kind):
    path = write_classes(tmp_path) / "cat/0.png"
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)  # the images have 12
    with pytest.raises(ValueError, match=f"{path}.*too large.*Received: DecompressionBomb{kind}"):
        datasets.load(tmp_path)


def test_an_image_of_more_pixels_than_its_bytes_allow_raises_an_error(tmp_path):
    path = write_classes(tmp_path) / "cat/0.tiff"
    Image.new("RGB", (4, 5)).save(path)
    content = bytearray(path.read_bytes())
    (count,) = [i for i in range(8, 200) if content[i : i + 4] == b"\x01\x01\x04\x00"]  # rows
    content[count + 8 : count + 12] = (17_000_000).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="too large.*Received: .*4 x 17000000 pixels"):
        datasets.load(tmp_path)


def fifo(path):
    os.mkfifo(path)


def unix_socket(path):
    os.chdir(path.parent)  # its path may be too long for a socket
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)


def broken_link(path):
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("make", "received"),
    [
        (fifo, "a FIFO, a"),
        (unix_socket, "a FIFO, a"),
        (broken_link, "a broken"),
        (os.mkdir, "a fold"),
    ],
)
@pytest.mark.parametrize("name", ["own.npz", "t10k-images-idx3-ubyte.gz", "dog/2.png"])
def test_a_path_that_is_not_a_file_raises_an_error(tmp_path, monkeypatch, make, received, name):
    if make is os.mkdir and name == "dog/2.png":
        pytest.skip("images may lie in folders below that of their class")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    if name == "dog/2.png":
        write_classes(tmp_path)
        path.unlink()
    elif name != "own.npz":
        write_idx(tmp_path)
        path.unlink()
    make(path)
    message = f"{name}' must be a file that can be read. Received: {received}"
    if make is os.mkdir:
        message = "must contain two or more sub-folders|must contain train-images"
    if make is broken_link and name == "own.npz":
        message = "no such file"
    with pytest.raises(ValueError, match=message):
        datasets.load(path if name == "own.npz" else tmp_path)


@pytest.mark.parametrize("write", [write_npz, write_idx, write_classes])
def test_files_without_permission_are_named(tmp_path, monkeypatch, write):
    source = write(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read everything
    with pytest.raises(ValueError, match="must be a file that can be read. .*permission"):
        datasets.load(source)


def test_a_folder_without_permission_is_named(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)
    with pytest.raises(ValueError, match="must be a folder that can be read.*PermissionError"):
        datasets.load(tmp_path)


def test_a_class_folder_with_a_name_that_is_not_utf_8_is_named(tmp_path):
    write_classes(tmp_path)
    try:
        os.rename(tmp_path / "dog", os.fsencode(tmp_path) + b"/d\xffg")
    except OSError:
        pytest.skip("a file system of Unicode names")
    with pytest.raises(ValueError, match=r"d\\udcffg' must be valid UTF-8. Received: b'd\\xffg'"):
        datasets.load(tmp_path)


@pytest.mark.parametrize("magic", [bytes(4), bytes((0, 0, 8, 3))])
def test_a_gzip_bomb_is_not_unzipped(tmp_path, magic):
    path = write_idx(tmp_path) / "t10k-images-idx3-ubyte.gz"
    content = magic + struct.pack(">3I", 3, 5, 4) + bytes(2**26)
    path.write_bytes(gzip.compress(content, compresslevel=1))
    del content
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="magic number|announces 76 bytes. Received: 77 bytes"):
            datasets.load(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("version", [1, 2])
def test_an_array_whose_header_announces_too_much_data(tmp_path, version):
    path = write_npz(tmp_path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = {"descr": "|u1", "fortran_order": False, "shape": (2**40, 5, 4)}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            with archive.open(name, "w") as file:
                if name == "x_train.npy":
                    getattr(np.lib.format, f"write_array_header_{version}_0")(file, header)
                else:
                    file.write(content)
    with pytest.raises(
        ValueError, match=r"own.npz' is damaged.*x_train of shape .* announces \d{14} "
    ):
        datasets.load(path)
