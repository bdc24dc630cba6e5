"""Checks of all data that a model takes: images, conditions and weights, arrays or streams.

Everything here is NumPy. It needs the shapes and types of a model's inputs, the check of its
likelihood, and its condition, but not the model itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from keras_cvae.checks import ArgumentError
from keras_cvae.data import arrays, class_labels, inputs

LEAST_BRIGHT = 100.0  # least maximum of a batch of floats that is interpreted as 0 to 255


class Intake:
    """Checks the data that a user passes to a model; returns arrays by the names of the inputs.

    Args:
        inputs: Dict from the names of the model's inputs, first that of the image, to
            `(shape, dtype)`, without the batch.
        check: Function of images and the name of the argument, which checks the values and returns
            the images.
        condition: A `conditions.Condition`, which checks the values of the other inputs. With None
            only their shape and type are checked.
        support: The bounds of the images' values.
        packer: The method `likelihoods.Likelihood.packer`, which returns a function that converts
            checked images to inputs of the graph.
    """

    def __init__(
        self,
        inputs: Mapping[str, tuple],
        check: Callable,
        condition=None,
        support: tuple[float, float] = (-np.inf, np.inf),
        packer: Callable[[], Callable] = lambda: lambda images: images,
    ):
        self.inputs = dict(inputs)
        self.check, self.condition, self.support = check, condition, support
        self.packer = packer
        self.image_name = next(iter(self.inputs))
        self.image_shape = tuple(self.inputs[self.image_name][0])

    def images(self, images, name: str = "x") -> np.ndarray:
        """Checks images, or the rows of a table, and packs them for the graph.

        Args:
            images: Array of shape `(count, *image_shape)`; a last axis of 1 may be missing.
            name: Name of the argument, for messages.

        Returns:
            Array of that shape, copied only if values or type must change.

        Raises:
            ValueError: If the shape, the type or a value is invalid for the likelihood.
        """
        return self.packer()(self.check_images(images, name))

    def check_images(self, images, name: str = "x") -> np.ndarray:
        """Checks images as `images` does, without packing them."""
        return arrays.check_images(images, self.image_shape, self.check, name)

    def first_images(self, x) -> np.ndarray:
        """Checks images as `check_images` does, or those of the first batches of a stream."""
        if not inputs.is_stream(x):
            return self.check_images(x)
        _, batches = inputs.peek(x, arrays.ROWS)
        known = (inputs.arrange(batch, self.inputs)[self.image_name] for batch in batches)
        return np.concatenate([self.check_images(images) for images in known])

    def arrays(self, data) -> dict[str, np.ndarray]:
        """Checks arrays, or one batch of a stream.

        Args:
            data: `(x, y, sample_weight)`, of which the last two are optional: `x` are images,
                `[images, labels]` or a dict by name; `y` are the labels if `x` has none, or the
                images again.

        Returns:
            Dict of arrays by the names of the inputs, and `"sample_weight"` if examples have
            weights.

        Raises:
            ValueError: If the data is invalid.
        """
        return self.pack(self._arrays(data))

    def pack(self, checked: dict) -> dict:
        """Packs checked arrays for the graph, so that float32 keeps the digits of float64.

        Args:
            checked: Dict of arrays from `arrays`, also if the model has adapted to its data since.
                Packed values do not change.
        """
        return self._pack()(checked)

    def _pack(self):
        """Returns a function like `pack` that does not read weights, as training changes them."""
        pack_images = self.packer()
        pack_values = self.condition.packer() if self.condition is not None else dict

        def pack(checked):
            values = {name: checked[name] for name in [*self.inputs][1:]}
            images = pack_images(checked[self.image_name])
            return {**checked, self.image_name: images, **pack_values(values)}

        return pack

    def _arrays(self, data):
        known = inputs.arrange(data, self.inputs)
        images = self.check_images(known[self.image_name])
        self._check_target(inputs.target(data, self.inputs), known[self.image_name])
        checked = {self.image_name: images}
        values = {name: known[name] for name in [*self.inputs][1:]}
        if values and self.condition is not None:
            checked |= self.condition.check_by_name(values, len(images))
        elif values:
            for name, value in values.items():
                checked[name] = by_shape(value, *self.inputs[name], len(images), name)
        if arrays.WEIGHT in known:
            checked[arrays.WEIGHT] = arrays.check_weights(known[arrays.WEIGHT], count=len(images))
        return checked

    def take(self, x, y=None, sample_weight=None, examples: int = 1) -> tuple:
        """Checks the arguments of `fit`: arrays, or the first batches of a stream.

        Args:
            x: As for `arrays`, or a stream of batches.
            y: As for `arrays`.
            sample_weight: Weights of arrays.
            examples: The least number of examples of a stream to check.

        Returns:
            `(data, sample)`: for arrays, both are the dict of checked arrays by name; for a stream,
            the whole stream, and a dict of the checked arrays of its first batches.

        Raises:
            ValueError: If the data is invalid.
        """
        stream, first = inputs.peek(x, examples)
        if first is None:
            checked = self.arrays((x, y, sample_weight))
            return checked, checked
        if sample_weight is not None:
            raise ArgumentError(
                "sample_weight",
                "must be the third element of each batch of a stream, (image, label, weight)",
                "a stream, and `sample_weight` beside it",
            )
        inputs.check_numbers(first[0], self.inputs)
        parts = [*map(self.checker(), first)]
        return stream, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def values(self, labels, count: int, name: str = "y") -> dict[str, np.ndarray]:
        """Checks and packs values of the condition.

        Args:
            labels: As for `conditions.Condition.check`.
            count: The number of examples.
            name: Name of the argument, for messages.

        Returns:
            Dict of an array for each input except the image, by name.

        Raises:
            ValueError: If the values are invalid, or there is no condition.
        """
        if self.condition is not None:
            return self.condition.packer()(self.condition.check(labels, count, name))
        if labels is not None:
            raise ArgumentError(
                name,
                "must be left out of a model without a condition; the number of images to "
                "generate is `count`",
                f"{name} of type {type(labels).__name__}",
            )
        return {}

    def checker(self) -> Callable:
        """Returns a function like `arrays` for the batches of one stream.

        Loaders of image files yield floats from 0 to 255. The first batch determines whether all
        batches of the stream are divided by 255, so that later dark batches are divided too.
        """
        are_bytes, pack = None, self._pack()

        def check(data):
            nonlocal are_bytes
            image = inputs.arrange(data, self.inputs)[self.image_name]
            if are_bytes is None:
                are_bytes = self._are_bytes(image)
            if not are_bytes:
                return pack(self._arrays(data))
            return Intake(self.inputs, self._check_bytes, self.condition)._arrays(data)

        return check

    def _are_bytes(self, image):
        """Returns whether images are floats from 0 to 255 instead of [0, 1]."""
        if self.support != (0.0, 1.0) or len(self.image_shape) < 2:
            return False
        image = arrays.array(image, "x")
        is_float = "float" in image.dtype.name and image.size
        return bool(is_float and image.min() >= 0 and LEAST_BRIGHT <= image.max() <= 255)

    def _check_bytes(self, images, name):
        if "float" not in images.dtype.name:
            return self.check(images, name=name)
        images = arrays.check_values(images, (0.0, 255.0), name)
        return self.check(images.astype("float32") / np.float32(255), name=name)

    def pair(self, checked: Mapping) -> tuple:
        """Converts checked arrays to arguments of `CVAE.encode`.

        Args:
            checked: Dict of checked arrays by the names of the inputs.

        Returns:
            `(x, y)`: the images, and the labels as an array, a dict of arrays, or None.
        """
        names = [*self.inputs][1:]
        values = {name: checked[name] for name in names}
        labels = next(iter(values.values())) if len(values) == 1 else values or None
        if values and self.condition is not None:
            labels = self.condition.as_argument(values)
        return checked[self.image_name], labels

    def _check_target(self, target, images):
        """Raises a `ValueError` if there is a target that is not the image itself."""
        if target is None or target is images:
            return
        shapes = {self.image_shape}
        if self.image_shape[-1] == 1:
            shapes.add(self.image_shape[:-1])
        shape = tuple(getattr(target, "shape", None) or _shape(target))
        is_image = shape[1:] in shapes and len(shape) > 1
        if not is_image and len(self.inputs) == 1:
            return  # labels; a model without a condition ignores them
        if is_image and _are_equal(images, target, self.image_shape):
            return
        received = f"a target of shape {shape}" + (" with other values" if is_image else "")
        raise ArgumentError(
            "y",
            "beside complete inputs must be the images themselves, or be left out: the model "
            "reconstructs its own input, and takes no other targets (`build_cvae(..., "
            "corruption=...)` corrupts the input of the encoder)",
            f"{received}",
        )


def _shape(values):
    try:
        return np.shape(values)
    except ValueError:  # lists of unequal length
        return ()


def _are_equal(images, target, image_shape):
    images, target = (
        arrays.array(values, name).reshape(-1, *image_shape)
        for values, name in ((images, "x"), (target, "y"))
    )
    if len(images) != len(target):
        return False
    starts = range(0, len(images), arrays.ROWS)
    parts = ((a[i : i + arrays.ROWS] for a in (images, target)) for i in starts)
    return all(np.array_equal(*part, equal_nan=images.dtype.kind == "f") for part in parts)


def by_shape(values, shape, dtype, count: int, name: str) -> np.ndarray:
    """Checks values of an input by the input's shape and type only.

    Args:
        values: Array of `count` values; labels, if `shape` is that of labels or one-hot vectors.
        shape: Shape of one value.
        dtype: Type of the input.
        count: The number of examples.
        name: Name of the argument, for messages.

    Raises:
        ValueError: If shape, type or a value is not as expected.
    """
    shape, is_whole = tuple(shape), "int" in str(dtype)
    if is_whole and shape in ((), (1,)):
        labels = class_labels.check_labels(values, None, count=count, name=name)
        return labels.reshape(count, *shape)
    values = arrays.array(values, name)
    if len(shape) == 1 and shape[0] > 1 and (values.ndim == 1 or values.shape[1:] == (1,)):
        labels = class_labels.check_labels(values, shape[0], count=count, name=name)
        values = (labels[:, None] == np.arange(shape[0])).astype("float32")
    if values.shape == (count, *shape[:-1]) and shape[-1:] == (1,):
        values = values[..., None]
    return arrays.check_tensors(values, shape, count=count, name=name)
