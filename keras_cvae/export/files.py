"""Writes a submodel of a run to a file, runs the file, and describes it."""

from __future__ import annotations

import importlib.util
import json
import shutil
import tempfile
from pathlib import Path

import keras
import numpy as np

from keras_cvae.checks import ArgumentError, explain, look_up, require
from keras_cvae.export.base import Format
from keras_cvae.runs.reading import Run

BATCHES = 1, 7  # examples of the batches that a file is checked with
TOLERANCE = 1e-4  # relative for outputs beyond 1, such as numbers of a table
ROWS = """\
columns = json.load(open('{notes}', encoding='utf-8'))['columns']
for row in np.asarray(outputs[0]):
    cells = [
        column['categories'][int(cell)]
        if 'categories' in column
        else round(float(cell), 4) + column['add']
        for column, cell in zip(columns, row)
    ]
    print(dict(zip([column['name'] for column in columns], cells)))"""


def write(run: Run, out: Path, kind: Format, part: str, force: bool) -> float | None:
    """Writes a submodel and the files beside it, as the function `write` of `export`.

    Args:
        run: The run.
        out: The file or folder.
        kind: The format.
        part: The submodel.
        force: Whether to replace files that exist.

    Returns:
        The greatest difference from Keras; None of a format that is not opened here.

    Raises:
        ValueError: As that function.
    """
    look_up("part", part, dict.fromkeys(kind.parts))
    _check(kind, run)
    suffix = f"a name that ends in {kind.suffix}" if kind.suffix else "a folder"
    require(out.suffix == kind.suffix, "out", f"must be {suffix}", f"'{out}'")
    beside = [out.with_suffix(suffix) for suffix in (".json", ".py") if kind.example]
    targets = [out, *beside]
    taken = [str(path) for path in targets if path.exists()]
    require(force or not taken, "out", "must be new", taken, ("force=True", "replaces files"))
    is_ours = not out.is_dir() or (out / "saved_model.pb").exists()
    expected = "must not be a folder of something else than an exported model"
    require(is_ours, "out", expected, f"'{out}'")
    with explain("out", "must be in a folder that can be written to", OSError):
        out.parent.mkdir(parents=True, exist_ok=True)
    model = getattr(run.model, part)
    notes = describe(run, part)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / out.name
        try:
            kind.write(run, part, made, notes)
            difference = _difference(model, kind.open(made)) if kind.example else None
        except ArgumentError:
            raise
        except Exception as error:  # converters and runtimes raise errors of many kinds
            expected = (
                f"must be one that has every operation of this {part}; tf_saved_model has most"
            )
            received = f"{kind.name!r}, which fails with: {_brief(error)}"
            raise ArgumentError("format", expected, received) from error
        if kind.example:
            expected = f"The exported file must have the outputs of Keras within {TOLERANCE:g}"
            require(difference <= TOLERANCE, None, expected, f"a difference of {difference:.2g}")
            beside[0].write_text(json.dumps(notes, indent=2) + "\n", "utf-8")
            beside[1].write_text(_example(kind, out, model, notes), "utf-8")
        if out.is_dir():
            shutil.rmtree(out)
        for path in Path(folder).iterdir():  # OpenVINO has a second file, of weights
            shutil.move(path, out.parent / path.name)
    return difference


def describe(run: Run, part: str) -> dict:
    """Returns the inputs and outputs of a submodel and the names of its classes, for JSON.

    Of a table also how the numbers of each column become cells: names of its categories, or a
    number to add and the unit.

    Args:
        run: The run.
        part: `"generator"`, `"encoder"` or `"decoder"`.
    """
    model = getattr(run.model, part)
    first = {"generator": "samples of N(0, 1)", "decoder": "latents"}
    table = getattr(run, "table", None)
    conditions = dict(table.by_input()) if table else {}
    inputs = {}
    for place, tensor in enumerate(model.inputs):
        described = {"shape": ["batch", *tensor.shape[1:]], "dtype": tensor.dtype}
        if place == 0:
            described["values"] = first.get(part, f"{run.example}s as the model was trained on")
        elif tensor.dtype == "int32":
            described["values"] = "a class by its number from 0; -1 is unknown"
        else:
            described["values"] = "numbers as in the training data"
        if tensor.name in conditions:
            described.update(_cells_of(conditions[tensor.name]))
        inputs[tensor.name] = described
    outputs = ["z_mean", "z_log_var"] if part == "encoder" else [run.example]
    return {
        "part": part,
        "inputs": inputs,
        "outputs": outputs,
        "class_names": run.class_names,
        "columns": [_cells_of(column) for column in table.learned] if table else [],
        "trained_on": run.config["data"]["name"].rpartition("/")[2],
        "keras_cvae": run.config["versions"]["keras_cvae"],
    }


def _cells_of(column):
    """Returns how the numbers of a column become cells."""
    if column.levels:
        return {"name": column.name, "categories": column.names}
    return {"name": column.name, "add": getattr(column, "offset", 0.0), "unit": column.unit}


def _check(kind, run):
    backend = keras.backend.backend()
    others = " or ".join(f"KERAS_BACKEND={each}" for each in kind.backends)
    expected = f"must be one that {backend} can write; this one needs {others}"
    require(backend in kind.backends, "format", expected, repr(kind.name))
    policy = run.model.dtype_policy.compute_dtype
    expected = "The dtype policy of an exported model must be float32"
    require(policy == "float32", None, expected, policy)
    needed = kind.packages.get(backend, ())
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    expected = f"needs the package {' and '.join(missing)}: pip install {kind.install}"
    require(not missing, "format", expected, repr(kind.name))


def _difference(model, use):
    """Returns the greatest difference between the outputs of a file and of Keras."""
    rng = np.random.default_rng(0)
    greatest = 0.0
    for count in BATCHES:
        arrays = {}
        for tensor in model.inputs:
            shape = (count, *tensor.shape[1:])
            is_label = tensor.dtype == "int32"
            labels = np.arange(count, dtype="int32") % 2
            arrays[tensor.name] = labels if is_label else rng.random(shape, "float32")
        outputs = keras.tree.flatten(model.predict(list(arrays.values()), verbose=0))
        # OpenVINO's converter adds unused tensors after the outputs.
        exported = use(arrays)[: len(outputs)]
        for ours, theirs in zip(outputs, exported, strict=True):
            difference = np.abs(ours - theirs) / np.maximum(1.0, np.abs(ours))
            greatest = max(greatest, float(difference.max()))
    return greatest


def _brief(error, most=160):
    """Returns the beginning of a message in one line."""
    text = " ".join(str(error).split())
    return text if len(text) <= most else f"{text[:most]}..."


def _example(kind, out, model, notes):
    lines = [
        f'"""Opens {out.name}: the {notes["part"]} of a model of {notes["trained_on"]}."""',
        "",
    ]
    shows_rows = notes["columns"] and notes["part"] != "encoder"
    lines += ["import json", ""] if shows_rows else []
    lines += ["import numpy as np", "", "count = 7", "inputs = {"]
    for place, tensor in enumerate(model.inputs):
        shape = ", ".join(map(str, ("count", *tensor.shape[1:])))
        array = f"np.zeros(({shape},), 'int32')"
        if tensor.dtype != "int32":
            method = "normal" if place == 0 and notes["part"] != "encoder" else "uniform"
            array = f"np.random.default_rng(0).{method}(size=({shape})).astype('float32')"
        lines.append(f"    {tensor.name!r}: {array},")
    lines += ["}", *kind.example.format(file=out.name).splitlines(), "print(outputs[0].shape)"]
    if shows_rows:
        lines += ROWS.format(notes=out.with_suffix(".json").name).splitlines()
    return "\n".join(lines) + "\n"
