"""How notebooks display a data set, a run and measures."""

import numpy as np
import pytest

from keras_cvae import datasets, evaluation, html, plots, runs

pytestmark = pytest.mark.once


def test_text_is_escaped():
    text = html.Table(["<a>"], [["1 < 2 & 3"]], "<script>").__html__()
    assert "&lt;a&gt;" in text and "1 &lt; 2 &amp; 3" in text and "<script>" not in text
    assert html.paragraphs(["a", "", "<b>"]) == "<p>a</p>\n<p>&lt;b&gt;</p>"
    assert html.Table(["a"], [], "None.").__html__() == "<p>None.</p>"


def test_pictures_are_embedded(tmp_path):
    figure = plots.sheet(np.zeros((4, 3, 3)))
    figure.savefig(tmp_path / "a.png")
    of_file = html.Picture(tmp_path / "a.png", "zeros").__html__()
    assert of_file.startswith('<figure><img src="data:image/png;base64,iVBOR')
    drawing = html.Picture(figure, "zeros", is_drawing=True).__html__()
    assert "data:image/svg+xml;base64," in drawing and drawing.endswith(
        "zeros</figcaption></figure>"
    )
    assert drawing.startswith("<figure><img")
    figure.set_figwidth(12)
    assert html.Picture(figure, "zeros").__html__().startswith('<figure class="wide broad"><img')


@pytest.mark.parametrize("shape", [(6, 5, 1), (6, 5, 3), (7,)])
def test_a_data_set(shape):
    x, y = np.zeros((40, *shape), "uint8"), np.arange(40) % 2
    for names in ((), ("cat", "<dog>")):
        text = datasets.Dataset(x, y if names else None, x[:9], y[:9] if names else None, names)
        text = text._repr_html_()
        assert "40 training and 9 test examples" in text
        assert ("&lt;dog&gt;" in text) == bool(names)
        assert ("<img" in text) == (len(shape) == 3)


def test_measures():
    measure = evaluation.Measure("recall", 0.125, 0.01, "share", "of real images", 0.5, None, "low")
    protocol = {"test_examples": 12, "seed": 0, "standard_errors": "over images", "backend": "jax"}
    text = evaluation.Report(protocol, [measure], "No collapse")._repr_html_()
    assert "<td>recall</td><td>0.1250</td><td>0.0100</td><td>0.5000</td>" in text
    assert "12 test examples, seed 0, on jax" in text and "<p>recall 0.1250: low</p>" in text


def test_a_run(monkeypatch, tmp_path):
    class Known(runs.ImageRun):
        metrics = {"elbo": -1.5, "kl": 0.5}
        summary = lambda self: "40 images"  # noqa: E731
        unfinished = None

        def __init__(self):
            self.folder = tmp_path
            self.model = type("Model", (), {"elbo_terms": ("reconstruction", "kl")})

    text = Known()._repr_html_()
    assert "<p>40 images</p>" in text and "<td>elbo</td><td>-1.50</td>" in text
    assert "<img" not in text
    plots.sheet(np.zeros((4, 3, 3))).savefig(tmp_path / "samples.png")
    assert "<img" in Known()._repr_html_()
