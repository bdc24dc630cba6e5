"""A page that generates images: its program against Keras, in a browser."""

import re
import shutil
import subprocess

import numpy as np
import pytest

import keras_cvae
from keras_cvae import conditions, export, likelihoods, networks, priors, runs
from keras_cvae.datasets import Dataset
from tests.command import error_of, run_cli

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("uncompiled")]
CLICKS = """
<script>
const context = element("image").getContext("2d");
const pixels = () => context.getImageData(0, 0, width, height).data.join();
const seen = [pixels()];
buttons[1].click(); seen.push(pixels());
sliders[0].value = sliders[0].max; sliders[0].oninput(); seen.push(pixels());
element("another").click(); seen.push(pixels());
element("centre").click(); seen.push(pixels());
document.body.dataset.seen = new Set(seen).size;
document.body.dataset.tiles = tiles.length;
</script></body>"""


def make_run(condition=3, shape=(7, 5, 1), **options):
    """A run of a model that has not been trained, far from where it starts."""
    cvae = keras_cvae.build_cvae(shape, condition, 4, **options)
    rng = np.random.default_rng(0)
    for weight in cvae.trainable_weights:
        weight.assign_add(0.2 * rng.standard_normal(weight.shape))
    x, y = rng.random((12, *shape), "float32"), np.arange(12) % 3
    classes = ["cat", "</script><b>", "owl"] if condition else []
    dataset = Dataset(x, y, x, y, tuple(classes))
    config = {"class_names": classes, "data": {"name": "toys"}, "versions": {"keras_cvae": "0"}}
    return runs.ImageRun(None, config, cvae, dataset)


def open_page(path):
    """The page as Chromium has it after its scripts have run."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("Chromium is not installed")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    options += [f"--user-data-dir={path.parent / 'browser'}", "--dump-dom", path.as_uri()]
    done = subprocess.run([browser, *options], capture_output=True, text=True, timeout=120)
    return done.stdout


MODELS = {
    "dense": {"network": networks.Dense((8, 6), activation="tanh", inject="every_layer")},
    "conv": {"network": networks.Conv((4, 6)), "prior": priors.Conditional()},
    "colour": {"shape": (6, 9, 3), "network": networks.Conv((4,)), "likelihood": "gaussian"},
    "inferred": {"condition": conditions.Inferred(3), "network": networks.Dense((8,))},
    "no classes": {"condition": None, "network": networks.Dense((8,)), "prior": "mixture"},
}


@pytest.mark.parametrize("name", MODELS)
def test_a_browser_generates_the_images_of_keras(name, tmp_path):
    path = tmp_path / "page.html"
    assert export.write(make_run(**MODELS[name]), path, format="web") is None
    text = path.read_text("utf-8")
    assert not re.findall(r"(?:src|href)=|https?://|<b>", text)
    clicks = CLICKS if name != "no classes" else CLICKS.replace("buttons[1].click();", "")
    path.write_text(text.replace("</body>", clicks), "utf-8")
    page = open_page(path)
    difference = float(re.search(r'data-difference="([^"]+)"', page)[1])
    assert difference < 1e-5
    seen, tiles = (int(re.search(rf'data-{key}="(\d+)"', page)[1]) for key in ("seen", "tiles"))
    assert seen == (4 if name == "no classes" else 5) and tiles == (
        0 if name == "no classes" else 3
    )
    assert name == "no classes" or "&lt;/script&gt;&lt;b&gt;" in page


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"likelihood": "logistic_mixture"}, "a likelihood whose mean is an activation"),
        ({"network": "residual"}, "a decoder of Dense, Reshape, Conv2D and Conv2DTranspose layers"),
        ({"condition": conditions.Vector(2)}, "a model of classes"),
        ({"network": networks.Dense((4,), activation="gelu")}, "activations among linear, relu"),
        ({"shape": (5,), "network": "dense"}, "images of 1 or 3 channels"),
        ({"likelihood": likelihoods.ContinuousBernoulli()}, "a likelihood whose mean"),
    ],
)
def test_unsupported_models_raise_an_error(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export.write(make_run(**options), tmp_path / "page.html", format="web")
    assert not list(tmp_path.iterdir())


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(runs.Run, "load", lambda folder: make_run(network=networks.Dense((4,))))
    command = ["export", tmp_path, "--format", "web", "--out"]
    message = "`--out` must be a name that ends in .html"
    assert message in error_of(capsys, *command, tmp_path / "a.png")
    message = "`--what` must be one of 'generator'. Did you mean 'generator'? Received: 'encoder'"
    assert message in error_of(capsys, *command, tmp_path / "a.html", "--what", "encoder")
    assert run_cli(*command, tmp_path / "a.html") == 0
    assert "which opens in a browser" in capsys.readouterr().out
