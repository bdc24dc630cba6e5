"""All that touches Keras's private parts, and what is assumed of them.

Where an assumption does not hold, in a later Keras, `fit` is left to Keras: slower, and correct.
"""

from keras_cvae.fitting.inside.adapters import (
    CheckingAdapter,
    CountingAdapter,
    IteratorAdapter,
    adapter,
    is_adapted,
    may_count,
)
from keras_cvae.fitting.inside.assumptions import ASSUMPTIONS, may_fuse
from keras_cvae.fitting.inside.compiled import (
    Directions,
    is_distributed,
    may_profile,
    portable,
    replicas,
)
from keras_cvae.fitting.inside.graphs import call_first, layer_by_layer, layers, model_between
from keras_cvae.fitting.inside.tracing import adam_updated_by, draws_seeded_by, replaced
from keras_cvae.fitting.inside.variables import (
    Fingerprint,
    begin_at,
    generator_states,
    give_back,
    global_generator_state,
    set_global_generator_state,
    variables_kept,
)

__all__ = [
    "ASSUMPTIONS",
    "CheckingAdapter",
    "CountingAdapter",
    "Directions",
    "Fingerprint",
    "IteratorAdapter",
    "adam_updated_by",
    "adapter",
    "begin_at",
    "call_first",
    "draws_seeded_by",
    "generator_states",
    "give_back",
    "global_generator_state",
    "is_distributed",
    "is_adapted",
    "layer_by_layer",
    "layers",
    "may_count",
    "may_fuse",
    "may_profile",
    "model_between",
    "portable",
    "replaced",
    "replicas",
    "set_global_generator_state",
    "variables_kept",
]
