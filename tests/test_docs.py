"""Every block of code in README and docs runs, and the names, options and links there exist."""

import ast
import configparser
import re
import runpy
import shlex
from pathlib import Path

import keras
import numpy as np
import pytest
import typer
from PIL import Image
from typer.main import get_command

import keras_cvae
from keras_cvae import datasets, estimators, evaluation, export, priors, runs, tables
from keras_cvae.cli.app import app
from tests.command import run_cli

pytestmark = pytest.mark.once
ROOT = Path(__file__).parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?: {4}.*\n)+")


def blocks(page, kind):
    return [code for language, code in FENCE.findall(PAGES[page]) if language == kind]


def shell_lines():
    for page, text in PAGES.items():
        indented = INDENTED.findall(FENCE.sub("", text))
        for block in [*blocks(page, "shell"), *indented]:
            for line in block.strip().splitlines():
                for command in line.partition("#")[0].split("&&"):
                    yield page, command.strip()


@pytest.fixture
def mnist():
    """As small as can be, and of the shape of MNIST."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 10
    images = rng.integers(0, 256, (40, 28, 28, 1), dtype="uint8")
    names = tuple(map(str, range(10)))
    return datasets.Dataset(images[:30], labels[:30], images[30:], labels[30:], names)


@pytest.fixture
def small(tmp_path, monkeypatch, mnist):
    """Little data under the names of the pages, few steps, no XLA; in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    for number in range(20):
        folder = tmp_path / "photos" / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype="uint8")
        Image.fromarray(pixels).save(folder / f"{number}.png")
    rng = np.random.default_rng(0)
    rows = zip(
        rng.choice(list("FM"), 60), rng.integers(20, 90, 60), rng.normal(size=60), strict=True
    )
    cells = [f"{sex},{age},{weight:.2f}" for sex, age, weight in rows]
    (tmp_path / "patients.csv").write_text("\n".join(["sex,age,weight", *cells]) + "\n")

    def with_few(function, **few):
        return lambda *args, **kwargs: function(*args, **{**kwargs, **few})

    def fit_once(model, x, y=None, fit=keras_cvae.CVAE.fit, **options):
        size = {} if "steps_per_epoch" in options else {"batch_size": 256}
        return fit(model, x, y, **{**options, "epochs": 1, "verbose": 0, **size})

    load = datasets.load
    whole = load("digits")
    few = datasets.Dataset(*(array[:40] for array in whole[:4]), whole.class_names)
    named = {"mnist": mnist, "digits": few}
    monkeypatch.setattr(datasets, "load", lambda d, **k: named[d] if d in named else load(d, **k))
    for holder, name, settings in [
        (keras_cvae.CVAE, "compile", {"run_eagerly": True}),
        (evaluation, "log_likelihood", {"samples": 2, "verbose": 0}),
        (evaluation, "measure", {"samples": 2, "limit": 5, "verbose": 0}),
        (runs, "train_table", {"epochs": 1, "verbose": 0}),
    ]:
        monkeypatch.setattr(holder, name, with_few(getattr(holder, name), **settings))
    monkeypatch.setattr(keras_cvae.CVAE, "fit", fit_once)
    monkeypatch.setattr(evaluation.classifier, "SEEN", 0)
    monkeypatch.setattr(keras.utils, "plot_model", lambda *args, **kwargs: None)  # by Graphviz


SLOW = ("tables", "measuring", "troubleshooting", "uses")


def with_python():
    for page in PAGES:
        if blocks(page, "python"):
            is_slow = Path(page).stem in SLOW
            yield pytest.param(page, marks=pytest.mark.slow if is_slow else ())


@pytest.mark.parametrize("page", [*with_python()])
def test_the_python_of_a_page(page, small):
    names = {}
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec"), names)


@pytest.mark.slow
def test_the_commands_of_the_readme(small):
    few = {"train": "--epochs 1 --hidden-units 8", "evaluate": "--samples 2 --limit 20"}
    commands = [line for page, line in shell_lines() if page == "README.md"]
    words = [shlex.split(line)[1:] for line in commands if line.startswith("keras-cvae")]
    for name, *options in words[:4]:  # those of the digits
        assert run_cli(name, *options, *few.get(name, "").split()) == 0
    assert Path("eights.png").exists() and Path("as_eights.png").exists()


def parse(words):
    """Parses a command as the shell would hand it over, without running it."""
    program, *rest = (word for word in words if not re.match("[A-Z_]+=", word))
    if program == "keras-cvae" and rest[0] != "--version":
        get_command(app).commands[rest[0]].make_context(rest[0], rest[1:])
    elif program == "python" and rest[0].endswith(".py"):
        if "ray_" in rest[0]:
            pytest.importorskip("ray")
        main = runpy.run_path(str(ROOT / rest[0]))
        command = main.get("app") or typer.Typer()
        if "app" not in main:
            command.command()(main["main"])
        get_command(command).make_context(rest[0], rest[1:])
    elif program == "pip":
        extras = re.findall(r"^\.\[(\w+)\]$", " ".join(rest[1:]))
        setup = configparser.ConfigParser()
        setup.read(ROOT / "setup.cfg")
        assert {*extras} <= {*setup["options.extras_require"]}
    else:
        assert program in {"keras-cvae", "python", "mkdocs", "mypy", "ruff", "pre-commit"}


@pytest.mark.parametrize(("page", "line"), {(page, line): None for page, line in shell_lines()})
def test_the_commands_of_a_page_parse(page, line):
    parse(shlex.split(line))


def test_a_command_with_a_misspelt_option_does_not_parse():
    with pytest.raises(Exception, match="No such option: --epoch"):
        parse(["keras-cvae", "train", "--epoch", "3"])


def test_pages_name_scripts_and_pictures_that_exist_and_all_pictures():
    scripts = {name for text in PAGES.values() for name in re.findall(r"scripts/[\w/]+\.py", text)}
    assert [name for name in scripts if not (ROOT / name).exists()] == []
    shown = {name for text in PAGES.values() for name in re.findall(r"([\w]+\.png)\)", text)}
    assert shown == {path.name for path in ROOT.glob("docs/*.png")}


def test_the_readme_is_short():
    assert len(PAGES["README.md"].splitlines()) <= 150


def broken_links(page, text):
    """Links to files of the project that do not exist, or to headings that their page lacks."""
    for target, heading in re.findall(r"\]\(([^)#:\s]*)#?([\w-]*)\)", text):
        path = (ROOT / page).parent / target if target else ROOT / page
        if not path.exists():
            yield target
        elif heading:
            headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
            slugs = [re.sub(r"[^\w\s-]", "", h.lower()).strip().replace(" ", "-") for h in headings]
            if heading not in slugs:
                yield f"{target}#{heading}"


ROOTS = {name: module for name, module in vars(keras_cvae).items() if name in keras_cvae.__all__}
ROOTS |= {"keras_cvae": keras_cvae, "cvae": keras_cvae.CVAE}
ROOTS |= {"runs": runs, "estimators": estimators, "export": export}
ROOTS |= {"prior": priors.Prior, "table": tables.Table}
NAME = re.compile(rf"(?<![\w/.-])({'|'.join(ROOTS)})\.([\w.]*\w)")
FILES = ("csv", "keras", "md", "npz", "onnx", "png", "py")  # `cvae.keras` is a file


def missing_names(text):
    """Dotted names outside of blocks, such as `evaluation.bound`, that the package lacks."""
    for root, names in NAME.findall(FENCE.sub("", text)):
        part = ROOTS[root]
        for name in names.split("."):
            if isinstance(part, property) or name in FILES:
                break
            if not hasattr(part, name):
                yield f"{root}.{names}"
                break
            part = getattr(part, name)


def options_of_scripts():
    """Options of all scripts: those that typer makes of arguments, and those that are written."""
    for path in ROOT.glob("scripts/**/*.py"):
        nodes = [*ast.walk(ast.parse(path.read_text("utf-8")))]
        functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
        for function in functions:
            if function.name == "main" or function.decorator_list:
                yield from ("--" + arg.arg.replace("_", "-") for arg in function.args.args)
        for node in nodes:
            if isinstance(node, ast.Constant) and str(node.value).startswith("--"):
                yield from node.value.split("/")


def missing_options(text):
    """Options in inline code, such as `--limit`, that neither the command nor a script has."""
    commands = get_command(app).commands.values()
    own = {o for c in commands for param in c.params for o in (*param.opts, *param.secondary_opts)}
    inline = re.findall(r"`([^`]+)`", FENCE.sub("", text))
    shown = {option for code in inline for option in re.findall(r"(?<!\S)--[\w-]+", code)}
    return sorted(shown - own - {"--help", *options_of_scripts()})


@pytest.mark.parametrize("page", PAGES)
def test_links_names_and_options_on_a_page_exist(page):
    text = PAGES[page]
    assert [*broken_links(page, text), *missing_names(text), *missing_options(text)] == []


def test_broken_links_and_misspelt_names_and_options_are_noticed():
    text = "[a](docs/indx.md) [b](docs/tables.md#scikitlearn) [c](docs/tables.md#scikit-learn)"
    assert [*broken_links("README.md", text)] == ["docs/indx.md", "docs/tables.md#scikitlearn"]
    text = "`evaluation.bounds`, `evaluation.bound(cvae)`, `cvae.fit_priors`, `cvae.keras`"
    assert [*missing_names(text)] == ["evaluation.bounds", "cvae.fit_priors"]
    assert missing_options("`keras-cvae train --epoch 3 --no-measure`") == ["--epoch"]


def test_every_member_is_on_its_page():
    members = runpy.run_path(str(ROOT / "docs" / "members.py"))["members"]
    for family in ("conditions", "networks", "likelihoods", "priors", "objectives", "corruptions"):
        assert f"[[members {family}]]" in PAGES[f"docs/parts/{family}.md"]
        module = getattr(keras_cvae, family)
        public = {n for n in module.__all__ if isinstance(getattr(module, n), type)}
        assert public <= {*members(family)}
