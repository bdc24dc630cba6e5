"""The model itself: what it is compiled with, what is cut from it, on every way in."""

import importlib.util
import json

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import conditions, graph, networks, priors
from keras_cvae.fitting import inside

RNG = np.random.default_rng(0)
X = RNG.random((40, 6), dtype="float32")
Y = RNG.integers(0, 3, 40).astype("int32")
QUICKLY = {"draws": 1, "verbose": 0, "return_dict": True}


def build(condition=3, shape=(6,), **options):
    keras.utils.set_random_seed(0)
    options = {"network": networks.Dense((8,)), **options}
    return keras_cvae.build_cvae(shape, condition, 2, **options)


def numpy(x):
    return keras.ops.convert_to_numpy(x)


@pytest.mark.usefixtures("uncompiled")
def test_metrics_are_those_of_the_reconstruction_and_are_saved(tmp_path):
    cvae = build()
    metrics = ["mae", keras.metrics.MeanSquaredError(name="mse"), "accuracy"]
    cvae.compile("adam", metrics=metrics)
    head = cvae.get_layer("encoder").get_layer("z_log_var")
    head.set_weights([w * 0 - 60 * (w.ndim == 1) for w in head.get_weights()])  # no noise
    cvae.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    grey = (255 * X).round().astype("uint8")
    error = cvae.reconstruct(X, Y) - X
    for model in (cvae, loaded):
        for images in (X, grey):
            logs = model.evaluate(images, Y, batch_size=16, **QUICKLY)
            assert logs["mae"] == pytest.approx(np.abs(error).mean(), abs=2e-3)
            assert logs["mse"] == pytest.approx((error**2).mean(), abs=2e-3)
        assert "accuracy" in model.fit(X, Y, verbose=0).history


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("is_saved_twice", [False, True])
def test_a_loaded_model_continues_with_the_same_noise(is_saved_twice, tmp_path):
    # (A dropout without a seed has the noise of torch itself on torch.)
    encoder = keras.Sequential([keras.layers.Dropout(0.2, seed=1), keras.layers.Dense(8)])
    decoder = keras.Sequential([keras.layers.GaussianNoise(0.1), keras.layers.Dense(6)])
    options = {"network": (encoder, decoder), "corruption": "gaussian", "binarize": "dynamic"}
    options["condition"] = conditions.Classes(3, dropout=0.3)
    cvae = build(**options)
    cvae.compile(keras.optimizers.Adam(0.01))
    cvae.fit(X, Y, shuffle=False, batch_size=8, epochs=2, verbose=0)
    for _ in range(1 + is_saved_twice):
        cvae.save(tmp_path / "cvae.keras")
        loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    for model in (cvae, loaded):
        model.fit(X, Y, shuffle=False, batch_size=8, epochs=1, verbose=0)
    for before, after in zip(cvae.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(numpy(before), numpy(after))
    states = [[numpy(s) for s in inside.generator_states(m)] for m in (cvae, loaded)]
    np.testing.assert_array_equal(*states)
    assert len(states[0]) == 6 and (np.array(states[0])[:, 1] > 0).all()


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "mse"}, "`loss` must be left out.*objective.*Received: loss='mse'"),
        ({"weighted_metrics": ["mae"]}, "`metrics` must be used"),
    ],
)
def test_a_loss_in_compile_raises_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        build().compile("adam", **options)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_model_cut_by_the_user_scales_images(dtype):
    cvae = build()
    images = (255 * X).round().astype(dtype)
    if dtype == "float32":
        images /= 255
    ours = cvae.encoder.predict([images, Y], verbose=0)[0]
    cut = keras.Model(cvae.encoder.input, cvae.encoder.output[0])
    np.testing.assert_allclose(cut.predict([images, Y], verbose=0), ours, atol=1e-5)


def test_a_black_image_is_scaled_by_its_type():
    cvae = build()
    black = np.zeros((2, 6), "uint8")
    black[:, 0] = [1, 200]  # hardly anything in the first
    z = cvae.encode(black, 0)[0]
    np.testing.assert_allclose(z, cvae.encode(black / np.float32(255), 0)[0], atol=1e-6)


@pytest.mark.parametrize("mode", ["compiled", "eager"])
def test_no_term_is_lost(mode):
    """On JAX without compilation, losses beyond the first of a layer got lost at times."""
    condition = conditions.Inferred(3, weight=2.0)
    cvae = build(condition)
    cvae.compile("adam", run_eagerly=mode == "eager")
    given = {"x": [X, Y], "batch_size": 8, **QUICKLY}
    found = [cvae.evaluate(**given) for _ in range(6)]
    for logs in found:
        assert logs["kl"] == pytest.approx(found[0]["kl"], rel=1e-5)
        total = logs["reconstruction"] + logs["kl"] + 2 * logs["classification"]
        assert logs["loss"] == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_white_pixels_stay_white_in_half_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        cvae = build(None, (2000,), binarize="dynamic")
    finally:
        keras.config.set_dtype_policy("float32")
    cvae.get_layer("decoder").get_layer("parameters").bias.assign(np.full(2000, 20.0))
    cvae.get_layer("decoder").get_layer("parameters").kernel.assign(np.zeros((8, 2000)))
    cvae.compile("adam")
    white = np.ones((64, 2000), "float32")
    assert cvae.evaluate(white, **QUICKLY)["reconstruction"] < 1e-3


EXPORTED = {
    "conv": {"network": networks.Conv((4,)), "prior": priors.Mixture(3, True, "full")},
    "vamp": {"prior": priors.VampPrior(3, conditional=True)},
    "flow": {"prior": "flow"},
    "spline_flow": {"prior": priors.SplineFlow(1, (4,), bins=2)},
    "conditional": {"prior": "conditional"},
    "enumerated": {"condition": conditions.Enumerated(3)},
    "inferred": {"condition": conditions.Inferred(3, encoder=True)},
}


@pytest.mark.parametrize("name", EXPORTED)
def test_parts_are_exported_to_onnx(name, tmp_path):
    """They open in ONNX Runtime, take batches of any size, and give the numbers of Keras."""
    runtime = pytest.importorskip("onnxruntime")
    if keras.backend.backend() != "torch":  # on JAX Keras asks for a package of its own
        pytest.importorskip("tf2onnx" if keras.backend.backend() == "tensorflow" else "jax2onnx")
    options = {"condition": 3, "network": networks.Dense((4,)), **EXPORTED[name]}
    cvae = keras_cvae.build_cvae((5, 4, 1), latent_dim=2, **options)
    models = [cvae.encoder, cvae.decoder, cvae.generator]
    looked_at = {"conv": models, "enumerated": models[:2], "inferred": models[:2]}
    for model in looked_at.get(name, models[2:]):
        path = str(tmp_path / f"{model.name}.onnx")
        model.export(path, format="onnx", verbose=False)
        session = runtime.InferenceSession(path)
        for count in (1, 7):
            rows = [RNG.random((count, *t.shape[1:]), "float32") for t in model.inputs[:1]]
            if len(model.inputs) > 1:
                rows.append(np.arange(count, dtype="int32") % 4 - 1)
            names = [given.name for given in session.get_inputs()]
            found = session.run(None, dict(zip(names, rows, strict=True)))
            tensors = [keras.ops.convert_to_tensor(row) for row in rows]
            ours = model(tensors if len(tensors) > 1 else tensors[0])
            for theirs, expected in zip(found, keras.tree.flatten(ours), strict=True):
                expected = keras.ops.convert_to_numpy(expected)
                np.testing.assert_allclose(theirs, expected, atol=1e-4)


def test_the_whole_model_names_the_parts_that_are_exported(tmp_path):
    with pytest.raises(ValueError, match="cvae.encoder`, `cvae.decoder` or `cvae.generator"):
        build().export(tmp_path / "cvae.onnx", format="onnx")


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="others export it")
def test_on_torch_the_whole_model_is_not_exported(tmp_path):
    with pytest.raises(ValueError, match="must be exported on TensorFlow or JAX.*'tf_saved_model'"):
        build().export(tmp_path / "cvae")
    assert not list(tmp_path.iterdir())


def test_a_missing_package_for_onnx_is_named(tmp_path, monkeypatch):
    cvae = build()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    package = {"tensorflow": "tf2onnx", "torch": "onnxscript"}.get(keras.backend.backend())
    advice = package or "jax2onnx, or load the saved model with KERAS_BACKEND=tensorflow"
    with pytest.raises(ImportError, match=f"`format='onnx'` needs the package.*{advice}"):
        cvae.decoder.export(tmp_path / "decoder.onnx", format="onnx")


@pytest.mark.parametrize("name", ["encoder", "decoder", "generator"])
def test_submodels_can_be_exported_by_keras(name, tmp_path):
    cvae = build(conditions.Attributes(digit=3, slant=conditions.Vector(1)))
    torch = keras.backend.backend() == "torch"
    path, kind = (f"{name}.pt2", "torch") if torch else (name, "tf_saved_model")
    getattr(cvae, name).export(tmp_path / path, verbose=False, format=kind)


@pytest.mark.once
def test_every_layer_of_a_diagram_has_its_shape():
    """Layers that are called twice have none, and show a question mark."""
    cvae = build(conditions.Classes(3, dropout=0.1))
    _ = cvae.encoder, cvae.decoder, cvae.generator
    cvae.generate([0, 1])
    for model in (cvae, cvae.encoder, cvae.decoder):
        for layer in model.layers:
            assert layer.output is not None, layer.name


def test_decode_takes_grids_and_labels_of_their_shape():
    cvae = build()
    z = RNG.normal(size=(2, 3, 2)).astype("float32")
    labels = np.int32([[0, 1, 2], [2, 1, 0]])
    images = cvae.decode(z, labels)
    assert images.shape == (2, 3, 6)
    np.testing.assert_allclose(images[1, 2], cvae.decode(z[1, 2:], 0)[0], atol=1e-6)


@pytest.mark.usefixtures("uncompiled")
def test_predict_takes_what_fit_does():
    cvae = build()
    cvae.compile("adam")
    cvae.get_layer("encoder").get_layer("z_log_var").bias.assign(np.full(2, -60.0))
    named = cvae.predict({"image": X, "label": Y}, verbose=0)
    np.testing.assert_allclose(cvae.predict([X, Y], verbose=0), named, atol=1e-2)


class Interrupt(keras.callbacks.Callback):
    """Presses Ctrl-C behind a batch."""

    def on_predict_batch_end(self, batch, logs=None):
        if batch == 1:
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["cvae", "encoder", "generator"])
def test_an_interrupted_predict_keeps_the_weights(name):
    cvae = build()
    model = cvae if name == "cvae" else getattr(cvae, name)
    data = [X[:, :2], Y] if name == "generator" else [X, Y]
    weights = [np.array(w) for w in model.get_weights()]
    # what is cut from a CVAE leaves the check to Keras and its backend
    wrong = pytest.raises(Exception, match=r"`x`|shape|[Ss]ize")
    with wrong:  # before any batch
        model.predict([data[0][:, :1], Y], verbose=0)
    with pytest.raises(KeyboardInterrupt):  # behind some
        model.predict(data, batch_size=8, verbose=0, callbacks=[Interrupt()])
    with wrong:
        model.predict([data[0][:, :1], Y], verbose=0)
    for left, was in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(left, was)
    with pytest.raises(ValueError, match=r"takes \[images, label\]"):
        cvae.predict(X, verbose=0)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.once
def test_callbacks_know_which_way_is_better():
    ways = {"val_elbo": "max", "val_kl": "min", "val_mae": "min", "val_accuracy": "max"}
    ways |= {"reconstruction": "min", "val_loss": "min"}
    x, y = np.random.default_rng(0).random((32, 6), "float32"), np.arange(32) % 3
    cvae = build()
    cvae.compile("sgd", metrics=["mae", "accuracy"])
    monitors = [keras.callbacks.EarlyStopping(name, restore_best_weights=True) for name in ways]
    monitors.append(keras.callbacks.ReduceLROnPlateau("val_elbo"))
    data = {"validation_data": ([x, y], None), "callbacks": monitors, "verbose": 0}
    history = cvae.fit([x, y], **data).history
    assert {"mae", "accuracy", "elbo"} <= set(history) and "directions" not in history
    found = {m.monitor: "max" if m.monitor_op(1.0, 0.0) else "min" for m in monitors}
    assert found == ways
    assert len(cvae.evaluate([x, y], verbose=0)) == len(cvae.metrics_names) == 6


def test_without_a_seed_samples_follow_the_seed_of_keras():
    cvae = build()
    drawn = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        drawn.append([cvae.generate([1, 2], pixels=pixels) for pixels in ("mean", "sample")])
    np.testing.assert_array_equal(*drawn)
    assert np.abs(cvae.generate([1, 2]) - drawn[0][0]).max() > 1e-6


@pytest.mark.parametrize(
    "optimizer",
    ["adam", "sgd", lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())],
)
def test_a_compiled_model_is_saved_without_the_name_of_a_backend(optimizer):
    cvae = build()
    cvae.compile(optimizer() if callable(optimizer) else optimizer)
    assert "backend" not in json.dumps(cvae.get_compile_config())


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("network", [networks.Dense((8, 4), inject="film"), "hierarchical"])
def test_hidden_layers_have_stable_names(network, tmp_path):
    build()  # what was built before changes no name
    models = [build(network=network)]
    models[0].save(tmp_path / "cvae.keras")
    if network == "hierarchical":
        models = [keras.saving.load_model(tmp_path / "cvae.keras")]
    for model in models:
        parts = model.encoder, model.decoder, model.generator
        assert all("hidden_1" in [layer.name for layer in part.layers] for part in parts)
        size = graph.read(model).groups[0].size
        assert model.encoder.get_layer("z_mean").output.shape[-1] == size
        hidden = keras.Model(model.encoder.input, model.encoder.get_layer("hidden_1").output)
        features = hidden.predict([X, Y], verbose=0)
        hidden.get_layer("hidden_1").trainable = False
        head = keras.layers.Dense(3, name="head")(hidden.output)
        classifier = keras.Model(hidden.input, head)
        classifier.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        classifier.fit([X, Y], Y, verbose=0)
        for name, part in zip(("e", "d", "g"), parts, strict=True):
            part.save(tmp_path / f"{name}.keras")
            given = [np.ones((2, *t.shape[1:]), t.dtype) for t in part.inputs]
            again = keras.saving.load_model(tmp_path / f"{name}.keras").predict(given, verbose=0)
            ours, theirs = (keras.tree.flatten(o) for o in (part.predict(given, verbose=0), again))
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        decoded = keras.Model(model.decoder.input, model.decoder.get_layer("hidden_1").output)
        assert decoded.output.shape[-1] > 1 and features.shape == (40, hidden.output.shape[-1])
