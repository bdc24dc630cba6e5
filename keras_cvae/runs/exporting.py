"""A part of a run's model as a file that other runtimes open, checked by running it."""

from __future__ import annotations

import importlib.util
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_cvae.checks import ArgumentError, explain, look_up, require
from keras_cvae.runs.reading import Run

PARTS = "generator", "encoder", "decoder"
BATCHES = 1, 7  # examples of the batches that a file is checked with
TOLERANCE = 1e-4


class Format(NamedTuple):
    """A format of files.

    Attributes:
        suffix: The suffix of its files, empty for a folder.
        backends: The backends of Keras that write it.
        package: The package that opens it.
        extra: What to install with pip.
        open: Function of the path to a function of arrays by the names of the inputs, to arrays.
        example: Lines of Python that open `{file}` and set `outputs`, from a dict `inputs`.
    """

    suffix: str
    backends: tuple[str, ...]
    package: str
    extra: str
    open: Callable[[Path], Callable[[dict], list[np.ndarray]]]
    example: str


def export(
    run: Run,
    out: str | Path,
    *,
    part: str = "generator",
    format: str = "onnx",
    force: bool = False,
) -> float:
    """Exports the generator, encoder or decoder of a run, and checks the file against Keras.

    The generator takes noise, samples of N(0, I), and labels, and returns images; random operations
    themselves cannot be exported. Beside the file there are a `.json` file with the names of the
    classes and the ranges of the inputs, which an ONNX file also has as metadata, and a `.py` file
    that opens it.

    Args:
        run: The run.
        out: The file, with the suffix of the format; of a `"tf_saved_model"` a folder.
        part: `"generator"`, `"encoder"` or `"decoder"`.
        format: `"onnx"`, `"tf_saved_model"`, `"litert"` or `"openvino"`.
        force: Whether to replace files that exist.

    Returns:
        The greatest difference between the outputs of the file and of Keras, over batches of 1 and
        of 7 examples.

    Raises:
        ValueError: If an argument is not one of the above, the backend does not write the format,
            a package is missing, or the outputs differ by more than 1e-4. No file is left then.
    """
    kind = look_up("format", format, FORMATS)
    look_up("part", part, dict.fromkeys(PARTS))
    _check(kind, format, run)
    out = Path(out)
    suffix = f"a name that ends in {kind.suffix}" if kind.suffix else "a folder"
    require(out.suffix == kind.suffix, "out", f"must be {suffix}", f"'{out}'")
    targets = [out, out.with_suffix(".json"), out.with_suffix(".py")]
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
            model.export(str(made), format=format, verbose=False)
            if format == "onnx":
                _add_metadata(made, notes)
            difference = _difference(model, kind.open(made))
        except Exception as error:  # converters and runtimes raise errors of many kinds
            expected = f"must be one that has every operation of this {part}"
            others = ", ".join(name for name in FORMATS if name != format)
            received = f"{format!r}, which fails with: {_brief(error)}"
            advice = ("format", f"may be {others}")
            raise ArgumentError("format", expected, received, advice) from error
        expected = f"The exported file must give the outputs of Keras within {TOLERANCE:g}"
        require(difference <= TOLERANCE, None, expected, f"a difference of {difference:.2g}")
        targets[1].write_text(json.dumps(notes, indent=2) + "\n", "utf-8")
        targets[2].write_text(_example(kind, out, model, notes), "utf-8")
        if out.is_dir():
            shutil.rmtree(out)
        for path in Path(folder).iterdir():  # OpenVINO has a second file, of weights
            shutil.move(path, out.parent / path.name)
    return difference


def describe(run: Run, part: str) -> dict:
    """Returns what a user of an exported file needs to know, as JSON holds it.

    Args:
        run: The run.
        part: One of `PARTS`.
    """
    model = getattr(run.model, part)
    first = {"generator": "samples of N(0, 1)", "decoder": "latents"}
    inputs = {}
    for place, tensor in enumerate(model.inputs):
        described = {"shape": ["batch", *tensor.shape[1:]], "dtype": tensor.dtype}
        if place == 0:
            described["values"] = first.get(part, f"{run.example}s as the model was trained on")
        elif tensor.dtype == "int32":
            described["values"] = "a class by its number from 0; -1 is unknown"
        else:
            described["values"] = "numbers as in the training data"
        inputs[tensor.name] = described
    outputs = ["z_mean", "z_log_var"] if part == "encoder" else [run.example]
    columns = [column.name for column in run.table.learned] if hasattr(run, "table") else []
    return {
        "part": part,
        "inputs": inputs,
        "outputs": outputs,
        "class_names": run.class_names,
        "columns": columns,
        "trained_on": run.config["data"]["name"].rpartition("/")[2],
        "keras_cvae": run.config["versions"]["keras_cvae"],
    }


def _check(kind, name, run):
    backend = keras.backend.backend()
    others = " or ".join(f"KERAS_BACKEND={each}" for each in kind.backends)
    expected = "must be one that the backend writes"
    advice = ("the same run", f"can be exported with {others}")
    require(backend in kind.backends, "format", expected, f"{name!r} on {backend}", advice)
    policy = run.model.dtype_policy.compute_dtype
    expected = "The dtype policy of an exported model must be float32"
    require(policy == "float32", None, expected, policy)
    needed = [kind.package]
    if name == "onnx":
        needed += [{"tensorflow": "tf2onnx", "torch": "onnxscript", "jax": "jax2onnx"}[backend]]
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    expected = f"needs the package {' and '.join(missing)}: pip install {kind.extra}"
    require(not missing, "format", expected, f"{name!r}")


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
        for ours, theirs in zip(outputs, use(arrays), strict=True):
            greatest = max(greatest, float(np.abs(ours - theirs).max()))
    return greatest


def _brief(error, most=160):
    """Returns the beginning of a message in one line."""
    text = " ".join(str(error).split())
    return text if len(text) <= most else f"{text[:most]}..."


def _add_metadata(path, notes):
    import onnx

    model = onnx.load(path)
    for key, value in notes.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value if isinstance(value, str) else json.dumps(value)
    onnx.save(model, path)


def _example(kind, out, model, notes):
    lines = [
        f'"""Opens {out.name}: the {notes["part"]} of a model of {notes["trained_on"]}."""',
        "",
    ]
    lines += ["import numpy as np", "", "count = 7", "inputs = {"]
    for place, tensor in enumerate(model.inputs):
        shape = ", ".join(map(str, ("count", *tensor.shape[1:])))
        made = f"np.zeros(({shape},), 'int32')"
        if tensor.dtype != "int32":
            draw = "normal" if place == 0 and notes["part"] != "encoder" else "uniform"
            made = f"np.random.default_rng(0).{draw}(size=({shape})).astype('float32')"
        lines.append(f"    {tensor.name!r}: {made},")
    lines += ["}", *kind.example.format(file=out.name).splitlines(), "print(outputs[0].shape)"]
    return "\n".join(lines) + "\n"


def _open_onnx(path) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    names = [given.name for given in session.get_inputs()]

    def use(arrays):
        return session.run(None, dict(zip(names, arrays.values(), strict=True)))

    return use


def _open_saved_model(path) -> Any:
    import tensorflow as tf

    module = tf.saved_model.load(str(path))

    def use(arrays):
        values = list(arrays.values())
        outputs = module.serve(values if len(values) > 1 else values[0])
        return [np.asarray(output) for output in keras.tree.flatten(outputs)]

    return use


def _open_litert(path) -> Any:
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(str(path))

    def use(arrays):
        runner = interpreter.get_signature_runner()
        by_name = {
            name: next(value for key, value in arrays.items() if key in name)
            for name in runner.get_input_details()
        }
        outputs = runner(**by_name)
        return [outputs[name] for name in sorted(outputs)]

    return use


def _open_openvino(path) -> Any:
    import openvino

    precise = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(path, "CPU", precise)

    def use(arrays):
        found = compiled(list(arrays.values()))
        return [found[place] for place in range(len(found))]

    return use


FORMATS = {
    "onnx": Format(
        ".onnx",
        ("tensorflow", "torch", "jax"),
        "onnxruntime",
        '"keras_cvae[onnx]"',
        _open_onnx,
        "import onnxruntime\n\n"
        "session = onnxruntime.InferenceSession('{file}')\n"
        "names = [given.name for given in session.get_inputs()]\n"
        "outputs = session.run(None, dict(zip(names, inputs.values())))",
    ),
    "tf_saved_model": Format(
        "",
        ("tensorflow", "jax"),
        "tensorflow",
        "tensorflow",
        _open_saved_model,
        "import tensorflow as tf\n\n"
        "values = list(inputs.values())\n"
        "model = tf.saved_model.load('{file}')\n"
        "outputs = tf.nest.flatten(model.serve(values if len(values) > 1 else values[0]))",
    ),
    "litert": Format(
        ".tflite",
        ("tensorflow",),
        "tensorflow",
        "tensorflow",
        _open_litert,
        "import tensorflow as tf\n\n"
        "use = tf.lite.Interpreter('{file}').get_signature_runner()\n"
        "names = [next(n for n in use.get_input_details() if key in n) for key in inputs]\n"
        "outputs = list(use(**dict(zip(names, inputs.values()))).values())",
    ),
    "openvino": Format(
        ".xml",
        ("tensorflow", "torch"),
        "openvino",
        "openvino",
        _open_openvino,
        "import openvino\n\n"
        "precise = {{'INFERENCE_PRECISION_HINT': 'f32'}}\n"
        "model = openvino.Core().compile_model('{file}', 'CPU', precise)\n"
        "found = model(list(inputs.values()))\n"
        "outputs = [found[0]]",
    ),
}
