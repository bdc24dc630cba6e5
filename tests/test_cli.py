import csv
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import keras_cvae
from keras_cvae import cli, corruptions, datasets, evaluation, latents, models, objectives, runs
from keras_cvae.runs import lock, pictures
from keras_cvae.runs.pictures import DIAGRAMS, KINDS, PICTURES
from keras_cvae_command import LOG_LEVEL
from tests.command import refused, run_cli
from tests.data.files import write_classes

once = pytest.mark.once
TINY = ["--hidden-units", "16", "--latent-dim", "2", "--batch-size", "256"]


def epochs_of(run):
    with open(run / "history.csv") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = tmp_path_factory.mktemp("cli") / "runs" / "tiny"
    assert run_cli("train", "--out", run, "--epochs", 2, *TINY) == 0
    return run


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """A data set of vectors in two classes, as an .npz file."""
    path = tmp_path_factory.mktemp("toys") / "toys.npz"
    x = np.random.default_rng(0).random((40, 6)).astype("float32")
    y = np.arange(40) % 2
    np.savez(path, x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    return path


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory, toys):
    """A run of a model without a condition."""
    run = tmp_path_factory.mktemp("plain") / "run"
    options = ["--unconditional", "--likelihood", "gaussian", "--beta", 0.5, "--activation", "tanh"]
    options += ["--corruption", "blocks"]
    assert run_cli("train", "--data", toys, "--out", run, "--epochs", 1, *TINY, *options) == 0
    return run


@once
def test_labels_of_which_some_are_unknown(tmp_path, toys, capsys):
    arrays = {**np.load(toys)}
    labels = np.where(np.arange(len(arrays["y_train"])) < 10, -1, arrays["y_train"])
    np.savez(tmp_path / "some.npz", x=arrays["x_train"], y=labels)
    train = ["train", "--data", tmp_path / "some.npz", "--out", tmp_path / "run", "--epochs", 1]
    assert run_cli(*train, "--enumerate-label", *TINY) == 0
    assert "kl_label" in capsys.readouterr().out
    assert run_cli("evaluate", tmp_path / "run", "--samples", 2) == 0
    shown = capsys.readouterr().out
    assert "log p(x)" in shown and "label inferred" in shown


@once
def test_counts_under_a_learned_prior(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x, y = rng.poisson([0.5, 3.0, 20.0, 300.0], (40, 4)), np.arange(40) % 2
    np.savez(tmp_path / "counts.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    train = ["train", "--data", tmp_path / "counts.npz", "--out", tmp_path / "run", "--quiet"]
    options = ["--likelihood", "negative_binomial", "--prior", "vamp:components=7"]
    assert run_cli(*train, *options, "--epochs", 1, *TINY) == 0
    model = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert type(model.likelihood) is keras_cvae.likelihoods.NegativeBinomial
    assert json.loads((tmp_path / "run" / "config.json").read_text())["model"]["prior"] == {
        "class": "VampPrior",
        "components": 7,
        "conditional": False,
    }
    assert model.get_layer("pseudo_inputs").is_adapted
    out = ["--out", tmp_path / "drawn.npz"]
    assert run_cli("generate", tmp_path / "run", *out, "--pixels", "sample", "--count", 30) == 0
    drawn = np.load(tmp_path / "drawn.npz")["images"]
    assert (drawn == drawn.round()).all() and drawn.min() == 0 and drawn[:, 3].max() > 100
    grey = ["train", "--out", tmp_path / "grey", "--likelihood", "poisson", *TINY]
    assert run_cli(*grey, "--epochs", 1) == 2
    assert "must be counts" in capsys.readouterr().err.splitlines()[-1]


@pytest.fixture(scope="module")
def named_run(tmp_path_factory):
    """A run of images in classes that have names."""
    folder = tmp_path_factory.mktemp("named")
    train = ["train", "--data", write_classes(folder / "data"), "--out", folder / "run", "--quiet"]
    assert run_cli(*train, "--epochs", 1, *TINY) == 0
    return folder / "run"


def test_a_run_holds_everything(run):
    files = {"model.keras", "config.json", "history.csv", "metrics.json", *PICTURES}
    assert {path.name for path in run.iterdir()} - set(DIAGRAMS) == files
    for name in PICTURES:
        assert_drawn(run / name)

    config = json.loads((run / "config.json").read_text())
    digits = datasets.load("digits")
    assert config["data"]["name"] == "digits"
    assert config["data"]["digest"] == datasets.digest(digits)
    assert config["class_names"] == list(digits.class_names)
    assert config["image_shape"] == [8, 8, 1]
    assert config["model"]["network"] == {
        "class": "Dense",
        "hidden_units": [16],
        "activation": "relu",
        "inject": "input",
    }
    assert config["model"]["condition"]["dropout"] == 0.1
    assert config["training"]["epochs"] == 2 and config["training"]["seed"] == 0
    assert config["backend"] == keras.backend.backend()
    assert {"python", "keras", "keras_cvae", "numpy", config["backend"]} <= set(config["versions"])


@once
def test_a_run_holds_diagrams_of_its_networks(graphviz, run):
    for name in DIAGRAMS:
        assert_drawn(run / name)


def assert_drawn(path):
    with Image.open(path) as picture:
        picture.load()
        assert picture.format == "PNG" and np.ptp(np.asarray(picture.convert("L"))) > 0


def test_numbers_of_a_run(run, capsys):
    rows = epochs_of(run)
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["elbo"] == pytest.approx(-metrics["reconstruction"] - metrics["kl"])
    assert metrics["elbo"] >= metrics["elbo_of_training"] - 0.1
    digits = datasets.load("digits")
    model = keras.saving.load_model(run / "model.keras")
    same = {"draws": metrics["draws"], "seed": metrics["seed"], "verbose": 0, "return_dict": True}
    measured = model.evaluate([digits.x_test, digits.y_test], **same)
    for name in ("elbo", "kl"):
        assert metrics[name] == pytest.approx(measured[name], rel=1e-5)


@pytest.fixture
def _short(monkeypatch):
    """Classifiers that are trained for a moment."""
    monkeypatch.setattr(evaluation.classifier, "SEEN", 2000)


def test_evaluate(run, tmp_path, capsys, _short):
    folder = shutil.copytree(run, tmp_path / "run")
    before = json.loads((folder / "metrics.json").read_text())
    evaluate = ["evaluate", folder, "--samples", 20, "--seed", 3]
    assert run_cli(*evaluate, "--limit", 50) == 0
    out, error = capsys.readouterr()
    assert error == "" and out.startswith("1/10 ELBO, rate and distortion\n2/10 ")
    assert not set(out) & {"\b", "\r", "\x1b"}  # no bars but on a terminal
    assert out.endswith(f"Kept in {folder / 'metrics.json'}\n")
    after = json.loads((folder / "metrics.json").read_text())
    kept = after.pop("evaluations")
    assert after == before and list(kept) == ["digits"]
    found = kept["digits"]
    protocol = {"test_examples": 50, "samples": 20, "seed": 3, "data": "digits"}
    assert protocol.items() <= found["protocol"].items()
    measures = {measure["name"]: measure for measure in found["measures"]}
    assert {"ELBO", "log p(x)", "label agreement", "coverage"} <= set(measures)
    for name in measures:
        assert f"\n{name}  " in out, name
    assert measures["ELBO"]["standard_error"] > 0
    assert f"\n{found['verdict']}\n" in out and "Left out: bits per dimension: " in out
    assert {path.name for path in folder.iterdir()} == {path.name for path in run.iterdir()}


@once
def test_evaluate_on_other_data_and_without_a_condition(plain_run, toys, tmp_path, capsys, _short):
    folder = shutil.copytree(plain_run, tmp_path / "run")
    for data in ([], ["--data", toys]):
        assert run_cli("evaluate", folder, "--samples", 2, *data) == 0
    assert "Left out: log p(x), the label summed out: the model has no" in capsys.readouterr().out
    kept = json.loads((folder / "metrics.json").read_text())["evaluations"]
    assert len(kept) == 2 or list(kept) == [str(toys)]
    elbos = [found["measures"][0]["value"] for found in kept.values()]
    assert elbos[0] == pytest.approx(elbos[-1], rel=1e-5)


@once
def test_nothing_is_kept_of_an_unfinished_run(plain_run, tmp_path, capsys):
    folder = shutil.copytree(plain_run, tmp_path / "run")
    (folder / "metrics.json").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run_cli("evaluate", folder, "--samples", 2) == 0
    out, error = capsys.readouterr()
    assert "was stopped" in error and out.endswith("Not kept: the run is unfinished\n")
    assert not (folder / "metrics.json").exists()


@once
@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--samples", 0], "`--samples` must be an integer of at least 1. Received: 0"),
        (["--limit", 0], "`--limit` must be an integer of at least 1. Received: 0"),
        (["--data", "nowhere"], "nowhere"),
        (["--data", "SHAPE"], "must have the shape (count, 8, 8, 1)"),
        (["--data", "CLASS"], "two or more classes"),
        (["--data", "EMPTY"], "at least one"),
    ],
)
def test_bad_evaluations(run, tmp_path, toys, capsys, arguments, message):
    before = (run / "metrics.json").read_bytes()
    x, y = np.zeros((4, 8, 8, 1), "float32"), np.arange(4) % 2
    files = {"SHAPE": toys, "CLASS": tmp_path / "class.npz", "EMPTY": tmp_path / "empty.npz"}
    np.savez(files["CLASS"], x_train=x, y_train=0 * y, x_test=x, y_test=0 * y)
    np.savez(files["EMPTY"], x_train=x, y_train=y, x_test=x[:0], y_test=y[:0])
    arguments = [files.get(argument, argument) for argument in arguments]
    assert message in refused(capsys, "evaluate", run, *arguments)
    assert (run / "metrics.json").read_bytes() == before


@once
def test_metrics_that_are_damaged_are_not_written_over(run, tmp_path, capsys):
    folder = shutil.copytree(run, tmp_path / "run")
    for content in ("{", '{"evaluations": 3}'):
        (folder / "metrics.json").write_text(content)
        assert "metrics.json' is damaged" in refused(capsys, "evaluate", folder)
        assert (folder / "metrics.json").read_text() == content


@once
def test_train_never_overwrites(run, capsys):
    before = (run / "model.keras").read_bytes()
    assert "replace with `--force`" in refused(capsys, "train", "--out", run)
    assert (run / "model.keras").read_bytes() == before


@once
def test_the_default_folder_force_one_seed_and_no_graphviz(tmp_path, toys, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "toys"
    train = ["train", "--data", toys, "--epochs", 1, "--label-dropout", 0, *TINY]
    assert run_cli(*train) == 0
    elbo = json.loads((folder / "metrics.json").read_text())["elbo"]
    for name in DIAGRAMS:
        (folder / name).write_text("old")

    (folder / "notes.txt").write_text("mine")
    (folder / "metrics.json").write_text("old")
    refused(capsys, *train, "--force", "--likelihood", "poison")
    assert (folder / "metrics.json").read_text() == "old"  # nothing is lost to a mistake

    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_cli(*train, "--force") == 0
    assert "apt-get install graphviz" in capsys.readouterr().err.splitlines()[-1]
    assert (folder / "samples.png").exists()
    assert not any((folder / name).exists() for name in DIAGRAMS)
    assert (folder / "notes.txt").read_text() == "mine"  # only what it wrote is replaced
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["images"] == 10 and metrics["elbo"] == pytest.approx(elbo, rel=1e-5)

    warns_of_unknown_labels(capsys, "generate", folder, "--out", tmp_path / "a.npz")
    for kind in ("manifold", "samples"):
        warns_of_unknown_labels(capsys, "plot", folder, "--kind", kind, "--out", f"{kind}.png")


def warns_of_unknown_labels(capsys, *args):
    """One line, where a label of -1 means nothing to the model."""
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run_cli(*args, "--label", -1, "--count", 3) == 0
    error = capsys.readouterr().err
    assert error.startswith("keras-cvae: ") and "dropout" in error and error.count("\n") == 1


@once
def test_train_leaves_other_folders_alone(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    assert "is no run" in refused(capsys, "train", "--out", tmp_path, "--force", *TINY)
    assert (tmp_path / "config.json").read_text() == "{}"


def test_an_unconditional_model(plain_run, tmp_path, capsys):
    metrics = json.loads((plain_run / "metrics.json").read_text())
    assert metrics["elbo"] == pytest.approx(-metrics["reconstruction"] - metrics["kl"])
    assert json.loads((plain_run / "config.json").read_text())["model"]["corruption"] == "blocks"
    assert type(runs.Run.load(plain_run).model.corruption) is corruptions.HiddenBlocks
    assert run_cli("generate", plain_run, "--count", 5, "--out", tmp_path / "a.npz") == 0
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["images"].shape == (5, 6) and set(arrays["labels"]) == {-1}
    assert run_cli("generate", plain_run, "--out", tmp_path / "a.png") == 0
    assert run_cli("reconstruct", plain_run, "--out", tmp_path / "b.png") == 0
    generate = ["generate", plain_run, "--label", 1, "--out", tmp_path / "c.png"]
    assert "without a condition" in refused(capsys, *generate)


def test_generate_arrays(run, tmp_path):
    generate = ["generate", run, "--count", 12, "--out"]
    assert run_cli(*generate, tmp_path / "all.npz") == 0
    assert run_cli(*generate, tmp_path / "two.npz", "--label", 3, "--label", 8, "--seed", 1) == 0
    assert run_cli(*generate, tmp_path / "same.npz", "--label", 3, "--label", 8, "--seed", 1) == 0
    assert run_cli(*generate, tmp_path / "none.npz", "--label", -1) == 0
    files = {name: np.load(tmp_path / f"{name}.npz") for name in ("all", "two", "same", "none")}
    for arrays in files.values():
        assert arrays["images"].shape == (12, 8, 8, 1)
        assert 0 <= arrays["images"].min() and arrays["images"].max() <= 1
    assert files["all"]["labels"].tolist() == [*range(10), 0, 1]
    assert files["two"]["labels"].tolist() == [3, 8] * 6
    assert set(files["none"]["labels"]) == {-1}
    np.testing.assert_array_equal(files["two"]["images"], files["same"]["images"])

    model = keras.saving.load_model(run / "model.keras")
    expected = model.generate([3, 8] * 6, seed=1).clip(0, 1)
    np.testing.assert_allclose(files["two"]["images"], expected, rtol=1e-5, atol=1e-6)


@once
def test_generate_pictures(run, tmp_path, capsys):
    out = tmp_path / "new" / "eights.png"
    assert run_cli("generate", run, "--label", 8, "--out", out) == 0
    assert Image.open(out).width > 100
    assert "--force" in refused(capsys, "generate", run, "--out", out)
    size = Image.open(out).size
    assert run_cli("generate", run, "--out", out, "--force") == 0
    assert Image.open(out).size != size


@once
def test_a_picture_has_full_rows_under_the_names_of_their_classes(
    named_run, tmp_path, drawn, capsys
):
    out = tmp_path / "a.png"
    assert run_cli("generate", named_run, "--count", 5, "--out", out) == 0
    assert f"Wrote 6 images, 3 of each label, to {out}" in capsys.readouterr().out
    (axes,) = drawn[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]
    height, width = np.shape(axes.get_images()[0].get_array())[:2]
    assert (height, width) == (2 * 4 + 1, 3 * 3 + 2)  # 4x3 pixels each, and gaps
    assert run_cli("generate", named_run, "--label", "dog", "--out", tmp_path / "a.npz") == 0
    assert set(np.load(tmp_path / "a.npz")["labels"]) == {1}


def test_reconstruct(run, tmp_path):
    reconstruct = ["reconstruct", run, "--count", 4, "--out"]
    assert run_cli(*reconstruct, tmp_path / "a.npz", "--as-label", 8) == 0
    digits = datasets.load("digits")
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(arrays["images"], digits.x_test[:4])
        np.testing.assert_array_equal(arrays["labels"], digits.y_test[:4])
        assert set(arrays["as_labels"]) == {8}
        as_eights = arrays["reconstructed"]
    assert run_cli(*reconstruct, tmp_path / "b.npz", "--data", "digits") == 0
    assert not np.allclose(np.load(tmp_path / "b.npz")["reconstructed"], as_eights)
    assert run_cli(*reconstruct, tmp_path / "a.png", "--as-label", 8) == 0
    assert Image.open(tmp_path / "a.png").width > 100


# What each kind takes, and the title of its picture.
PLOTS = {
    "reconstructions": (["--count", 5, "--data", "digits"], "Reconstructions"),
    "samples": (["--seed", 1, "--count", 4], "Samples"),
    "manifold": (["--label", 3, "--axes", "1,0", "--count", 6], "Latent manifold, label 3"),
    "interpolation": (["--spherical", "--count", 3], "Spherical interpolation, label 0"),
    "traversals": (["--label", -1, "--axes", "1"], "Latent traversals, no label"),
    "swaps": (["--count", 3], "The same images under other labels"),
    "scatter": (["--count", 50], "Latent space"),
    "loss": ([], "loss"),
}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that commands save."""
    figures = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda *args: (figures.append(args[0]), save(*args)))
    return figures


@once
@pytest.mark.parametrize("kind", KINDS)
def test_plots(run, tmp_path, capsys, monkeypatch, drawn, kind):
    options, title = PLOTS[kind]
    out = tmp_path / "new" / "plot.png"
    predictions = []
    predict = keras.Model.predict

    def counted(model, *args, **kwargs):
        predictions.append(model.name)
        return predict(model, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "predict", counted)
    assert run_cli("plot", run, "--kind", kind, "--out", out, *options) == 0
    assert Image.open(out).width > 100
    assert drawn[0].axes[0].get_title() == title
    assert len(set(predictions)) == len(predictions)  # all at once, never image by image
    assert "--force" in refused(capsys, "plot", run, "--kind", kind, "--out", out)


@once
def test_plots_without_a_condition(plain_run, tmp_path, capsys, drawn):
    plot = ["plot", plain_run, "--out", tmp_path / "a.png", "--force", "--kind"]
    for kind in ("samples", "manifold", "interpolation", "traversals"):
        assert run_cli(*plot, kind, "--count", 3) == 0
        assert "label" not in drawn[-1].axes[0].get_title()
    assert run_cli(*plot, "scatter") == 0
    assert "without a condition" in refused(capsys, *plot, "manifold", "--label", 1)
    assert "without a condition" in refused(capsys, *plot, "swaps")


@once
def test_an_interpolation_goes_between_test_images_of_its_class(run, tmp_path, drawn):
    out = tmp_path / "a.png"
    plot = ["plot", run, "--kind", "interpolation", "--label", 4, "--count", 2, "--out", out]
    assert run_cli(*plot) == 0
    digits = datasets.load("digits")
    x, y = digits.x_test[digits.y_test == 4][:4], np.full(4, 4)
    model = keras.saving.load_model(run / "model.keras")
    z = model.encoder.predict([x, y], verbose=0)[0]
    paths = latents.interpolate(z[::2], z[1::2], steps=11).reshape(22, 2)
    images = model.decode(paths, np.full(22, 4)).reshape(2, 11, 8, 8).clip(0, 1)
    (shown,) = drawn[0].axes[0].get_images()
    tiles = np.asarray(shown.get_array())[:8, :8], np.asarray(shown.get_array())[9:17, -8:]
    np.testing.assert_allclose(tiles, [images[0, 0], images[1, 10]], atol=1e-5)


@once
@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--kind", "manifld"], "Did you mean 'manifold'?"),
        (["--kind", "loss", "--label", 1], "takes no options. Received: --label"),
        (["--kind", "swaps", "--spherical"], "takes `--data`, `--count`. Received: --spherical"),
        (["--kind", "manifold", "--axes", "0,5"], "`--axes` must be 2 different dimensions"),
        (["--kind", "manifold", "--axes", "x"], "integers with ','"),
        (["--kind", "manifold", "--axes", ""], "`--axes` must be integers with ','"),
        (["--kind", "manifold", "--count", "1"], "`--count`"),
        (["--kind", "manifold", "--label", "10"], "'10'"),
        (["--kind", "scatter", "--data", "nowhere"], "nowhere"),
    ],
)
def test_bad_plots(run, tmp_path, capsys, arguments, message):
    assert message in refused(capsys, "plot", run, "--out", tmp_path / "a.png", *arguments)
    assert not (tmp_path / "a.png").exists()


@once
@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "digit"], "Did you mean 'digits'"),
        (["--data", "~nosuchuser/x"], "no such file or folder"),
        (["--network", "denze"], "Did you mean 'dense'"),
        (
            ["--network", "dense", "--filters", "8"],
            "takes, hidden_units, activation, inject. Received",
        ),
        (["--hidden-units", "5;5"], "integers with ','"),
        (["--hidden-units", ""], "`--hidden-units` must be integers"),
        (["--network", "conv", "--filters", ""], "`--filters` must be integers"),
        (["--image-size", ""], "`--image-size` must be integers"),
        (["--image-size", "big"], "integers with 'x'"),
        (["--image-size", "8x8x8"], "pair (height, width)"),
        (["--latent-dim", "0"], "`--latent-dim` must be auto or an integer"),
        (["--epochs", "0"], "`--epochs` must be auto or an integer"),
        (["--label-dropout", "2"], "`--label-dropout`"),
        (["--unconditional", "--label-dropout", "0.5"], "`--label-dropout` must be left out"),
        (["--enumerate-label", "--infer-label"], "must be left out with another"),
        (["--enumerate-label", "--unconditional"], "`--enumerate-label` needs labels"),
        (["--likelihood", "poison"], "`--likelihood`"),
        (["--binarize", "no"], "`--binarize`"),
        (["--corruption", "rain"], "`--corruption`"),
        (["--beta", "nan"], "`--beta`"),
        (["--objective", "warm_up"], "Did you mean 'warmup'?"),
        (["--objective", "warmup", "--beta", "much"], "`--beta` must be auto or a number"),
        (["--objective", "mmd", "--beta", "2"], "`--beta` must be left out of `--objective mmd`"),
        (["--objective", "elbo:beta=2", "--beta", "2"], "must be left out of `--objective elbo:b"),
        (["--objective", "free_bits:much"], "as free_bits:setting=value; it has free, per"),
        (["--objective", "free_bits:free=-1"], "`free_bits:free` must be"),
        (["--objective", "warmup:epochs=-1", "--beta", "2"], "`warmup:epochs` must be"),
        (["--prior", "flow:hidden_units=8"], "`flow:hidden_units` must be a list or tuple"),
        (["--prior", "vamp:size=5"], "it has components, conditional. Received: 'size=5'"),
        (["--prior", "vamp:components={[]}"], "`vamp:components` must be"),
        (["--prior", "vampire:components=5"], "`--prior` must be one of"),
        (["--corruption", "blocks:bounds=1"], "it has size, count, value"),
        (["--likelihood", "poisson:rate=1"], "it has none"),
        (["--activation", "nope"], "nope"),
        (["--inject", "fillm"], "`--inject` must be one of 'input', 'every_layer', 'film'. Did"),
        (["--network", "residual", "--inject", "film"], "takes, filters, blocks, kernel_size"),
    ],
)
def test_bad_settings_leave_no_folder(tmp_path, capsys, arguments, message):
    assert message in refused(capsys, "train", "--out", tmp_path / "run", *arguments)
    assert not (tmp_path / "run").exists()


@once
def test_a_loss_that_diverges_keeps_the_last_good_model(tmp_path, toys, capsys):
    train = ["train", "--data", toys, "--out", tmp_path / "run", "--epochs", 1, "--latent-dim", 2]
    assert run_cli(*train, "--learning-rate", 1e30) == 2
    assert "learning rate is too large" in capsys.readouterr().err.splitlines()[-1]
    model = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert all(np.isfinite(weights).all() for weights in model.get_weights())


@once
def test_bad_files(run, tmp_path, toys, capsys):
    out = tmp_path / "a.png"
    label = ["generate", run, "--out", out, "--label"]
    assert "'10'" in refused(capsys, *label, 10)
    assert "is no run" in refused(capsys, "generate", tmp_path, "--out", out)
    assert "is no run" in refused(capsys, "evaluate", tmp_path / "none")
    assert ".png or .npz" in refused(capsys, "generate", run, "--out", tmp_path / "a.gif")
    plot = ["plot", run, "--kind", "loss", "--out", tmp_path / "a.npz"]
    assert "must end in .png. " in refused(capsys, *plot)
    assert "shape" in refused(capsys, "reconstruct", run, "--data", toys, "--out", out)
    assert "toys.npz" in refused(capsys, "train", "--out", toys / "run", *TINY)
    empty = shutil.copytree(run, tmp_path / "empty")
    (empty / "history.csv").write_text("")
    assert "one value an epoch" in refused(capsys, "plot", empty, "--kind", "loss", "--out", out)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "config.json").write_bytes((run / "config.json").read_bytes())
    (damaged / "model.keras").write_bytes((run / "model.keras").read_bytes()[:5000])
    assert "model.keras' is damaged" in refused(capsys, "generate", damaged, "--out", out)
    assert not out.exists()


@once
@pytest.mark.parametrize(
    "file, content, message",
    [
        ("config.json", "[]", "must hold the settings"),
        ("config.json", "[" * 100_000, "must hold the settings"),
        ("config.json", b"\xff", "must hold the settings"),
        ("config.json", {"data": None}, "must hold the settings"),
        ("config.json", {"class_names": 3}, "class names are texts. Received: 3"),
        ("config.json", {"data": {"name": "digits", "digest": ""}}, "KeyError: 'image_size'"),
        ("history.csv", "epoch,loss,val_loss\n0,1.5,1.6\n1,1.", "history.csv' is damaged"),
        ("history.csv", "epoch,loss\n0,high\n", "history.csv' is damaged"),
        (
            "model.keras",
            keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]),
            "VAE of keras_cvae. Received: a Sequential",
        ),
    ],
)
def test_damaged_files_of_a_run(run, tmp_path, capsys, file, content, message):
    folder = shutil.copytree(run, tmp_path / "run")
    if isinstance(content, dict):
        content = json.dumps(json.loads((folder / file).read_text()) | content)
    if isinstance(content, keras.Model):
        content.save(folder / file)
    else:
        (folder / file).write_bytes(content.encode() if isinstance(content, str) else content)
    plot = ["plot", folder, "--kind", "loss", "--out", tmp_path / "a.png"]
    assert message in refused(capsys, *plot)


def warned(capsys, *args):
    """What a command says on stderr, and all the same goes on."""
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run_cli(*args) == 0
    error = capsys.readouterr().err
    assert error.startswith("keras-cvae: ") and error.count("\n") == 1
    return error


@once
def test_an_unfinished_run_says_so(run, tmp_path, capsys):
    folder = shutil.copytree(run, tmp_path / "run")
    (folder / "metrics.json").unlink()
    generate = ["generate", folder, "--out", tmp_path / "a.npz", "--force"]
    assert "was stopped; its weights are those after epoch 2" in warned(capsys, *generate)
    with lock.hold(folder):
        assert "is still training; its weights are" in warned(capsys, *generate)
    (folder / "history.csv").write_text("")
    assert "was stopped; no epoch has ended, so" in warned(capsys, *generate)


@once
def test_changed_data_are_told(toys, plain_run, capsys):
    with np.load(toys) as arrays:
        before = dict(arrays)
    np.savez(toys, **{**before, "x_test": 1 - before["x_test"]})
    try:
        few = ["--samples", 1]
        assert "are no longer those that" in warned(capsys, "evaluate", plain_run, *few)
        capsys.readouterr()
        assert run_cli("evaluate", plain_run, "--data", toys, *few) == 0
        assert capsys.readouterr().err == ""
    finally:
        np.savez(toys, **before)


@once
def test_a_folder_that_is_being_trained_is_refused(tmp_path, capsys):
    train = ["train", "--out", tmp_path, *TINY]
    with lock.hold(tmp_path):
        assert "`--out` must be a folder that no other training" in refused(capsys, *train)
    assert os.listdir(tmp_path) == []


@once
def test_places_that_cannot_be_written_to(run, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    (tmp_path / "a.png").mkdir()
    generate = ["generate", run, "--force", "--out"]
    assert "`--out` must be a file." in refused(capsys, *generate, tmp_path / "a.png")
    message = "`--out` must be in a folder that can be written to"
    assert message in refused(capsys, *generate, tmp_path / "file" / "a.png")
    train = ["train", "--epochs", 1, *TINY, "--out", tmp_path / "file" / "run"]
    assert "`--out` must be a folder that can be written to" in refused(capsys, *train)


@once
@pytest.mark.parametrize("temperature", ["inf", "nan"])
def test_a_temperature_is_finite(run, tmp_path, capsys, temperature):
    generate = ["generate", run, "--out", tmp_path / "a.png", "--temperature", temperature]
    assert "`--temperature` must be a finite number" in refused(capsys, *generate)


@once
def test_quiet_and_one_line_an_epoch(named_run, tmp_path, toys, capsys):
    train = ["train", "--data", toys, "--epochs", 2, *TINY, "--out"]
    assert run_cli(*train, tmp_path / "loud") == 0
    out = capsys.readouterr().out
    assert out.count("val_loss") == 2 and not set(out) & {"\b", "\r", "\x1b"}
    assert run_cli(*train, tmp_path / "quiet", "--quiet") == 0
    assert [line[:5] for line in capsys.readouterr().out.splitlines()] == ["Test:", "Pictu"]


@once
@pytest.mark.parametrize("name", objectives.NAMES)
def test_every_objective_is_an_option(name, monkeypatch):
    asked = []

    def train(*args, **options):
        asked.append(options["objective"])
        raise ValueError("enough")

    monkeypatch.setattr(runs, "train", train)
    assert run_cli("train", "--objective", name) == 2
    if name == "elbo":
        assert asked == ["auto"]
    else:
        assert [type(objective) for objective in asked] == [objectives.NAMES[name]]


@once
def test_settings_of_parts(monkeypatch):
    asked = {}

    def train(*args, **options):
        asked.update(options)
        raise ValueError("enough")

    monkeypatch.setattr(runs, "train", train)
    options = ["--objective", "iwae:samples=3, gradient=dreg", "--corruption", "blocks:size=0.2"]
    options += ["--prior", "flow:couplings=2,hidden_units=(8, 9),conditional=True"]
    assert run_cli("train", *options) == 2
    assert vars(asked["objective"]) == vars(objectives.IWAE(3, gradient="dreg"))
    assert asked["corruption"].size == 0.2 and asked["likelihood"] == "auto"
    config = asked["prior"].get_config()
    assert (config["couplings"], config["conditional"]) == (2, True)
    assert tuple(config["hidden_units"]) == (8, 9)


@once
def test_a_run_that_warms_up(tmp_path, toys, capsys):
    """Its beta is in the history, its objective in the settings; it says that it is too short."""
    folder = tmp_path / "run"
    train = ["train", "--data", toys, "--out", folder, "--epochs", 2, "--unconditional", *TINY]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run_cli(*train, "--no-fit-prior", "--objective", "warmup", "--beta", 3) == 0
    error = capsys.readouterr().err
    assert "it ends at step 2 of 10, where beta is 0.6 instead of 3" in error
    assert [float(row["beta"]) for row in epochs_of(folder)] == pytest.approx([0.3, 0.6])
    assert {row["val_beta"] for row in epochs_of(folder)} == {"3.0"}
    objective = json.loads((folder / "config.json").read_text())["model"]["objective"]
    assert objective["class"] == "Warmup" and objective["beta"] == 3.0
    figure = pictures.loss(runs.Run.load(folder))
    labels = {axes.get_title(): axes.get_ylabel() for axes in figure.axes}
    assert labels["beta"] == "weight" and labels["kl"] == "nats per image"


@once
def test_every_argument_of_build_cvae_is_an_option():
    options = inspect.signature(cli.train.train).parameters
    elsewhere = {"input_shape", "condition", "name"}  # from the data and the switches of labels
    assert set(models.ARGUMENTS) - elsewhere <= set(options)


def test_version(capsys):
    assert run_cli("--version") == 0
    out = capsys.readouterr().out
    assert keras_cvae.__version__ in out and keras.backend.backend() in out


@once
def test_ctrl_c_while_pictures_are_drawn(tmp_path, toys, capsys, monkeypatch):
    def interrupted(run):
        raise KeyboardInterrupt

    monkeypatch.setattr(pictures, "write", interrupted)
    train = ["train", "--data", toys, "--out", tmp_path / "run", "--epochs", 1, *TINY]
    assert run_cli(*train) == 130
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "model.keras holds the trained model" in error
    assert not (tmp_path / "run" / "training.lock").exists()
    monkeypatch.setitem(KINDS, "loss", interrupted)
    plot = ["plot", tmp_path / "run", "--kind", "loss", "--out", tmp_path / "a.png"]
    assert run_cli(*plot) == 130
    assert capsys.readouterr().err == "keras-cvae: Stopped\n"


@once
@pytest.mark.parametrize("arguments", [["train", "--seed", "-1"], ["train", "--epoch"], ["fly"]])
def test_usage_errors(capsys, arguments):
    assert run_cli(*arguments) == 2
    error = capsys.readouterr().err
    assert "--help" in error and "Traceback" not in error and error.count("\n") <= 5


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to a child")
def test_ctrl_c_leaves_a_model(tmp_path, toys, capsys):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "keras_cvae_command", "train", "--data", toys, "--out", run]
    process = subprocess.Popen(
        [str(part) for part in [*command, "--epochs", 100000, *TINY]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **{name: value for name, value in os.environ.items() if name != LOG_LEVEL},
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
    )
    try:
        deadline = time.monotonic() + 120
        while not (run / "history.csv").exists() or len(epochs_of(run)) < 2:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 130
    assert error.count("\n") == 1, error  # TensorFlow's log is not among it
    assert error.startswith("keras-cvae: Stopped after epoch ")
    stopped = int(error.rpartition("Stopped after epoch ")[2].partition(";")[0])
    logged = len(epochs_of(run))
    assert logged - stopped in (0, 1)
    generate = ["generate", run, "--out", tmp_path / "a.png"]
    assert f"was stopped; its weights are those after epoch {logged}" in warned(capsys, *generate)
    assert {path.name for path in run.iterdir()} == {"config.json", "history.csv", "model.keras"}
