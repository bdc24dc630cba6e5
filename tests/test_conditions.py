import keras
import numpy as np
import pytest

from keras_cvae import conditions


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def test_unknown_labels_are_all_zero():
    one_hot = numpy(conditions.Classes(3)(np.int32([2, -1, 0])))
    np.testing.assert_array_equal(one_hot, [[0, 0, 1], [0, 0, 0], [1, 0, 0]])


@pytest.mark.parametrize("num_classes", [0, 1, -3, 2.5, "ten", True])
def test_classes_refuses_what_is_no_number_of_classes(num_classes):
    with pytest.raises(ValueError, match="`condition` must be a number of classes of at least 2"):
        conditions.get(num_classes)


def test_label_dropout_hides_its_share_in_training_alone():
    labels = np.arange(10_000, dtype="int32") % 10
    layer = conditions.LabelDropout(0.3, seed=0)
    np.testing.assert_array_equal(numpy(layer(labels)), labels)
    assert numpy(layer.seen_unknown) == 0
    dropped = numpy(layer(labels, training=True))
    hidden = dropped == -1
    assert abs(hidden.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / len(labels))
    np.testing.assert_array_equal(dropped[~hidden], labels[~hidden])
    assert numpy(layer.seen_unknown) == 1
    assert not np.array_equal(numpy(layer(labels, training=True)), dropped)


def test_label_dropout_notices_unknown_labels_in_the_data():
    layer = conditions.LabelDropout(0.0)
    layer(np.int32([0, 1]), training=True)
    assert numpy(layer.seen_unknown) == 0
    layer(np.int32([0, -1]), training=True)
    layer(np.int32([0, 1]), training=True)
    assert numpy(layer.seen_unknown) == 1


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), "often"])
def test_label_dropout_refuses_what_is_no_probability(rate):
    with pytest.raises(ValueError, match=r"`label_dropout` must be in \[0, 1\]"):
        conditions.LabelDropout(rate)
