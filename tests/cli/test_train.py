import inspect
import json
import os
import types
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import keras_cvae
from keras_cvae import cli, datasets, objectives, runs
from keras_cvae.cli import train
from keras_cvae.runs import lock, pictures
from keras_cvae.runs.pictures import DIAGRAMS, PICTURES
from tests.command import TINY, epochs_of, error_of, run_cli
from tests.data.files import write_classes, write_image

once = pytest.mark.once


def assert_drawn(path):
    with Image.open(path) as picture:
        picture.load()
        assert picture.format == "PNG" and np.ptp(np.asarray(picture.convert("L"))) > 0


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


@pytest.mark.usefixtures("uncompiled")
@once
def test_the_output_names_the_kept_weights_and_the_error(toys, tmp_path, capsys):
    """The weights with the lowest loss are kept; without a KL term the best ELBO comes earlier."""
    options = ["--data", toys, "--learning-rate", 0.2, "--epochs", 12, "--no-fit-prior", *TINY]
    options += ["--beta", 0]
    assert run_cli("train", "--out", tmp_path / "run", *options) == 0
    out = capsys.readouterr().out
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    rows = epochs_of(tmp_path / "run")
    losses, elbos = ([float(row[name]) for row in rows] for name in ("val_loss", "val_elbo"))
    assert metrics["epoch"] == 1 + np.argmin(losses) != 1 + np.argmax(elbos)
    assert f"Kept: the weights after epoch {metrics['epoch']} of {len(losses)}" in out
    assert ("Training stopped" in out) == (len(losses) < 12)
    assert f"elbo {metrics['elbo']:.2f} ± {metrics['standard_error']:.2f}" in out


@pytest.mark.usefixtures("uncompiled")
@once
def test_a_run_that_is_not_measured(toys, tmp_path, capsys):
    train = ["train", "--data", toys, "--out", tmp_path / "run", "--epochs", 1, "--no-fit-prior"]
    assert run_cli(*train, "--no-measure", *TINY) == 0
    out = capsys.readouterr().out
    assert "Test:" not in out and "Measuring" not in out and "Report:" in out
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == {"epoch": 1}
    assert runs.Run.load(tmp_path / "run").unfinished is None


def test_numbers_of_a_run(run, capsys):
    rows = epochs_of(run)
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["elbo"] == pytest.approx(-metrics["reconstruction"] - metrics["kl"])
    digits = datasets.load("digits")
    model = keras.saving.load_model(run / "model.keras")
    same = {"draws": metrics["draws"], "seed": metrics["seed"], "verbose": 0, "return_dict": True}
    measured = model.evaluate([digits.x_test, digits.y_test], **same)
    for name in ("elbo", "kl"):
        assert metrics[name] == pytest.approx(measured[name], rel=1e-5)


@pytest.mark.usefixtures("uncompiled")
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


@pytest.mark.usefixtures("uncompiled")
@once
def test_counts_under_a_learned_prior(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x, y = rng.poisson([0.5, 3.0, 20.0, 300.0], (40, 4)), np.arange(40) % 2
    np.savez(tmp_path / "counts.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    train = ["train", "--data", tmp_path / "counts.npz", "--out", tmp_path / "run", "--quiet"]
    options = ["--likelihood", "negative_binomial", "--prior", "vamp:components=7"]
    assert run_cli(*train, *options, "--no-fit-prior", "--no-measure", "--epochs", 1, *TINY) == 0
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


@once
def test_train_never_overwrites(run, capsys):
    before = (run / "model.keras").read_bytes()
    assert "`--force` replaces a run. Received" in error_of(capsys, "train", "--out", run)
    assert (run / "model.keras").read_bytes() == before


@once
def test_train_leaves_other_folders_alone(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    assert "is not a run" in error_of(capsys, "train", "--out", tmp_path, "--force", *TINY)
    assert (tmp_path / "config.json").read_text() == "{}"


@once
@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "digit"], "Did you mean 'digits'"),
        (["--data", "~nosuchuser/x"], "no such file or folder"),
        (["--network", "denze"], "Did you mean 'dense'"),
        (
            ["--network", "dense", "--filters", "8"],
            "takes --hidden-units, --activation, --inject. Received: --filters",
        ),
        (["--hidden-units", "5;5"], "integers with ','"),
        (["--hidden-units", ""], "`--hidden-units` must be integers"),
        (["--hidden-units", "8,0"], "',' between them, each at least 1. Received: '8,0'"),
        (["--network", "conv", "--filters", ""], "`--filters` must be integers"),
        (["--image-size", ""], "`--image-size` must be integers"),
        (["--image-size", "big"], "integers with 'x'"),
        (
            ["--image-size", "8x8x8"],
            "must be one size, or HEIGHTxWIDTH. Received: '8x8x8'",
        ),
        (["--latent-dim", "0"], "`--latent-dim` must be auto or an integer"),
        (["--epochs", "0"], "`--epochs` must be auto or an integer"),
        (["--label-dropout", "2"], "`--label-dropout`"),
        (["--unconditional", "--label-dropout", "0.5"], "must be left out with `--unconditional`"),
        (["--enumerate-label", "--infer-label"], "Only one of"),
        (["--enumerate-label", "--unconditional"], "Received: --enumerate-label --unconditional"),
        (["--likelihood", "poison"], "`--likelihood`"),
        (["--binarize", "no"], "`--binarize`"),
        (["--corruption", "rain"], "`--corruption`"),
        (
            ["--beta", "-1"],
            "`--beta` must be auto or a finite number of at least 0",
        ),
        (["--objective", "warm_up"], "Did you mean 'warmup'?"),
        (
            ["--objective", "warmup", "--beta", "much"],
            "of at least 0. Received: 'much'",
        ),
        (["--objective", "mmd", "--beta", "2"], "`--beta` must be left out of `--objective mmd`"),
        (["--objective", "elbo:beta=2", "--beta", "2"], "must be left out of `--objective elbo:b"),
        (["--objective", "free_bits:much"], "has the settings free, per, as free_bits:free=VALUE"),
        (["--objective", "free_bits:free=-1"], "`free_bits:free` must be"),
        (["--objective", "warmup:epochs=-1", "--beta", "2"], "`warmup:epochs` must be"),
        (["--prior", "flow:hidden_units=8"], "`flow:hidden_units` must be a list or tuple"),
        (
            ["--prior", "vamp:size=5"],
            "as vamp:components=VALUE. Received: 'size=5'",
        ),
        (["--prior", "vamp:components={[]}"], "`vamp:components` must be"),
        (["--prior", "vampire:components=5"], "`--prior` must be one of"),
        (["--corruption", "blocks:bounds=1"], "has the settings size, count, value"),
        (["--likelihood", "poisson:rate=1"], "`--likelihood poisson` has no settings"),
        (["--activation", "nope"], "nope"),
        (["--inject", "fillm"], "`--inject` must be one of 'input', 'every_layer', 'film'. Did"),
        (
            ["--network", "residual", "--inject", "film"],
            "takes --filters, --activation. ",
        ),
    ],
)
def test_bad_settings_leave_no_folder(tmp_path, capsys, arguments, message):
    assert message in error_of(capsys, "train", "--out", tmp_path / "run", *arguments)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("uncompiled")
@once
def test_a_loss_that_diverges_keeps_the_last_good_model(tmp_path, toys, capsys):
    train = ["train", "--data", toys, "--out", tmp_path / "run", "--epochs", 1, "--latent-dim", 2]
    assert run_cli(*train, "--learning-rate", 1e30) == 2
    assert "learning rate is too large" in capsys.readouterr().err.splitlines()[-1]
    model = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert all(np.isfinite(weights).all() for weights in model.get_weights())


@once
def test_a_folder_in_use_by_training_raises_an_error(tmp_path, capsys):
    train = ["train", "--out", tmp_path, *TINY]
    with lock.hold(tmp_path):
        assert "`--out` must be a folder that no other training" in error_of(capsys, *train)
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("uncompiled")
@once
def test_the_data_line_lists_what_was_left_out_and_val_is_for_validation(tmp_path, capsys):
    folder = write_classes(tmp_path / "photos/train", n=10).parent
    write_classes(folder / "val", n=4)
    write_image(folder / "train/cat/9.png", np.zeros((4, 3, 4), "uint8"))
    (folder / "train/dog/notes.txt").write_text("none")
    (folder / "train/dog/0.png").write_bytes(b"")
    train = ["train", "--data", folder, "--out", tmp_path / "run", "--no-fit-prior", "--no-measure"]
    train += ["--epochs", 1, "--background", "#ff8000", *TINY]
    assert "`--skip-damaged` leaves such files out" in error_of(capsys, *train)
    write_image(folder / "train/dog/1.png", np.zeros((9, 9), "uint8"))
    refusal = error_of(capsys, *train, "--skip-damaged")
    assert "`--image-size` resizes them" in refusal
    write_image(folder / "train/dog/1.png", np.zeros((4, 3), "uint8"))
    assert run_cli(*train, "--skip-damaged") == 0
    out = capsys.readouterr().out
    line = "15 training and 4 test images of 4x3x3, 2 classes, the smallest dog with 7, the largest"
    assert f"{line} cat with 8 to train with; 8 for validation\n" in out
    for note in (
        "Files left out that are not images: 1 (1 .txt)",
        "Damaged images left out: 1, the first",
    ):
        assert f"Data: {note}" in out
    assert "Data: Transparent images composited on #ff8000: 1\n" in out
    run = runs.Run.load(tmp_path / "run")
    assert len(run.dataset.x_train) == 15  # read again as it was


@pytest.mark.slow
@pytest.mark.usefixtures("uncompiled")
@once
def test_verbosity_levels(named_run, tmp_path, toys, capsys):
    train = ["train", "--data", toys, "--epochs", 2, "--no-fit-prior", *TINY, "--out"]
    assert run_cli(*train, tmp_path / "loud") == 0
    out = capsys.readouterr().out
    assert "nats per image" in out and not set(out) & {"\b", "\r", "\x1b"}
    lines = [line for line in out.splitlines() if line.startswith("Epoch ")]
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"]
    assert run_cli(*train, tmp_path / "quiet", "--quiet", "--board") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:5] for line in lines] == ["Test:", "Repor", "Curve"]
    assert (tmp_path / "quiet" / "board" / "z.tsv").exists()
    assert run_cli(*train, tmp_path / "quiet", "--quiet", "--force") == 0
    assert not (tmp_path / "quiet" / "board").exists()


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


@pytest.mark.usefixtures("uncompiled")
@once
def test_a_run_that_warms_up(tmp_path, toys, capsys):
    """Its beta is in the history, its objective in the settings; it says that it is too short."""
    folder = tmp_path / "run"
    train = ["train", "--data", toys, "--out", folder, "--epochs", 2, "--unconditional", *TINY]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        short = ["--no-fit-prior", "--no-measure"]
        assert run_cli(*train, *short, "--objective", "warmup", "--beta", 3) == 0
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
    arguments = inspect.signature(keras_cvae.build_cvae).parameters
    assert set(arguments) - elsewhere <= set(options)


@once
@pytest.mark.parametrize(
    ("fit", "by"),
    [
        ({"prior": "mixture", "scores": {"mixture": -1.0, "spline_flow": -2.0}}, "prior"),
        ({"prior": "mixture", "components": 1, "scores": {1: -1.0}}, "number of components"),
    ],
)
def test_scores_of_priors_are_named_by_what_was_compared(fit, by, capsys):
    fit |= {"elbo_before": -3.0, "elbo_after": -2.0}
    run = types.SimpleNamespace(prior_fit=fit, metrics={}, example="image", folder=Path("run"))
    run.verdict = ["No posterior collapse."]
    train._report(run, quiet=False)
    shown = capsys.readouterr().out
    assert f" by {by}, in nats: " in shown and "\nNo posterior collapse.\n" in shown
