"""Prediction on torch: a model is traced once, and the trace runs without Keras's layers."""

from __future__ import annotations

import collections
import contextlib

import keras

from keras_cvae.fitting import torch

OFTEN = 3  # batches of one shape, after which recording a trace pays


class Predictions:
    """Applies a model to batches, after a few of one shape by its trace."""

    def __init__(self):
        self._seen, self._traces = collections.Counter(), {}
        self._outputs = None  # whose structure is that of a batch's

    def __call__(self, model, data):
        """Returns the model's outputs for a batch, NumPy arrays.

        Args:
            model: The model, always the same: what is kept of it here is its variables' values.
            data: An array, or a list of arrays.
        """
        leaves = [keras.ops.convert_to_tensor(array) for array in keras.tree.flatten(data)]
        kind = str([(leaf.shape, leaf.dtype) for leaf in leaves])
        self._seen[kind] += 1
        if self._seen[kind] == OFTEN:
            batch = (keras.tree.pack_sequence_as(data, leaves),)
            with contextlib.suppress(Exception):  # whatever a layer does that has no trace
                self._traces[kind] = trace = torch.Trace(model, "predict", batch)
                return self._arrays(vars(trace).pop("outputs"))
        if kind not in self._traces:
            self._outputs = model.predict_on_batch(data)
            return self._outputs
        return self._arrays(self._traces[kind](leaves))

    def _arrays(self, outputs):
        arrays = [*map(keras.ops.convert_to_numpy, outputs)]
        return keras.tree.pack_sequence_as(self._outputs, arrays)
