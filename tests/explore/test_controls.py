"""Controls of a condition, and their values as y."""

import keras
import numpy as np
import pytest

from keras_cvae import conditions
from keras_cvae.explore import controls

pytestmark = pytest.mark.once


def test_no_condition():
    assert controls.of(None) == [] and controls.to_y(None, [[], []]) is None


def test_classes_have_names_and_any_if_training_hid_labels():
    condition = conditions.Classes(2)
    (control,) = controls.of(condition, ["cat", "dog"])
    assert control.choices == (("cat", 0), ("dog", 1)) and control.start == 0
    condition.seen_unknown.assign(1.0)
    (control,) = controls.of(condition)
    assert control.variants == [("0", 0), ("1", 1), ("any", -1)]
    np.testing.assert_array_equal(controls.to_y(condition, [[1], [-1]]), [1, -1])


def test_attributes_of_classes_and_numbers():
    place = conditions.Vector(2, mean=[1.0, 5.0], variance=[4.0, 1.0])
    condition = conditions.Attributes(hand=["left", "right"], place=place)
    hand, first, second = controls.of(condition)
    assert (hand.name, first.name, second.name) == ("hand", "place[0]", "place[1]")
    assert first.start == first.mean == 1.0 and first.deviation == 2.0
    values = [value for _, value in second.variants]
    np.testing.assert_allclose(values, [3, 4, 5, 6, 7])
    y = controls.to_y(condition, [[1, 0.5, 5.0], [0, 1.0, 6.0]])
    checked = condition.check(y, 2)
    np.testing.assert_array_equal(checked["hand"], [1, 0])
    np.testing.assert_array_equal(checked["place"], [[0.5, 5.0], [1.0, 6.0]])


def test_a_condition_without_controls_raises_an_error():
    features = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()])
    with pytest.raises(ValueError, match="classes or numbers as y. Received: conditions.Image"):
        controls.of(conditions.Image(features))
