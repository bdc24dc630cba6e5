"""The state of a training in one file, which is either whole or not there.

A zip file with a `state.json` and the bytes of all arrays, uncompressed. Reading it runs no code.
"""

from __future__ import annotations

import io
import json
import math
import os
import zipfile
from pathlib import Path

import numpy as np

from keras_cvae.checks import explain, require

STATE, ARRAYS = "state.json", "arrays"
DAMAGE = (
    ArithmeticError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    EOFError,
)
DAMAGE += (RecursionError, NotImplementedError, zipfile.BadZipFile)


def write(path: Path, state: dict) -> None:
    """Writes a state to a file, which has its former content until all of the new one is on disk.

    Args:
        path: The file.
        state: Nested dicts, lists and tuples of None, booleans, numbers, texts and NumPy arrays.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    arrays: list[np.ndarray] = []
    text = json.dumps(_encode(state, arrays))
    try:
        with open(unfinished, "wb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr(STATE, text)
                with archive.open(ARRAYS, "w", force_zip64=True) as members:
                    for array in arrays:
                        members.write(array.tobytes())
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except (Exception, KeyboardInterrupt):
        unfinished.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # so that the new name is on disk too
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(path: Path) -> dict:
    """Returns the state that `write` has written.

    Raises:
        ValueError: If the file is damaged, or another one.
    """
    expected = f"'{path}' must be a checkpoint that `Checkpoint` has written, and whole"
    with explain(None, expected, DAMAGE):
        with zipfile.ZipFile(path) as archive:
            members = [archive.getinfo(name) for name in (STATE, ARRAYS)]
            size = sum(member.file_size for member in members)
            require(size <= path.stat().st_size, None, "It is not compressed", f"{size} bytes")
            state, content = (archive.read(member) for member in members)
        return dict(_decode(json.loads(state), io.BytesIO(content)))


def _encode(value, arrays):
    """Returns a value in the types of JSON; its arrays are added to a list of all."""
    if isinstance(value, (np.ndarray, np.generic)):
        arrays.append(np.asarray(value))
        return {"array": [str(value.dtype), [*value.shape]]}
    if isinstance(value, dict):
        return {"dict": [[key, _encode(each, arrays)] for key, each in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_encode(each, arrays) for each in value]}
    return value


def _decode(value, content):
    """Returns the value that was encoded; the bytes of its arrays come next in a file."""
    if not isinstance(value, dict):
        return value
    ((kind, written),) = value.items()
    if kind == "array":
        name, shape = written
        dtype = np.dtype(name)
        count = math.prod(shape)
        array = np.frombuffer(content.read(count * dtype.itemsize), dtype, count)
        return array.reshape(shape).copy()[()]
    if kind == "dict":
        return {key: _decode(each, content) for key, each in written}
    return {"tuple": tuple, "list": list}[kind](_decode(each, content) for each in written)
