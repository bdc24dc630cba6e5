"""All measures at once: of models with and without labels, of vectors, grey and colour images."""

import json

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import conditions, evaluation, networks
from keras_cvae.datasets import Dataset
from keras_cvae.evaluation import measuring
from tests.evaluation import known

LIKENESS = ["Frechet distance", "precision", "recall", "density", "coverage"]


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    """Classifiers that are trained for a moment."""
    monkeypatch.setattr(evaluation.classifier, "SEEN", 4000)
    monkeypatch.setattr(evaluation.repeated, "DRAWS", 4000)


def linear_data(model, counts=(300, 200), classes=0):
    """What a linear model generates, as training and test data."""
    rng = np.random.default_rng(0)
    parts = []
    for count in counts:
        y = np.arange(count) % classes if classes else None
        x = rng.normal(size=(count, 2)) @ model.w + model.b + model.of_labels(y, model.v)
        x += np.sqrt(known.NOISE) * rng.normal(size=x.shape)
        parts += [x.astype("float32"), y]
    return Dataset(*parts, tuple(map(str, range(classes))))


@pytest.fixture(scope="module")
def grey(digits):
    cvae = keras_cvae.build_cvae((8, 8, 1), 10, 4, likelihood="gaussian")
    cvae.compile(keras.optimizers.Adam(3e-3))
    cvae.fit([digits.x_train, digits.y_train], epochs=15, batch_size=64, verbose=0)
    cvae.fit_prior([digits.x_train, digits.y_train])
    return cvae


@pytest.mark.slow
@pytest.mark.once
def test_grey_images_with_labels(grey, digits):
    stages = []
    options = {"samples": 30, "verbose": 0, "seed": 2, "limit": 300}
    report = evaluation.measure(grey, digits, on_stage=stages.append, **options)
    assert [stage.split()[0] for stage in stages] == [f"{n}/10" for n in range(1, 11)]
    assert set(report.left_out) == {"bits per dimension", "KL per dimension"}
    assert "must be uint8" in report.left_out["bits per dimension"]
    names = [measure.name for measure in report.measures]
    assert names == [
        *("ELBO", "rate", "distortion", "log p(x | y)", "log p(x)"),
        *("active units", "label read from z"),
        *("classifier", "label agreement", "label swap", "classification accuracy score"),
        *LIKENESS,
    ]
    value = {measure.name: measure.value for measure in report.measures}
    assert value["ELBO"] == pytest.approx(-value["rate"] - value["distortion"], rel=1e-6)
    assert value["ELBO"] < value["log p(x | y)"]
    assert value["log p(x)"] < value["log p(x | y)"]
    assert value["active units"] <= 4
    assert report["label agreement"].real == value["classifier"] > 0.75
    assert 0.6 < value["classification accuracy score"] < 1
    assert value["Frechet distance"] > report["Frechet distance"].real > 0
    assert value["recall"] < report["recall"].real
    assert report.verdict.startswith("No posterior collapse: ")
    for measure in report.measures[:5]:
        assert 0 < measure.standard_error < 3, measure
    assert all(report[name].standard_error > 0 for name in LIKENESS)

    assert report.protocol["test_examples"] == 300 and report.protocol["seed"] == 2
    assert report.protocol["backend"] == keras.backend.backend()
    assert json.loads(json.dumps(report.as_dict()))["measures"][0]["value"] == value["ELBO"]
    table = str(report).splitlines()
    assert table[0].startswith(f"300 test examples, seed 2, on {keras.backend.backend()}")
    assert [line[: len(name)] for line, name in zip(table[4:], names, strict=False)] == names
    (elbo,) = [line for line in table if line.startswith("ELBO  ")]
    assert f"{value['ELBO']:.2f}" in elbo and "nats" in elbo
    assert table[-3] == report.verdict
    assert table[-2].startswith("Left out: bits per dimension: Pixels must be uint8")
    assert table[-1].startswith("Left out: KL per dimension: `cvae` must have a prior that is a")


def test_vectors_with_labels_of_a_linear_model():
    """Samples of the very model that made the data are like them, but for their number."""
    model = known.Linear(3, gain=0.3 * known.GAIN, spread=np.array([1.5, 1.5]))
    model.v *= 0.2  # how much the labels change is kept small, so that reading them is hard
    decoder = model.cvae.get_layer("decoder")
    kernel, bias = decoder.get_weights()
    decoder.set_weights([np.concatenate([model.w, model.v]), bias])
    dataset = linear_data(model, classes=3)
    report = evaluation.measure(model.cvae, dataset, samples=3000, verbose=0)
    x, y = dataset.x_test, dataset.y_test
    exact = model.log_p(x, y)
    assert report["log p(x | y)"].value == pytest.approx(exact.mean(), abs=0.05)
    error = exact.std(ddof=1) / np.sqrt(len(x))
    assert report["log p(x | y)"].standard_error == pytest.approx(error, rel=0.05)
    each = np.stack([model.log_p(x, np.full(len(x), label)) for label in range(3)])
    marginal = np.logaddexp.reduce(each - np.log(3), axis=0).mean()
    assert report["log p(x)"].value == pytest.approx(marginal, abs=0.05)
    assert report["rate"].value == pytest.approx(model.kl(x, y).sum(1).mean(), abs=0.1)
    np.testing.assert_allclose(report["KL per dimension"].value, model.kl(x, y).mean(0), rtol=1e-3)
    assert report["Frechet distance"].value == pytest.approx(
        report["Frechet distance"].real, rel=0.5
    )
    for name in LIKENESS[1:]:
        assert report[name].value == pytest.approx(report[name].real, abs=0.15), name
    assert report.left_out == {"bits per dimension": "columns of numbers have no levels"}


def test_vectors_without_labels():
    model = known.Linear(gain=0.3 * known.GAIN, spread=np.array([1.5, 1.5]))
    dataset = linear_data(model)
    report = evaluation.measure(model.cvae, dataset, samples=2000, verbose=0)
    exact = model.log_p(dataset.x_test).mean()
    assert report["log p(x)"].value == pytest.approx(exact, abs=0.1)
    names = ["ELBO", "rate", "distortion", "log p(x)", "active units", "KL per dimension"]
    assert [measure.name for measure in report.measures] == names
    for stage in ("label read from z", "fidelity and diversity"):
        assert "the data have no labels" in report.left_out[stage]
    assert (
        "no classes, which a sum over labels needs"
        in report.left_out["log p(x), the label summed out"]
    )
    assert "Left out: fidelity and diversity: the data have no labels" in str(report)


@pytest.fixture(scope="module")
def colour():
    rng = np.random.default_rng(0)
    y = np.arange(160) % 2
    x = rng.integers(0, 100, (160, 6, 5, 3)).astype("uint8")
    x[y == 1, :, :, 0] += 120
    return Dataset(x[:100], y[:100], x[100:], y[100:], ("grey", "red"))


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("likelihood, levels", [("gaussian", 256), ("logistic_mixture", None)])
def test_colour_images_and_two_groups_of_latents(colour, likelihood, levels):
    options = {"network": networks.Hierarchical(networks.Dense((8,)), top_dim=1)}
    cvae = keras_cvae.build_cvae((6, 5, 3), 2, 3, likelihood=likelihood, **options)
    report = evaluation.measure(cvae, colour, samples=4, verbose=0)
    assert report.left_out == {}
    assert report["rate"].value == pytest.approx(report["kl"].value + report["kl_2"].value)
    bits = report["bits per dimension"]
    assert 5 < bits.value < 20 and bits.unit == "bits"
    if levels is None:  # of the very ELBO
        expected = evaluation.bits_per_dimension(report["ELBO"].value, (6, 5, 3))
        assert bits.value == pytest.approx(expected)
    else:
        assert "uniform noise within each of 256 levels" in bits.how
    assert report["classifier"].value > 0.9


@pytest.mark.once
def test_a_model_without_a_condition_on_data_with_labels(colour):
    cvae = keras_cvae.build_cvae((6, 5, 3), None, 2, network=networks.Dense((8,)))
    report = evaluation.measure(cvae, colour, samples=2, limit=5, verbose=0)
    assert report["classifier"].value > 0.5 and report["label read from z"].value > 0.3
    why = report.left_out["label agreement and classification accuracy score"]
    assert "the model has no classes" in why
    assert report.left_out["fidelity and diversity"] == (
        "it needs more than 5 examples, and there are 5"
    )
    report = evaluation.measure(cvae, colour, samples=2, limit=6, verbose=0)
    assert report["precision"].value >= 0


@pytest.mark.once
def test_a_single_class_and_a_single_image(colour):
    one = Dataset(colour.x_train, 0 * colour.y_train, colour.x_test[:1], np.array([0]), ("a", "b"))
    cvae = keras_cvae.build_cvae((6, 5, 3), 2, 2, network=networks.Dense((8,)))
    report = evaluation.measure(cvae, one, samples=2, verbose=0)
    assert report["ELBO"].standard_error is None
    assert "of a single class" in report.left_out["fidelity and diversity"]
    json.dumps(report.as_dict(), allow_nan=False)


@pytest.mark.once
def test_the_limit_samples_test_images_of_all_classes(colour):
    order = np.argsort(colour.y_test, kind="stable")
    sorted_by_class = colour._replace(x_test=colour.x_test[order], y_test=colour.y_test[order])
    cvae = keras_cvae.build_cvae((6, 5, 3), 2, 2, network=networks.Dense((8,)))

    def subject(seed):
        return evaluation.subject.Subject.of(cvae, sorted_by_class, 1, 20, seed, 0)

    assert len(subject(0).x) == 20 and set(subject(0).y) == {0, 1}
    np.testing.assert_array_equal(subject(0).x, subject(0).x)
    assert (subject(0).x != subject(1).x).any()


@pytest.mark.once
@pytest.mark.parametrize(
    "change, options, message",
    [
        ({}, {"samples": 0}, "`samples` must be an integer of at least 1"),
        ({}, {"limit": 0}, "`limit` must be an integer of at least 1"),
        ({}, {"seed": -1}, "`seed` must be an integer from 0 to 4294967295"),
        ({"x_test": np.zeros((0, 6, 5, 3), "float32"), "y_test": []}, {}, "at least one image"),
        ({"x_train": np.zeros((100, 6, 5, 1), "float32")}, {}, "must have the shape"),
        ({"y_test": np.full(60, 2)}, {}, r"`y` must be in -1..1"),
        ({"y_test": None, "y_train": None}, {}, "`dataset` must have labels"),
    ],
)
def test_errors_are_raised_before_anything_is_computed(
    colour, monkeypatch, change, options, message
):
    monkeypatch.setattr(measuring, "STAGES", None)
    cvae = keras_cvae.build_cvae((6, 5, 3), 2, 2, network=networks.Dense((8,)))
    with pytest.raises(ValueError, match=message):
        evaluation.measure(cvae, colour._replace(**change), **options)


@pytest.mark.usefixtures("uncompiled")
def test_a_condition_of_another_kind():
    vector = keras_cvae.conditions.Vector(2, mean=0.0, variance=1.0)
    cvae = keras_cvae.build_cvae(
        (5,), vector, 2, network=networks.Dense((8,)), likelihood="gaussian"
    )
    data = linear_data(known.Linear(), (40, 30))
    with pytest.raises(ValueError, match="`dataset` must have labels"):
        evaluation.measure(cvae, data)
    given = {name: np.ones((size, 2)) for name, size in (("y_train", 40), ("y_test", 30))}
    report = evaluation.measure(cvae, data._replace(**given), samples=3, limit=20, verbose=0)
    assert np.isfinite([report["ELBO"].value, report["log p(x | y)"].value]).all()
    assert report.left_out["label read from z"] == "the data have no labels, which a probe needs"


@pytest.mark.slow
@pytest.mark.usefixtures("uncompiled")
@pytest.mark.once
def test_labels_that_a_model_infers_and_test_labels_that_are_unknown():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (np.eye(3)[y] + 0.1 * rng.random((60, 3))).astype("float32")
    cvae = keras_cvae.build_cvae((3,), conditions.Inferred(3), 2, likelihood="gaussian")
    options = {"samples": 2, "verbose": 0}
    report = evaluation.measure(cvae, Dataset(x, y, x, y, tuple("abc")), **options)
    right = cvae.classifier.predict(x, verbose=0).argmax(-1) == y
    assert report["label inferred"].value == pytest.approx(right.mean())
    some = Dataset(x, y, x, np.where(y == 0, -1, y), tuple("abc"))
    report = evaluation.measure(cvae, some, **options)
    assert "some test labels are unknown" in report.left_out["label inferred from x"]
    assert "ELBO" in [measure.name for measure in report.measures]
