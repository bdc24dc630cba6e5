"""Data that `fit` accepts, on every backend, and data that raise an error before training."""

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import evaluation, networks


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.random((70, 6), dtype="float32"), rng.integers(0, 3, 70)


def tiny(condition=3, **options):
    keras.utils.set_random_seed(1)
    model = keras_cvae.build_cvae((6,), condition, 2, network=networks.Dense((8,)), **options)
    model.compile("adam")
    return model


class Pairs(keras.utils.PyDataset):
    def __init__(self, x, y, batch_size):
        super().__init__()
        self.x, self.y, self.batch_size = x, y, batch_size

    def __len__(self):
        return -(-len(self.x) // self.batch_size)

    def __getitem__(self, i):
        rows = slice(i * self.batch_size, (i + 1) * self.batch_size)
        return self.x[rows], self.y[rows]


def tf_dataset(x, y):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(32)


def torch_loader(x, y):
    torch = pytest.importorskip("torch")
    pairs = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
    return torch.utils.data.DataLoader(pairs, batch_size=32)


def generator(x, y):
    while True:
        yield from (Pairs(x, y, 32)[i] for i in range(3))


def one_hot(labels):
    import tensorflow as tf

    return tf.one_hot(labels, 3)


def frame(values):
    return pytest.importorskip("pandas").DataFrame(values)


FORMS = {
    "arrays": lambda x, y: {"x": [x, y]},
    "tuple": lambda x, y: {"x": (x, y)},
    "dict": lambda x, y: {"x": {"image": x, "label": y}},
    "x and y": lambda x, y: {"x": x, "y": y},
    "label column": lambda x, y: {"x": [x, y[:, None]]},
    "int64 and uint8 labels": lambda x, y: {"x": [x, y.astype("uint8")]},
    "lists": lambda x, y: {"x": [x.tolist(), y.tolist()]},
    "one-hot labels": lambda x, y: {"x": [x, np.eye(3)[y]]},
    "the images as targets": lambda x, y: {"x": [x, y], "y": x},
    "tf.data of one-hot labels and targets": lambda x, y: {
        "x": tf_dataset(x, y).map(lambda x, y: ((x, one_hot(y)), x))
    },
    "iterator of batches": lambda x, y: {"x": iter([*Pairs(x, y, 32)] * 2), "steps_per_epoch": 3},
    "a list of labels": lambda x, y: {"x": [x, y.tolist()]},
    "tensors": lambda x, y: {"x": [*map(keras.ops.convert_to_tensor, (x, y))]},
    "DataFrame": lambda x, y: {"x": [frame(x), frame(y)[0]]},
    "DataFrame and column": lambda x, y: {"x": frame(x), "y": frame(y)},
    "tf.data": lambda x, y: {"x": tf_dataset(x, y)},
    "tf.data of dicts": lambda x, y: {
        "x": tf_dataset(x, y).map(lambda x, y: {"image": x, "label": y})
    },
    "PyDataset": lambda x, y: {"x": Pairs(x, y, 32)},
    "DataLoader": lambda x, y: {"x": torch_loader(x, y)},
    "generator": lambda x, y: {"x": generator(x, y), "steps_per_epoch": 3},
}


STREAMS = "tf.data", "PyDataset", "DataLoader", "generator", "iterator"
QUICKLY = {"draws": 1, "verbose": 0, "return_dict": True}
ENDING = [name for name in FORMS if name not in ("generator", "iterator of batches")]


@pytest.fixture(scope="module")
def again():
    """A model, compiled once, and a function that makes it as new: weights, optimizer, seeds."""
    cvae = tiny()
    cvae.optimizer.build(cvae.trainable_variables)
    variables = [*cvae.variables, *cvae.optimizer.variables]
    before = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]

    def renew():
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
        return cvae

    return renew


@pytest.fixture(scope="module")
def expected(again):
    rng = np.random.default_rng(0)
    data = [rng.random((70, 6), dtype="float32"), rng.integers(0, 3, 70)]
    return again().fit(data, batch_size=32, shuffle=False, epochs=2, verbose=0).history


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_data_trains_the_same_model(form, data, again, expected):
    arguments = FORMS[form](*data)
    if not form.startswith(STREAMS):
        arguments["batch_size"] = 32
    history = again().fit(**arguments, shuffle=False, epochs=2, verbose=0).history
    assert set(history) == {"loss", "reconstruction", "kl", "elbo"}
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-4)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.once
@pytest.mark.parametrize("form", ENDING)
def test_every_form_validates_and_evaluates(form, data, again):
    given = FORMS[form](*data)
    validation = given["x"] if "y" not in given else (given["x"], given["y"])
    if "y" not in given and not form.startswith(STREAMS):
        validation = (given["x"], None)
    cvae = again()
    history = cvae.fit(list(data), validation_data=validation, verbose=0).history
    terms = {"loss", "reconstruction", "kl", "elbo"}
    assert set(history) == terms | {f"val_{term}" for term in terms}
    logs = cvae.evaluate(**given, **QUICKLY)
    np.testing.assert_allclose(logs["kl"], history["val_kl"][-1], rtol=1e-5)


AS = {
    "lists": lambda a: a.tolist(),
    "tensors": keras.ops.convert_to_tensor,
    "DataFrames": lambda a: frame(a) if a.ndim > 1 else frame(a)[0],
}


@pytest.mark.once
@pytest.mark.parametrize("kind", AS)
def test_every_method_takes_tensors_lists_and_frames(kind, data, again):
    cvae = again()
    x, y = data[0][:8], data[1][:8].astype("int32")
    other_x, other_y = AS[kind](x), AS[kind](y)
    for name in ("encode", "reconstruct"):
        use = getattr(cvae, name)
        for ours, same in zip(use(other_x, other_y), use(x, y), strict=True):
            np.testing.assert_array_equal(ours, same)
    as_labels = cvae.reconstruct(other_x, other_y, other_y)
    np.testing.assert_array_equal(as_labels, cvae.reconstruct(x, y))
    np.testing.assert_array_equal(cvae.generate(other_y, seed=0), cvae.generate(y, seed=0))
    options = {"samples": 4, "verbose": 0}
    np.testing.assert_array_equal(
        evaluation.log_likelihood(cvae, other_x, other_y, **options),
        evaluation.log_likelihood(cvae, x, y, **options),
    )
    z = cvae.encode(x, y)[0]
    np.testing.assert_array_equal(cvae.decode(AS[kind](z), other_y), cvae.decode(z, y))


@pytest.mark.once
def test_codes_of_a_categorical_are_labels(data, again):
    pandas = pytest.importorskip("pandas")
    x, y = data
    names = pandas.Series(np.array(["cat", "dog", "owl"])[y], dtype="category")
    logs = again().evaluate([x, names.cat.codes], **QUICKLY)
    same = again().evaluate([x, y], **QUICKLY)
    np.testing.assert_allclose(logs["kl"], same["kl"], rtol=1e-6)
    with pytest.raises(ValueError, match="for a pandas categorical, pass its codes"):
        again().fit([x, names.cat.codes.astype("category")], verbose=0)
    for texts in (names, names.array, names.astype(str)):
        with pytest.raises(ValueError, match="classes of this model have no names"):
            again().fit([x, texts], verbose=0)


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
def test_a_plain_vae_takes_images_and_leaves_labels_out(data):
    x, y = data
    vae = tiny(condition=None)
    before = vae.get_weights()
    kl = vae.evaluate(x, **QUICKLY)["kl"]
    for arguments in ({"x": x}, {"x": x, "y": y}, {"x": Pairs(x, y, 32)}, {"x": {"image": x}}):
        logs = vae.evaluate(**arguments, **QUICKLY)
        assert logs["kl"] == pytest.approx(kl, rel=1e-5)
        history = vae.fit(**arguments, verbose=0).history
        assert set(history) == {"loss", "reconstruction", "kl", "elbo"}
        vae.set_weights(before)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.once
def test_predict_takes_pairs_too(data):
    cvae = tiny()
    cvae.get_layer("encoder").get_layer("z_log_var").bias.assign(np.full(2, -60.0))
    expected = cvae.predict(list(data), verbose=0)
    np.testing.assert_allclose(cvae.predict(Pairs(*data, 32), verbose=0), expected, atol=1e-5)


def test_uint8_pixels_as_they_are(data, again):
    x, y = (data[0] * 255).astype("uint8"), data[1]
    ours = again().fit([x, y], epochs=2, shuffle=False, verbose=0).history["loss"]
    scaled = [x / np.float32(255), y]
    expected = again().fit(scaled, epochs=2, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
def test_a_missing_channel_axis_is_added():
    x = np.random.default_rng(0).random((16, 5, 4), dtype="float32")
    vae = keras_cvae.build_cvae((5, 4, 1), network=networks.Dense((4,)))
    vae.compile("adam")
    vae.fit(x, verbose=0)
    assert vae.reconstruct(x).shape == (16, 5, 4, 1)


@pytest.mark.usefixtures("uncompiled")
def test_callbacks_see_every_epoch_and_validation_split_works(data, tmp_path):
    cvae = tiny()
    stop = keras.callbacks.EarlyStopping("val_loss", patience=1)
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    h = cvae.fit(list(data), validation_split=0.3, epochs=3, callbacks=[stop, log], verbose=0)
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert len(rows) == 1 + len(h.epoch)
    assert "val_reconstruction" in rows[0]


def with_value(x, value):
    x = x.copy()
    x[-1, 3] = value
    return x


BAD = {
    "too bright": (lambda x, y: [x * 255, y], r"`x` must be in \[0, 1\].*Received: values"),
    "negative": (lambda x, y: [with_value(x, -0.1), y], r"must be in \[0, 1\].*from -0.1"),
    "NaN": (lambda x, y: [with_value(x, np.nan), y], "must be finite"),
    "infinite": (lambda x, y: [with_value(x, np.inf), y], "must be finite"),
    "integer pixels": (
        lambda x, y: [(x * 300).astype("int32"), y],
        r"must be uint8 \(0 to 255\).*int32 with values from \d+ to 2\d\d",
    ),
    "uint8 zeros and ones": (
        lambda x, y: [(x > 0.5).astype("uint8"), y],
        "pass black and white ones as bool or float",
    ),
    "wrong shape": (lambda x, y: [x[:, :5], y], r"shape \(count, 6\). Received: \(70, 5\)"),
    "no images": (lambda x, y: [x[:0], y[:0]], "at least one image"),
    "large label": (lambda x, y: [x, y + 1], r"must be in -1..2.*Received: values from 1 to 3"),
    "label of -2": (lambda x, y: [x, y - 2], r"must be in -1..2.*from -2"),
    "labels of 2.5": (lambda x, y: [x, y + 0.5], r"must be whole numbers.*Received: [012].5"),
    "soft labels": (
        lambda x, y: [x, 0.8 * np.eye(3)[y] + 0.1],
        "one-hot vectors.*not supported",
    ),
    "no batches": (lambda x, y: iter(()), "must have at least one batch.*an empty stream"),
    "unequal number": (lambda x, y: [x, y[:-1]], r"must be 70 integers.*Received: shape \(69,\)"),
    "no labels": (lambda x, y: x, r"takes \[images, label\], a dict .*Received: image$"),
    "None for labels": (lambda x, y: [x, None], "`label` must not be None: an unknown label is -1"),
    "three": (lambda x, y: [x, y, y], r"Received: image, ndarray of shape \(70,\), ndarray"),
    "images as a list alone": (lambda x, y: x.tolist(), r"list, ... \(70 in all\)"),
    "dict without labels": (lambda x, y: {"image": x}, r"\[images, label\].*Received: image$"),
    "dict with more": (
        lambda x, y: {"image": x, "label": y, "labels": y},
        r"\[images, label\].*Received: image, label, labels",
    ),
    "ragged": (lambda x, y: [[[1.0], [1.0, 0.0]], [0, 1]], "`x` must be an array of numbers"),
    "text": (lambda x, y: [x, np.array(["a", "b", "c"])[y]], "classes of this model have no names"),
    "bad pairs": (lambda x, y: Pairs(x * 255, y, 32), r"must be in \[0, 1\]"),
}


OF_BATCHES = "bad pairs", "no batches"


@pytest.mark.once
@pytest.mark.parametrize("case", BAD)
def test_bad_data_raises_an_error_before_training(case, data, again):
    make, message = BAD[case]
    cvae = again()
    before = cvae.get_weights()
    bad = make(*data)
    for use in (
        lambda: cvae.fit(bad, verbose=0),
        lambda: cvae.evaluate(bad, verbose=0),
        lambda: cvae.fit(
            list(data),
            validation_data=bad if case in OF_BATCHES else (bad, None),
            verbose=0,
        ),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            use()
        assert len(str(caught.value)) < 500
    for ours, unchanged in zip(cvae.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, unchanged)


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
def test_a_gaussian_likelihood_takes_any_finite_pixels(data):
    x, y = data
    history = tiny(likelihood="gaussian").fit([10 * x - 5, y], verbose=0).history
    assert np.isfinite(history["loss"]).all()


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("mode", ["int", "categorical", "binary"])
def test_a_folder_of_images_as_keras_loads_it(mode, tmp_path):
    pytest.importorskip("tensorflow")
    pixels = np.random.default_rng(0).integers(0, 256, (12, 6, 6, 1))
    for index, image in enumerate(pixels):
        keras.utils.save_img(_made(tmp_path / str(index % 2)) / f"{index}.png", image, scale=False)
    load = keras.utils.image_dataset_from_directory
    options = {"color_mode": "grayscale", "image_size": (6, 6), "batch_size": 4, "verbose": False}
    folder = load(tmp_path, label_mode=mode, **options)
    for likelihood in ("bernoulli", "optimal_gaussian") if mode == "int" else ("bernoulli",):
        cvae = keras_cvae.build_cvae(
            (6, 6, 1), 2, 2, network=networks.Dense((8,)), likelihood=likelihood
        )
        cvae.compile("adam")
        history = cvae.fit(folder, validation_data=folder, epochs=2, verbose=0).history
        assert np.isfinite(history["val_loss"]).all()
        assert cvae.predict(folder, verbose=0).shape == (12, 6, 6, 1)
        if likelihood == "bernoulli":
            assert 0 < history["val_reconstruction"][-1] < 36


def _made(folder):
    folder.mkdir(exist_ok=True)
    return folder
