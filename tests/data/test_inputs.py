"""What fit accepts, on every backend, and what it refuses before training begins."""

import keras
import numpy as np
import pytest

import keras_cvae


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.random((70, 6), dtype="float32"), rng.integers(0, 3, 70)


def tiny(condition=3, **options):
    keras.utils.set_random_seed(1)
    model = keras_cvae.build_cvae((6,), condition, 2, hidden_units=(8,), **options)
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


FORMS = {
    "arrays": lambda x, y: {"x": [x, y]},
    "tuple": lambda x, y: {"x": (x, y)},
    "dict": lambda x, y: {"x": {"image": x, "label": y}},
    "x and y": lambda x, y: {"x": x, "y": y},
    "label column": lambda x, y: {"x": [x, y[:, None]]},
    "int64 and uint8 labels": lambda x, y: {"x": [x, y.astype("uint8")]},
    "tf.data": lambda x, y: {"x": tf_dataset(x, y)},
    "tf.data of dicts": lambda x, y: {
        "x": tf_dataset(x, y).map(lambda x, y: {"image": x, "label": y})
    },
    "PyDataset": lambda x, y: {"x": Pairs(x, y, 32)},
    "DataLoader": lambda x, y: {"x": torch_loader(x, y)},
    "generator": lambda x, y: {"x": generator(x, y), "steps_per_epoch": 3},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_data_trains_the_same_model(form, data):
    expected = tiny().fit(list(data), batch_size=32, shuffle=False, epochs=2, verbose=0).history
    cvae = tiny()
    arguments = FORMS[form](*data)
    if isinstance(arguments["x"], (list, tuple, dict, np.ndarray)):
        arguments["batch_size"] = 32
    history = cvae.fit(**arguments, shuffle=False, epochs=2, verbose=0).history
    assert set(history) == {"loss", "reconstruction", "kl"}
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-4)


@pytest.mark.parametrize("form", [name for name in FORMS if name != "generator"])
def test_every_form_validates_and_evaluates(form, data):
    given = FORMS[form](*data)
    validation = given["x"] if "y" not in given else (given["x"], given["y"])
    if form in ("arrays", "tuple", "label column", "int64 and uint8 labels", "dict"):
        validation = (given["x"], None)
    cvae = tiny()
    history = cvae.fit(list(data), validation_data=validation, epochs=2, verbose=0).history
    terms = {"loss", "reconstruction", "kl"}
    assert set(history) == terms | {f"val_{term}" for term in terms}
    logs = cvae.evaluate(**given, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["kl"], history["val_kl"][-1], rtol=1e-5)


def test_a_plain_vae_takes_images_and_leaves_labels_out(data):
    x, y = data
    for arguments in ({"x": x}, {"x": x, "y": y}, {"x": Pairs(x, y, 32)}, {"x": {"image": x}}):
        history = tiny(condition=None).fit(**arguments, verbose=0).history
        assert set(history) == {"loss", "reconstruction", "kl"}


def test_predict_takes_pairs_too(data):
    cvae = tiny()
    cvae.get_layer("encoder").get_layer("z_log_var").bias.assign(np.full(2, -60.0))
    expected = cvae.predict(list(data), verbose=0)
    np.testing.assert_allclose(cvae.predict(Pairs(*data, 32), verbose=0), expected, atol=1e-5)


def test_uint8_pixels_as_they_are(data):
    x, y = (data[0] * 255).astype("uint8"), data[1]
    ours = tiny().fit([x, y], epochs=2, shuffle=False, verbose=0).history["loss"]
    scaled = [x / np.float32(255), y]
    expected = tiny().fit(scaled, epochs=2, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_a_missing_channel_axis_is_added():
    x = np.random.default_rng(0).random((16, 5, 4), dtype="float32")
    vae = keras_cvae.build_cvae((5, 4, 1), hidden_units=(4,))
    vae.compile("adam")
    vae.fit(x, verbose=0)
    assert vae.reconstruct(x).shape == (16, 5, 4, 1)


def test_callbacks_see_every_epoch_and_validation_split_works(data, tmp_path):
    cvae = tiny()
    stop = keras.callbacks.EarlyStopping("val_loss", patience=1)
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    h = cvae.fit(list(data), validation_split=0.3, epochs=3, callbacks=[stop, log], verbose=0)
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert len(rows) == 1 + len(h.epoch)
    assert "val_reconstruction" in rows[0]


def spoiled(x, value):
    x = x.copy()
    x[-1, 3] = value
    return x


BAD = {
    "too bright": (lambda x, y: [x * 255, y], r"`images` must be in \[0, 1\].*Received: values"),
    "negative": (lambda x, y: [spoiled(x, -0.1), y], r"must be in \[0, 1\].*from -0.1"),
    "NaN": (lambda x, y: [spoiled(x, np.nan), y], "must be finite"),
    "infinite": (lambda x, y: [spoiled(x, np.inf), y], "must be finite"),
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
    "float labels": (lambda x, y: [x, y.astype("float32")], "integers.*Received: dtype float32"),
    "one-hot": (lambda x, y: [x, np.eye(3)[y]], r"not one-hot vectors; take numpy.argmax"),
    "unequal number": (lambda x, y: [x, y[:-1]], r"must be 70 integers.*Received: shape \(69,\)"),
    "no labels": (lambda x, y: x, r"takes \[images, labels\].*Received: 1 of them"),
    "three": (lambda x, y: [x, y, y], "Received: 3 of them"),
    "dict without labels": (lambda x, y: {"image": x}, r"must hold \['image', 'label'\]"),
    "bad pairs": (lambda x, y: Pairs(x * 255, y, 32), r"must be in \[0, 1\]"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_is_refused_before_training(case, data):
    make, message = BAD[case]
    cvae = tiny()
    before = cvae.get_weights()
    with pytest.raises(ValueError, match=message):
        cvae.fit(make(*data), verbose=0)
    with pytest.raises(ValueError, match=message):
        cvae.evaluate(make(*data), verbose=0)
    bad = make(*data)
    validation = bad if case == "bad pairs" else (bad, None)
    with pytest.raises(ValueError, match=message):
        cvae.fit(list(data), validation_data=validation, verbose=0)
    for ours, unchanged in zip(cvae.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, unchanged)


def test_targets_beside_image_and_label_are_refused(data):
    x, y = data
    with pytest.raises(ValueError, match="no other targets"):
        tiny().fit([x, y], x)


@pytest.mark.parametrize(
    "weights", [{"sample_weight": np.ones(70)}, {"class_weight": {0: 1.0, 1: 2.0, 2: 1.0}}]
)
def test_weights_are_refused_with_words(weights, data):
    (name,) = weights
    with pytest.raises(ValueError, match=f"`{name}` is not supported"):
        tiny().fit(list(data), **weights)


def test_weights_in_a_stream_or_in_validation_data_are_refused(data):
    x, y = data
    w = np.ones(70)

    class Triples(Pairs):
        def __getitem__(self, i):
            return (*super().__getitem__(i), np.ones(32))

    for arguments in (
        {"x": Triples(x, y, 32)},
        {"x": [x, y], "validation_data": ([x, y], None, w)},
        {"x": [x, y], "validation_data": Triples(x, y, 32)},
    ):
        with pytest.raises(ValueError, match="`sample_weight` is not supported"):
            tiny().fit(**arguments, verbose=0)


def test_a_gaussian_likelihood_takes_any_finite_pixels(data):
    x, y = data
    history = tiny(likelihood="gaussian").fit([10 * x - 5, y], verbose=0).history
    assert np.isfinite(history["loss"]).all()
