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
    check_processes,
    is_distributed,
    may_profile,
    portable,
    replicas,
)
from keras_cvae.fitting.inside.graphs import call_first, layer_by_layer, layers, model_between
from keras_cvae.fitting.inside.tracing import replace_attribute, use_adam_update, use_generator
from keras_cvae.fitting.inside.variables import (
    Fingerprint,
    begin_at,
    generator_states,
    give_back,
    global_generator_state,
    restore_variables_on_error,
    set_global_generator_state,
)

__all__ = [
    "ASSUMPTIONS",
    "CheckingAdapter",
    "CountingAdapter",
    "Directions",
    "Fingerprint",
    "IteratorAdapter",
    "adapter",
    "begin_at",
    "call_first",
    "check_processes",
    "generator_states",
    "give_back",
    "global_generator_state",
    "is_adapted",
    "is_distributed",
    "layer_by_layer",
    "layers",
    "may_count",
    "may_fuse",
    "may_profile",
    "model_between",
    "portable",
    "replace_attribute",
    "replicas",
    "restore_variables_on_error",
    "set_global_generator_state",
    "use_adam_update",
    "use_generator",
]
