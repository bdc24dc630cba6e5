"""The report of a run: one HTML file with its pictures, which opens without a network."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import keras

from keras_cvae import evaluation, page_template
from keras_cvae.html import Picture, Table
from keras_cvae.runs import pictures
from keras_cvae.runs.metrics import EVALUATIONS
from keras_cvae.runs.reading import Run

NAME = "report.html"
TEMPLATE = Path(__file__).with_name(NAME)
MOST = 2000  # test examples whose latents are drawn
TERMS = {
    "elbo": "evidence lower bound of log p(x | y)",
    "kl": "KL divergence of the posterior from the prior",
    "reconstruction": "negative log-likelihood of the reconstruction",
}


class Section(NamedTuple):
    """A part of the report.

    Attributes:
        title: The heading.
        text: Sentences below the heading.
        parts: `Picture`s and `Table`s.
        commands: Shell commands.
    """

    title: str
    text: str = ""
    parts: Sequence[Picture | Table] = ()
    commands: Sequence[str] = ()


def write(run: Run) -> Path:
    """Writes the report of a run into its folder, and replaces an earlier one.

    Args:
        run: The run.

    Returns:
        The path of the file.
    """
    run.verdict = verdict(run)
    sections = [_numbers(run), *run.sections(), *_diagrams(run), _settings(run), _commands(run)]
    title = f"{run.example.capitalize()}s of {Path(run.config['data']['name']).name}"
    text = [*run.summary().splitlines()]
    return page(run.folder / NAME, title, text, run.verdict, sections, run.config["versions"])


def page(
    path: Path,
    title: str,
    text: Sequence[str],
    remarks: Sequence[str],
    sections: Sequence[Section],
    versions: Mapping[str, str],
) -> Path:
    """Writes one HTML file that contains its pictures, and replaces an earlier one.

    Args:
        path: The file.
        title: Title of the page.
        text: Paragraphs below the title.
        remarks: Sentences in a frame below the paragraphs.
        sections: The `Section`s.
        versions: Versions of the packages that were used, by name.

    Returns:
        The path.
    """
    content = {"summary": text, "verdict": remarks, "sections": sections, "versions": versions}
    return page_template.write(path, TEMPLATE, title=title, **content)


def verdict(run: Run) -> list[str]:
    """Returns sentences on the quality of the model.

    Args:
        run: The run.
    """
    metrics, sentences = run.metrics, []
    if all(name in metrics for name in run.model.kl_terms):
        x, y, _ = run.test_images(count=MOST)
        active = evaluation.active_units(run.model, x, None if run.model.condition is None else y)
        kl = {name: metrics[name] for name in run.model.kl_terms}
        sentences.append(f"{evaluation.latent_use.verdict(kl, active)}.")
    sentences += run.remarks()
    for report in metrics.get(EVALUATIONS, {}).values():
        sentences += [
            f"{measure['name']} {number(measure['value'])}: {measure['remark']}."
            for measure in report["measures"]
            if measure["remark"]
        ]
    if not metrics.get(EVALUATIONS):
        sentences.append("More measures are added by `keras-cvae evaluate`.")
    return sentences


def _numbers(run):
    metrics, unit = run.metrics, f"nats per {run.example}"
    names = [name for name in ("elbo", *run.model.elbo_terms) if name in metrics]
    errors = {"elbo": metrics.get("standard_error")}
    rows = [
        [name, number(metrics[name]), number(errors.get(name)), unit, TERMS.get(name, "")]
        for name in names
    ]
    protocol = "Not measured."
    if rows:
        count = metrics[f"{run.example}s"]
        protocol = f"Test set: {count} {run.example}s, {metrics['draws']} samples of z for each."
    header = "measure", "value", "standard error", "unit", "definition"
    parts = [Table(header, rows, protocol)]
    for data, report in metrics.get(EVALUATIONS, {}).items():
        rows = [
            [m["name"], *map(number, (m["value"], m["standard_error"], m["real"])), m["unit"]]
            + [m["how"]]
            for m in report["measures"]
        ]
        protocol = report["protocol"]
        caption = f"{data}: {protocol['test_examples']} test examples, seed {protocol['seed']}; "
        caption += f"standard errors are {protocol['standard_errors']}. "
        caption += "“real” is the same measure of real data."
        header = "measure", "value", "standard error", "real", "unit", "definition"
        parts.append(Table(header, rows, caption))
    curves = Picture(pictures.loss(run), "Each term of the loss by epoch.", is_drawing=True)
    return Section("Numbers", "", [*parts, curves])


def _diagrams(run) -> Iterator[Section]:
    paths = [run.folder / name for name in pictures.DIAGRAMS]
    if all(path.exists() for path in paths):
        parts = [Picture(path, path.stem) for path in paths]
        yield Section("Networks", f"{run.model.count_params():,} parameters.", parts)


def _settings(run):
    chosen = run.config.get("chosen", {})
    settings = {**run.config["model"], **run.config["training"]}
    rows = [
        [name, setting(value), f"chosen: {chosen[name]}" if name in chosen else ""]
        for name, value in settings.items()
        if name != "condition"
    ]
    return Section("Settings", "", [Table(("setting", "value", "why"), rows)])


def _commands(run):
    data, folder = (shlex.quote(str(part)) for part in (run.config["data"]["name"], run.folder))
    command = run.config.get("command") or f"keras-cvae train --data {data}"
    lines = [command, f"keras-cvae evaluate {folder}"]
    lines.append(f"keras-cvae generate {folder} --out generated{run.suffixes[0]}")
    return Section("Commands", f"Trained with Keras on {keras.backend.backend()}.", (), lines)


def setting(value) -> str:
    """Returns a setting of a run in a few words.

    Args:
        value: A number, a text, a part of a model, or the config of a part.
    """
    if isinstance(value, Mapping):
        settings = {name: each for name, each in value.items() if name != "class"}
        texts = ", ".join(f"{name} {setting(each)}" for name, each in settings.items())
        return f"{value.get('class', '')} ({texts})" if texts else value.get("class", "")
    if hasattr(value, "get_config"):
        return type(value).__name__
    return str(value)


def number(value) -> str:
    """Returns a measure as text.

    Args:
        value: A number, a list of numbers, or None.
    """
    if value is None:
        return ""
    if isinstance(value, Sequence):
        return f"{min(value):.3g} to {max(value):.3g}"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.2f}"
