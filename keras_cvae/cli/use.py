"""The commands that use a run: generate, reconstruct, evaluate, plot, report, compare, export."""

from __future__ import annotations

import functools
import inspect
import math
import sys
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from keras_cvae.checks import look_up, require
from keras_cvae.cli import names, parsing, tables
from keras_cvae.cli.app import Command, app
from keras_cvae.cli.arguments import Count, Force, OtherData, Out, RunFolder, Seed


@app.command(cls=Command)
def generate(
    folder: RunFolder,
    out: Out,
    label: Annotated[list[str] | None, Option(help="Class, by name or number.")] = None,
    count: Count = 16,
    temperature: Annotated[float, Option(help="Below 1: more typical, less varied.")] = 1.0,
    pixels: Annotated[
        str | None, Option(help="mean or sample of the pixels.  [default: mean]")
    ] = None,
    where: tables.Where = None,
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Generate images, or rows of a table, with a trained model.

    `--label` may be repeated; images have these labels in turn, by default all classes. A picture
    has a full row for each label, so it may show a few images more than `--count`. `--label -1`
    generates without a label. For a table, `--where` sets values or ranges of columns; the other
    conditions are sampled from training rows that match.
    """
    import numpy as np

    from keras_cvae import conditions, plots, runs
    from keras_cvae.runs import pictures
    from keras_cvae.tables import is_table, write

    parsing.check_out_file(out, force, runs.ImageRun.suffixes + runs.TableRun.suffixes)
    run: Any = runs.Run.load(folder)  # of images or of a table
    parsing.check_out_file(out, force, run.suffixes)
    if is_table(out):
        tables.leave_out({"--label": label, "--pixels": pixels}, "images")
        rows = run.generate(where or "", count, temperature=temperature, seed=seed)
        write(rows, out)
        print(f"Wrote {len(rows)} rows to {out}")
        return
    tables.leave_out({"--where": where}, "tables")
    model, classes = run.model, run.class_names
    labels = parsing.labels("--label", label, classes) if label else range(len(model.classes))
    labels = np.array(list(dict.fromkeys(labels)), "int32")
    each = ""
    if len(labels) > 1 and out.suffix != ".npz":
        columns = math.ceil(count / len(labels))  # every row is full
        count, each = columns * len(labels), f", {columns} of each label,"
    y = np.resize(labels, count) if len(labels) else None
    options: dict[str, Any] = {"temperature": temperature, "pixels": pixels or "mean", "seed": seed}
    images = _clip(model.generate(y, count=count, **options))
    if out.suffix == ".npz":
        unknown = np.full(count, conditions.UNKNOWN, "int32")
        np.savez_compressed(out, images=images, labels=unknown if y is None else y)
    elif len(labels) > 1:
        style: dict[str, Any] = dict(class_names=classes, columns=count)
        plots.class_rows(pictures.drawable(run, images), y, **style).savefig(out)
    else:
        plots.sheet(pictures.drawable(run, images)).savefig(out)
    print(f"Wrote {count} images{each} to {out}")


@app.command(cls=Command)
def reconstruct(
    folder: RunFolder,
    out: Out,
    as_label: Annotated[str | None, Option(help="Class to change the images to.")] = None,
    data: OtherData = None,
    count: Count = 16,
    force: Force = False,
) -> None:
    """Encode and decode test images; with `--as-label`, change their class and keep the style.

    For a table, write the decoded rows, with missing cells filled in.
    """
    import numpy as np

    from keras_cvae import conditions, plots, runs
    from keras_cvae.runs import pictures
    from keras_cvae.tables import is_table, write

    parsing.check_out_file(out, force, runs.ImageRun.suffixes + runs.TableRun.suffixes)
    run: Any = runs.Run.load(folder)  # of images or of a table
    parsing.check_out_file(out, force, run.suffixes)
    if is_table(out):
        tables.leave_out({"--as-label": as_label}, "images")
        _, decoded = run.reconstruct(data, count)
        write(decoded, out)
        print(f"Wrote the reconstructions of {len(decoded)} test rows to {out}")
        return
    model = run.model
    images, labels, class_names = run.test_images(data, count)
    targets = labels = np.full(len(images), conditions.UNKNOWN) if labels is None else labels
    as_y = None
    if as_label is not None:
        (as_y,) = parsing.labels("--as-label", [as_label], run.class_names)
        targets = np.full_like(labels, as_y)
    y = labels if model.classes else None
    decoded = _clip(model.reconstruct(images, y, as_y=as_y))
    if out.suffix == ".npz":
        arrays = dict(images=images, labels=labels, reconstructed=decoded, as_labels=targets)
        np.savez_compressed(out, **arrays)
    else:
        style: dict[str, Any] = {"y": labels if class_names else None, "max_images": count}
        style["class_names"] = class_names or None
        if as_label is not None:
            style["title"] = f"Reconstructions as {as_label}".replace("$", r"\$")
        plots.reconstructions(
            pictures.drawable(run, images), pictures.drawable(run, decoded), **style
        ).savefig(out)
    print(f"Wrote {len(images)} test images and their reconstructions to {out}")


@app.command(cls=Command)
def evaluate(
    folder: RunFolder,
    data: OtherData = None,
    samples: Annotated[int, Option(help="Samples of z for log p of an image.")] = 5000,
    limit: Annotated[
        int | None, Option(help="Maximum number of test images.  [default: all]")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Measure a trained model on test images; print a table and add it to the run's metrics.

    The measures are likelihoods, the use of latent dimensions, and the quality of generated images.
    Training the classifiers for them takes minutes on MNIST, as may log p with many samples.
    """
    from keras_cvae import runs
    from keras_cvae.runs import metrics

    run = runs.Run.load(folder)
    options: dict[str, Any] = {"samples": samples, "limit": limit, "seed": seed}
    options["on_stage"] = functools.partial(print, flush=True)
    report = runs.evaluate(run, data, verbose=int(sys.stdout.isatty()), **options)
    saved = f"Saved in {run.folder / metrics.NAME}"
    print(f"\n{report}\n{'Not saved: the run is unfinished' if run.unfinished else saved}")


@app.command(cls=Command)
def plot(
    folder: RunFolder,
    kind: Annotated[str, Option(help=f"What to plot: {', '.join(names.PICTURES)}.")],
    out: Annotated[Path, Option(metavar="FILE.png", help="The picture.")],
    label: Annotated[str | None, Option(help="Class, by name or number.")] = None,
    axes: Annotated[str | None, Option(help="Dimensions of z: 0,1.")] = None,
    count: Annotated[int | None, Option(min=1, help="Number of images, paths, steps.")] = None,
    spherical: Annotated[
        bool, Option("--spherical", help="Interpolate along a great circle.")
    ] = False,
    data: OtherData = None,
    seed: Annotated[int | None, Option(min=0, max=2**32 - 1, help="Seed of samples.")] = None,
    force: Force = False,
) -> None:
    """Plot images of a trained model, or its latent space.

    Plots of the latent space of a conditional model show one class, by default the first.
    """
    from keras_cvae import runs
    from keras_cvae.runs import pictures, table_pictures

    draw = look_up("--kind", kind, pictures.KINDS | table_pictures.KINDS)
    options = dict(label=label, axes=axes, count=count, data=data, seed=seed)
    options["spherical"] = spherical or None
    options = {name: value for name, value in options.items() if value is not None}
    known = [name for name in inspect.signature(draw).parameters if name != "run"]
    takes = ", ".join(f"`--{name}`" for name in known) or "no options"
    for name in options:
        require(name in known, None, f"A picture of kind '{kind}' takes {takes}", f"--{name}")
    parsing.check_out_file(out, force, suffixes=(".png",))
    if axes is not None:
        options["axes"] = parsing.integers("--axes", axes, ",")
    run = runs.Run.load(folder)
    draw = look_up("--kind", kind, run.kinds)
    if label is not None:
        (options["label"],) = parsing.labels("--label", [label], run.class_names)
    draw(run, **options).savefig(out)
    print(f"Wrote {kind} to {out}")


@app.command(cls=Command)
def report(folder: RunFolder) -> None:
    """Write the report of a run again: one HTML file that opens in a browser, even offline."""
    from keras_cvae import runs

    print(f"Wrote {runs.report.write(runs.Run.load(folder))}")


@app.command(cls=Command)
def compare(
    folders: Annotated[list[Path], Argument(metavar="RUN RUN...", help="Folders of runs.")],
    out: Annotated[Path, Option(metavar="FILE.html", help="The page.")] = Path("comparison.html"),
    force: Force = False,
) -> None:
    """Compare runs: print their measures side by side, and write a page with their curves too."""
    from keras_cvae import runs

    parsing.check_out_file(out, force, suffixes=(".html",))
    print(runs.comparing.write([runs.Run.load(folder) for folder in folders], out))
    print(f"Wrote {out}")


@app.command(cls=Command)
def export(
    folder: RunFolder,
    out: Annotated[Path, Option(metavar="FILE", help="The file; for tf_saved_model a folder.")],
    format: Annotated[str, Option(help=", ".join(names.FORMATS) + ".")] = "onnx",
    what: Annotated[str, Option(help="generator, encoder or decoder.")] = "generator",
    force: Force = False,
) -> None:
    """Export a part of a model to a file that other programs open, and check it against Keras.

    The generator takes noise and labels, and returns images. Beside the file are a .json file that
    describes its inputs, and a .py file that opens it. The format `web` is a page that generates
    images in a browser, without a server.
    """
    from keras_cvae import export as exports
    from keras_cvae import runs

    run = runs.Run.load(folder)
    difference = exports.write(run, out, part=what, format=format, force=force)
    if difference is None:
        print(f"Wrote {out}, which opens in a browser")
        return
    print(f"Wrote the {what} to {out}; its outputs differ from those of Keras by {difference:.1g}")
    print(f"Try it: python {out.with_suffix('.py')}")


def _clip(images):
    """Clips images, but not vectors, to [0, 1]: means of a normal likelihood may be outside."""
    return images.clip(0.0, 1.0) if images.ndim > 2 else images
