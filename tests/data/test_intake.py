"""The checks of a model's data, without a model."""

import functools

import numpy as np
import pytest

from keras_cvae import conditions
from keras_cvae.data import arrays, inputs
from keras_cvae.data.intake import Intake

pytestmark = pytest.mark.once

CHECK = functools.partial(arrays.check_values, support=(0.0, 1.0))
X = np.random.default_rng(0).random((6, 2, 2, 1), dtype="float32")
Y = np.array([0, 1, 2, -1, 1, 0])
VECTORS = np.where(Y[:, None] >= 0, np.eye(3)[Y], 0.0)


@pytest.fixture(scope="module")
def intake():
    named = conditions.Classes(names=["cat", "dog", "owl"])
    return Intake({"image": ((2, 2, 1), "float32"), "label": ((), "int32")}, CHECK, named)


LABELS = {
    "floats": Y.astype("float32"),
    "floats with NaN": np.where(Y < 0, np.nan, Y),
    "float column": Y[:, None].astype("float64"),
    "one-hot": VECTORS,
    "one-hot integers": VECTORS.astype("uint8"),
    "one-hot booleans": VECTORS > 0,
    "one-hot lists": VECTORS.tolist(),
    "mixed": [0.0, "dog", 2, None, True, False],
}


@pytest.mark.parametrize("form", LABELS)
def test_labels_in_every_unambiguous_form(form, intake):
    checked = intake.arrays(([X, LABELS[form]], X))["label"]
    np.testing.assert_array_equal(checked, Y)
    assert checked.dtype == "int32"


REFUSED = {
    "halves": (Y + 0.5, r"must be whole numbers.*Received: 0.5"),
    "infinity": (np.where(Y < 0, np.inf, Y), "must be whole numbers.*Received: inf"),
    "smoothed": (0.9 * VECTORS + 0.05, r"must be one-hot vectors.*argmax.*in row 0"),
    "two classes": (np.ones((6, 3)), "several classes of one image are not supported"),
    "other width": (np.eye(4)[Y], r"6 integers, or one-hot vectors \(6, 3\).*Received: shape"),
    "out of range": (Y + 1.0, r"in -1..2.*Received: values from 0 to 3"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_invalid_labels_raise_an_error(case, intake):
    labels, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        intake.arrays((X, labels))


def test_an_ambiguous_vector_raises_an_error(intake):
    condition = intake.condition
    assert condition.count(np.eye(3)) == condition.count([0, 0, 1]) == 3
    for vector in (np.eye(3)[1], np.eye(3)[1] > 0):
        with pytest.raises(ValueError, match=r"such as `y\[None\]`"):
            condition.count(vector)
        assert condition.check(vector[None], 1)["label"] == [1]
        assert condition.count(vector.astype("int32")) == 3


def test_attributes_and_weights_of_classes_take_the_same_forms():
    several = conditions.Attributes(animal=3, size=conditions.Vector(1))
    checked = several.check({"animal": VECTORS, "size": Y}, 6)
    np.testing.assert_array_equal(checked["animal"], Y)
    weights = conditions.Classes(3).class_weights({0.0: 2.0, True: 3.0})
    np.testing.assert_array_equal(weights, [2, 3, 1, 1])


def test_targets_must_be_the_images(intake):
    plain = Intake({"image": ((2, 2, 1), "float32")}, CHECK)
    for target in (X, X.copy(), X[..., 0], X.tolist()):
        assert set(intake.arrays(([X, Y], target))) == {"image", "label"}
        assert set(intake.arrays(({"image": X, "label": Y}, target))) == {"image", "label"}
        assert set(plain.arrays((X, target))) == {"image"}
    assert set(plain.arrays((X, Y))) == {"image"}  # labels are left out
    for data, target in (([X, Y], 1 - X), ([X, Y], Y), ([X, Y], X[:5])):
        with pytest.raises(ValueError, match="must be the images themselves.*Received: a target"):
            intake.arrays((data, target))
    with pytest.raises(ValueError, match="with other values"):
        plain.arrays((X, 1 - X))


def test_inputs_of_a_graph_by_hand_are_checked_by_shape_and_type():
    shapes = {"x": ((2, 2, 1), "float32"), "y": ((), "int32"), "hot": ((3,), "float32")}
    checked = Intake(shapes, CHECK).arrays(([X, VECTORS, Y],))
    np.testing.assert_array_equal(checked["y"], Y)
    np.testing.assert_array_equal(checked["hot"], VECTORS)
    with pytest.raises(ValueError, match=r"`hot` must have the shape \(6, 3\)"):
        Intake(shapes, CHECK).arrays(([X, Y, np.eye(4)[Y]],))


def test_floats_of_0_to_255_are_detected_in_the_first_batch_of_a_stream():
    pixels = np.round(255 * X)
    plain = Intake({"image": ((2, 2, 1), "float32")}, CHECK, support=(0.0, 1.0))
    check = plain.checker()
    for batch in (pixels, pixels / 300):  # the second is dark
        np.testing.assert_allclose(check((batch,))["image"], batch / 255, rtol=1e-6)
    with pytest.raises(ValueError, match=r"must be in \[0, 255\]"):
        check((2 * pixels,))
    np.testing.assert_array_equal(plain.checker()((X,))["image"], X)
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        plain.checker()((pixels / 10,))  # in doubt


@pytest.mark.parametrize("whole", [False, True])
def test_checking_the_first_batch_does_not_consume_it(whole):
    batches = [np.full((2, 3), i) for i in range(4)]
    stream, first = inputs.peek(batches.__iter__() if whole else (b for b in batches), 5)
    assert len(first) == 3 and [batch[0, 0] for batch in stream] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("least", "most", "dtype", "greatest"),
    [
        (49, 200, "uint16", 200 / 255),
        (49, 3531, "uint16", 3531 / 4095),
        (49, 3531, "int32", 1),
        (49, 3531, "float64", 1),
        (0, 200, "float32", 200 / 255),
        (0, 1, "int64", 1),
        (-1, 0.5, "float32", 0.75),
        (-3, 700, "float32", 1),
        (-1000, 3000, "int16", 1),
    ],
)
def test_the_code_in_an_error_message_works(least, most, dtype, greatest):
    x = np.linspace(least, most, 24).reshape(6, 2, 2, 1).astype(dtype)
    with pytest.raises(ValueError, match=r": `.*x") as caught:
        arrays.check_values(x, (0.0, 1.0), "images")
    mended = eval(str(caught.value).split("`")[3], {"x": x})
    arrays.check_values(mended, (0.0, 1.0), "images")
    assert mended.max() == pytest.approx(greatest)
