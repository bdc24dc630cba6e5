"""The type of tensors in annotations."""

from typing import Any, TypeAlias

# Of the backend, or a symbolic one of Keras: no type covers both.
Tensor: TypeAlias = Any
