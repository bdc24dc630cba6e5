"""What every public layer, model and module must obey."""

import importlib.util
import inspect
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import conditions, layers, likelihoods, networks, priors

POSTERIOR = [np.zeros((4, 2), "float32"), np.ones((4, 2), "float32")]
IMAGE = np.full((4, 3, 3, 1), 0.25, "float32")

LAYERS = {
    "Sampling": (layers.Sampling, {"seed": 3}, POSTERIOR),
    "KLDivergence": (layers.KLDivergence, {"beta": 0.5}, POSTERIOR),
    "KLDivergence monte carlo": (
        layers.KLDivergence,
        {"estimator": "monte_carlo", "prior": priors.StandardNormal()},
        [*POSTERIOR, POSTERIOR[0]],
    ),
    "ReconstructionLoss": (layers.ReconstructionLoss, {}, [IMAGE, IMAGE]),
    "ReconstructionLoss gaussian": (
        layers.ReconstructionLoss,
        {"likelihood": likelihoods.Gaussian(0.5, learn_variance=True)},
        [IMAGE, IMAGE],
    ),
    "Binarize": (layers.Binarize, {"mode": "dynamic", "seed": 1}, IMAGE),
    "Classes": (conditions.Classes, {"num_classes": 3}, np.int32([0, 1, 2, -1])),
    "LabelDropout": (conditions.LabelDropout, {"rate": 0.5, "seed": 2}, np.int32([0, 1, 2, 0])),
    "Vector": (conditions.Vector, {"size": 2}, POSTERIOR[0]),
    "ClassificationLoss": (
        layers.ClassificationLoss,
        {"weight": 10.0},
        [np.int32([0, 1, 1, -1]), POSTERIOR[0]],
    ),
    "GumbelSoftmax": (layers.GumbelSoftmax, {"temperature": 0.5, "seed": 1}, POSTERIOR[1]),
    "LabelPlanes": (networks.LabelPlanes, {}, [IMAGE, np.eye(4, dtype="float32")]),
}


def inputs_like(arrays):
    return keras.tree.map_structure(
        lambda a: keras.Input(a.shape[1:], dtype=keras.backend.standardize_dtype(a.dtype)), arrays
    )


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer(name, tmp_path):
    """Shapes known beforehand, config round trip, saving in safe mode, the same outputs after."""
    kind, arguments, arrays = LAYERS[name]
    layer = kind(**arguments)
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
    inputs = inputs_like(arrays)
    outputs = layer(inputs)
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "layer.keras")
    loaded = keras.saving.load_model(tmp_path / "layer.keras")
    if isinstance(arrays, list):
        arrays = [keras.ops.convert_to_tensor(a) for a in arrays]
    results = [keras.tree.flatten(m(arrays)) for m in (model, loaded)]
    symbolic = keras.tree.flatten(outputs)
    for ours, theirs, expected in zip(*results, symbolic, strict=True):
        assert tuple(ours.shape[1:]) == tuple(expected.shape[1:])
        assert keras.backend.standardize_dtype(ours.dtype) == expected.dtype
        a, b = keras.ops.convert_to_numpy(ours), keras.ops.convert_to_numpy(theirs)
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert all(loss.shape == () for loss in layer.losses)


IN_FLOAT32 = ("Sampling", "KLDivergence", "ReconstructionLoss")


@pytest.mark.parametrize("name", [n for n in LAYERS if n.startswith(IN_FLOAT32)])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_loss_layers_compute_in_float32(name, policy):
    kind, arguments, arrays = LAYERS[name]
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        layer = kind(**arguments)
        half = [keras.ops.cast(a, policy.removeprefix("mixed_")) for a in arrays]
        outputs = keras.tree.flatten(layer(half))
    finally:
        keras.config.set_dtype_policy(before)
    for tensor in [*layer.losses, outputs[-1]]:
        assert keras.backend.standardize_dtype(tensor.dtype) == "float32"


def public_functions():
    for module_name in keras_cvae.__all__:
        module = getattr(keras_cvae, module_name)
        members = vars(module).items() if inspect.ismodule(module) else [(module_name, module)]
        for name, member in members:
            own = getattr(member, "__module__", "").startswith("keras_cvae")
            if own and callable(member) and not name.startswith("_"):
                yield f"{member.__module__}.{name}", member


def test_everything_public_is_documented():
    undocumented = [name for name, member in public_functions() if not inspect.getdoc(member)]
    assert not undocumented
    assert len(dict(public_functions())) > 20


def test_import_loads_no_other_backend():
    """Nor what only some users need: each is imported where it is used."""
    ours = keras.backend.backend()
    code = (
        "import keras, sys; before = set(sys.modules); import keras_cvae; "
        "print(*sorted(m for m in set(sys.modules) - before if '.' not in m))"
    )
    environment = {**os.environ, "KERAS_BACKEND": ours}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "keras_cvae" in loaded
    unwanted = {"tensorflow", "jax", "torch", "matplotlib", "scipy", "sklearn", "typer", "PIL"}
    assert not loaded & unwanted


READ_BY_ANOTHER_BACKEND = """
import sys
import keras, numpy as np
import keras_cvae

model = keras.saving.load_model(sys.argv[1])
arrays = np.load(sys.argv[2])
z_mean, z_log_var = model.encoder.predict([arrays["x"], arrays["y"]], verbose=0)
parameters = model.decoder.predict([arrays["z"], arrays["y"]], verbose=0)
images = model.generate(arrays["y"], seed=5)
np.savez(sys.argv[3], z_mean=z_mean, z_log_var=z_log_var, parameters=parameters, images=images)
"""


@pytest.mark.parametrize("network", ["dense", "conv"])
def test_the_same_numbers_from_every_backend(network, tmp_path):
    ours = keras.backend.backend()
    others = [b for b in ("tensorflow", "jax", "torch") if b != ours]
    others = [b for b in others if importlib.util.find_spec(b)]
    if not others:
        pytest.skip("no other backend is installed")
    cvae = keras_cvae.build_cvae((9, 7, 1), 4, 3, network=network)
    cvae.compile(keras.optimizers.Adam(1e-2))
    rng = np.random.default_rng(0)
    x, y = rng.random((32, 9, 7, 1), dtype="float32"), rng.integers(0, 4, 32)
    cvae.fit([x, y], epochs=3, verbose=0)
    cvae.save(tmp_path / "cvae.keras")
    z = rng.normal(size=(32, 3)).astype("float32")
    np.savez(tmp_path / "inputs.npz", x=x, y=y, z=z)
    results = {}
    for backend in (ours, *others):
        out = tmp_path / f"{backend}.npz"
        files = [tmp_path / "cvae.keras", tmp_path / "inputs.npz", out]
        subprocess.run(
            [sys.executable, "-c", READ_BY_ANOTHER_BACKEND, *map(str, files)],
            env={**os.environ, "KERAS_BACKEND": backend},
            check=True,
            capture_output=True,
        )
        results[backend] = dict(np.load(out))
    for backend in others:
        for name, expected in results[ours].items():
            np.testing.assert_allclose(results[backend][name], expected, rtol=1e-5, atol=1e-5)
