"""Several named conditions, each of which may be unknown."""

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import conditions, networks

pytestmark = pytest.mark.usefixtures("uncompiled")
nan = np.nan


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def tiny(dropout=0.0):
    keras.utils.set_random_seed(0)
    condition = conditions.Attributes(
        digit=conditions.Classes(4, dropout=dropout), slant=conditions.Vector(1, dropout=dropout)
    )
    cvae = keras_cvae.build_cvae((6,), condition, 2, network=networks.Dense((8,)))
    cvae.compile("adam")
    return cvae


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.random((64, 6), dtype="float32")
    return x, {"digit": rng.integers(0, 4, 64), "slant": rng.normal(5, 3, 64).astype("float32")}


@pytest.fixture(scope="module")
def cvae(data, eagerly):
    """Trained with both attributes hidden now and then."""
    x, values = data
    cvae = tiny(dropout=0.3)
    with eagerly():
        cvae.fit({"image": x, **values}, epochs=3, verbose=0)
    return cvae


def test_y_is_the_attributes_end_to_end():
    condition = conditions.Attributes(
        digit=2, slant=conditions.Vector(1, mean=1.0, variance=4.0), hue=3
    )
    assert list(condition.inputs()) == ["digit", "slant", "hue"]
    assert condition.width == 2 + 2 + 3
    y = condition(
        {
            "hue": np.int32([2, -1, 0]),
            "digit": np.int32([1, 0, -1]),
            "slant": np.float32([[3], [nan], [1]]),
        }
    )
    expected = [[0, 1, 1, 1, 0, 0, 1], [1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0, 0]]
    np.testing.assert_allclose(numpy(y), expected)


def test_each_attribute_has_its_own_dropout():
    condition = conditions.Attributes(
        digit=conditions.Classes(2, dropout=1.0), hue=conditions.Classes(2), name="both"
    )
    assert condition.name == "both"
    values = {"digit": np.int32([0, 1]), "hue": np.int32([0, 1])}
    np.testing.assert_array_equal(
        numpy(condition(values, training=True)), [[0, 0, 1, 0], [0, 0, 0, 1]]
    )
    np.testing.assert_array_equal(numpy(condition(values)), [[1, 0, 1, 0], [0, 1, 0, 1]])
    seen = {name: numpy(part.seen_unknown) for name, part in condition.attributes.items()}
    assert seen == {"digit": 1, "hue": 0}


class Pairs(keras.utils.PyDataset):
    def __init__(self, x, values):
        super().__init__()
        self.x, self.values = x, values

    def __len__(self):
        return 2

    def __getitem__(self, i):
        rows = slice(32 * i, 32 * i + 32)
        return self.x[rows], {name: value[rows] for name, value in self.values.items()}


def as_column(values):
    return {**values, "slant": values["slant"][:, None]}


FORMS = {
    "a dict of all": lambda x, values: {"x": {"image": x, **values}},
    "images and a dict": lambda x, values: {"x": [x, values]},
    "a dict as y": lambda x, values: {"x": x, "y": values},
    "in the order of the inputs": lambda x, values: {"x": [x, *values.values()]},
    "pairs of a stream": lambda x, values: {"x": Pairs(x, as_column(values))},
}


def test_every_form_of_the_same_data_is_the_same(cvae, data):
    expected = None
    for form, make in FORMS.items():
        logs = cvae.evaluate(**make(*data), draws=1, verbose=0, return_dict=True)
        expected = expected or logs
        np.testing.assert_allclose(logs["kl"], expected["kl"], rtol=1e-5, err_msg=form)


def test_pairs_of_a_stream_train(data):
    x, values = data
    cvae = tiny()
    stream = Pairs(x, as_column(values))
    history = cvae.fit(stream, validation_data=([x, values], None), verbose=0).history
    assert np.isfinite(history["loss"]).all() and np.isfinite(history["val_loss"]).all()


def test_the_first_fit_adapts_the_vectors(cvae, data):
    slant = cvae.condition.attributes["slant"]
    np.testing.assert_allclose(numpy(slant.mean), [data[1]["slant"].mean()], rtol=1e-5)
    np.testing.assert_allclose(numpy(slant.variance), [data[1]["slant"].var()], rtol=1e-4)


def test_generate_with_some_attributes_unknown(cvae):
    assert cvae.input_names == ["image", "digit", "slant"]
    digits = cvae.generate({"digit": 3}, count=4, seed=0)
    assert digits.shape == (4, 6)
    np.testing.assert_array_equal(digits, cvae.generate({"digit": [3] * 4, "slant": None}, seed=0))
    np.testing.assert_array_equal(
        digits, cvae.generate({"digit": 3, "slant": nan}, count=4, seed=0)
    )
    for other in (None, {"digit": 2}, {"digit": 3, "slant": 9.0}):
        assert np.abs(digits - cvae.generate(other, count=4, seed=0)).max() > 1e-4
    assert cvae.generate({"slant": [1.0, 5.0, 9.0]}).shape == (3, 6)
    path = {"digit": 3, "slant": np.linspace(-1, 1, 12).reshape(3, 4)}
    assert cvae.decode(np.zeros((3, 4, 2)), path).shape == (3, 4, 6)


def test_encode_and_reconstruct_take_the_dict(cvae, data):
    x, values = data
    z_mean, _ = cvae.encode(x, values)
    assert z_mean.shape == (64, 2)
    assert np.abs(z_mean - cvae.encode(x)[0]).max() > 1e-3
    swapped = cvae.reconstruct(x, values, as_y={"digit": 1, "slant": 5.0})
    np.testing.assert_allclose(swapped, cvae.decode(z_mean, {"digit": 1, "slant": 5.0}), atol=1e-6)


def test_saving_and_loading(cvae, data, tmp_path):
    x, values = data
    cvae.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    assert list(loaded.condition.attributes) == ["digit", "slant"]
    np.testing.assert_allclose(
        loaded.reconstruct(x, values), cvae.reconstruct(x, values), atol=1e-6
    )
    assert [type(part) for part in loaded.condition.attributes.values()] == [
        conditions.Classes,
        conditions.Vector,
    ]


@pytest.mark.once
def test_an_attribute_that_was_never_unknown_warns(data):
    x, values = data
    cvae = tiny()
    values = {**values, "digit": np.where(values["digit"] == 0, -1, values["digit"])}
    cvae.fit([x, values], verbose=0)
    cvae.generate({"slant": 5.0})  # without a warning
    with pytest.warns(UserWarning, match="never saw an image without its label"):
        cvae.generate({"digit": 3})


WRONG = {
    "a wrong name": (lambda v: v.generate({"digits": 3}), "a dict of digit, slant.*'digits'"),
    "a label alone": (lambda v: v.generate(3), "a dict of digit, slant.*Received: int"),
    "a large digit": (lambda v: v.generate({"digit": 4}), r"`y\['digit'\]` must be in -1..3"),
    "lengths": (lambda v: v.generate({"digit": [1, 2], "slant": [1.0]}), r"\(2, 1\)"),
    "fit": (
        lambda v: v.fit({"image": np.ones((4, 6)), "digit": np.zeros(4, int), "slnt": np.ones(4)}),
        "takes .images, digit, slant.*slnt",
    ),
    "fit without one": (
        lambda v: v.fit([np.ones((4, 6)), {"digit": np.zeros(4, int)}]),
        "takes .images, digit, slant",
    ),
}


@pytest.mark.once
@pytest.mark.parametrize("case", WRONG)
def test_wrong_names_and_values_raise_an_error(case, cvae):
    use, message = WRONG[case]
    with pytest.raises(ValueError, match=message) as caught:
        use(cvae)
    assert len(str(caught.value)) < 500


def test_each_attribute_has_its_names_and_unknown_values(data):
    x, values = data
    condition = conditions.Attributes(sex=["F", "M"], age=conditions.Vector(1))
    cvae = keras_cvae.build_cvae((6,), condition, 2, network=networks.Dense((8,)))
    cvae.compile("adam")
    sexes = np.array(["F", "M", None], object)[values["digit"] % 3]
    ages = [None, *values["slant"][1:]]
    cvae.fit({"image": x, "sex": sexes, "age": ages}, verbose=0)
    drawn = cvae.generate({"sex": "F", "age": 40}, seed=0)
    np.testing.assert_array_equal(drawn, cvae.generate({"sex": 0, "age": [40.0]}, seed=0))
    for unknown in ({"sex": None, "age": 40}, {"sex": ["F"], "age": [None]}):
        assert np.abs(drawn - cvae.generate(unknown, seed=0)).max() > 1e-5
    with pytest.raises(ValueError, match=r"`y\['sex'\]` must be.*'F', 'M'.*Received: 'X'"):
        cvae.generate({"sex": "X"})


@pytest.mark.once
@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, "must have attributes by name"),
        ({"image": 3}, "other than those of the model's layers.*`my_image`. Received: image"),
        ({"binarize": 3, "b": 2, "kl_2": 2}, "Received: binarize, kl_2"),
        ({"dtype": 3}, "Received: dtype"),
        ({"digit": ["ten"]}, "`condition` must be a number of classes of at least 2, a list"),
        ({"digit": "ten"}, "`condition` must be a number of classes"),
        ({"digit": conditions.Inferred(3)}, "`digit` must be a condition of one input"),
        (
            {"both": conditions.Attributes(digit=3, hue=2)},
            "`both` must be a condition of one",
        ),
    ],
)
def test_invalid_attributes_raise_an_error(attributes, message):
    with pytest.raises(ValueError, match=message):
        conditions.Attributes(**attributes)


@pytest.mark.once
def test_one_attribute_alone(data):
    x, values = data
    given = {"digit": values["digit"]}
    condition = conditions.Attributes(digit=4)
    cvae = keras_cvae.build_cvae((6,), condition, 2, network=networks.Dense((8,)))
    cvae.compile("adam")
    cvae.fit(x, given, verbose=0)
    cvae.fit_prior(x, given)
    images = cvae.reconstruct(x[:2], {"digit": [1, 2]})
    assert cvae.generate({"digit": 3}, count=2).shape == images.shape == (2, 6)
