"""Names that are reserved for the layers and arguments of a model, which inputs must not have.

The parts of a loaded model are looked up by the names of its layers, which must also differ from
those of the inputs in every submodel.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

INPUTS = "image", "z", "temperature", "features", "above", "y"
PARTS = (
    "encoder",
    "decoder",
    "classifier",
    "condition",
    "likelihood",
    "prior",
    "pixels",
    "binarize",
    "standardize",
    "corruption",
    "pseudo_inputs",
    "posterior",
    "sampling",
    "path",
    "samples",
    "every_label",
    "chosen_label",
    "augment",
)
TERMS = (
    "loss",
    "elbo",
    "kl",
    "reconstruction",
    "kl_label",
    "classification",
    "consistency",
    "adversary",
)
NETWORKS = (
    "z_mean",
    "z_log_var",
    "logits",
    "parameters",
    "hidden",
    "linear",
    "film",
    "joined",
    "activation",
    "block",
    "block_activation",
    "block_conv",
    "block_film",
    "upsampling",
    "flatten",
    "flat_features",
    "reshape",
    "feature_map",
    "crop",
    "posterior_joined",
    "posterior_hidden",
    "means",
    "log_vars",
    "noises",
    "latents",
    "split",
    "probabilities",
)
ARGUMENTS = "sample_weight", "self", "name", "trainable", "dtype"

NAMES = (*INPUTS, *PARTS, *TERMS, *NETWORKS, *ARGUMENTS)
"""Names that no input may have; those of layers may be followed by a number, as `hidden_2`."""


def is_reserved(name: str) -> bool:
    """Returns whether a name, or the name without its numbers, is one of `NAMES`."""
    return name in NAMES or re.sub(r"_\d+", "", name) in NAMES


def inputs_named_as(names: Sequence[str]) -> list[str]:
    """Returns names of a model's inputs for names of columns: the same, or similar valid ones.

    Args:
        names: Different names of columns.
    """
    inputs = []
    for name in names:
        safe = name.replace("/", "_")
        safe = f"column_{safe}" if is_reserved(safe) else safe
        while safe in inputs or (safe != name and safe in names):
            safe += "_"
        inputs.append(safe)
    return inputs


def of_group(name: str, group: int) -> str:
    """Returns a name with the number of a group of latents: `kl`, then `kl_2`, ..."""
    return name if group == 0 else f"{name}_{group + 1}"
