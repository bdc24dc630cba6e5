"""Messages about classes without training examples, or with a single one, and the likely cause."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MAX_LISTED = 5  # classes named in a sentence
MANY = 20  # mean size of other classes, from which a class with one example is mentioned


def count(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts the examples of each class, and those with an unknown label.

    Args:
        labels: Integers of shape `(count,)` in -1..num_classes-1, -1 for unknown.
        num_classes: The number of classes.

    Returns:
        Array of shape `(num_classes + 1,)`; the last entry is the number of unknown labels.
    """
    counts = np.bincount(labels.astype("int64") + 1, minlength=num_classes + 1)
    return np.roll(counts, -1)


def describe_missing(counts: np.ndarray, names: Sequence[str], has_names: bool) -> list[str]:
    """Describes classes without training examples, or with one while others have many.

    Args:
        counts: The number of examples of each class, followed by that of unknown labels.
        names: A name for each class.
        has_names: Whether the user chose these names; otherwise they are numbers.

    Returns:
        Sentences for the user, possibly none.
    """
    *of_classes, unknown = np.asarray(counts)
    of_classes = np.asarray(of_classes)
    if not of_classes.any():
        return []
    sentences = []
    missing = np.flatnonzero(of_classes == 0)
    if len(missing):
        shown = list_classes(missing, names, has_names)
        sentences.append(
            f"There is no training example of {shown}: the model's output for such a label is "
            f"arbitrary. {_likely_cause(of_classes, unknown)}".rstrip()
        )
    single = np.flatnonzero(of_classes == 1)
    others = of_classes[of_classes > 1]
    if len(single) and len(others) and others.mean() >= MANY:
        shown = list_classes(single, names, has_names)
        sentences.append(
            f"There is only one training example of {shown}; the other classes have "
            f"{others.mean():.0f} on average. Generated examples of it will resemble that one."
        )
    return sentences


def list_classes(labels: Sequence[int] | np.ndarray, names: Sequence[str], has_names: bool) -> str:
    """Returns classes in words, such as "class 0 or class 3"; of many classes only the first.

    Args:
        labels: Different labels of classes.
        names: A name for each class.
        has_names: Whether the user chose these names.
    """
    shown = [f"class {n}" + (f" ({names[n]!r})" if has_names else "") for n in labels[:MAX_LISTED]]
    if len(labels) > MAX_LISTED:
        return f"{', '.join(shown)}, ... ({len(labels)} of {len(names)} classes)"
    return " or ".join(shown)


def _likely_cause(counts, unknown):
    """Returns a sentence about why classes may be missing, or an empty string."""
    num_classes, seen = len(counts), np.flatnonzero(counts)
    are_consecutive = np.ptp(seen) == len(seen) - 1
    if num_classes == 2 and unknown and not counts[0]:
        return "Labels seem to be -1 and 1, where -1 stands for unknown: pass `(y + 1) / 2`."
    if are_consecutive and seen[0] == 1:
        fewer = f", of `condition={len(seen)}`" if len(seen) > 1 else ""
        return f"Labels seem to start at 1: pass `y - 1`{fewer}."
    if are_consecutive and seen[0] == 0 and len(seen) > 1:
        return f"If the labels 0 to {seen[-1]} are all there are, pass `condition={len(seen)}`."
    return ""
