"""Readers of files of arrays, .npz and IDX, as raw NumPy arrays.

Each returns a `Source`; the module `checking` checks the content of its arrays.
"""

from __future__ import annotations

import gzip
import math
import os
import reprlib
import struct
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_cvae.checks import explain, require

UNLABELLED = "labelled=False", "takes data without labels"  # advice in messages
GZIP_RATIO = 1032  # largest compression ratio of gzip


class Part(NamedTuple):
    """Images and their labels, or None; `origins` are descriptions of both for messages."""

    images: np.ndarray
    labels: np.ndarray | None
    origins: tuple[str, str]


class Source(NamedTuple):
    """The content of a data set.

    Attributes:
        parts: Two parts, for training and testing, or one part, which is split later.
        names: The names of the classes, or None if the files have none.
        validation: A part for validation, or None.
        notes: Sentences about data that was left out or changed.
    """

    parts: list[Part]
    names: list[str] | None
    validation: Part | None = None
    notes: tuple[str, ...] = ()


def read_npz(path: Path, labelled: bool) -> Source:
    """Reads an `.npz` file of training and test arrays, or of arrays to split later.

    Args:
        path: The file.
        labelled: Whether to read labels.

    Raises:
        ValueError: If the file is damaged, or an array is missing.
    """
    check_file(path)
    expected = "Expected an .npz file as `np.savez` writes it, a folder, or a table"
    expected += " in a file that ends in .csv, .tsv or .parquet"
    require(zipfile.is_zipfile(path), None, expected, f"'{path}', truncated or of another kind")
    damaged = f"'{path}' is damaged, or contains pickled Python objects, which are never loaded"
    with explain(None, damaged):
        archive = np.load(path, allow_pickle=False)
    with archive:
        members = archive.files
        is_split = "x_test" in members or "y_test" in members
        marks = ["_train", "_test"] if is_split else ["_train" if "x_train" in members else ""]
        wanted = [kind + mark for mark in marks for kind in ("xy" if labelled else "x")]
        held_out = [f"{kind}_val" for kind in ("xy" if labelled else "x")]
        validates = set(held_out) <= set(members)
        expected = f"'{path}' must contain the arrays x_train and x_test, or x, which is split"
        if labelled:
            expected = (
                f"'{path}' must contain the arrays x_train, y_train, x_test and y_test, or x and "
                "y, which are split"
            )
        advice = UNLABELLED if labelled else None
        require(set(wanted) <= set(members), None, expected, members, advice)
        if validates:
            marks, wanted = [*marks, "_val"], [*wanted, *held_out]
        with explain(None, damaged):
            arrays = {name: _read_member(archive, name) for name in wanted}
            named = labelled and "class_names" in members
            names = _read_member(archive, "class_names").ravel().tolist() if named else None
    parts = [
        Part(arrays["x" + m], arrays.get("y" + m), (f"x{m} of '{path}'", f"y{m} of '{path}'"))
        for m in marks
    ]
    others = [name for name in members if name not in (*wanted, "class_names")]
    others = [name for name in others if labelled or not name.startswith("y")]
    notes = (f"Left out of '{path}': the arrays {', '.join(others)}",) if others else ()
    parts, names = _to_integer_labels(parts, names)
    return Source(parts[: len(parts) - validates], names, parts[-1] if validates else None, notes)


def _to_integer_labels(parts: list[Part], names: list[str] | None):
    """Converts labels that are names to integers, and returns the parts and the names.

    Classes are in the order of `names`, or sorted if `names` is None. An empty name or `-1` means
    unknown.
    """
    parts = [*map(_with_texts, parts)]
    are_names = [part.labels is not None and part.labels.dtype.kind == "U" for part in parts]
    if not any(are_names):
        return parts, names
    first = parts[0].origins[1]
    require(all(are_names), None, f"All labels must be names, as those of {first}, or none", "both")
    unknown = {"": -1, "-1": -1}
    source = "class_names" if names else first
    names = names or sorted({*parts[0].labels.ravel().tolist()} - {*unknown})
    numbers = unknown | {name: label for label, name in enumerate(names)}
    results = []
    for part in parts:
        texts = part.labels.ravel().tolist()
        strange = sorted({*texts} - {*numbers})
        expected = f"{part.origins[1]} must contain names of {source}"
        require(not strange, None, expected, reprlib.repr(strange))
        labels = np.array([numbers[text] for text in texts], "int64")
        results.append(part._replace(labels=labels.reshape(part.labels.shape)))
    return results, names


def _with_texts(part):
    """Decodes labels that are bytes, as HDF5 files have names."""
    if part.labels is None or part.labels.dtype.kind != "S":
        return part
    with explain(None, f"{part.origins[1]} must be UTF-8", UnicodeError):
        return part._replace(labels=np.char.decode(part.labels, "utf-8"))


def _read_member(archive, name):
    """Reads an array, after checking that the file is as large as the array's header requires."""
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
    """Returns MNIST's training images and labels, then its test files; None for a missing one."""
    stems = [f"{s}-{k}" for s in ("train", "t10k") for k in ("images{}idx3", "labels{}idx1")]
    endings = [(mark, suffix) for mark in "-." for suffix in ("-ubyte", "-ubyte.gz")]
    paths = [[folder / (stem.format(mark) + end) for mark, end in endings] for stem in stems]

    def is_there(path):  # includes broken links and unreadable files: reading raises an error
        return os.path.lexists(path) and not os.path.isdir(path)

    return [next(filter(is_there, candidates), None) for candidates in paths]


def read_idx_files(folder: Path, files: list[Path | None], labelled: bool) -> Source:
    """Reads MNIST's four files from a folder.

    Args:
        folder: The folder, for messages.
        files: The paths from `idx_files`.
        labelled: Whether to read labels.

    Raises:
        ValueError: If a file is missing or damaged.
    """
    if labelled:
        needed, advice = files, UNLABELLED
        names = (
            "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-... and t10k-labels-..."
        )
    else:
        needed, advice = files[::2], None
        names = "train-images-idx3-ubyte and t10k-images-idx3-ubyte"
    expected = f"'{folder}' must contain {names}, plain or .gz"
    require(all(needed), None, expected, [file.name for file in files if file], advice)
    parts = []
    for mark, images, labels in (("_train", *files[:2]), ("_test", *files[2:])):
        y = _read_idx(labels, 1) if labelled else None
        origins = f"x{mark} of '{images}'", f"y{mark} of '{labels}'"
        parts.append(Part(_read_idx(images, 3), y, origins))
    return Source(parts, None)


def _read_idx(path, ndim):
    """Reads unsigned bytes in `ndim` dimensions: a magic number, big-endian sizes, the bytes."""
    magic, start = bytes((0, 0, 8, ndim)), 4 + 4 * ndim
    damaged = f"'{path}' is a truncated or damaged gzip file"
    check_file(path)
    with open(path, "rb") as file, explain(None, damaged, (OSError, EOFError, zlib.error)):
        # The content decides, because browsers may unzip a .gz file and keep its name.
        zipped = file.peek(2)[:2] == b"\x1f\x8b"
        stream = gzip.GzipFile(fileobj=file) if zipped else file
        header = stream.read(start)
        expected = f"'{path}' must begin with the IDX magic number 0x{magic.hex()}"
        require(header[:4] == magic, None, expected, f"0x{header[:4].hex()}")
        expected = f"'{path}' is truncated in its header"
        require(len(header) == start, None, expected, f"{len(header)} bytes")
        shape = struct.unpack_from(f">{ndim}I", header, 4)
        size = math.prod(shape)
        expected = f"'{path}' is damaged: its header {shape} announces {start + size} bytes"
        stored = os.fstat(file.fileno()).st_size
        possible = stored * (GZIP_RATIO if zipped else 1)
        received = f"{stored} {'gzipped ' * zipped}bytes"
        require(start + size <= possible, None, expected, received)
        data = stream.read(size + 1)  # a small file may unzip to gigabytes
    received = f"{start + len(data)} bytes{' or more' * (len(data) > size)}"
    require(len(data) == size, None, expected, received)
    return np.frombuffer(data, "uint8").reshape(shape)


def check_file(path: Path) -> None:
    """Checks that a path is a readable file: reading from a FIFO or a device might never end.

    Args:
        path: The path.

    Raises:
        ValueError: If it is not a readable file.
    """
    expected = f"'{path}' must be a file that can be read"
    kind = "a folder" if os.path.isdir(path) else "a FIFO, a socket or a device"
    require(os.path.isfile(path), None, expected, kind if os.path.exists(path) else "a broken link")
    require(os.access(path, os.R_OK), None, expected, "a file without permission to read it")
