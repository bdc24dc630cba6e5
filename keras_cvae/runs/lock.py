"""One training at a time in a folder.

The operating system lets go of a lock whatever ends the process that holds it, so the file that a
killed training leaves holds nobody up.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from keras_cvae.checks import explain, require

try:
    import fcntl
except ImportError:  # on Windows
    import msvcrt

LOCK = "training.lock"


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Holds a folder for one training.

    Args:
        folder: The folder; it is made if it is not there.

    Raises:
        ValueError: If another training holds it, or it cannot be written to.
    """
    no_link = getattr(os, "O_NOFOLLOW", 0)  # a link of this name is not followed
    with explain("`out` must be a folder that can be written to", OSError):
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | no_link, 0o666)
    taken = _take(file)
    try:
        _require(taken, folder)
        yield
    finally:
        os.close(file)
        if taken:
            (folder / LOCK).unlink(missing_ok=True)


def check_free(folder: Path) -> None:
    """Refuses a folder that a training holds.

    Raises:
        ValueError: If one does.
    """
    _require(not is_held(folder), folder)


def is_held(folder: Path) -> bool:
    """Whether a training holds the folder."""
    try:
        file = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _take(file)
    finally:
        os.close(file)


def _require(free, folder):
    expected = "`out` must be a folder that no other training writes to"
    require(free, expected, f"'{folder}', where one is under way")


def _take(file):
    try:
        if os.name == "nt":
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks
        pass
    return True
