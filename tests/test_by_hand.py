"""A `CVAE` of a graph that the user wires."""

from pathlib import Path

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import conditions, evaluation, priors

X, Y = np.random.default_rng(0).random((16, 4, 4, 1), "float32"), np.arange(16) % 3


def wire_graph(one_hot, kind=keras_cvae.CVAE):
    layers = keras.layers
    if one_hot != "throughout":
        x, y = keras.Input((4, 4, 1)), keras.Input((), dtype="int32")
        y = keras.Input((3,)) if one_hot else y
        encoder = keras_cvae.build_dense_encoder((4, 4, 1), 3, 2)
        decoder = keras_cvae.build_dense_decoder((4, 4, 1), 3, 2)
        z = keras_cvae.Sampling()(keras_cvae.KLDivergence()(encoder([x, y])))
        return kind([x, y], keras_cvae.ReconstructionLoss()([x, decoder([z, y])]))
    x, y = keras.Input((4, 4, 1)), keras.Input((3,))
    h = layers.Dense(8, "relu")(layers.Concatenate()([layers.Flatten()(x), y]))
    z = keras_cvae.Sampling()(keras_cvae.KLDivergence()([layers.Dense(2)(h), layers.Dense(2)(h)]))
    logits = layers.Reshape((4, 4, 1))(layers.Dense(16)(layers.Concatenate()([z, y])))
    return keras_cvae.CVAE([x, y], keras_cvae.ReconstructionLoss()([x, logits]))


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("one_hot", ["throughout", True, False])
def test_a_graph_wired_by_hand_trains_and_has_all_methods(one_hot, tmp_path):
    cvae = wire_graph(one_hot)
    cvae.compile("adam")
    data = {"validation_data": ([X, Y], None), "verbose": 0}
    history = cvae.fit([X, np.eye(3)[Y]], **data).history
    assert {"kl", "reconstruction", "elbo", "val_elbo"} <= set(history)
    total = history["kl"][0] + history["reconstruction"][0]
    np.testing.assert_allclose(history["loss"][0], total, rtol=1e-5)
    cvae.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    loaded.fit([X, Y], verbose=0)
    z, _ = cvae.encode(X, Y)
    np.testing.assert_allclose(cvae.decode(z, Y), cvae.reconstruct(X, Y), atol=1e-6)
    assert cvae.generate([2] * 3, seed=0).shape == cvae.predict([X[:3], Y[:3]], verbose=0).shape


@pytest.mark.parametrize("one_hot", [True, False])
def test_an_invalid_label_in_a_plain_model_is_not_unknown(one_hot):
    """Compiled by TensorFlow, relu makes 0 of NaN."""
    model = wire_graph(one_hot, keras.Model)
    model.compile(jit_compile=False)
    labels = np.eye(3)[Y] if one_hot else Y
    assert np.isfinite(model.evaluate([X, labels], verbose=0))
    if not one_hot:
        assert np.isnan(model.evaluate([X, np.full(16, 12)], verbose=0))


@pytest.mark.once
@pytest.mark.parametrize("one_hot", ["throughout", True, False])
def test_labels_out_of_range_raise_an_error(one_hot):
    cvae = wire_graph(one_hot)
    for use in (
        lambda: cvae.generate([3]),
        lambda: cvae.encode(X, np.full(16, 12)),
        lambda: cvae.fit([X, np.full(16, 12)], verbose=0),
    ):
        with pytest.raises(ValueError, match="must be in -1..2, -1 for unknown. Received: values"):
            use()


@pytest.mark.once
@pytest.mark.parametrize("one_hot", [True, False])
def test_classes_without_examples_are_mentioned(one_hot):
    cvae = wire_graph(one_hot)
    cvae.compile("adam", jit_compile=False)
    with pytest.warns(UserWarning, match="There is no training example of class 2"):
        cvae.fit([X, Y % 2], verbose=0)
    with pytest.warns(UserWarning, match="never saw an example of class 2"):
        cvae.generate([2], seed=0)


PRIORS = {
    "conditional": lambda: priors.Conditional((4,)),
    "flow": lambda: priors.Flow(2, (4,), conditional=True),
    "vamp": lambda: priors.VampPrior(3, conditional=True),
    "vamp of all": lambda: priors.VampPrior(3),
}


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("name", PRIORS)
def test_learned_priors(name, tmp_path):
    """Called with a vector y, which is the input or made of it, or with pseudo-inputs."""
    layers, prior = keras.layers, PRIORS[name]()
    x, y = keras.Input((4, 4, 1)), keras.Input((3,))
    if name == "flow":
        y = keras.Input((), dtype="int32")
    one_hot = conditions.Classes(3)(y) if name == "flow" else y
    encoder = keras_cvae.build_dense_encoder((4, 4, 1), None, 2, hidden_units=(4,))
    given = [one_hot] if prior.conditional else []
    if "vamp" in name:
        given = [[*encoder(*prior.pseudo_inputs([(4, 4, 1)], True)(x)), *given]]
    found = encoder(x)
    if prior.closed_form:
        z = keras_cvae.Sampling()(keras_cvae.KLDivergence(prior=prior)(found, *given))
    else:
        sample = keras_cvae.Sampling()(found)
        z = keras_cvae.KLDivergence(prior=prior)([*found, sample], *given)[2]
    logits = layers.Reshape((4, 4, 1))(layers.Dense(16)(layers.Concatenate()([z, one_hot])))
    cvae = keras_cvae.CVAE([x, y], keras_cvae.ReconstructionLoss()([x, logits]))
    cvae.compile(keras.optimizers.Adam(0.1))
    assert np.isfinite(cvae.fit([X, Y], verbose=0).history["kl"]).all()
    if "vamp" in name:
        assert cvae.get_layer("pseudo_inputs").is_adapted
    cvae.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    images = cvae.generate([0, 1, 2, 0], seed=1)
    np.testing.assert_allclose(loaded.generate([0, 1, 2, 0], seed=1), images, atol=1e-6)
    log_p = evaluation.log_likelihood(cvae, X, Y, samples=2, verbose=0)
    assert np.isfinite(log_p).all()


@pytest.mark.once
def test_an_incomplete_graph_raises_an_error():
    x = keras.Input((4,))
    with pytest.raises(ValueError, match="one loss layer of the KL divergence"):
        keras_cvae.CVAE(x, keras_cvae.ReconstructionLoss()([x, keras.layers.Dense(4)(x)]))
    mean, log_var = (keras.layers.Dense(2)(x) for _ in range(2))
    kl = keras_cvae.KLDivergence(prior=priors.Conditional(()))([mean, log_var], x)
    z = keras.layers.Dense(4)(keras_cvae.Sampling()(kl))
    with pytest.raises(ValueError, match="The argument y of the prior of a `CVAE` must depend"):
        _ = keras_cvae.CVAE(x, keras_cvae.ReconstructionLoss()([x, z])).generator


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.once
def test_the_script_of_the_readme(tmp_path, monkeypatch):
    """Diagrams need Graphviz, which may be missing: that they are drawn is tested with runs."""
    monkeypatch.chdir(tmp_path)
    diagrams = {}
    monkeypatch.setattr(
        keras.utils, "plot_model", lambda model, path, **_: diagrams.update({path: model})
    )
    text = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
    (script,) = [part for part in text.split("```") if "KLDivergence()(encoder" in part]
    names = {}
    exec(script.removeprefix("python\n"), names)
    assert {*diagrams} == {f"{name}.png" for name in ("encoder", "decoder", "generator", "cvae")}
    x, y = np.zeros((4, 28, 28, 1), "float32"), [3, 1, 4, 1]
    history = names["cvae"].fit([x, y], verbose=0).history
    assert {"loss", "kl", "reconstruction", "elbo"} <= {*history}
    assert (
        diagrams["generator.png"].predict([np.zeros((4, 2)), np.array(y)], verbose=0).shape
        == x.shape
    )
