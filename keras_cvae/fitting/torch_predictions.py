"""Prediction on torch: a model is traced once, and the trace runs without Keras's layers."""

from __future__ import annotations

import collections
import contextlib

import keras

from keras_cvae.fitting import torch_steps

OFTEN = 3  # batches of one shape, after which recording a trace pays


class Predictions:
    """Applies a model to batches, after a few of one shape by its trace.

    Args:
        to_the_bit: Whether to give what Keras's layers give, to the bit. Else the trace may round
            in other ways, and is used from the first batch on.
    """

    def __init__(self, to_the_bit: bool = True):
        self._to_the_bit = to_the_bit
        self._seen, self._traces = collections.Counter(), {}
        self._structure = None  # of what the model makes of a batch

    def __call__(self, model, data):
        """Returns the model's outputs for a batch, NumPy arrays.

        Args:
            model: The model, always the same: what is kept of it here is its variables' values.
            data: An array, or a list of arrays.
        """
        leaves = [keras.ops.convert_to_tensor(array) for array in keras.tree.flatten(data)]
        kind = str([(leaf.shape, leaf.dtype) for leaf in leaves])
        self._seen[kind] += 1
        if self._seen[kind] == (OFTEN if self._to_the_bit else 1):
            batch = (keras.tree.pack_sequence_as(data, leaves),)
            with contextlib.suppress(Exception):  # whatever a layer does that has no trace
                trace = torch_steps.Trace(model, "predict", batch, to_the_bit=self._to_the_bit)
                outputs = vars(trace).pop("outputs")
                self._structure = keras.tree.map_structure(lambda _: 0, outputs)
                self._traces[kind] = trace
                if self._to_the_bit:
                    return self._arrays(keras.tree.flatten(outputs))
        if kind not in self._traces:
            return model.predict_on_batch(data)
        return self._arrays(self._traces[kind](leaves))

    def _arrays(self, outputs):
        arrays = [*map(keras.ops.convert_to_numpy, outputs)]
        return keras.tree.pack_sequence_as(self._structure, arrays)
