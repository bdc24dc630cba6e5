"""Unknown labels that are summed out exactly, in any combination with known ones."""

import keras
import numpy as np
import pytest
from scipy import special

import keras_cvae
from keras_cvae import conditions, evaluation, networks, objectives
from keras_cvae.conditions.consistency import ConsistencyLoss

CLASSES, COUNT, WEIGHT = 3, 12, 3.0
P = np.array([0.5, 0.3, 0.2])
RNG = np.random.default_rng(0)
X = RNG.random((COUNT, 6), dtype="float32")
LABELS = np.resize([0, -1, 2, -1, 1], COUNT).astype("int32")
ONE_HOT = np.eye(CLASSES, dtype="float32")
W = RNG.uniform(0.5, 2.0, COUNT).astype("float32")


def build(weight=WEIGHT, objective="elbo", steps="auto"):
    """A model without noise: the posterior's variance is exp(-60)."""
    keras.utils.set_random_seed(1)
    condition = conditions.Enumerated(CLASSES, weight, prior=10 * P, names=["a", "b", "c"])
    options = {"network": networks.Dense((8,)), "objective": objective}
    cvae = keras_cvae.build_cvae((6,), condition, 2, **options)
    head = cvae.get_layer("encoder").get_layer("z_log_var")
    head.set_weights([np.zeros_like(head.get_weights()[0]), np.full(2, -60.0)])
    head.trainable = False
    cvae.compile(keras.optimizers.SGD(1.0), metrics=["mae"], steps_per_execution=steps)
    return cvae


@pytest.fixture(scope="module")
def cvae():
    return build()


def by_hand(cvae, x, label):
    """Reconstruction and KL term of each example with one label, in NumPy."""
    y = ONE_HOT[np.full(len(x), label)]
    encoded = cvae.get_layer("encoder")([x, y])
    mean, log_var = (np.float64(keras.ops.convert_to_numpy(part)) for part in encoded)
    logits = cvae.get_layer("decoder")([np.float32(mean), y])
    logits = np.float64(keras.ops.convert_to_numpy(logits))
    reconstruction = np.sum(np.logaddexp(0, logits) - x * logits, axis=1)
    return reconstruction, 0.5 * np.sum(np.exp(log_var) + mean**2 - 1 - log_var, axis=1)


@pytest.fixture(scope="module")
def expected(cvae):
    """All terms of each example, the bound summed label by label; q(y | x) and the bounds of y."""
    reconstruction, kl = np.stack([by_hand(cvae, X, label) for label in range(CLASSES)], axis=2)
    log_q = np.log(np.float64(cvae.classifier.predict(X, verbose=0)))
    known = (LABELS >= 0)[:, None]
    q = np.where(known, ONE_HOT[LABELS], np.exp(log_q))
    found = {
        "reconstruction": np.sum(q * reconstruction, axis=1),
        "kl": np.sum(q * kl, axis=1),
        "kl_label": special.rel_entr(q, P).sum(1),
    }
    found["elbo"] = -sum(found.values())
    crossentropy = -np.sum(known * ONE_HOT[LABELS] * log_q, axis=1)
    found["classification"] = crossentropy / known.mean()
    found["loss"] = WEIGHT * found["classification"] - found["elbo"]
    return found, log_q, np.log(P) - reconstruction - kl


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("weights", [None, W], ids=["alike", "weighed"])
def test_the_bound_and_its_terms(cvae, expected, weights):
    weighed = {k: v if weights is None else weights * v for k, v in expected[0].items()}
    averages = {name: np.mean(values) for name, values in weighed.items()}
    options = {"batch_size": COUNT, "draws": 1, "verbose": 0, "return_dict": True}
    found = cvae.evaluate([X, LABELS], sample_weight=weights, **options)
    shown = cvae.reconstruct(X, LABELS)  # of the label that is given, or of the most probable one
    error = np.abs(shown - X).mean(1)
    averages["mae"] = np.average(error, weights=weights)
    assert found == pytest.approx(averages, rel=1e-5)


@pytest.mark.usefixtures("uncompiled")
def test_the_bound_of_several_samples_in_training_and_evaluation(expected):
    """Without noise K samples are one, but for the KL divergence, which draws estimate."""
    cvae = build(objective=objectives.IWAE(2))
    options = {"batch_size": 5, "draws": 1, "verbose": 0, "return_dict": True}
    found = cvae.evaluate([X, LABELS], **options)
    measured = evaluation.terms(cvae, X, LABELS, draws=1)
    assert cvae.elbo_terms == ("reconstruction", "kl", "kl_label")
    assert set(measured) == {"elbo", *cvae.elbo_terms}
    for name in ("reconstruction", "kl_label"):
        np.testing.assert_allclose(measured[name], expected[0][name], rtol=1e-5)
        assert found[name] == pytest.approx(np.mean(expected[0][name]), rel=1e-5)
    np.testing.assert_allclose(measured["kl"], expected[0]["kl"], atol=6)
    assert found["loss"] == pytest.approx(WEIGHT * found["classification"] - found["elbo"], abs=3)


def gradient(cvae, rows):
    """What a step of SGD with a rate of 1 takes off each weight."""
    start = cvae.get_weights()
    cvae.fit([X[rows], LABELS[rows]], batch_size=len(rows), shuffle=False, verbose=0)
    ends = cvae.get_weights()
    cvae.set_weights(start)
    changes = zip(cvae.weights, start, ends, strict=True)
    return {w.path: before - after for w, before, after in changes if w.trainable}


@pytest.mark.usefixtures("uncompiled")
def test_the_classifier_learns_from_the_bound(cvae, expected):
    r"""d bound / d logit_j = q_j (a_j - \sum_k q_k a_k), a_j = log p(x, j) - log q_j."""
    _, log_q, of_label = expected
    q, a = np.exp(log_q), of_label - log_q
    of_bound = q * (a - np.sum(q * a, axis=1, keepdims=True))
    known = LABELS >= 0
    of_loss = -of_bound[~known].sum(0) / COUNT
    of_loss += WEIGHT * np.mean(q[known] - ONE_HOT[LABELS[known]], axis=0)
    found = gradient(cvae, np.arange(COUNT))
    (bias,) = [path for path in found if path.endswith("logits/bias")]
    np.testing.assert_allclose(found[bias], of_loss, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("uncompiled")
def test_a_mixed_batch_has_the_gradient_of_its_parts():
    cvae = build(weight=0.0)  # the cross-entropy is averaged over the labelled alone
    mixed, total = gradient(cvae, np.arange(COUNT)), 0.0
    assert max(np.abs(part).max() for part in mixed.values()) > 0.01
    for rows in (np.flatnonzero(LABELS >= 0), np.flatnonzero(LABELS < 0)):
        part = np.concatenate([*map(np.ravel, gradient(cvae, rows).values())])
        total = total + len(rows) / COUNT * part
    mixed = np.concatenate([*map(np.ravel, mixed.values())])
    np.testing.assert_allclose(mixed, total, rtol=1e-4, atol=1e-6)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, i):
        rows = slice(4 * i, 4 * i + 4)
        return X[rows], LABELS[rows], W[rows]


@pytest.mark.once
def test_streams_and_single_steps_train_equally():
    ends = []
    for given, steps in (([X, LABELS], "auto"), ([X, LABELS], 1), (Batches(), "auto")):
        cvae = build(steps=steps)
        cvae.optimizer.learning_rate.assign(0.1)
        weights = W if isinstance(given, list) else None
        options = {"class_weight": {1: 2.0}, "shuffle": False, "verbose": 0, "epochs": 2}
        if weights is not None:
            options |= {"sample_weight": weights, "batch_size": 4}
        history = cvae.fit(given, **options).history
        ends.append([*cvae.get_weights(), np.array(history["loss"])])
    for end in ends[1:]:
        for ours, theirs in zip(end, ends[0], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_predictions_agree_for_an_image_and_its_augmentation():
    q = np.array([[0.97, 0.02, 0.01], [0.97, 0.02, 0.01], [0.5, 0.3, 0.2], [0.01, 0.98, 0.01]])
    changed = RNG.normal(size=(4, 3))
    layer = ConsistencyLoss(weight=5.0, threshold=0.9)
    given = [np.int32([-1, 0, -1, -1]), np.float32(np.log(q)), np.float32(changed)]
    layer([*map(keras.ops.convert_to_tensor, given)])
    log_q = special.log_softmax(changed, axis=1)
    expected = -5.0 * (log_q[0, 0] + log_q[3, 1]) / 3  # the first counts, and the last, of three
    assert float(keras.ops.convert_to_numpy(layer.losses[0])) == pytest.approx(expected, rel=1e-5)


@pytest.mark.usefixtures("uncompiled")
def test_only_training_augments_images():
    condition = conditions.Enumerated(CLASSES, augment=keras.layers.GaussianNoise(1.0))
    cvae = keras_cvae.build_cvae((2, 3, 1), condition, 2, network=networks.Dense((8,)))
    cvae.compile("sgd")
    x = X.reshape(-1, 2, 3, 1)
    found = cvae.evaluate([x, np.abs(LABELS)], draws=1, verbose=0, return_dict=True)
    q = np.float64(cvae.classifier.predict(x, verbose=0))
    expected = -np.mean(np.log(q[np.arange(COUNT), np.abs(LABELS)]))
    assert found["classification"] == pytest.approx(expected, rel=1e-5)
    assert {"consistency", "kl_label"} <= set(cvae.fit([x, LABELS], verbose=0).history)


@pytest.mark.usefixtures("uncompiled")
def test_unknown_labels_are_inferred_and_generated_labels_sampled(cvae):
    inferred = cvae.classifier.predict(X, verbose=0).argmax(-1)
    completed = np.where(LABELS < 0, inferred, LABELS)
    np.testing.assert_allclose(cvae.encode(X, LABELS), cvae.encode(X, completed), rtol=1e-6)
    assert np.abs(cvae.encode(X, LABELS)[0] - cvae.encode(X, 0)[0]).max() > 1e-3
    p_of_x = [evaluation.log_likelihood(cvae, X, y, samples=2, verbose=0) for y in (-1, inferred)]
    np.testing.assert_allclose(*p_of_x, rtol=1e-6)
    values = cvae.condition.sample_missing({"label": np.full(4000, -1)}, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(values["label"]) / 4000, P, atol=0.03)
    images = cvae.generate(count=20, seed=3)
    assert len(images) == 20
    assert np.isfinite(cvae.fit_prior([X, LABELS])["scores"][1])
    found = cvae.evaluate([X, LABELS], draws=1, verbose=0, return_dict=True)
    assert found["elbo"] == pytest.approx(-sum(found[name] for name in cvae.elbo_terms), rel=1e-5)


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
def test_training_without_labels_warns():
    cvae = build()
    cvae.optimizer.learning_rate.assign(1e-3)
    with pytest.warns(UserWarning, match="All labels are unknown"):
        history = cvae.fit([X, np.full(COUNT, -1)], verbose=0).history
    assert history["classification"] == [0.0] and np.isfinite(history["loss"]).all()


@pytest.mark.once
@pytest.mark.parametrize("objective", ["mmd", "total_correlation"])
def test_objectives_that_compare_examples_raise_an_error(objective):
    with pytest.raises(ValueError, match="compares the examples of a batch.*has 3 rows for each"):
        build(objective=objective)


@pytest.mark.once
def test_augment_must_be_a_layer():
    with pytest.raises(ValueError, match="`augment` must be a Keras layer, or None"):
        conditions.Enumerated(3, augment=abs)


@pytest.mark.once
@pytest.mark.parametrize("prior", [[0.5, 0.5], [1.0, 0.0, 1.0], [1.0, np.nan, 1.0]])
def test_bad_priors_raise_an_error(prior):
    with pytest.raises(ValueError, match="`prior` must be"):
        conditions.Enumerated(3, prior=prior)
