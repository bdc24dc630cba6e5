"""Every recipe and experiment runs on the digits and writes its pictures."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import keras_cvae
from keras_cvae import datasets

pytestmark = pytest.mark.slow
once = pytest.mark.once  # what a recipe does on each backend is tested where it is made
PARTS = ("train", "test")
SCRIPTS = Path(__file__).parent.parent / "scripts"
PICTURES = {
    "dense_vae": ["loss_curves", "latent_space", "manifold"],
    "conv_vae": ["loss_curves", "reconstructions", "manifold", "epochs/epoch_001"],
    "conv_cvae": ["restored", "as_8", "handwriting", "unlabelled", "samples", "loss_curves"],
    "conditional_manifold": ["manifolds"],
    "label_inferring_vae": ["loss_curves", "inferred", "styles", "epochs/epoch_001"],
}


def run(name, *arguments):
    sys.argv = [name, *map(str, arguments)]
    with pytest.raises(SystemExit) as done:
        runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
    assert not done.value.code


@pytest.fixture(autouse=True)
def _restore_argv(monkeypatch):
    monkeypatch.setattr(sys, "argv", sys.argv)


EVERYWHERE = ("dense_vae",)


@pytest.mark.parametrize(
    "name", [n if n in EVERYWHERE else pytest.param(n, marks=once) for n in PICTURES]
)
def test_recipe(name, tmp_path, capsys):
    run(name, "--data", "digits", "--epochs", 1, "--out", tmp_path)
    for picture in PICTURES[name]:
        Image.open(tmp_path / f"{picture}.png").verify()
    models = list(tmp_path.glob("*.keras"))
    assert models
    assert all(keras.saving.load_model(path).image_shape == (8, 8, 1) for path in models)
    assert "|" in capsys.readouterr().out  # the table


@once
def test_colour_images_and_wider_layers(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {f"x_{part}": rng.random((40, 32, 32, 3), dtype="float32") for part in PARTS}
    labels = {f"y_{part}": np.arange(40) % 2 for part in PARTS}
    np.savez(tmp_path / "colour.npz", **arrays, **labels)
    arguments = ("--data", tmp_path / "colour.npz", "--epochs", 1, "--out", tmp_path)
    run("conv_vae", *arguments, "--filters", "8,16,8", "--recommended")
    assert keras.saving.load_model(tmp_path / "model.keras").image_shape == (32, 32, 3)


@once
def test_the_recommended_conv_cvae_fits_a_prior(tmp_path):
    run("conv_cvae", "--data", "digits", "--epochs", 1, "--recommended", "--out", tmp_path)
    prior = keras.saving.load_model(tmp_path / "model.keras").prior
    assert type(prior) is keras_cvae.priors.Mixture


@once
def test_the_recommended_label_inference_has_an_encoder_of_the_label(tmp_path):
    run(
        "label_inferring_vae", "--data", "digits", "--epochs", 1, "--recommended", "--out", tmp_path
    )
    assert keras.saving.load_model(tmp_path / "model.keras").condition.encoder
    Image.open(tmp_path / "styles.png").verify()


@once
def test_colour_digits(tmp_path, capsys):
    few = ("--epochs", 1, "--limit", 50, "--count", 4, "--samples", 2, "--levels", 8)
    run("colour_digits", "--data", "digits", *few, "--out", tmp_path)
    table = capsys.readouterr().out.split("bits per dimension")[1]
    for likelihood in ("gaussian_256", "logistic_mixture_256", "gaussian_8", "categorical_8"):
        model = keras.saving.load_model(tmp_path / f"{likelihood}.keras")
        assert model.image_shape == (12, 12, 3)
        for picture in ("reconstructions", "means", "samples"):
            Image.open(tmp_path / f"{likelihood}_{picture}.png").verify()
        name, levels = likelihood.rsplit("_", 1)
        (line,) = [row for row in table.splitlines() if f"{name} | {levels:>6} |" in row]
        assert all(float(bits) > 0 for bits in line.split(" | ")[2:4])


@once
def test_tints_are_seeded_and_fill_the_margin():
    recipe = runpy.run_path(str(SCRIPTS / "colour_digits.py"))
    blank, full = np.zeros((3, 8, 8, 1), "uint8"), np.full((3, 8, 8, 1), 255, "uint8")
    back, front = (recipe["prepare"](x, (0, 0), grey=False) for x in (blank, full))
    assert back.shape == (3, 12, 12, 3) and back.dtype == np.uint8
    np.testing.assert_array_equal(back, recipe["prepare"](blank, (0, 0), grey=False))
    np.testing.assert_array_equal(back[:, :2], front[:, :2])  # the margin is background
    inside = np.abs((front[:, 2:-2, 2:-2] - back[:, 2:-2, 2:-2].astype(float)) @ (0.3, 0.6, 0.1))
    assert inside.mean() > 60
    assert np.abs(np.diff(back.astype(int), axis=1)).max() <= 8  # smooth
    grey = recipe["prepare"](full, (0, 0), grey=True)
    np.testing.assert_array_equal(grey, np.pad(full, ((0, 0), (2, 2), (2, 2), (0, 0))))


@once
def test_levels_of_colour_digits():
    recipe = runpy.run_path(str(SCRIPTS / "colour_digits.py"))
    pixels = np.arange(256, dtype="uint8")
    levels = recipe["as_levels"](pixels, 16, "categorical", 0)
    np.testing.assert_array_equal(levels, 17 * (np.arange(256) // 16))
    np.testing.assert_array_equal(recipe["as_levels"](pixels, 256, "logistic_mixture", 0), pixels)
    noisy = recipe["as_levels"](pixels, 16, "gaussian", 0)
    np.testing.assert_array_equal(np.floor(16 * noisy), np.arange(256) // 16)


@once
def test_cross_validation(tmp_path, capsys):
    arguments = ("--data", "digits", "--epochs", 1, "--out", tmp_path, "--folds", 10, "--fold", 3)
    run("label_inferring_vae", *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["fold_3"]
    assert "error, %" in capsys.readouterr().out


@once
def test_label_agreement(tmp_path, capsys):
    run("label_inferring_vae", "--data", "digits", "--epochs", 1, "--out", tmp_path)
    arguments = ("--data", "digits", "--epochs", 1, "--count", 100, "--out", tmp_path)
    run("label_agreement", tmp_path / "model.keras", *arguments)
    out = capsys.readouterr().out
    assert "360 real images" in out and "| Mixture |" in out


@once
def test_anomaly(tmp_path, capsys):
    few = ("--epochs", 1, "--limit", 200, "--held-out", 0, "--held-out", 8)
    run("anomaly", *few, "--out", tmp_path)
    out = capsys.readouterr().out
    assert "200 test images" in out
    rows = [line.strip("| ").split(" | ") for line in out.splitlines() if line.startswith("| ")]
    columns = ["reconstruction", "elbo", "log_likelihood", "isolation forest", "PCA"]
    assert rows[0] == ["class", *columns]
    assert [row[0] for row in rows[1:]] == ["0", "8", "mean"]
    areas = np.array([row[1:] for row in rows[1:]], float)
    assert ((areas > 0) & (areas < 1)).all()
    np.testing.assert_allclose(areas[2], areas[:2].mean(0), atol=1e-3)
    assert areas[0, 4] > 0.7  # zeros are not like sums of other digits
    assert {path.name for path in tmp_path.iterdir()} == {"without_0.keras", "without_8.keras"}


@once
def test_semi_supervised(tmp_path, capsys):
    few = ("--data", "digits", "--epochs", 1, "--batch-size", 40, "--out", tmp_path)
    few += ("--no-augment",)  # which torch takes half a minute to trace
    run("experiments/semi_supervised", 100, *few)
    trained = tmp_path / "semi-supervised-100-0"
    result = json.loads((trained / "result.json").read_text())
    assert 0 < result["error"] < 90 and result["epochs"] == 1
    assert keras.saving.load_model(trained / "model.keras").infers_label
    before = (trained / "model.keras").stat().st_mtime_ns
    capsys.readouterr()
    run("experiments/semi_supervised", 100, *few)  # nothing is trained again
    assert (trained / "model.keras").stat().st_mtime_ns == before
    assert f"| 100 | {result['error']:.2f}% ± 0.00" in capsys.readouterr().out
    Image.open(tmp_path / "errors.png").verify()


@once
def test_bounds(tmp_path, capsys):
    few = ("--data", "digits", "--epochs", 1, "--limit", 10, "--most-samples", 2)
    few += ("--beta", 0.5, "--beta", 1)
    run("bounds", *few, "--out", tmp_path)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    for row in rows[1:]:
        _, rate, distortion, elbo, _ = (float(c.split("±")[0]) for c in row.strip("| ").split("|"))
        assert abs(elbo + rate + distortion) < 0.02
    assert len(rows) == 1 + len(list(tmp_path.glob("beta_*.keras"))) == 3
    for name in ("rate_distortion", "bound"):
        Image.open(tmp_path / f"{name}.png").verify()


@once
def test_denoise(tmp_path, capsys):
    run("denoise", "--data", "digits", "--epochs", 1, "--limit", 20, "--out", tmp_path)
    table = capsys.readouterr().out.split("20 test images")[1]
    corruptions = ("gaussian", "salt_and_pepper", "blocks")
    for name in corruptions:
        (line,) = [row for row in table.splitlines() if row.startswith(f"| {name} |")]
        cells = [float(cell.split("±")[0]) for cell in line.split(" | ")[1:5]]
        assert len(cells) == 4 and all(3 < decibels < 30 for decibels in cells)
    kept = {path.parent.name: path for path in tmp_path.glob("*/model.keras")}
    assert kept.keys() == {"plain", *corruptions}
    assert keras.saving.load_model(kept["blocks"]).corruption.bounds == (0, 1)
    Image.open(tmp_path / "restored.png").verify()


@once
def test_style_and_label(tmp_path, capsys):
    run("style_and_label", "--data", "digits", "--epochs", 1, "--seeds", 1, "--out", tmp_path)
    table = capsys.readouterr().out.split("360 test images")[1]
    rows = [line for line in table.splitlines() if "±" in line]
    kinds = [row.split(" | ")[0].strip("| ") for row in rows]
    assert kinds == ["ELBO", "adversary 30", "adversary 100", "beta 3"]
    names = [kind.replace(" ", "_") for kind in kinds]
    assert {path.name for path in tmp_path.glob("*.keras")} == {f"{n}_0.keras" for n in names}
    Image.open(tmp_path / "styles.png").verify()


@once
def test_benchmark(tmp_path):
    backend = keras.backend.backend()
    options = {"data": "digits", "images": 100, "batch-size": 40, "rounds": 1, "epochs": 1}
    options |= {
        "backends": backend,
        "only": "keras_cvae,epoch compiled",
        "out": tmp_path,
    }
    arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    command = [sys.executable, str(SCRIPTS / "benchmark.py"), "train", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"keras_cvae, {backend}" in done.stdout and "left out" not in done.stdout
    Image.open(tmp_path / "train_dense.png").verify()


@once
def test_likelihoods_of_a_shortened_recipe(tmp_path, capsys):
    arguments = ("conditional-1", "--data", "digits", "--epochs", 2, "--out", tmp_path)
    arguments += ("--samples", 20, "--limit", 9)
    run("experiments/reproduce_likelihoods", *arguments)
    trained = (tmp_path / "conditional-1" / "model.keras").stat().st_mtime_ns
    result = json.loads((tmp_path / "conditional-1" / "result.json").read_text())
    assert result["epochs"] == 2 and result["images"] == 9 and 0 < result["ours"] < 50
    run("experiments/reproduce_likelihoods", *arguments)  # nothing is trained again
    assert (tmp_path / "conditional-1" / "model.keras").stat().st_mtime_ns == trained
    capsys.readouterr()
    run("experiments/reproduce_likelihoods", "--out", tmp_path)
    shown = capsys.readouterr().out
    assert f"| conditional-1 | 82.32 | {result['ours']:.2f}" in shown and "2, shortened" in shown


@once
def test_image_completion(tmp_path, capsys):
    arguments = ("grey-1", "binary-3", "--data", "digits", "--epochs", 2, "--samples", 5)
    arguments += ("--limit", 20, "--out", tmp_path)
    run("experiments/image_completion", *arguments)
    table = capsys.readouterr().out
    assert "| grey-1 | 100.4 | 71.8 | " in table and "| binary-3 |  | 20.95 | " in table
    for name, images in (("grey-1", 48), ("binary-3", 16)):  # hidden pixels
        model = keras.saving.load_model(tmp_path / name / "model.keras")
        assert model.image_shape == (images,) and model.condition.shape == (64 - images,)
        result = json.loads((tmp_path / name / "result.json").read_text())
        assert 0 < result["baseline"] < 60 and (result["images"], result["epochs"]) == (20, 2)
        assert 0 < result["model"] <= result["elbo"] < 100  # a tighter bound, or the same
    Image.open(tmp_path / "completions.png").verify()
    trained = (tmp_path / "grey-1" / "model.keras").stat().st_mtime_ns
    (tmp_path / "grey-1" / "result.json").unlink()
    run("experiments/image_completion", "grey-1", *arguments[2:])  # nothing is trained again
    assert (tmp_path / "grey-1" / "model.keras").stat().st_mtime_ns == trained


@once
def test_quadrants_are_those_of_the_example():
    recipe = runpy.run_path(str(SCRIPTS / "experiments/image_completion.py"))
    digits = datasets.load("digits")
    x = digits.x_test[:, :, :, 0]
    quarter = np.zeros((2, 2), bool)
    for name, place in (("grey-1", (1, 0)), ("grey-2", (0, 0)), ("grey-3", (0, 1))):
        quarter[place] = True  # lower left, upper left, upper right
        data = recipe["load"](recipe["ROWS"][name], digits)
        np.testing.assert_array_equal(data.mask, np.kron(quarter, np.ones((4, 4), bool)))
        np.testing.assert_allclose(data.visible["test"], x[:, data.mask] / x.dtype.type(1))
        images = np.zeros_like(data.images["test"])
        images = recipe["fill_in"](data, images, data.hidden["test"])
        np.testing.assert_allclose(images[..., 0], x * ~data.mask)
    data = recipe["load"](recipe["ROWS"]["binary-1"], digits)
    assert {*np.unique(data.hidden["valid"])} == {*np.unique(data.visible["test"])} == {0, 1}
    assert len(np.unique(data.hidden["train"])) > 2  # binarized in each step


@once
def test_tables_print_and_plot_saved_results(tmp_path, capsys):
    """No model is trained: the figures of both seeds are there."""
    quality = dict.fromkeys(("marginals", "correlations", "accuracy", "distance"), 0.5)
    for seed, value in enumerate((0.7, 0.8)):
        rare = dict.fromkeys(("recall", "f1", "balanced", "precision"), value)
        figures = {"quality": {"VAE": quality}, "oversampling": {"SMOTE": rare, "VAE": rare}}
        (tmp_path / f"wine_{seed}.json").write_text(json.dumps(figures))
    run("experiments/tables", "wine", "--seeds", 2, "--out", tmp_path)
    out = capsys.readouterr().out
    assert "| wine | VAE | 0.500 ± 0.000 | 0.500 ± 0.000 |" in out
    assert "| wine | SMOTE | 0.750 ± 0.050 | 0.750 ± 0.050 |" in out  # the standard error
    for name in ("quality", "oversampling"):
        Image.open(tmp_path / f"{name}.png").verify()


@once
def test_the_stages_of_the_recipe():
    recipe = runpy.run_path(str(SCRIPTS / "experiments/reproduce_likelihoods.py"))
    paper = recipe["ROWS"]["unconditional-1"].recipe
    rate = paper.learning_rate(paper.epochs, 3000)
    stages = [sum(3**j for j in range(i)) for i in range(8)]  # the epoch at which each begins
    for i, begins in enumerate(stages):
        assert float(rate(begins * 3000 + 1)) == pytest.approx(1e-3 * 10 ** (-i / 7), rel=1e-5)


@once
def test_rows_of_a_table_are_compared_with_real_ones(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    rows = [
        f"{a:.3f},{a + b:.3f},{'ab'[int(a > 0)]}"
        for a, b in zip(x, rng.normal(size=400), strict=True)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["u,v,w", *rows]))
    run("experiments/rows", tmp_path / "rows.csv", "w", "--seeds", 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("seed 0,") and lines[1].endswith("(1.000)")  # u tells w
    assert any(line.startswith("  C2ST") for line in lines)


@once
def test_fitted_priors_are_compared(tmp_path, capsys):
    cvae = keras_cvae.build_cvae((8, 8, 1), 10, 4, network="dense")
    cvae.compile("adam")
    x, y, *_ = datasets.load("digits")
    cvae.fit([x, y], epochs=1, verbose=0)
    cvae.save(tmp_path / "cvae.keras")
    options = ["--data", "digits", "--shared", 3, "--count", 60, "--out", tmp_path]
    run("experiments/fitted_priors", tmp_path / "cvae.keras", *options)
    first, *others = capsys.readouterr().out.splitlines()[-3:]
    assert "held-out images themselves" in first
    assert [line.split(":")[0] for line in others] == ["mixture", "3 shared"]
    assert all("slant kept" in line for line in others)
