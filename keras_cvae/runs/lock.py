"""A lock for one training at a time in a folder; a process that is killed releases its lock."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from keras_cvae.checks import explain, require

LOCK = "training.lock"


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Locks a folder for one training.

    Args:
        folder: The folder; created if it does not exist.

    Raises:
        ValueError: If another training has locked it, or it cannot be written to.
    """
    lock = filelock.FileLock(folder / LOCK, timeout=0)
    with explain("out", "must be a folder that can be written to", OSError):
        folder.mkdir(parents=True, exist_ok=True)
        is_free = _acquire(lock)
    _require(is_free, folder)
    try:
        yield
    finally:
        lock.release()
        (folder / LOCK).unlink(missing_ok=True)


def check_free(folder: Path) -> None:
    """Checks that no training has locked a folder.

    Args:
        folder: The folder.

    Raises:
        ValueError: If a training has locked it.
    """
    _require(not is_held(folder), folder)


def is_held(folder: Path) -> bool:
    """Returns whether a training has locked the folder."""
    if not (folder / LOCK).exists():
        return False
    lock = filelock.FileLock(folder / LOCK, timeout=0)
    try:
        return not _acquire(lock)
    except OSError:  # the folder cannot be written to
        return False
    finally:
        lock.release()


def _acquire(lock):
    try:
        lock.acquire()
    except filelock.Timeout:
        return False
    return True


def _require(is_free, folder):
    expected = "must be a folder that no other training writes to"
    require(is_free, "out", expected, f"'{folder}', where one is running")
