"""Several conditions at once, each a named input that may be unknown."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import ops

from keras_cvae.checks import ArgumentError
from keras_cvae.conditions import classes
from keras_cvae.conditions.base import Condition
from keras_cvae.names import is_reserved
from keras_cvae.types import Tensor


def refuse_reserved(names) -> None:
    """Raises a `ValueError` if a name is reserved for a layer of the model."""
    reserved = [name for name in names if is_reserved(name)]
    if reserved:
        raise ArgumentError(
            "Attributes",
            "must have names other than those of the model's layers, `keras_cvae.graph.NAMES`; "
            f"rename these, for example to {', '.join(f'`my_{name}`' for name in reserved)}",
            ", ".join(reserved),
        )


@keras.saving.register_keras_serializable("keras_cvae")
class Attributes(Condition):
    """Named attributes, categorical or continuous; y is the concatenation of their vectors.

    Args:
        **attributes: By name, a number of classes, a list of their names, or a condition
            (`Classes`, `Vector`, `Image`). The model's inputs have the names of the attributes.

    Call arguments:
        inputs: Dict from the names of the attributes to tensors, as each attribute takes them.
        training: Whether to hide values of attributes with `dropout` at random.

    Returns:
        Tensor of shape `(batch, width)`, attribute after attribute.

    Raises:
        ValueError: If there are no attributes, one is not a condition, or a name is reserved.

    Example:
    ```python
    condition = conditions.Attributes(digit=10, slant=conditions.Vector(1), hand=["left", "right"])
    cvae = keras_cvae.build_cvae((28, 28, 1), condition)
    cvae.fit({"image": x_train, "digit": y_train, "slant": slants, "hand": hands})
    cvae.generate({"digit": 8, "slant": np.linspace(-0.5, 0.5, 9), "hand": "left"})
    ```
    """

    def __init__(self, **attributes):
        types = {"name": str, "trainable": bool, "dtype": (str, dict, keras.DTypePolicy)}
        of_layer = {k for k, kind in types.items() if isinstance(attributes.get(k), kind)}
        super().__init__(**{key: attributes.pop(key) for key in of_layer})
        self.autocast = False  # each attribute casts its own inputs
        if not attributes:
            raise ArgumentError(
                "Attributes",
                "must have attributes by name, such as `Attributes(digit=10, slant=Vector(1))`",
                "no attributes",
            )
        refuse_reserved(attributes)
        self.attributes = {}
        for name, attribute in attributes.items():
            if not isinstance(attribute, Condition):
                attribute = classes.of(attribute)
            elif len(attribute.inputs()) != 1 or attribute.infers:
                raise ArgumentError(
                    name,
                    "must be a condition of one input that is not inferred from the image",
                    f"{type(attribute).__name__}",
                )
            self.attributes[name] = attribute
        self.width = sum(attribute.width for attribute in self.attributes.values())

    def build(self, input_shape) -> None:
        for name, attribute in self.attributes.items():
            attribute.build(input_shape[name])
        self.built = True

    def inputs(self) -> dict[str, keras.KerasTensor]:
        tensors = {}
        for name, attribute in self.attributes.items():
            (tensor,) = attribute.inputs().values()
            tensors[name] = keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        return tensors

    def call(self, inputs, training=False) -> Tensor:
        vectors = [
            ops.cast(attribute(inputs[name], training=training), self.compute_dtype)
            for name, attribute in self.attributes.items()
        ]
        return ops.concatenate(vectors, axis=-1)

    def compute_output_spec(self, inputs, training=False) -> keras.KerasTensor:
        batch = next(iter(inputs.values())).shape[0]
        return keras.KerasTensor((batch, self.width), dtype=self.compute_dtype)

    def check(self, values, count, name="y") -> dict:
        values = {} if values is None else values
        if not isinstance(values, dict) or not set(values) <= set(self.attributes):
            received = sorted(values) if isinstance(values, dict) else type(values).__name__
            raise ArgumentError(
                name,
                f"must be a dict of {', '.join(self.attributes)}; those left out are unknown",
                f"{received}",
            )
        checked = {}
        for key, attribute in self.attributes.items():
            (checked[key],) = attribute.check(values.get(key), count, f"{name}[{key!r}]").values()
        return checked

    def check_by_name(self, values, count) -> dict:
        return self.check(values, count)

    def count(self, values) -> int:
        known = values if isinstance(values, dict) else {}
        parts = {name: part for name, part in self.attributes.items() if name in known}
        return max((part.count(known[name]) for name, part in parts.items()), default=1)

    def as_argument(self, values) -> dict:
        return values

    def adapt(self, values: dict) -> None:
        """Adapts every `Vector` to the mean and variance of training values.

        Args:
            values: Dict from the names of attributes to training values.

        Raises:
            ValueError: If an attribute does not take its values.
        """
        for name, attribute in self.attributes.items():
            if name in values:
                attribute.adapt(values[name])

    def adapt_once(self, values) -> None:
        for name, attribute in self.attributes.items():
            attribute.adapt_once({key: values[name] for key in attribute.inputs()})

    def packer(self) -> Callable[[dict], dict]:
        packers = {name: attribute.packer() for name, attribute in self.attributes.items()}

        def pack(values):
            packed = {}
            for name, attribute in self.attributes.items():
                inputs = dict.fromkeys(attribute.inputs(), values[name])
                (packed[name],) = packers[name](inputs).values()
            return packed

        return pack

    @property
    def needs_data(self) -> bool:
        return any(attribute.needs_data for attribute in self.attributes.values())

    def describe_missing(self, values=None) -> list[str]:
        return self._describe("describe_missing", values)

    def describe_untrained(self, values) -> list[str]:
        return self._describe("describe_untrained", values)

    def _describe(self, method, values):
        """Returns the sentences of every attribute, each starting with the attribute's name."""
        sentences = []
        for name, attribute in self.attributes.items():
            inputs = None if values is None else dict.fromkeys(attribute.inputs(), values[name])
            described = getattr(attribute, method)(inputs)
            sentences += [f"`{name}`: {sentence}" for sentence in described]
        return sentences

    def get_config(self) -> dict:
        config = super().get_config()
        of_layer = {key: config[key] for key in ("name", "trainable", "dtype")}
        serialize = keras.saving.serialize_keras_object
        return {**of_layer, **{name: serialize(part) for name, part in self.attributes.items()}}

    @classmethod
    def from_config(cls, config) -> Attributes:
        of_layer = {key: config[key] for key in ("name", "trainable", "dtype") if key in config}
        parts = {
            key: keras.saving.deserialize_keras_object(value)
            for key, value in config.items()
            if key not in of_layer
        }
        return cls(**of_layer, **parts)
