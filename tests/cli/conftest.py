"""Runs that the tests of the command share."""

import pytest
from matplotlib.figure import Figure

from tests.command import TINY, run_cli
from tests.data.files import write_classes


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    run = tmp_path_factory.mktemp("cli") / "runs" / "tiny"
    assert run_cli("train", "--out", run, "--epochs", 2, *TINY) == 0
    return run


@pytest.fixture(scope="session")
def plain_run(tmp_path_factory, toys, eagerly):
    """A run of a model without a condition."""
    run = tmp_path_factory.mktemp("plain") / "run"
    options = ["--unconditional", "--likelihood", "gaussian", "--beta", 0.5, "--activation", "tanh"]
    options += ["--corruption", "blocks"]
    with eagerly():
        assert run_cli("train", "--data", toys, "--out", run, "--epochs", 1, *TINY, *options) == 0
    return run


@pytest.fixture(scope="session")
def named_run(tmp_path_factory, eagerly):
    """A run of images in classes that have names."""
    folder = tmp_path_factory.mktemp("named")
    train = ["train", "--data", write_classes(folder / "data"), "--out", folder / "run", "--quiet"]
    with eagerly():
        assert run_cli(*train, "--no-measure", "--epochs", 1, *TINY) == 0
    return folder / "run"


@pytest.fixture
def drawn(monkeypatch):
    """The figures that commands save."""
    figures = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda *args: (figures.append(args[0]), save(*args)))
    return figures
