"""Reads folders of images, with a sub-folder for each class."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import keras
import numpy as np

from keras_cvae.checks import explain, require
from keras_cvae.data import arrays, images
from keras_cvae.data.readers import UNLABELLED, Part, Source

PARTS = {  # names of the folders of a data set that is split, in upper or lower case
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "validation": ("val", "valid", "validation"),
}
HIDDEN = ".", "__MACOSX"  # added to archives on a Mac
MANY = 2000  # number of images above which a progress bar is shown


def read_image_folder(
    folder: Path,
    size: tuple[int, int] | None,
    labelled: bool,
    background: str = "white",
    skip_damaged: bool = False,
) -> Source:
    """Reads a folder of images, with one sub-folder for each class if they are labelled.

    Images in deeper folders belong to the class above them.

    Args:
        folder: The folder, or one that contains such folders named as in `PARTS`, for training
            and for tests, validation, or both.
        size: `(height, width)` to resize every image to, or None.
        labelled: Whether sub-folders are classes; otherwise all images are one set.
        background: The colour behind transparent pixels.
        skip_damaged: Whether to leave out files that cannot be read.

    Raises:
        ValueError: If a folder or an image is not as expected.
    """
    notes = []
    folders = _split_folders(folder, notes)
    left, listed = Counter(), []
    for part in folders.values():
        listed.append((_list_classes if labelled else _list_images)(part, left, notes))
    for part, (names, _, _) in zip(folders, listed, strict=True):
        expected = f"'{folder}' must have the same classes in train and in {part}"
        require(names == listed[0][0], None, expected, [listed[0][0], names])
    if left:
        endings = ", ".join(f"{count} {ending}" for ending, count in left.most_common())
        notes.append(f"Files left out that are not images: {left.total()} ({endings})")
    paths = [path for _, paths, _ in listed for path in paths]
    x, kept = _read_images(paths, size, background, skip_damaged, notes)
    parts, start, row = {}, 0, 0
    for (part, path), (_, paths, labels) in zip(folders.items(), listed, strict=True):
        is_kept = kept[start : start + len(paths)]
        start, count = start + len(paths), int(is_kept.sum())
        require(count, None, f"'{path}' must contain images that can be read", "damaged ones alone")
        labels = None if labels is None else labels[is_kept]
        origins = f"images of '{path}'", f"labels of '{path}'"
        parts[part] = Part(x[row : row + count], labels, origins)
        row += count
    validation = parts.pop("validation", None)
    return Source(list(parts.values()), listed[0][0], validation, tuple(notes))


def _split_folders(folder, notes):
    """Returns the training, test and validation folders; the folder itself if it is not split."""
    inside = _visible(folder)
    folders = {path.name: path for path in inside if os.path.isdir(path)}
    known = {name.lower(): path for name, path in folders.items()}
    parts = {part: next(filter(None, map(known.get, names)), None) for part, names in PARTS.items()}
    parts = {part: path for part, path in parts.items() if path}
    others = [name for name in folders if folders[name] not in parts.values()]
    # Beside folders of other names, train and val may be classes themselves.
    if "train" not in parts or len(parts) < 2 or ("test" not in parts and others):
        return {"train": folder}
    others += [path.name for path in inside if not os.path.isdir(path)]
    if others:
        notes.append(f"Left out beside {' and '.join(parts)}: {', '.join(others[:5])}")
        notes[-1] += f" and {len(others) - 5} more" if len(others) > 5 else ""
    return parts


def _list_classes(folder, left, notes):
    """Returns the names of the class folders, and the path and integer label of each image."""
    inside = _visible(folder)
    class_folders = [path for path in inside if os.path.isdir(path)]
    names = [path.name for path in class_folders]
    expected = (
        f"'{folder}' must contain two or more sub-folders of images, one for each class "
        "(or IDX files)"
    )
    received = f"{len(names)} sub-folders {names}"
    require(len(names) >= 2, None, expected, received, UNLABELLED)
    beside = [path for path in inside if path not in class_folders]
    left.update(_ending(path) for path in beside if not _is_image(path))
    if images_beside := sum(map(_is_image, beside)):
        notes.append(
            f"Left out: {images_beside} images of '{folder}' that are not in a class folder"
        )
    paths, labels, deeper = [], [], 0
    for label, class_folder in enumerate(class_folders):
        printed = str(class_folder).encode(errors="backslashreplace").decode()
        expected = f"The name of the class folder '{printed}' must be valid UTF-8"
        require(printed == str(class_folder), None, expected, repr(os.fsencode(class_folder.name)))
        images_of_class = _images_in(class_folder, "The class folder ", left)
        deeper += sum(path.parent != class_folder for path in images_of_class)
        paths += images_of_class
        labels += [label] * len(images_of_class)
    if deeper:
        notes.append(f"{deeper} images are in deeper folders of the class folders of '{folder}'")
    return names, paths, np.array(labels)


def _list_images(folder, left, notes):
    """Returns the paths of all images in a folder, with None for names and labels."""
    return None, _images_in(folder, "", left), None


def _images_in(folder, kind, left):
    """Returns the paths of all images in a folder; adds the endings of other files to `left`."""
    files = list(_files_within(folder))
    paths = [path for path in files if _is_image(path)]
    others = [_ending(path) for path in files if not _is_image(path)]
    expected = f"{kind}'{folder}' must contain images {', '.join(images.SUFFIXES)}"
    received = f"{len(others)} other files {' '.join(sorted({*others}))}".rstrip()
    require(paths, None, expected, received)
    left.update(others)
    return paths


def _files_within(folder, above=()):
    above = *above, folder.resolve()
    for path in _visible(folder):
        if os.path.isdir(path):
            expected = "A link must not lead to a folder that it is in"
            require(path.resolve() not in above, None, expected, f"'{path}'")
            yield from _files_within(path, above)
        else:
            yield path


def _visible(folder):
    with explain(None, f"'{folder}' must be a folder that can be read", OSError):
        return sorted(path for path in folder.iterdir() if not path.name.startswith(HIDDEN))


def _is_image(path):
    return path.suffix.lower() in images.SUFFIXES


def _ending(path):
    return path.suffix.lower() or "without an ending"


def _read_images(paths, size, background, skip_damaged, notes):
    """Reads images as one array, and returns it with a mask.

    The array has the shape `(N, H, W, 1)`, or `(N, H, W, 3)` if any image has colour. It is uint8,
    or float32 in [0, 1] if any image has 16 bits. The mask is False for files that were skipped.
    """
    shown = len(paths) > MANY
    progress = keras.utils.Progbar(len(paths), unit_name="image") if shown else None
    rgb = images.colour(background)
    kept, are_deep = np.ones(len(paths), bool), np.zeros(len(paths), bool)
    x, counts = None, Counter()
    for i, path in enumerate(paths):
        if progress:
            progress.update(i + 1)
        try:
            pixels, is_transparent, has_more = images.read(path, rgb)
        except ValueError:
            if not skip_damaged:
                raise
            kept[i] = False
            continue
        pixels = images.resize(pixels, size) if size else pixels
        if x is None:
            # All memory is allocated at once, so that a data set that is too large fails early.
            x, first = np.empty((len(paths), *pixels.shape), pixels.dtype), path
        expected = "All images must have one size"
        received = f"'{first}' of {x.shape[1:3]} and '{path}' of {pixels.shape[:2]}"
        advice = "image_size=(height, width)", "resizes them"
        require(x.shape[1:3] == pixels.shape[:2], None, expected, received, advice)
        if pixels.shape[2] > x.shape[3]:
            x = np.repeat(x, 3, axis=-1)
        x = x.astype(np.promote_types(x.dtype, pixels.dtype), copy=False)
        x[i], are_deep[i] = pixels, pixels.dtype == "uint16"
        counts.update(transparent=is_transparent, more=has_more)
    require(
        x is not None, None, "The folder must contain images that can be read", "damaged ones alone"
    )
    if are_deep.any():
        white = arrays.full_scale(x[are_deep].max())
        notes.append(f"Images of 16 bits, divided by {white}: {are_deep.sum()}")
        x = (
            x.astype("float32")
            / np.where(are_deep, white, 255).astype("float32")[:, None, None, None]
        )
    if counts["transparent"]:
        notes.append(f"Transparent images composited on {background}: {counts['transparent']}")
    if counts["more"]:
        notes.append(
            f"Files with several frames or pages, of which the first is read: {counts['more']}"
        )
    if not kept.all():
        damaged = [path for path, is_kept in zip(paths, kept, strict=True) if not is_kept]
        notes.append(f"Damaged images left out: {len(damaged)}, the first '{damaged[0]}'")
    return (x if kept.all() else x[kept]), kept
