"""Many steps of one trace on torch: each shape of batch is traced once, and the trace runs.

Between two operations of a small network Keras's layers take longer than torch does. A trace, see
`torch_traces`, has only the operations.
"""

from __future__ import annotations

import collections
import contextlib
import warnings
import weakref

import keras
import torch

from keras_cvae.fitting.torch_traces import Trace

OFTEN = 3  # batches of one shape, after which tracing a prediction pays
_WARNED = weakref.WeakSet()  # models that have caused the warning that they are not traced

# glibc returns large blocks to the system when they are freed, and each step would ask for them
# again, page by page. After a block of just under 32 MB was freed, glibc keeps up to 64 MB.
# Reference: https://man7.org/linux/man-pages/man3/mallopt.3.html, on M_MMAP_THRESHOLD.
torch.empty(2**25 - 2**13, dtype=torch.uint8)


class Program:
    """A train or test function for Keras: `program([block])` returns the logs of a block.

    Args:
        model: The model; its step is called with a batch.
        kind: `"train"` or `"test"`.
        batch_size: Number of rows of a step's batch.
        jit_compile: As passed to `compile`; nothing is compiled here.
    """

    def __init__(self, model, kind: str, batch_size: int, jit_compile):
        self.model, self.batch_size, self._kind = model, batch_size, kind
        self._step = getattr(model, f"{kind}_step")
        self._trains = kind == "train"
        if self._trains and not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        self._traces = {}
        self._ways = [True, False] if self._trains else [True]  # with the optimizer, or without it

    def __call__(self, data):
        ((rows, block),) = data
        arrays = keras.tree.flatten(block)
        kind = str(keras.tree.map_structure(lambda array: (array.shape[1:], array.dtype), block))
        for start in range(0, int(rows), self.batch_size):
            count = min(self.batch_size, int(rows) - start)
            leaves = [array[start : start + count] for array in arrays]
            if (kind, count) in self._traces:
                self._traces[kind, count](leaves)
                continue
            batch = keras.tree.pack_sequence_as(block, leaves)
            trace = self._record(batch)
            if trace:
                self._traces[kind, count] = trace
            else:
                with torch.set_grad_enabled(self._trains):
                    self._step(batch)
        return self.model.get_metrics_result()

    def _record(self, batch):
        """Takes a step and returns its trace; or returns None, and nothing has changed."""
        while self._ways:
            try:
                return Trace(self.model, self._kind, batch, self._ways[0])
            except Exception as error:  # whatever a layer does that cannot be traced
                self._ways.pop(0)
                if not self._ways and self.model not in _WARNED:
                    _WARNED.add(self.model)
                    warnings.warn(
                        "Steps run one at a time, through Keras's layers: torch cannot trace what "
                        f"one of them does. {type(error).__name__}: {error}",
                        stacklevel=4,
                    )
        return None


class Predictions:
    """Applies a model to batches: through Keras's layers, after a few of one shape by its trace.

    A trace has the operations of the layers, so that both give the same numbers, to the bit.
    """

    def __init__(self):
        self._seen, self._traces = collections.Counter(), {}
        self._structure = None  # of the model's outputs

    def __call__(self, model, data):
        """Returns the model's outputs for a batch, NumPy arrays.

        Args:
            model: The model, the same in each call: a trace refers to the values of its variables.
            data: An array, or a list of arrays.
        """
        leaves = [keras.ops.convert_to_tensor(array) for array in keras.tree.flatten(data)]
        kind = str([(leaf.shape, leaf.dtype) for leaf in leaves])
        self._seen[kind] += 1
        outputs = None
        if kind in self._traces:
            outputs = self._traces[kind](leaves)
        elif self._seen[kind] == OFTEN:
            with contextlib.suppress(Exception):  # whatever a layer does that cannot be traced
                trace = Trace(model, "predict", (keras.tree.pack_sequence_as(data, leaves),))
                self._structure = keras.tree.map_structure(lambda _: 0, trace.outputs)
                outputs = keras.tree.flatten(vars(trace).pop("outputs"))
                self._traces[kind] = trace
        if outputs is None:
            return model.predict_on_batch(data)
        arrays = [*map(keras.ops.convert_to_numpy, outputs)]
        return keras.tree.pack_sequence_as(self._structure, arrays)
