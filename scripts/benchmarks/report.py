"""Tables and plots of the benchmark, with a description of the machine."""

from __future__ import annotations

import csv
import json
import os
import platform
import shutil
import statistics
import subprocess
import textwrap
from importlib import metadata
from pathlib import Path

PACKAGES = ("keras_cvae", "keras", "tensorflow", "jax", "torch")
FORMATS = {  # of a column's numbers; two decimals for others
    "images/s": ",.0f",
    "slowest": ",.0f",
    "fastest": ",.0f",
    "peak MB": ",.0f",
    "batch": "",
    "size": "",
}


def machine() -> str:
    """Describes the machine: cores, processor, GPU, versions."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(": ")[1] for line in lines if line.startswith("model name")), name)
    parts = [f"{count} CPU cores ({name})"]
    if shutil.which("nvidia-smi") and os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1"):
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        parts += subprocess.run(query, capture_output=True, text=True).stdout.splitlines()
    parts.append(f"Python {platform.python_version()}")
    for package in PACKAGES:
        try:
            parts.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(parts)


def table(rows: list[dict]) -> str:
    """Formats rows as plain text: strings aligned to the left, numbers to the right."""

    def text(header, value):
        if value is None:
            return "-"
        return value if isinstance(value, str) else format(value, FORMATS.get(header, ".2f"))

    columns = []
    for header in _headers(rows):
        cells = [header, *(text(header, row.get(header)) for row in rows)]
        width = max(map(len, cells))
        left = any(isinstance(row.get(header), str) for row in rows)
        columns.append([cell.ljust(width) if left else cell.rjust(width) for cell in cells])
    return "\n".join(" | ".join(line).rstrip() for line in zip(*columns, strict=True))


def _headers(rows):
    return list(dict.fromkeys(header for row in rows for header in row))


def rates(contender) -> dict:
    """The columns on speed, which are the same in all tables."""
    values = contender.rates
    return {
        "images/s": statistics.median(values),
        "slowest": min(values),
        "fastest": max(values),
    }


def write(
    out: Path, name: str, title: str, rows: list[dict], figure, timings, note: str = ""
) -> None:
    """Prints a table and writes it as `.txt`, `.csv` and `.json`, with its plot.

    Args:
        out: Folder.
        name: Name of the files, without suffix.
        title: Title; a description of the machine is added.
        rows: Rows of the table.
        figure: The plot.
        timings: All timings, for the `.json` file.
        note: Explanation of the columns.
    """
    out.mkdir(parents=True, exist_ok=True)
    title = f"{title}\n{machine()}"
    lines = f"{title}\n\n{table(rows)}\n" + (f"\n{note}\n" if note else "")
    print(f"\n{lines}")
    (out / f"{name}.txt").write_text(lines)
    with (out / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, _headers(rows))
        writer.writeheader()
        writer.writerows(rows)
    content = {"title": title, "rows": rows, "timings": timings}
    (out / f"{name}.json").write_text(json.dumps(content, indent=1, default=vars))
    width = int(figure.get_figwidth() * 12.5)
    wrapped = "\n".join(textwrap.fill(line, width) for line in title.splitlines())
    figure.suptitle(wrapped, fontsize=9)
    figure.savefig(out / f"{name}.png")


def bars(panels: dict[str, list[tuple]], xlabel: str, log: bool = False):
    """Plots horizontal bars, one panel below the other.

    Args:
        panels: For the title of each panel, `(name, [values])` of each bar: its length is the
            median, with a whisker from the minimum to the maximum.
        xlabel: Quantity and unit.
        log: If True, the axis is logarithmic.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    from matplotlib.figure import Figure

    lengths = [len(panel) for panel in panels.values()]
    size = (9, 1.2 + sum(0.32 * length + 0.6 for length in lengths))
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    grid = figure.subplots(
        len(panels), 1, squeeze=False, sharex=True, gridspec_kw={"height_ratios": lengths}
    )
    for axes, (title, panel) in zip(grid[:, 0], panels.items(), strict=True):
        names, values = zip(*panel, strict=True)
        medians = [statistics.median(v) for v in values]
        below = [m - min(v) for m, v in zip(medians, values, strict=True)]
        above = [max(v) - m for m, v in zip(medians, values, strict=True)]
        colours = [
            "tab:blue" if "keras_cvae" in name or "cvae." in name else "0.7" for name in names
        ]
        axes.barh(names, medians, color=colours)
        axes.errorbar(medians, names, xerr=[below, above], fmt="none", ecolor="black", capsize=3)
        texts = [f" {m:,.0f}" if max(medians) > 100 else f" {m:.2f}" for m in medians]
        ends = [m + a for m, a in zip(medians, above, strict=True)]
        for end, name, text in zip(ends, names, texts, strict=True):
            axes.text(end, name, text, va="center", fontsize=8)
        axes.invert_yaxis()
        axes.set_title(title, fontsize=10)
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
        axes.margins(x=0.12)
        if log:
            axes.set_xscale("log")
    grid[-1, 0].set_xlabel(xlabel)
    grid[-1, 0].xaxis.set_major_formatter("{x:,.10g}")
    return figure


def curves(panels: dict[str, list[tuple]], ylabel: str):
    """Plots curves on logarithmic axes, one panel beside the other.

    Args:
        panels: For the label of each horizontal axis, `(x, [values])` of each point: the median,
            with a whisker from the minimum to the maximum.
        ylabel: Quantity and unit.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    figure = Figure(figsize=(3.1 * len(panels), 3.6), dpi=100, layout="constrained")
    for axes, (label, points) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        x, values = zip(*points, strict=True)
        y = [statistics.median(v) for v in values]
        below = [m - min(v) for m, v in zip(y, values, strict=True)]
        above = [max(v) - m for m, v in zip(y, values, strict=True)]
        axes.errorbar(x, y, [below, above], marker="o", markersize=4, capsize=3)
        axes.set(xscale="log", yscale="log", xlabel=label, ylabel=ylabel)
        axes.set_xticks(x, [f"{value:,}" for value in x], rotation=45, ha="right")
        axes.minorticks_off()
        axes.set_ylim(min(map(min, values)) / 2, max(map(max, values)) * 2)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:,.10g}")
        axes.grid(alpha=0.3)
    return figure
