"""Weights of examples: the loss and its terms are the mean over the batch of weight times term."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_cvae
from keras_cvae import conditions, divergences, networks

COUNT, BATCH = 90, 32  # two whole batches and a partial one
RNG = np.random.default_rng(0)
X = RNG.random((COUNT, 6), dtype="float32")
Y = RNG.integers(0, 3, COUNT).astype("int32")
W = RNG.uniform(0, 3, COUNT).astype("float32")


def build(steps="auto", condition=3):
    """A model without noise: the posterior's variance is exp(-60)."""
    keras.utils.set_random_seed(1)
    cvae = keras_cvae.build_cvae((6,), condition, 2, network=networks.Dense((8,)))
    head = cvae.get_layer("encoder").get_layer("z_log_var")
    head.set_weights([np.zeros_like(head.get_weights()[0]), np.full(2, -60.0)])
    head.trainable = False
    cvae.compile(keras.optimizers.SGD(0.1), steps_per_execution=steps)
    return cvae


def weights_after_training(cvae):
    return [np.array(keras.ops.convert_to_numpy(w)) for w in cvae.trainable_weights]


def compiled_by_keras(cvae):
    """The same layers, each term of every example an output with a loss that Keras compiles."""
    image, label = cvae.inputs
    y = ops.one_hot(label, 3)
    mean, log_var = cvae.get_layer("encoder")([image, y])
    logits = cvae.get_layer("decoder")([mean, y])
    nll = -ops.sum(image * logits - ops.softplus(logits), axis=-1, keepdims=True)
    kl = divergences.normal_kl(mean, log_var)[:, None]
    model = keras.Model([image, label], {"kl": kl, "reconstruction": nll})
    of_itself = {name: lambda y_true, y_pred: y_pred[:, 0] for name in ("kl", "reconstruction")}
    model.compile(keras.optimizers.SGD(0.1), loss=of_itself)
    return model


def as_keras(**weights):
    zeros = {"kl": np.zeros((COUNT, 1)), "reconstruction": np.zeros((COUNT, 1))}
    weights = {name: {"kl": w, "reconstruction": w} for name, w in weights.items()}
    return {"x": [X, Y], "y": zeros, "batch_size": BATCH, "verbose": 0, **weights}


class Pairs(keras.utils.PyDataset):
    """Batches in any of the forms that Keras takes them in."""

    def __init__(self, form):
        super().__init__()
        self.form = form

    def __len__(self):
        return -(-COUNT // BATCH)

    def __getitem__(self, i):
        rows = slice(i * BATCH, (i + 1) * BATCH)
        return self.form(X[rows], Y[rows], W[rows])


def generator():
    pairs = Pairs(lambda x, y, w: (x, y, w))
    return (pairs[i] for i in range(len(pairs)))


STREAMS = {
    "pairs": lambda: Pairs(lambda x, y, w: (x, y, w)),
    "no targets": lambda: Pairs(lambda x, y, w: ([x, y], None, w)),
    "by name": lambda: Pairs(lambda x, y, w: {"image": x, "label": y, "sample_weight": w}),
    "generator": generator,
}


def assert_terms(ours, expected):
    assert expected.keys() == ours.keys()
    for name, value in ours.items():
        assert value == pytest.approx(expected[name], rel=1e-6), name


@pytest.fixture(scope="module")
def expected():
    """The loss as Keras has it. Its averages of single terms count a partial batch in full."""
    model = compiled_by_keras(build())
    loss = model.evaluate(**as_keras(sample_weight=W), return_dict=True)["loss"]
    terms = model.predict([X, Y], verbose=0)
    means = {k: np.mean(W * np.float64(v[:, 0])) for k, v in terms.items()}
    return {"loss": loss, **means, "elbo": -sum(means.values())}


@pytest.mark.parametrize("steps", ["auto", 1])
def test_sample_weights_act_as_for_a_compiled_loss(steps, expected):
    cvae = build(steps)
    options = {"batch_size": BATCH, "verbose": 0, "return_dict": True}
    for given in (
        {"x": [X, Y], "sample_weight": W},
        {"x": X, "y": Y, "sample_weight": W.tolist()},
        {"x": {"image": X, "label": Y, "sample_weight": W}},
    ):
        assert_terms(cvae.evaluate(**given, **options), expected)
    plain = cvae.evaluate([X, Y], **options)
    assert abs(plain["loss"] / expected["loss"] - 1) > 0.1


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("form", STREAMS)
def test_sample_weights_of_streams(form, expected):
    if form == "no targets" and keras.backend.backend() == "tensorflow":
        pytest.skip("Keras on TensorFlow takes no None in a stream")
    assert_terms(build().evaluate(STREAMS[form](), verbose=0, return_dict=True), expected)


def test_sample_weights_of_a_tf_data_set(expected):
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices((X, Y, W)).batch(BATCH)
    assert_terms(build().evaluate(data, verbose=0, return_dict=True), expected)


@pytest.mark.parametrize(
    ("kind", "steps"),
    [("sample_weight", 1), ("class_weight", "auto"), ("both", "auto"), ("stream", "auto")],
)
def test_training_with_weights_takes_the_steps_of_a_compiled_loss(kind, steps, eagerly):
    class_weight = {0: 0.5, 2: 3.0}
    of_class = np.float32([0.5, 1.0, 3.0])[Y]
    weights = {"class_weight": of_class, "both": W * of_class}.get(kind, W)
    ours = build(steps)
    theirs = compiled_by_keras(reference := build(steps))
    with eagerly():
        theirs.fit(**as_keras(sample_weight=weights), shuffle=False)
        expected = theirs.evaluate(**as_keras(sample_weight=W), return_dict=True)["loss"]
    given = {"x": [X, Y], "batch_size": BATCH, "shuffle": False}
    if kind == "stream":
        given = {"x": STREAMS["pairs"](), "shuffle": False}
    elif kind != "class_weight":
        given["sample_weight"] = W
    if kind in ("class_weight", "both"):
        given["class_weight"] = class_weight
    history = ours.fit(**given, verbose=0, validation_data=([X, Y], None, W)).history
    for one, other in zip(
        weights_after_training(ours), weights_after_training(reference), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    # Class weights are for training alone.
    assert history["val_loss"][0] == pytest.approx(expected, rel=1e-5)


def test_class_weights_may_change_between_fits_and_apply_to_streams():
    ends = []
    for class_weight in ({0: 0.0, 1: 0.0, 2: 0.0}, {0: 2.0, 1: 2.0, 2: 2.0}, None):
        cvae = build() if not ends else ends[-1][0]
        before = weights_after_training(cvae)
        history = cvae.fit(
            STREAMS["pairs"](), class_weight=class_weight, verbose=0, shuffle=False
        ).history
        moved = max(
            np.abs(a - b).max() for a, b in zip(before, weights_after_training(cvae), strict=True)
        )
        ends.append((cvae, history["loss"][0], moved))
    assert ends[0][1] == 0 and ends[0][2] == 0
    assert ends[1][1] > 0 and ends[1][2] > 0
    assert ends[2][1] > 0


@pytest.mark.usefixtures("uncompiled")
def test_weights_apply_to_every_term_and_to_metrics():
    condition = conditions.Inferred(3, weight=5.0)
    cvae = keras_cvae.build_cvae((6,), condition, 2, network=networks.Dense((8,)))
    cvae.compile("sgd", metrics=["mae"])
    quickly = {"draws": 1, "verbose": 0, "return_dict": True}
    once = cvae.evaluate([X, Y], sample_weight=np.ones(COUNT), **quickly)
    none = cvae.evaluate([X, Y], sample_weight=np.zeros(COUNT), **quickly)
    assert set(once) == {"loss", "kl", "reconstruction", "classification", "elbo", "mae"}
    assert all(value > 0 for name, value in once.items() if name != "elbo")
    assert all(value == 0 for value in none.values())


def test_a_loss_layer_alone_adds_its_own_mean():
    mean, log_var = RNG.normal(size=(2, 5, 3)).astype("float32")
    layer = keras_cvae.KLDivergence(beta=0.5)
    layer([mean, log_var])
    (loss,) = layer.losses
    expected = 0.5 * keras.ops.convert_to_numpy(divergences.normal_kl(mean, log_var)).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-6)


@pytest.mark.once
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"sample_weight": W[:-1]}, r"`sample_weight` must be 90 numbers.*shape \(89,\)"),
        ({"sample_weight": -W}, "`sample_weight` must be finite and at least 0"),
        ({"sample_weight": np.full(COUNT, np.nan)}, "`sample_weight` must be finite"),
        ({"class_weight": {3: 1.0}}, r"`class_weight` must be a dict from labels in 0..2.*\[3\]"),
        ({"class_weight": [1.0, 2.0, 3.0]}, "`class_weight` must be a dict.*list"),
        ({"class_weight": {0: -1.0}}, "finite weights of at least 0"),
    ],
)
def test_bad_weights_raise_an_error(weights, message):
    with pytest.raises(ValueError, match=message):
        build().fit([X, Y], **weights, verbose=0)


@pytest.mark.once
def test_weights_that_are_not_supported():
    with pytest.raises(ValueError, match="third element of each batch"):
        build().fit(STREAMS["pairs"](), sample_weight=W, verbose=0)
    plain = keras_cvae.build_cvae((6,))
    plain.compile("sgd")
    with pytest.raises(ValueError, match="`class_weight` needs a condition of classes"):
        plain.fit(X, class_weight={0: 1.0}, verbose=0)
