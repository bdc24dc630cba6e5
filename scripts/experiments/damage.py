"""Damages the bytes of a file at random: anywhere, in its packed content, or as valid JSON."""

import copy
import functools
import gzip
import io
import json
import re
import zipfile

TEXTS = b"-1", b"1e400", b"NaN", b"null", b"{", b"[]", b"{}", b"\xff\xfe", b"9" * 30, b"\x00", b'"'
VALUES = None, True, -1, 0, 2**70, 0.5, float("nan"), "", "a", [], {}, [1], {"a": 1}, "é" * 99


def within(content: bytes, rng) -> bytes | None:
    """A zip or gzip file of which the content is damaged; None of another kind of file."""
    if content[:2] == b"\x1f\x8b":
        return gzip.compress(damaged(gzip.decompress(content), rng), 1)
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return None
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as whole, zipfile.ZipFile(file, "w") as packed:
        names = whole.namelist()
        chosen = names[rng.integers(len(names))]
        for name in names:
            part = whole.read(name)
            packed.writestr(name, damaged(part, rng) if name == chosen else part)
    return file.getvalue()


def settings(value, place=()):
    """Yields the places of all values in nested dicts and lists, as keys and numbers."""
    for key in value if isinstance(value, dict) else range(len(value)):
        yield (*place, key)
        if isinstance(value[key], (dict, list)):
            yield from settings(value[key], (*place, key))


def mistaken(content: bytes, rng) -> bytes:
    """Valid JSON in which one value is another, is missing, or is in the place of another."""
    whole = json.loads(content)
    places = [*settings(whole)]
    *way, last = places[rng.integers(len(places))]
    owner = functools.reduce(lambda part, key: part[key], way, whole)
    if rng.integers(5) == 0:
        del owner[last]
    else:
        owner[last] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])
    return json.dumps(whole).encode()


def damaged(content: bytes, rng) -> bytes:
    """A file with some bytes changed, removed, repeated or put in, or values replaced.

    Every other zip or gzip file is damaged in its content and packed again, with right checksums;
    every other file of JSON is valid JSON.
    """
    if rng.integers(2) and (packed := within(content, rng)):
        return packed
    if content[:1] == b"{" and rng.integers(2):
        return mistaken(content, rng)
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
