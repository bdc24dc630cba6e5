"""Damages a file at random: any of its bytes, the content of an archive, or a value of JSON."""

import copy
import functools
import gzip
import io
import json
import re
import zipfile

TEXTS = b"-1", b"1e400", b"NaN", b"null", b"{", b"[]", b"{}", b"\xff\xfe", b"9" * 30, b"\x00", b'"'
VALUES = None, True, -1, 0, 2**70, 0.5, float("nan"), "", "a", [], {}, [1], {"a": 1}, "é" * 99


def damage_archive(content: bytes, rng) -> bytes | None:
    """Returns a zip or gzip file with damaged content, or None if it is another kind of file."""
    if content[:2] == b"\x1f\x8b":
        return gzip.compress(damage(gzip.decompress(content), rng), 1)
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return None
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as whole, zipfile.ZipFile(file, "w") as packed:
        names = whole.namelist()
        chosen = names[rng.integers(len(names))]
        for name in names:
            part = whole.read(name)
            packed.writestr(name, damage(part, rng) if name == chosen else part)
    return file.getvalue()


def paths(value, path=()):
    """Yields the path to each value in nested dicts and lists, as keys and indices."""
    for key in value if isinstance(value, dict) else range(len(value)):
        yield (*path, key)
        if isinstance(value[key], (dict, list)):
            yield from paths(value[key], (*path, key))


def damage_json(content: bytes, rng) -> bytes:
    """Returns valid JSON in which one value is replaced or missing."""
    whole = json.loads(content)
    every = [*paths(whole)]
    *parents, last = every[rng.integers(len(every))]
    owner = functools.reduce(lambda part, key: part[key], parents, whole)
    if rng.integers(5) == 0:
        del owner[last]
    else:
        owner[last] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])
    return json.dumps(whole).encode()


def damage(content: bytes, rng) -> bytes:
    """Returns a file with bytes changed, removed, repeated or inserted, or with values replaced.

    In half of the zip and gzip files the content is damaged and packed again, so that checksums are
    correct. Half of the JSON files are valid JSON.
    """
    if rng.integers(2) and (packed := damage_archive(content, rng)):
        return packed
    if content[:1] == b"{" and rng.integers(2):
        return damage_json(content, rng)
    data = bytearray(content)
    for _ in range(rng.geometric(0.5)):
        place, size = int(rng.integers(len(data) + 1)), int(rng.integers(1, 17))
        kind = rng.integers(6)
        if kind == 0 and data:
            data[place % len(data)] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[place : place + size] = rng.bytes(size)
        elif kind == 2:
            del data[place : place + size]
        elif kind == 3:
            data[place:place] = data[place : place + size] * int(rng.integers(1, 4))
        elif kind == 4:
            del data[place:]
        elif numbers := [*re.finditer(rb"-?[\d.]+|\"[^\"]*\"|null|true", bytes(data[:2000]))]:
            part = numbers[rng.integers(len(numbers))]
            data[part.start() : part.end()] = TEXTS[rng.integers(len(TEXTS))]
        else:
            data[place : place + 2] = TEXTS[rng.integers(len(TEXTS))]
    return bytes(data)
