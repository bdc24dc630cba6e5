"""A page that generates images in a browser, without a server or a network.

It contains the weights of the decoder and a small program of JavaScript that evaluates it, and
samples of the prior: the same noise, transported to z for each class.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_cvae import evaluation, page_template
from keras_cvae.checks import ArgumentError, require
from keras_cvae.export.base import Format
from keras_cvae.runs.reading import Run

TEMPLATE = Path(__file__).with_suffix(".html")
SAMPLES = 40
MOST_SLIDERS = 32
ACTIVATIONS = "linear", "relu", "sigmoid", "tanh"


class WebPage(Format):
    """One HTML file with the weights of the decoder: for each class, image and latent, a control.

    It also evaluates the decoder on a fixed z, and shows the difference from the result of Keras.
    """

    name = "web"
    suffix = ".html"
    backends = ("tensorflow", "jax", "torch")
    parts = ("generator",)

    def write(self, run: Run, part: str, path: Path, notes: dict) -> None:
        """Writes the page: buttons for the classes, a slider for each latent, another sample.

        Raises:
            ValueError: If the model has layers other than `Dense`, `Reshape` and convolutional
                ones, another condition than classes, or another likelihood than Bernoulli or normal
                ones.
        """
        expected = "A page needs a model of images"
        require(run.example == "image", None, expected, f"a model of {run.example}s")
        model = run.model
        program = _program(model)
        noise = np.random.default_rng(0).standard_normal((SAMPLES, model.latent_dim), "float32")
        labels = [*range(len(model.classes))] or [None]
        samples = np.stack([_latents(model, noise, label) for label in labels])
        x, labels_of_x, _ = run.test_images(count=1000)
        y = None if model.condition is None else model.y_of_class(labels_of_x)
        order = np.argsort(-evaluation.variance_of_means(model, x, y), kind="stable")
        of_keras = model.decode(samples[0, :1], labels[0])
        content = {
            "program": program,
            "shape": [*model.image_shape],
            "latents": [int(place) for place in order[:MOST_SLIDERS]],
            "class_names": run.class_names if model.classes else [],
            "samples": _to_base64(samples),
            "deviation": _to_base64(samples.std(1).mean(0)),
            "latent_dim": model.latent_dim,
            "count": SAMPLES,
            "of_keras": _to_base64(of_keras),
        }
        title = f"Images of {notes['trained_on']}"
        page_template.write(path, TEMPLATE, title=title, content=content)


def _latents(model, noise, label):
    """Transports noise to samples of p(z | y)."""
    prior = model.prior
    y = None
    if prior.conditional:
        y = ops.convert_to_tensor(np.tile(np.eye(len(model.classes))[label], (len(noise), 1)))
        y = ops.cast(y, "float32")
    return ops.convert_to_numpy(prior.transport(ops.convert_to_tensor(noise), y))


def _program(model) -> list[dict]:
    """Returns the operations of the decoder, each with the numbers of its inputs."""
    mean = model.likelihood.mean_activation
    expected = "A page needs a likelihood whose mean is an activation of the decoder's output, such"
    expected += " as Bernoulli, Gaussian or OptimalGaussian"
    require(mean is not None, None, expected, type(model.likelihood).__name__)
    shape = model.image_shape
    expected = "A page needs images of 1 or 3 channels"
    require(len(shape) == 3 and shape[-1] in (1, 3), None, expected, f"the shape {shape}")
    condition = model.condition
    expected = "A page needs a model of classes, or without a condition"
    require(condition is None or model.classes, None, expected, type(condition).__name__)
    steps: list[dict] = []
    number: dict[int, int] = {}  # number of the operation whose output a tensor is
    for operation in model.decoder.operations:
        step = _step(operation)
        if step["kind"] != "label":
            tensors = keras.tree.flatten([n.input_tensors for n in operation._inbound_nodes][:1])
            step["inputs"] = [number[id(tensor)] for tensor in tensors]
        number[id(operation.output)] = len(steps)
        steps.append(step)
    return [*steps, {"kind": "activation", "name": mean, "inputs": [len(steps) - 1]}]


def _step(operation) -> dict:
    """Converts an operation of Keras to one of the page."""
    if operation.name == "condition":
        return {"kind": "one_hot", "size": operation.output.shape[-1]}
    convert: Callable[[Any], dict] | None = STEPS.get(type(operation))
    if convert is None:
        expected = "A page needs a decoder of Dense, Reshape, Conv2D and Conv2DTranspose layers"
        raise ArgumentError(None, expected, f"{type(operation).__name__}")
    return convert(operation)


def _input(layer):
    return {"kind": "z" if layer.name == "z" else "label", "inputs": []}


def _dense(layer):
    return {"kind": "dense", **_weights(layer), "units": layer.units}


def _convolution(layer):
    kind = "transposed" if isinstance(layer, keras.layers.Conv2DTranspose) else "convolution"
    step = {
        "kind": kind,
        **_weights(layer),
        "filters": layer.filters,
        "shape": layer.output.shape[1:],
    }
    expected = "A page needs convolutions with padding 'same' and without dilation"
    plain = layer.padding == "same" and {*layer.dilation_rate} == {1}
    require(plain, None, expected, layer.get_config())
    return {
        **step,
        "size": layer.kernel_size,
        "strides": layer.strides,
        "from": layer.input.shape[1:],
    }


def _activation(layer):
    return {"kind": "activation", "name": _name(layer.activation)}


def _weights(layer):
    bias = layer.bias if layer.use_bias else np.zeros(layer.kernel.shape[-1])
    weights = (ops.convert_to_numpy(weight) for weight in (layer.kernel, bias))
    kernel, bias = map(_to_base64, weights)
    return {"kernel": kernel, "bias": bias, "name": _name(layer.activation)}


def _name(activation):
    name = activation.__name__
    expected = f"A page needs activations among {', '.join(ACTIVATIONS)}"
    require(name in ACTIVATIONS, None, expected, name)
    return name


def _same(layer):
    return {"kind": "same"}


def _cropping(layer):
    (top, _), (left, _) = layer.cropping
    shapes = {"from": layer.input.shape[1:], "shape": layer.output.shape[1:]}
    return {"kind": "crop", "start": [top, left], **shapes}


def _concatenate(layer):
    return {"kind": "concatenate"}


STEPS: dict[type, Callable[[Any], dict]] = {
    keras.layers.InputLayer: _input,
    keras.layers.Dense: _dense,
    keras.layers.Conv2D: _convolution,
    keras.layers.Conv2DTranspose: _convolution,
    keras.layers.Activation: _activation,
    keras.layers.Reshape: _same,
    keras.layers.Flatten: _same,
    keras.layers.Concatenate: _concatenate,
    keras.layers.Cropping2D: _cropping,
}


def _to_base64(array):
    """Encodes numbers as text: the bytes of float32 in little-endian order, in base64."""
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()
