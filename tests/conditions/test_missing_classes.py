"""Warnings about classes without training examples."""

import re

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import conditions, networks
from keras_cvae.conditions import missing_classes

NO_EXAMPLE = "There is no training example of class 0: "
CASES = {
    "-1 and 1": (np.resize([-1, 1], 20), 2, [NO_EXAMPLE, r"-1 and 1, .*pass `\(y \+ 1\) / 2`"]),
    "1 to 3": (np.resize([1, 2, 3], 20), 4, [NO_EXAMPLE, "start at 1: pass `y - 1`, of .*=3"]),
    "1 to 3, some unknown": (np.resize([1, 2, 3, -1], 20), 4, [NO_EXAMPLE, "`y - 1`, of .*=3"]),
    "0 to 2": (np.resize([0, 1, 2], 20), 5, ["class 3 or class 4", "pass `condition=3`"]),
    "a gap": (np.resize([0, 2, 3], 20), 4, ["class 1: .*arbitrary.$"]),
    "a gap at 0": (np.resize([1, 3], 20), 4, ["class 0 or class 2: .*arbitrary.$"]),
    "many": (np.arange(3), 20, [r"class 3, .*class 7, ... \(17 of 20 classes\)"]),
    "one class": (np.ones(20), 2, [NO_EXAMPLE]),
    "one example": (
        np.append(np.resize([0, 1], 50), 2),
        3,
        ["only one training example of class 2; .* 25 on"],
    ),
    "few of each": (np.append(np.resize([0, 1], 30), 2), 3, []),
    "all unknown": (np.full(20, -1), 3, []),
    "none": (np.resize([0, 1, 2], 20), 3, []),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.once
def test_a_sentence_names_classes_and_the_likely_cause(case):
    labels, num_classes, expected = CASES[case]
    counts = missing_classes.count(labels, num_classes)
    assert counts.sum() == len(labels) and counts[-1] == np.sum(labels < 0)
    sentences = missing_classes.describe_missing(counts, [*map(str, range(num_classes))], False)
    assert len(sentences) == bool(expected)
    for message in expected:
        assert re.search(message, sentences[0]), sentences


X = np.random.default_rng(0).random((64, 4), dtype="float32")
Y = np.resize([1, 2, -1, 1], 64)  # no example of class 0
PAIRS = {
    "arrays": lambda y: {"x": X, "y": y},
    "a stream": lambda y: {"x": ((X[:32], part) for part in (y[:32], y[32:]))},
}


@pytest.fixture(scope="module")
def build():
    def build(condition):
        cvae = keras_cvae.build_cvae((4,), condition, 2, network=networks.Dense((4,)))
        cvae.compile("adam")
        return cvae

    return build


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.once
@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_fit_and_generate_warn_of_a_class_without_examples(kind, build, tmp_path):
    cvae = build(["cat", "dog", "owl"])
    cvae.generate(0)  # an untrained model is no matter of classes
    with pytest.warns(UserWarning, match=r"There is no training example of class 0 \('cat'\)"):
        cvae.fit(**PAIRS[kind](Y), verbose=0)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(cvae.condition.seen), [0, 32, 16, 16])
    cvae.save(tmp_path / "cvae.keras")
    for model in (cvae, keras.saving.load_model(tmp_path / "cvae.keras")):
        model.generate(["dog", "owl", None])
        with pytest.warns(UserWarning, match=r"never saw an example of class 0 \('cat'\)"):
            model.generate(["cat", "dog"])
    cvae.fit(X, np.resize([0, 1], 64), verbose=0)  # now it has seen all three


@pytest.mark.once
@pytest.mark.parametrize("condition", [conditions.Inferred(3), conditions.Enumerated(3)])
def test_known_labels_of_an_inferring_condition_are_counted(condition):
    y = np.int32([2, 2, -1, 0])
    logits = np.zeros((4, 3), "float32")
    condition({"label": y, "logits": logits}, training=True)
    condition({"label": y, "logits": logits})
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(condition.seen), [1, 0, 2, 1])
    assert "class 1" in condition.describe_missing()[0]
    assert condition.describe_untrained({"label": np.int32([-1, 0])}) == []
    assert "class 1" in condition.describe_untrained({"label": np.int32([1, 1])})[0]


@pytest.mark.once
def test_warnings_name_the_attribute():
    condition = conditions.Attributes(digit=3, slant=conditions.Vector(1), hand=["left", "right"])
    values = {"digit": [0, 1, 2], "slant": [0.1, 0.2, 0.3], "hand": ["left"] * 3}
    (sentence,) = condition.describe_missing(condition.check(values, 3))
    assert sentence.startswith("`hand`: There is no training example of class 1 ('right')")


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.once
def test_rows_of_validation_split_are_not_counted(build):
    cvae = build(2)
    with pytest.warns(UserWarning, match="There is no training example of class 1"):
        cvae.fit(X, np.arange(64) // 32, validation_split=0.5, verbose=0)


@pytest.mark.once
def test_weights_without_counts_of_examples_are_loaded():
    condition = conditions.Classes(3)
    condition.load_own_variables({"0": np.float32(1)})
    assert condition.has_seen_unknown
    assert condition.describe_untrained({"label": np.int32([0])}) == []
