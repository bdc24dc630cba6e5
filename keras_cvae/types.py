"""The type of tensors in annotations."""

from typing import Any, TypeAlias

# A tensor of the backend, or a symbolic tensor of Keras: no type covers both.
Tensor: TypeAlias = Any
