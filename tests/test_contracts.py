"""What every public layer, model and module must obey."""

import contextlib
import importlib.util
import inspect
import json
import os
import pkgutil
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import (
    conditions,
    corruptions,
    evaluation,
    graph,
    layers,
    likelihoods,
    networks,
    objectives,
    precision,
    priors,
    standardize,
    tables,
    terms,
)
from keras_cvae.objectives import importance

POSTERIOR = [np.zeros((4, 2), "float32"), np.ones((4, 2), "float32")]
SAMPLED = [*POSTERIOR, np.full((4, 2), 0.5, "float32")]
IMAGE = np.full((4, 3, 3, 1), 0.25, "float32")
ROWS = IMAGE.repeat(3, axis=0)
ONE_HOT = np.eye(4, dtype="float32")
LABELS = np.int32([0, 1, 2, -1])
RATIO = np.linspace(0, 1, 12, dtype="float32")

# Constructor, arguments, inputs, and what is called by name.
LAYERS = {
    "Sampling": (layers.Sampling, {"seed": 3}, POSTERIOR),
    "Repeat": (layers.Repeat, {"count": 3}, [*POSTERIOR, IMAGE]),
    "UnitInterval": (layers.UnitInterval, {}, IMAGE),
    "Standardize": (standardize.Standardize, {}, IMAGE),
    "StandardizeColumns": (
        tables.StandardizeColumns,
        {"columns": {"size": "numeric", "colour": ["red", "blue"], "visits": "count"}},
        np.float32([[1.5, 0, 3], [np.nan, 1, 0], [0, np.nan, np.nan], [-1, 1, 2]]),
    ),
    "EncodeColumns": (
        tables.EncodeColumns,
        {"columns": {"size": "numeric", "colour": ["red", "blue"], "visits": "count"}},
        np.float32([[1.5, 0, 3], [np.nan, 1, 0], [0, np.nan, np.nan], [-1, 1, 2]]),
    ),
    "KLDivergence": (layers.KLDivergence, {"beta": 0.5}, POSTERIOR),
    "KLDivergence of a sample": (
        layers.KLDivergence,
        {"prior": priors.StandardNormal()},
        SAMPLED,
    ),
    "KLDivergence conditional": (
        layers.KLDivergence,
        {"prior": priors.Conditional((5,))},
        POSTERIOR,
        {"y": ONE_HOT},
    ),
    "ReconstructionLoss": (layers.ReconstructionLoss, {}, [IMAGE, IMAGE]),
    "ReconstructionLoss gaussian": (
        layers.ReconstructionLoss,
        {"likelihood": likelihoods.Gaussian(0.5, learn_variance=True)},
        [IMAGE, IMAGE],
    ),
    "Binarize": (layers.Binarize, {"mode": "dynamic", "seed": 1}, IMAGE),
    "ClassificationLoss": (
        layers.ClassificationLoss,
        {"weight": 10.0},
        [np.int32([0, 1, 1, -1]), POSTERIOR[0]],
    ),
    "GumbelSoftmax": (layers.GumbelSoftmax, {"temperature": 0.5, "seed": 1}, POSTERIOR[1]),
    "LogRatio": (importance.LogRatio, {"path_only": True}, SAMPLED),
    "LogRatio conditional": (
        importance.LogRatio,
        {"prior": priors.Conditional(())},
        SAMPLED,
        {"y": ONE_HOT},
    ),
    "LogWeights": (importance.LogWeights, {"samples": 3}, [IMAGE, ROWS, RATIO, RATIO]),
    "ImportanceWeightedLoss": (
        importance.ImportanceWeightedLoss,
        {"samples": 3, "likelihood": likelihoods.Gaussian(0.5), "groups": 2},
        [IMAGE, ROWS, RATIO, RATIO],
    ),
    "ImportanceWeightedLoss dreg": (
        importance.ImportanceWeightedLoss,
        {"samples": 3},
        [IMAGE, ROWS, RATIO, np.zeros((12, 2), "float32")],
    ),
    "WeightedPath": (importance.WeightedPath, {}, POSTERIOR[1]),
    "WarmedKLDivergence": (objectives.warmup.WarmedKLDivergence, {"beta": 2.0}, POSTERIOR),
    "CapacityLoss": (
        objectives.capacity.CapacityLoss,
        {"capacity": 3.0, "gamma": 10.0, "steps": 7},
        SAMPLED,
    ),
    "FreeBitsLoss": (objectives.free_bits.FreeBitsLoss, {"free": 0.5}, POSTERIOR),
    "FreeBitsLoss conditional": (
        objectives.free_bits.FreeBitsLoss,
        {"per": "group", "prior": priors.Conditional((5,))},
        POSTERIOR,
        {"y": ONE_HOT},
    ),
    "TotalCorrelationLoss": (
        objectives.total_correlation.TotalCorrelationLoss,
        {"beta": 4.0, "dataset_size": 100},
        SAMPLED,
    ),
    "MMDLoss": (objectives.mmd.MMDLoss, {"alpha": 0.5, "lambda_": 10.0, "seed": 3}, SAMPLED),
    "AdversaryLoss": (
        objectives.adversary.AdversaryLoss,
        {"weight": 3.0, "hidden_units": (5,)},
        [RATIO.reshape(4, 3), ONE_HOT],
    ),
    "Classes": (conditions.Classes, {"num_classes": 3, "dropout": 0.5, "seed": 2}, LABELS),
    "Vector": (
        conditions.Vector,
        {"size": 2, "dropout": 0.5, "mean": [1.0, 2.0], "variance": 4.0},
        np.float32([[1, 2], [3, np.nan], [5, 6], [7, 8]]),
    ),
    "Attributes": (
        conditions.Attributes,
        {"digit": 3, "slant": conditions.Vector(1, mean=0.0, variance=1.0), "name": "both"},
        {"digit": LABELS, "slant": np.ones((4, 1), "float32")},
    ),
    "Image": (
        conditions.Image,
        {"model": keras.layers.Dense(2, name="dense"), "shape": (3, 3, 1), "dropout": 0.5},
        IMAGE,
    ),
    "Inferred": (
        conditions.Inferred,
        {"num_classes": 4, "weight": 3.0, "relaxation": 0.5, "encoder": True, "seed": 1},
        {"label": LABELS, "logits": ONE_HOT},
    ),
    "Enumerated": (
        conditions.Enumerated,
        {"num_classes": 4, "weight": 3.0, "prior": [1.0, 2.0, 3.0, 4.0]},
        {"label": LABELS, "logits": ONE_HOT},
    ),
    "MostProbable": (
        conditions.predicted.MostProbable,
        {"num_classes": 4},
        [LABELS, np.roll(ONE_HOT, 1, axis=1)],
    ),
    "LabelDivergence": (
        conditions.enumerated.LabelDivergence,
        {"num_classes": 4, "prior": [1.0, 2.0, 3.0, 4.0]},
        [LABELS, ONE_HOT],
    ),
    "ConsistencyLoss": (
        conditions.consistency.ConsistencyLoss,
        {"weight": 2.0, "threshold": 0.3},
        [LABELS, ONE_HOT, POSTERIOR[1].repeat(2, axis=1)],
    ),
    "Chosen": (conditions.enumerated.Chosen, {}, [IMAGE.repeat(4, axis=0), LABELS, ONE_HOT]),
    "GaussianNoise": (corruptions.GaussianNoise, {"deviation": 0.5, "bounds": (0, 1)}, IMAGE),
    "SaltAndPepper": (corruptions.SaltAndPepper, {"rate": 0.5, "seed": 3}, IMAGE),
    "HiddenBlocks": (corruptions.HiddenBlocks, {"size": 0.5, "count": 2, "value": 0.5}, IMAGE),
    "PseudoInputs": (
        priors.vamp.PseudoInputs,
        {"components": 3, "shapes": [(3, 3, 1), (4,)], "in_unit_interval": True},
        IMAGE,
    ),
    "LabelPlanes": (networks.LabelPlanes, {}, [IMAGE, ONE_HOT]),
    "LabelConv2D": (
        networks.LabelConv2D,
        {"filters": 2, "kernel_size": 3, "strides": 2, "activation": "tanh"},
        [IMAGE, ONE_HOT],
    ),
    "FiLM": (networks.FiLM, {}, [IMAGE, ONE_HOT]),
}
BASES = {
    precision.Float32Layer,
    conditions.Condition,
    likelihoods.Likelihood,
    priors.Prior,
    terms.LossLayer,
}
BASES |= {corruptions.Corruption, conditions.labels.Labels, conditions.predicted.Predicted}
BASES |= {likelihoods.normal.Normal}
BASES |= {layers.divergence.PriorLayer, layers.Divergence, objectives.scheduled.Scheduled}
FAMILIES = {
    "likelihood": likelihoods,
    "prior": priors,
    "objective": objectives,
    "network": networks,
    "corruption": corruptions,
}


def package():
    """Every module of the package but those of one backend, which may not be installed."""
    names = "jax_steps", "jax_convolutions", "tensorflow_steps", "torch_steps"
    names += ("torch_traces",)
    of_backends = {f"keras_cvae.fitting.{name}" for name in names}
    for found in pkgutil.walk_packages(keras_cvae.__path__, "keras_cvae."):
        if found.name not in of_backends:
            yield importlib.import_module(found.name)


def classes_of(module, base):
    return {
        member
        for member in vars(module).values()
        if inspect.isclass(member) and issubclass(member, base) and member not in BASES
    }


def test_every_layer_is_tested():
    """Likelihoods and priors, which are parts of layers, have contracts of their own."""
    ours = set().union(*(classes_of(module, keras.layers.Layer) for module in package()))
    ours = {kind for kind in ours if kind.__module__.startswith("keras_cvae")}
    ours = {kind for kind in ours if not kind.__name__.startswith("_")}
    ours -= {graph.by_hand.RawInputs}  # which is in no graph
    apart = {
        kind
        for kind in ours
        if issubclass(kind, (keras.Model, likelihoods.Likelihood, priors.Prior))
    }
    assert ours - apart == {kind for kind, *_ in LAYERS.values()}


@pytest.mark.parametrize(
    ("family", "base"),
    [
        ("likelihood", likelihoods.Likelihood),
        ("prior", priors.Prior),
        ("objective", objectives.Objective),
        ("network", networks.Network),
        ("corruption", corruptions.Corruption),
    ],
)
def test_every_member_of_a_family_has_a_name(family, base):
    module = FAMILIES[family]
    found = {kind for kind in classes_of(module, base) if kind is not base}
    nameless = {networks.Own}  # which wraps the user's own models
    assert found - nameless == set(module.NAMES.values())
    assert {kind.__name__ for kind in found} <= set(module.__all__)
    for name, kind in module.NAMES.items():
        assert type(module.get(name)) is kind


def inputs_like(arrays):
    return keras.tree.map_structure(
        lambda a: keras.Input(a.shape[1:], dtype=keras.backend.standardize_dtype(a.dtype)), arrays
    )


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer(name, tmp_path):
    """Shapes known beforehand, config round trip, saving in safe mode, the same outputs after."""
    kind, arguments, arrays, *named = LAYERS[name]
    layer = kind(**arguments)
    named = named[0] if named else {}
    inputs, others = inputs_like(arrays), inputs_like(named)
    outputs = layer(inputs, **others)
    config = layer.get_config()
    assert_same_config(kind.from_config(json.loads(json.dumps(config))).get_config(), config)
    model = keras.Model([inputs, others] if named else inputs, outputs)
    model.save(tmp_path / "layer.keras")
    loaded = keras.saving.load_model(tmp_path / "layer.keras")
    given = keras.tree.map_structure(
        keras.ops.convert_to_tensor, [arrays, named] if named else arrays
    )
    results = [keras.tree.flatten(m(given)) for m in (model, loaded)]
    symbolic = keras.tree.flatten(outputs)
    for ours, theirs, expected in zip(*results, symbolic, strict=True):
        assert tuple(ours.shape[1:]) == tuple(expected.shape[1:])
        assert keras.backend.standardize_dtype(ours.dtype) == expected.dtype
        a, b = keras.ops.convert_to_numpy(ours), keras.ops.convert_to_numpy(theirs)
        assert np.isfinite(a).all()
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert all(loss.shape == () for loss in layer.losses)


def assert_same_config(ours, expected):
    """But for what makes a copy another object: weights and the names of the parts."""
    assert json.dumps(ours, sort_keys=True) == json.dumps(expected, sort_keys=True)


OF_ONE_ARGUMENT = [
    n for n, layer in LAYERS.items() if len(layer) == 3 and type(layer[2]) is not dict
]


@pytest.mark.parametrize("name", OF_ONE_ARGUMENT)
def test_every_layer_by_the_test_of_keras(name):
    """Of layers that take one argument, and no dict, which Keras's test takes for several.

    What it trains layers with takes no lists on TensorFlow; models are trained below.
    """
    from keras.src.testing import TestCase

    kind, arguments, arrays = LAYERS[name]
    tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, arrays)
    TestCase().run_layer_test(kind, arguments, input_data=tensors, run_training_check=False)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    ("of_layer", "of_all"),
    [("mixed_float16", None), ("float16", None), (None, "mixed_bfloat16")],
)
def test_every_layer_gives_the_types_that_it_declares(name, of_layer, of_all, request):
    """Losses are in float32, whatever the dtype policy of the layer or of all."""
    kind, arguments, arrays, *named = LAYERS[name]
    named = named[0] if named else {}
    request.addfinalizer(lambda: keras.config.set_dtype_policy("float32"))
    keras.config.set_dtype_policy(of_all or "float32")
    layer = kind(**arguments, **{"dtype": of_layer} if of_layer else {})
    declared = keras.tree.flatten(layer(inputs_like(arrays), **inputs_like(named)))
    tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, [arrays, named])
    for modes in [{"training": True}, {}] if layer._call_has_training_arg else [{}]:
        outputs = keras.tree.flatten(layer(tensors[0], **tensors[1], **modes))
        for tensor, expected in zip(outputs, declared, strict=True):
            assert keras.backend.standardize_dtype(tensor.dtype) == expected.dtype
            values = keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))
            assert np.isfinite(values).all()
    for loss in layer.losses:
        assert keras.backend.standardize_dtype(loss.dtype) == "float32"


def public_functions():
    for module_name in keras_cvae.__all__:
        module = getattr(keras_cvae, module_name)
        members = vars(module).items() if inspect.ismodule(module) else [(module_name, module)]
        for name, member in members:
            own = getattr(member, "__module__", "").startswith("keras_cvae")
            if own and callable(member) and not name.startswith("_"):
                yield f"{member.__module__}.{name}", member


@pytest.mark.once
def test_everything_public_is_documented():
    undocumented = [name for name, member in public_functions() if not inspect.getdoc(member)]
    assert not undocumented
    assert len(dict(public_functions())) > 20


IMPORT = """
import keras, sys

for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
    del sys.modules[name]  # Keras imports it for plots of its own
before = set(sys.modules)
if keras.config.backend() != "tensorflow":
    before.discard("tensorflow")
import keras_cvae

print(*sorted(m for m in set(sys.modules) - before if "." not in m))
"""


def test_import_loads_no_other_backend():
    """Nor what only some users need: each is imported where it is used."""
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "keras_cvae" in loaded
    unwanted = {"tensorflow", "jax", "torch", "matplotlib", "scipy", "sklearn", "typer", "PIL"}
    assert not loaded & unwanted


# Models

SHAPE = (5, 4, 1)
CONDITIONS = {
    "Classes": lambda: conditions.Classes(4, dropout=0.3),
    "Vector": lambda: conditions.Vector(2, dropout=0.3),
    "Attributes": lambda: conditions.Attributes(digit=4, slant=conditions.Vector(1)),
    "Enumerated": lambda: conditions.Enumerated(4, weight=2.0),
    "Inferred": lambda: conditions.Inferred(4, weight=2.0),
    "Image": lambda: conditions.Image(keras.layers.Conv2D(2, 2), (3, 3, 1), dropout=0.3),
}
CHOICES = {  # a model costs seconds, so that each is of a member of every family
    **{family: [*module.NAMES] for family, module in FAMILIES.items()},
    "condition": [*CONDITIONS.values(), None],
}
for family, name, member in [
    ("network", "residual", networks.Residual((4, 6))),  # quicker
    ("prior", "spline_flow", priors.SplineFlow(2, (8,), bins=3, name="splines")),
    ("objective", "free_bits", objectives.FreeBits(1e-3)),  # which leaves its gradient to the prior
]:
    CHOICES[family][CHOICES[family].index(name)] = member
CHOICES["prior"].insert(0, CHOICES["prior"].pop())  # not every prior goes with every objective
MIXED = [
    {family: members[number % len(members)] for family, members in CHOICES.items()}
    for number in range(max(map(len, CHOICES.values())))
]
MEMBERS = {
    "the defaults": {},
    **{f"{m['likelihood']} {getattr(m['prior'], 'name', m['prior'])}": m for m in MIXED},
    "dreg": {"objective": objectives.IWAE(3, "dreg"), "prior": "conditional"},
}
PAIRS = {  # what depends on the backend is in the above
    "corruption of numbers that are standardised": {
        "corruption": "salt_and_pepper",
        "likelihood": "gaussian",
    },
    "several at once": {
        "network": networks.Hierarchical(networks.Conv((4,)), top_dim=1),
        "objective": objectives.IWAE(2),
        "prior": priors.Conditional((), name="prior_of_y"),
        "likelihood": likelihoods.LogisticMixture(2),
    },
    "capacity of each group": {"network": "hierarchical", "objective": "capacity"},
    "images that are changed": {
        "condition": lambda: conditions.Enumerated(4, augment=keras.layers.GaussianNoise(0.1))
    },
    "dreg of every label": {
        "condition": CONDITIONS["Enumerated"],
        "objective": objectives.IWAE(2, "dreg"),
        "network": networks.Conv((4,)),
    },
    "mmd to a learned prior": {"objective": "mmd", "prior": priors.Mixture(2, conditional=True)},
    "conditional vamp": {
        "objective": objectives.IWAE(2),
        "prior": priors.VampPrior(3, conditional=True),
    },
}


BY_XLA = ("the defaults", "several at once")  # which costs TensorFlow seconds
# Of members that each have tests of their own; `bernoulli splines` is in any run.
LONG = (
    "several at once",
    "poisson splines",
    "logistic_mixture conditional",
    "optimal_gaussian flow",
    "categorical mixture",
    "negative_binomial standard_normal",
    "continuous_bernoulli vamp",
)


def build(condition=4, **options):
    condition = condition() if callable(condition) else condition
    cvae = keras_cvae.build_cvae(SHAPE, condition, 3, **options)
    cvae.compile(keras.optimizers.Adam(1e-2))
    return cvae


def values_for(cvae):
    """What is known of 16 examples: one array, a dict by name where there are several, or None."""
    rng = np.random.default_rng(1)
    values = {
        tensor.name: rng.integers(0, 4, 16).astype("int32")
        if tensor.dtype == "int32"
        else rng.standard_normal((16, *tensor.shape[1:]), "float32")
        for tensor in cvae.inputs[1:]
    }
    return values if len(values) > 1 else next(iter(values.values()), None)


def assert_names_are_reserved(cvae):
    """Whatever a layer or an operation is called, no input that a user names is called so."""
    models = [cvae, cvae.encoder, cvae.decoder, cvae.generator]
    models += [cvae.classifier] if cvae.infers_label else []
    models += [layer for layer in cvae.layers if isinstance(layer, keras.Model)]
    for model in models:
        inputs = {tensor.name for tensor in model.inputs}
        names = {operation.name for operation in model.operations} - inputs
        assert not [name for name in names if not graph.is_reserved(name)], model.name
        assert len({weight.path for weight in model.weights}) == len(model.weights)


def test_every_condition_is_tested():
    kinds = classes_of(conditions, conditions.Condition)
    assert {kind.__name__ for kind in kinds} == set(CONDITIONS)


@pytest.mark.parametrize(
    "member",
    [
        *(pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in MEMBERS),
        *(pytest.param(name, marks=pytest.mark.once) for name in PAIRS),
    ],
)
def test_every_member_in_a_model(member, tmp_path, with_xla, eagerly):
    """It trains, is saved and loaded in safe mode, is then the same, and trains on."""
    cvae = build(**{**MEMBERS, **PAIRS}[member])
    rng = np.random.default_rng(0)
    x, y = rng.random((16, *SHAPE), dtype="float32"), values_for(cvae)
    if cvae.likelihood.support == (0.0, np.inf):  # counts
        x = np.floor(9 * x)
    options = {"batch_size": 8, "verbose": 0}
    quickly = eagerly if member in PAIRS else contextlib.nullcontext
    with with_xla() if member in BY_XLA else quickly():
        history = cvae.fit(x, y, **options).history
    assert np.isfinite(list(history.values())).all()
    assert {"loss", *cvae.elbo_terms} <= set(history)
    cvae.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    assert type(loaded) is keras_cvae.CVAE
    assert loaded.input_names == cvae.input_names
    for model in (cvae, loaded):
        assert_names_are_reserved(model)
    for part in ("likelihood", "prior", "condition"):
        assert type(getattr(loaded, part)) is type(getattr(cvae, part))
    for part in ("network", "objective"):
        ours, theirs = (getattr(model, part) for model in (cvae, loaded))
        assert type(theirs) is type(ours) and theirs.get_config() == ours.get_config()

    results = []
    with eagerly():
        for model in (cvae, loaded):
            z_mean, z_log_var = model.encode(x, y)
            images = model.generate(y, count=16, seed=3)
            decoded = model.decode(z_mean, y)
            log_p = evaluation.log_likelihood(model, x, y, samples=2, verbose=0)
            results.append([z_mean, z_log_var, decoded, images, model.reconstruct(x, y), log_p])
    for ours, theirs in zip(*results, strict=True):
        assert np.isfinite(ours).all()
        np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5)
    assert images.shape == decoded.shape == (16, *SHAPE) and z_mean.shape == (16, 3)
    assert np.abs(images[0] - images[1]).max() > 1e-5

    steps = int(keras.ops.convert_to_numpy(loaded.optimizer.iterations))
    before = loaded.get_weights()
    loaded.run_eagerly = keras.backend.backend() != "jax"  # quick
    again = loaded.fit(x, y, **options).history
    assert set(again) == set(history) and np.isfinite(list(again.values())).all()
    assert int(keras.ops.convert_to_numpy(loaded.optimizer.iterations)) == steps + 2 == 4
    trained = {id(weight) for weight in loaded.trainable_weights}
    for weight, old in zip(loaded.weights, before, strict=True):
        moved = not np.array_equal(keras.ops.convert_to_numpy(weight), old)
        assert moved or id(weight) not in trained, weight.path


OF_OBJECTS = {f"{m['likelihood']} {m['prior']}": m for m in MIXED}
OF_OBJECTS["own network"] = {
    "binarize": layers.Binarize("dynamic", seed=1),
    "network": (
        keras.Sequential([keras.Input((5, 4, 1 + 4)), keras.layers.Conv2D(2, 3, name="mine")]),
        keras.Sequential([keras.layers.Dense(20), keras.layers.Reshape(SHAPE)]),
    ),
}


@pytest.mark.once
@pytest.mark.parametrize("name", OF_OBJECTS)
def test_models_of_the_same_objects_share_nothing(name):
    """Of every member of every family, new, or taken from a model, whose weights it then has."""
    chosen = {"condition": 4, **OF_OBJECTS[name]}
    condition = chosen.pop("condition")
    condition = condition() if callable(condition) else condition
    objects = {k: FAMILIES[k].get(v) if k in FAMILIES else v for k, v in chosen.items()}
    one = keras_cvae.build_cvae(SHAPE, condition, 3, **objects)
    other = keras_cvae.build_cvae(SHAPE, condition, 4, **objects)
    taken = {k: getattr(one, k) for k in ("likelihood", "prior", "binarize", "corruption")}
    for part in (*taken.values(), one.condition):
        for weight in part.weights if part else ():
            weight.assign(weight + 0.5)
    same = keras_cvae.build_cvae(SHAPE, one.condition, 3, **{**objects, **taken})
    ids = [{id(variable) for variable in model.variables} for model in (one, other, same)]
    assert not (ids[0] & ids[1] or ids[0] & ids[2] or ids[1] & ids[2])
    for part, value in {**objects, "condition": condition}.items():
        if isinstance(value, keras.layers.Layer):
            assert not {id(variable) for variable in value.variables} & set().union(*ids), part
    for part in (*taken, "condition"):
        if getattr(one, part) is not None:
            pairs = [getattr(model, part).get_weights() for model in (one, same)]
            for ours, theirs in zip(*pairs, strict=True):
                np.testing.assert_array_equal(ours, theirs)
    x, y = np.full((16, *SHAPE), 0.5, "float32"), values_for(other)
    values = [*y.values()] if isinstance(y, dict) else [y] if y is not None else []
    outputs = other([x, *values] if values else x)
    assert np.isfinite(keras.ops.convert_to_numpy(outputs)).all()


@pytest.mark.once
def test_trained_parts_of_the_wrong_shape_raise_an_error():
    one = keras_cvae.build_cvae((6,), 3, 2, prior="conditional", likelihood="gaussian")
    with pytest.raises(
        ValueError, match=r"`prior` must be built.*z_shape': \[2\].*Received.*\[3\]"
    ):
        keras_cvae.build_cvae((6,), 3, 3, prior=one.prior)
    with pytest.raises(ValueError, match="`likelihood` must have been trained.*6. Received: 7"):
        keras_cvae.build_cvae((7,), 3, 2, likelihood=one.likelihood)


@pytest.mark.once
@pytest.mark.parametrize("family", ["network", "objective"])
def test_networks_and_objectives_are_rebuilt_from_their_config(family):
    module = FAMILIES[family]
    base = {"network": networks.Network, "objective": objectives.Objective}[family]
    bodies = [keras.Sequential([keras.layers.Dense(n)]) for n in (2, 3)]
    for kind in classes_of(module, base) - {base}:
        part = kind(*bodies) if kind is networks.Own else kind()
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(part)))
        again = keras.saving.deserialize_keras_object(config)  # in safe mode
        assert type(again) is kind
        assert keras.saving.serialize_keras_object(again) == keras.saving.serialize_keras_object(
            part
        )


# Backends

READ = """
import sys
import keras, numpy as np
import keras_cvae

arrays = np.load(sys.argv[1])
x, z, y = arrays["x"], arrays["z"], arrays["y"]
found = {}
for path in sys.argv[2:-1]:
    model = keras.saving.load_model(path)
    values = {"digit": y, "slant": arrays["slant"]} if len(model.input_names) > 2 else y
    uses = {
        "encode": model.encode(x, values),
        "decode": model.decode(z, values),
        "generate": model.generate(values, seed=5),
        "reconstruct": model.reconstruct(x, values),
    }
    found |= {f"{path} {name}": np.stack(use) for name, use in uses.items()}
np.savez(sys.argv[-1] + ".npz", **found)
"""
READ_BY_ALL = {
    "dense": {},
    "conv": {"network": networks.Conv((4, 6))},
    "residual": {"network": networks.Residual((4, 6))},
    "iwae": {"objective": objectives.IWAE(3)},
    "warmup": {"objective": objectives.Warmup(steps=5)},
    "conditional prior": {"prior": "conditional"},
    "vamp": {"prior": priors.VampPrior(5, conditional=True)},
    "flow": {"prior": priors.Flow(2, (8,), conditional=True)},
    "mixture": {"likelihood": likelihoods.LogisticMixture(3)},
    "attributes": {
        "condition": lambda: conditions.Attributes(
            digit=4, slant=conditions.Vector(1, mean=0.5, variance=4.0)
        )
    },
    "enumerated": {"condition": CONDITIONS["Enumerated"]},
    "hierarchical": {"network": "hierarchical"},
}


@pytest.mark.slow
def test_the_same_numbers_from_every_backend(tmp_path, on_every_backend):
    rng = np.random.default_rng(0)
    files = []
    for name, options in READ_BY_ALL.items():
        cvae = build(**options)
        for weight in cvae.trainable_weights:  # as if it had been trained
            weight.assign_add(0.1 * rng.standard_normal(weight.shape))
        files.append(f"{name}.keras")
        cvae.save(tmp_path / files[-1])
    arrays = {
        "x": rng.random((16, *SHAPE), dtype="float32"),
        "z": rng.standard_normal((16, 3), "float32"),
        "y": np.arange(16) % 5 - 1,
        "slant": rng.standard_normal((16, 1), "float32"),
    }
    np.savez(tmp_path / "arrays.npz", **arrays)
    ours, *others = on_every_backend(READ, "arrays.npz", *files)
    results = {name: dict(np.load(tmp_path / f"{name}.npz")) for name in (ours, *others)}
    assert len(results[ours]) == 4 * len(READ_BY_ALL)
    for backend in others:
        for name, expected in results[ours].items():
            found = results[backend][name]
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=name)
