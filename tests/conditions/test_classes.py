import importlib.util
import json

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import conditions, evaluation, networks
from keras_cvae.copying import copy_of

pytestmark = pytest.mark.usefixtures("uncompiled")


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def test_unknown_labels_are_all_zero():
    one_hot = numpy(conditions.Classes(3)(np.int32([2, -1, 0])))
    np.testing.assert_array_equal(one_hot, [[0, 0, 1], [0, 0, 0], [1, 0, 0]])


@pytest.mark.once
@pytest.mark.parametrize("num_classes", [0, 1, -3, 2.5, "ten", True])
def test_an_invalid_number_of_classes_raises_an_error(num_classes):
    for make in (conditions.get, conditions.Classes):
        with pytest.raises(ValueError, match="`condition` must be a number of classes of at least"):
            make(num_classes)


def test_dropout_hides_its_share_in_training_only():
    labels = np.arange(10_000, dtype="int32") % 10
    layer = conditions.Classes(10, dropout=0.3, seed=0)
    one_hot = np.eye(10, dtype="float32")[labels]
    np.testing.assert_array_equal(numpy(layer(labels)), one_hot)
    assert numpy(layer.seen_unknown) == 0
    dropped = numpy(layer(labels, training=True))
    hidden = ~dropped.any(axis=1)
    assert abs(hidden.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / len(labels))
    np.testing.assert_array_equal(dropped[~hidden], one_hot[~hidden])
    assert numpy(layer.seen_unknown) == 1
    assert not np.array_equal(numpy(layer(labels, training=True)), dropped)


@pytest.mark.once
@pytest.mark.parametrize("kind", [conditions.Inferred, conditions.Enumerated])
def test_dropout_applies_to_known_labels_only(kind):
    with pytest.raises(TypeError, match="dropout"):
        kind(3, dropout=0.1)


@pytest.mark.once
def test_training_notices_unknown_labels():
    layer = conditions.Classes(2)
    layer(np.int32([0, 1]), training=True)
    layer(np.int32([0, -1]))
    assert numpy(layer.seen_unknown) == 0
    layer(np.int32([0, -1]), training=True)
    layer(np.int32([0, 1]), training=True)
    assert numpy(layer.seen_unknown) == 1


@pytest.mark.once
@pytest.mark.parametrize("dropout", [-0.1, 1.1, float("nan"), "often"])
def test_an_invalid_probability_of_dropout_raises_an_error(dropout):
    for make in (lambda **o: conditions.Classes(3, **o), lambda **o: conditions.Vector(3, **o)):
        with pytest.raises(ValueError, match="`dropout` must be a finite number"):
            make(dropout=dropout)


def test_a_model_copies_its_condition():
    ours = conditions.Classes(3, dropout=0.2, seed=4, name="mine")
    ours.seen_unknown.assign(1.0)
    cvae = keras_cvae.build_cvae((6,), ours)
    assert cvae.condition is not ours
    assert cvae.condition.get_config() == {**ours.get_config(), "name": "condition"}
    assert numpy(cvae.condition.seen_unknown) == 1
    assert conditions.get(None) is None
    embedded = conditions.Embedded(3)
    assert conditions.get(embedded) is embedded


def test_decoding_after_training_does_not_hide_labels():
    """Dropout is a matter of training alone: what is given is used."""
    cvae = keras_cvae.build_cvae((6,), conditions.Classes(3, dropout=1.0))
    x = np.random.default_rng(0).random((3, 6), dtype="float32")
    means = cvae.encode(x[[0, 0, 0]], [0, 1, 2])[0]
    assert len(np.unique(means.round(6), axis=0)) == 3


@pytest.mark.parametrize("make", [conditions.Classes, conditions.Inferred])
def test_names_are_saved_with_the_model(make, tmp_path):
    assert make(3).classes == ("0", "1", "2") and not make(3).has_names
    names = "cat", "dog", "emu"
    cvae = keras_cvae.build_cvae((6,), make(3).with_names(names))
    assert cvae.condition.with_names(["a", "b", "c"]).classes == names  # its own win
    cvae.save(tmp_path / "cvae.keras")
    condition = keras.saving.load_model(tmp_path / "cvae.keras").condition
    assert condition.classes == copy_of(condition).classes == names and condition.has_names
    assert json.loads(json.dumps(condition.get_config()))["names"] == list(names)
    vector = conditions.Vector(2)
    assert vector.with_names(names) is vector


def test_a_model_lists_its_classes():
    labels = np.array([2, -1])
    for condition, classes in (["cat", "dog", "emu"], ("cat", "dog", "emu")), (3, ("0", "1", "2")):
        cvae = keras_cvae.build_cvae((2,), condition)
        assert cvae.classes == classes and cvae.num_classes == 3
        assert cvae.y_of_class(labels) is labels
    assert list(conditions.get(["cat", "dog"]).class_of(["dog", None])) == [1, -1]
    for condition in None, conditions.Vector(1), conditions.Attributes(digit=3):
        cvae = keras_cvae.build_cvae((2,), condition)
        assert cvae.classes == () and cvae.num_classes is None
        assert cvae.y_of_class(labels) is None
        assert condition is None or condition.class_of(labels) is None


@pytest.mark.once
@pytest.mark.parametrize(
    "names", [["a"], ["a", "b", "a"], ["a", "b", " "], ["a", "b", 3], "abc", 3]
)
def test_there_is_one_name_for_each_class(names):
    with pytest.raises(ValueError, match="`names` must be a list or tuple of 3 different strings"):
        conditions.Classes(3, names=names)


@pytest.mark.once
def test_a_condition_saved_without_names_is_loaded():
    config = conditions.Classes(3).get_config()
    del config["names"]
    assert conditions.Classes.from_config(config).classes == ("0", "1", "2")


# Names in the place of labels

ANIMALS = ["cat", "dog", "emu"]
NUMBERS = np.int32([2, 0, -1, 1])


def forms():
    """The same labels, as users have them."""
    names = np.array(["emu", "cat", None, "dog"], object)
    yield from (names, names[:, None], names.tolist(), tuple(names), ["emu", 0, -1, "dog"])
    yield np.array(["emu", "cat", -1, "dog"])  # all of them texts
    if importlib.util.find_spec("pandas"):
        import pandas

        series = pandas.Series(names)
        yield from (series, series.astype("category"), series.astype("category").array)
        yield from (series.astype("string"), pandas.Series(NUMBERS, dtype="Int64"))
        yield pandas.Series([2, 0, None, 1], dtype="Int64")


@pytest.mark.once
def test_every_form_of_names_is_converted_to_labels():
    condition = conditions.get(ANIMALS)
    assert condition.classes == tuple(ANIMALS) and condition.num_classes == 3
    for labels in forms():
        found = condition.check(labels, 4)["label"]
        np.testing.assert_array_equal(found, NUMBERS)
        assert found.dtype == np.int32
    np.testing.assert_array_equal(condition.check("dog", 2)["label"], [1, 1])
    inferred = conditions.Inferred(names=ANIMALS)
    np.testing.assert_array_equal(inferred.check(["emu", None], 2)["label"], [2, -1])
    numbers = conditions.Classes(names=["7", "0"]).check(["0", "7", 0], 3)["label"]
    np.testing.assert_array_equal(numbers, [1, 0, 0])  # a text is a name


@pytest.fixture(scope="module")
def named(eagerly):
    """A model of three named classes, trained with names."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).random((16, 6), dtype="float32")
    cvae = keras_cvae.build_cvae((6,), ANIMALS, 2, network=networks.Dense((8,)))
    cvae.compile("adam")
    y = np.resize(["cat", "dog", "emu", None], 16)
    data = ([x, y.tolist()], None)
    with eagerly():
        cvae.fit(x, y, validation_data=data, class_weight={"dog": 2.0}, verbose=0)
    return cvae, x, y


@pytest.mark.once
def test_every_method_takes_names(named):
    cvae, x, y = named
    labels = cvae.condition.check(y, 16)["label"]

    def uses(y, one, some):
        yield from cvae.encode(x, y)
        yield cvae.decode(np.zeros((2, 2, 2)), some)
        yield cvae.reconstruct(x, one, as_y=some[1][0])
        yield cvae.generate(some[0], seed=0)
        yield cvae.generate(one, count=2, seed=0)
        yield evaluation.log_likelihood(cvae, x, y, samples=2, verbose=0)
        yield np.array([evaluation.label_effect(cvae, x, y)])

    by_name = uses(y, "emu", [["emu", "dog"], ["cat", "cat"]])
    by_number = uses(labels, 2, [[2, 1], [0, 0]])
    for ours, expected in zip(by_name, by_number, strict=True):
        np.testing.assert_array_equal(ours, expected)
    weights = cvae.condition.class_weights({"emu": 3.0, 0: 0.5})
    np.testing.assert_array_equal(weights, np.float32([0.5, 1, 3, 1]))


@pytest.mark.once
def test_an_unknown_name_raises_an_error(named):
    cvae, x, y = named
    message = (
        "names of classes, which are 'cat', 'dog', 'emu'. Did you mean 'emu'. Received: 'Emus'"
    )
    for use in (
        lambda: cvae.generate("Emus"),
        lambda: cvae.encode(x, ["Emus"] * 16),
        lambda: cvae.fit([x, np.where(y == "emu", "Emus", "cat")], verbose=0),
    ):
        with pytest.raises(ValueError, match=message):
            use()
    with pytest.raises(ValueError, match="`as_y` must be integers, .*'emu'. Received: 1.5"):
        cvae.reconstruct(x, "cat", as_y=["cat", 1.5])
    with pytest.raises(ValueError, match="classes of this model have no names.*Received: 'cat'"):
        conditions.Classes(3).check("cat", 2)
    with pytest.raises(ValueError, match=r"'c19', ... \(30 in all\)"):
        conditions.get([f"c{i}" for i in range(30)]).check(["dog"], 1)
    with pytest.raises(ValueError, match="`class_weight` must be.* Received: 'bird'"):
        cvae.fit([x, y], class_weight={"bird": 2.0}, verbose=0)


@pytest.mark.once
@pytest.mark.parametrize(
    "build",
    [
        lambda: conditions.Classes(3),
        lambda: conditions.Inferred(3),
        lambda: conditions.Attributes(kind=conditions.Classes(3)),
    ],
)
def test_training_without_labels_warns(build):
    cvae = keras_cvae.build_cvae((6,), build(), 2)
    cvae.compile("adam")
    with pytest.warns(UserWarning, match="All labels are unknown.*labels have no meaning"):
        cvae.fit([np.zeros((4, 6)), np.full(4, -1)], verbose=0)


@pytest.mark.once
def test_numbers_as_texts_and_as_objects():
    """As OpenML has the labels of MNIST."""
    pandas = pytest.importorskip("pandas")
    texts = np.array(["2", "0", "-1", "1"])
    kinds = texts, texts.tolist(), texts.astype(object), pandas.Series(texts, dtype="category")
    for y in (*kinds, texts.astype("int").astype(object), np.array([2, 0, None, 1.0], object)):
        np.testing.assert_array_equal(conditions.Classes(3).check(y, 4)["label"], [2, 0, -1, 1])
    with pytest.raises(ValueError, match="in -1..2.*Received: values from 3 to 3"):
        conditions.Classes(3).check(["3"], 1)
    with pytest.raises(ValueError, match="`y` must be integers.*Received: 2.5"):
        conditions.Classes(3).check(np.array([2.5, 1], object), 2)


@pytest.mark.once
def test_names_in_a_stream_raise_an_error(named):
    cvae, x, y = named
    batches = [(x[:8], y[:8].astype(str)), (x[8:], y[8:].astype(str))]
    with pytest.raises(ValueError, match="`label` must be numbers in a stream: names of classes"):
        cvae.fit((batch for batch in batches), verbose=0)
