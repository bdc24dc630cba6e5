"""Every message reads "`argument` must be EXPECTED. Received: ..."."""

import pickle

import numpy as np
import pytest

from keras_cvae import checks

pytestmark = pytest.mark.once

NAMES = {"dense": 1, "conv": 2}


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (checks.look_up("network", "conv", NAMES), 2),
        (checks.integer("count", np.int64(3), least=3), 3),
        (checks.integer("seed", 2**32 - 1, least=0, most=2**32 - 1), 2**32 - 1),
        (checks.integers("units", [np.uint8(5), 1]), (5, 1)),
        (checks.integers("size", (0, 2), least=0, count=2), (0, 2)),
        (checks.number("rate", 1, least=0, most=1), 1.0),
        (checks.number("scale", np.float32(0.5), above=0), 0.5),
    ],
)
def test_valid_values_are_returned_as_plain_python_values(returned, expected):
    assert returned == expected and type(returned) is type(expected)


def test_arrays_are_converted():
    values = checks.array("z", [[1, 2]], (None, 2))
    assert values.dtype == "float64" and values.tolist() == [[1.0, 2.0]]
    assert checks.array("labels", np.uint8([3]), (1,), "int64").dtype == "int64"


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (
            lambda: checks.look_up("network", "denze", NAMES),
            "`network` must be one of 'dense', 'conv'. Did you mean 'dense'? Received: 'denze'",
        ),
        (
            lambda: checks.look_up("network", None, NAMES),
            "`network` must be one of 'dense', 'conv'. Received: None",
        ),
        (
            lambda: checks.integer("count", 1, least=2),
            "`count` must be an integer of at least 2. Received: 1",
        ),
        (
            lambda: checks.integer("seed", True, least=0, most=9),
            "`seed` must be an integer from 0 to 9. Received: True",
        ),
        (
            lambda: checks.integer("count", np.array([4]), least=1),
            "`count` must be an integer of at least 1. Received: array([4])",
        ),
        (
            lambda: checks.integers("units", ()),
            "`units` must be a list or tuple of one or more integers of at least 1. Received: ()",
        ),
        (
            lambda: checks.integers("size", [8, 2.0], count=2),
            "`size` must be a list or tuple of 2 integers of at least 1. Received: [8, 2.0]",
        ),
        (
            lambda: checks.number("rate", 1.5, least=0, below=1),
            "`rate` must be a finite number of at least 0 and below 1. Received: 1.5",
        ),
        (
            lambda: checks.number("beta", float("nan")),
            "`beta` must be a finite number. Received: nan",
        ),
        (
            lambda: checks.number("scale", "2", above=0),
            "`scale` must be a finite number above 0. Received: '2'",
        ),
        (
            lambda: checks.array("z", np.zeros((0, 2)), (None, 2)),
            "`z` must be a non-empty array of finite numbers, of shape (any, 2). "
            "Received: shape (0, 2)",
        ),
        (
            lambda: checks.array("x", [np.inf], (1,)),
            "`x` must be a non-empty array of finite numbers, of shape (1,). "
            "Received: NaN or infinite values",
        ),
        (
            lambda: checks.array("labels", [0.0], (1,), "int64"),
            "`labels` must be a non-empty array of integers, of shape (1,). "
            "Received: float64 values",
        ),
    ],
)
def test_messages(check, message):
    with pytest.raises(ValueError) as error:
        check()
    assert str(error.value) == message


def test_the_command_renames_the_argument_of_an_error():
    with pytest.raises(ValueError) as error:
        checks.require(False, "y", "must be there", None, ("labelled=False", "does without"))
    assert str(error.value) == "`y` must be there; `labelled=False` does without. Received: None"
    renamed = error.value.rename_arguments({"y": "--label", "labelled": "--unconditional"})
    assert str(renamed) == "`--label` must be there; `--unconditional` does without. Received: None"
    assert str(pickle.loads(pickle.dumps(renamed))) == str(renamed)
    other = error.value.rename_arguments({"y": "--label"})  # which has no such option to advise
    assert str(other) == "`--label` must be there. Received: None"
    both = checks.ArgumentErrors([error.value, error.value]).rename_arguments({"y": "--label"})
    assert str(both).count("`--label` must be there") == 2


def test_other_exceptions_are_explained_and_chained():
    with pytest.raises(ValueError, match="`path` must be there. Received: OSError: gone") as error:
        with checks.explain("path", "must be there", OSError):
            raise OSError("gone")
    assert isinstance(error.value.__cause__, OSError)
    with pytest.raises(KeyError), checks.explain("path", "must be there", OSError):
        raise KeyError
