import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from keras_cvae import corruptions, datasets, latents, runs
from keras_cvae.runs import lock
from keras_cvae.runs.pictures import DIAGRAMS, KINDS
from tests.command import TINY, error_of, run_cli, warning_of

pytestmark = pytest.mark.usefixtures("uncompiled")
once = pytest.mark.once


@pytest.mark.slow
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
    error_of(capsys, *train, "--force", "--likelihood", "poison")
    assert (folder / "metrics.json").read_text() == "old"  # nothing is lost to a mistake

    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_cli(*train, "--force") == 0
    assert "apt-get install graphviz" in capsys.readouterr().err.splitlines()[-1]
    assert (folder / "samples.png").exists()
    assert not any((folder / name).exists() for name in DIAGRAMS)
    assert (folder / "notes.txt").read_text() == "mine"  # only what it wrote is replaced
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["images"] == 10 and metrics["elbo"] == pytest.approx(elbo, rel=1e-5)

    unknown = ["--label", -1, "--count", 3]
    generate = ["generate", folder, "--out", tmp_path / "a.npz"]
    assert "dropout" in warning_of(capsys, *generate, *unknown)
    for kind in ("manifold", "samples"):
        plot = ["plot", folder, "--kind", kind, "--out", f"{kind}.png"]
        assert "dropout" in warning_of(capsys, *plot, *unknown)


@pytest.mark.once
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
    assert "without a condition" in error_of(capsys, *generate)


@pytest.mark.once
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
    assert "--force" in error_of(capsys, "generate", run, "--out", out)
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


@once
@pytest.mark.parametrize("temperature", ["inf", "nan"])
def test_a_temperature_is_finite(run, tmp_path, capsys, temperature):
    generate = ["generate", run, "--out", tmp_path / "a.png", "--temperature", temperature]
    assert "`--temperature` must be a finite number" in error_of(capsys, *generate)


@pytest.mark.once
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


PLOTS = {
    "reconstructions": (["--count", 5, "--data", "digits"], "Reconstructions"),
    "samples": (["--seed", 1, "--count", 4], "Samples"),
    "manifold": (["--label", 3, "--axes", "1,0", "--count", 6], "Latent manifold, label 3"),
    "interpolation": (["--spherical", "--count", 3], "Spherical interpolation, label 0"),
    "traversals": (["--label", -1, "--axes", "1"], "Latent traversals, no label"),
    "swaps": (["--count", 3], "The same images under other labels"),
    "scatter": (["--count", 50], "Latent space"),
    "latent_use": (["--count", 50], "Use of the latent dimensions"),
    "nearest": (["--count", 4], "Generated images and the nearest training images"),
    "loss": ([], "loss"),
}


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
    assert "--force" in error_of(capsys, "plot", run, "--kind", kind, "--out", out)


@once
def test_plots_without_a_condition(plain_run, tmp_path, capsys, drawn):
    plot = ["plot", plain_run, "--out", tmp_path / "a.png", "--force", "--kind"]
    for kind in ("samples", "manifold", "interpolation", "traversals"):
        assert run_cli(*plot, kind, "--count", 3) == 0
        assert "label" not in drawn[-1].axes[0].get_title()
    assert run_cli(*plot, "scatter") == run_cli(*plot, "nearest") == 0
    assert "without a condition" in error_of(capsys, *plot, "manifold", "--label", 1)
    assert "without classes" in error_of(capsys, *plot, "swaps")


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
    assert message in error_of(capsys, "plot", run, "--out", tmp_path / "a.png", *arguments)
    assert not (tmp_path / "a.png").exists()


@once
def test_an_unfinished_run_is_reported(run, tmp_path, capsys):
    folder = shutil.copytree(run, tmp_path / "run")
    (folder / "metrics.json").unlink()
    generate = ["generate", folder, "--out", tmp_path / "a.npz", "--force"]
    assert "was stopped; its weights are those after epoch 2" in warning_of(capsys, *generate)
    with lock.hold(folder):
        assert "is still training; its weights are" in warning_of(capsys, *generate)
    (folder / "history.csv").write_text("")
    assert "was stopped; no epoch has ended, so" in warning_of(capsys, *generate)


@once
def test_changed_data_warn(toys, plain_run, capsys):
    with np.load(toys) as arrays:
        before = dict(arrays)
    np.savez(toys, **{**before, "x_test": 1 - before["x_test"]})
    try:
        few = ["--samples", 1]
        assert "are no longer those that" in warning_of(capsys, "evaluate", plain_run, *few)
        capsys.readouterr()
        assert run_cli("evaluate", plain_run, "--data", toys, *few) == 0
        assert capsys.readouterr().err == ""
    finally:
        np.savez(toys, **before)
