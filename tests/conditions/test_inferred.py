"""A model that predicts the label it is conditioned on."""

import warnings

import keras
import numpy as np
import pytest
from scipy import special

import keras_cvae
from keras_cvae import conditions, evaluation, layers, networks, objectives


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def test_classification_loss_is_the_cross_entropy_of_labelled_examples():
    logits = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    labels = np.int32([2, -1, 0, 1])
    layer = layers.ClassificationLoss(weight=10.0)
    np.testing.assert_array_equal(numpy(layer([labels, logits])), logits)
    log_q = special.log_softmax(np.float64(logits), axis=-1)
    expected = -(log_q[0, 2] + log_q[2, 0] + log_q[3, 1]) / 3
    (loss,) = map(numpy, layer.losses)
    np.testing.assert_allclose(loss, 10 * expected, rtol=1e-6)
    layer([np.full(4, -1, "int32"), logits])
    assert numpy(layer.losses[0]) == 0


def test_gumbel_softmax_samples_the_logits_with_the_gradient_of_the_relaxation(gradient):
    logits = np.tile(np.float32([[0.0, 1.0, 2.0]]), (20_000, 1))
    draws = numpy(layers.GumbelSoftmax(0.5, seed=0)(logits, training=True))
    np.testing.assert_allclose(draws.max(-1), 1, atol=1e-6)
    p = special.softmax([0, 1, 2])
    assert np.abs(draws.mean(0) - p).max() < 4 * np.sqrt(0.25 / len(draws))
    np.testing.assert_allclose(numpy(layers.GumbelSoftmax()(logits))[:5], [[0, 0, 1]] * 5)

    weights, one = np.float32([[1.0, -2.0, 0.5]]), np.float32([[0.3, -0.2, 0.1]])
    layer = layers.GumbelSoftmax(temperature=0.7)
    (slope,) = gradient(lambda lg: keras.ops.sum(keras.ops.multiply(layer(lg), weights)), one)
    s = special.softmax(one / 0.7)
    expected = s * (weights - (s * weights).sum()) / 0.7
    np.testing.assert_allclose(slope, expected, rtol=1e-5)


@pytest.fixture(scope="module", params=[False, True], ids=["decoder", "encoder too"])
def model(digits, request):
    keras.utils.set_random_seed(0)
    model = keras_cvae.build_cvae(
        (8, 8, 1),
        conditions.Inferred(10, weight=10.0, encoder=request.param),
        8,
        network=networks.Dense((64,)),
        binarize="threshold",
    )
    model.compile(keras.optimizers.Adam(3e-3))
    labels = digits.y_train.copy()
    labels[::2] = -1  # half of them unknown
    model.history_ = model.fit([digits.x_train, labels], epochs=40, batch_size=64, verbose=0)
    return model


@pytest.mark.slow
@pytest.mark.once
def test_it_learns_the_labels_and_the_images(model, digits):
    history = model.history_.history
    assert set(history) == {"loss", "reconstruction", "kl", "classification", "elbo"}
    total = np.add(history["reconstruction"], history["kl"])
    np.testing.assert_allclose(
        history["loss"], total + 10 * np.float64(history["classification"]), rtol=1e-4
    )
    probabilities = model.classifier.predict(digits.x_test, verbose=0)
    np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-5)
    assert np.mean(probabilities.argmax(-1) == digits.y_test) > 0.88  # 0.92
    right = model.classifier.predict(model.generate(np.arange(10).repeat(20)), verbose=0)
    assert np.mean(right.argmax(-1) == np.arange(10).repeat(20)) > 0.9


@pytest.mark.once
def test_an_image_alone_gives_its_latent_and_its_digit(model, digits, tmp_path):
    x = digits.x_test[:20]
    z_mean, z_log_var = model.encoder.predict(x, verbose=0)
    assert z_mean.shape == z_log_var.shape == (20, 8)
    np.testing.assert_allclose(model.encode(x)[0], z_mean, atol=1e-6)
    inferred = model.classifier.predict(x, verbose=0).argmax(-1)
    ours = model.reconstruct(x)
    np.testing.assert_allclose(ours, model.reconstruct(x, inferred), atol=1e-6)
    expected = model.generator.predict([z_mean, inferred], verbose=0)
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    assert np.abs(ours - model.reconstruct(x, as_y=8)).max() > 0.1
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded.reconstruct(x), ours, atol=1e-6)
    assert loaded.condition.get_config() == model.condition.get_config()


def test_unknown_labels_are_inferred_and_known_ones_kept(model, digits):
    """Wherever a label may be unknown: for all images, for some, and without a warning."""
    x = digits.x_test[:20]
    inferred = model.classifier.predict(x, verbose=0).argmax(-1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        expected = model.reconstruct(x)
        for unknown in (-1, None, np.full(20, -1)):
            np.testing.assert_array_equal(model.reconstruct(x, unknown), expected)
        other = (inferred + 1) % 10
        given = np.where(np.arange(20) % 2, other, -1)
        completed = np.where(np.arange(20) % 2, other, inferred)
        images, (labels,) = evaluation.examples.check(model, x, given)
        np.testing.assert_array_equal(labels, completed)
        assert given.min() == -1  # the user's own array is left alone
        some = model.reconstruct(x, as_y=given)
        np.testing.assert_allclose(some, model.reconstruct(x, as_y=completed), atol=1e-6)
        np.testing.assert_allclose(some[::2], expected[::2], atol=1e-6)
        assert np.abs(some[1::2] - expected[1::2]).max(axis=(1, 2, 3)).min() > 1e-3
        log_p = [
            evaluation.log_likelihood(model, x, labels, samples=8, verbose=0)
            for labels in (None, inferred)
        ]
        np.testing.assert_allclose(*log_p, rtol=1e-5)
        assert model.generate(None, count=2).shape == (2, 8, 8, 1)


def test_the_encoder_takes_the_label_if_requested(model, digits):
    encoder = model.get_layer("encoder")
    assert len(encoder.inputs) == 1 + model.condition.encoder
    parameters = model.get_layer("decoder").inputs[1]
    assert parameters.shape == (None, 10)
    assert model.infers_label and model.num_classes == 10
    assert [tensor.name for tensor in model.encoder.inputs] == ["image"]


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(
    ("encoder", "options"),
    [
        (False, {"objective": objectives.IWAE(3)}),
        (True, {"network": networks.Hierarchical(networks.Dense((8,)))}),
    ],
    ids=["iwae", "hierarchical"],
)
def test_with_other_objectives_and_networks(encoder, options):
    options = {"network": networks.Dense((8,)), **options}
    condition = conditions.Inferred(3, encoder=encoder)
    model = keras_cvae.build_cvae((6,), condition, 2, prior="conditional", **options)
    model.compile("adam")
    rng = np.random.default_rng(0)
    x, y = rng.random((32, 6), dtype="float32"), rng.integers(-1, 3, 32)
    history = model.fit([x, y], verbose=0).history
    assert {"loss", "reconstruction", "kl", "classification"} <= set(history)
    assert np.isfinite(history["loss"]).all()
    np.testing.assert_allclose(model.classifier.predict(x, verbose=0).sum(-1), 1, rtol=1e-5)
    assert model.reconstruct(x).shape == (32, 6)
    assert model.generate([0, 1, 2]).shape == (3, 6)


@pytest.mark.once
def test_invalid_arguments_raise_an_error():
    given = keras_cvae.build_cvae((6,), 10)
    with pytest.raises(ValueError, match=r"has no classifier; .*conditions.Inferred\(10\)"):
        _ = given.classifier
    with pytest.raises(ValueError, match="`temperature` must be a finite number above 0"):
        conditions.Inferred(10, relaxation=0.0)
    with pytest.raises(ValueError, match="`weight` must be a finite number"):
        conditions.Inferred(10, weight=-1)
    with pytest.raises(ValueError, match="`condition` must be a number of classes"):
        conditions.Inferred(None)
