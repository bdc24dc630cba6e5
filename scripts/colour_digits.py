"""Likelihoods of pixels compared: tinted digits, in bits per dimension.

Digits with a margin of two pixels (MNIST becomes 32 x 32) are tinted by two smooth random fields
of colour; `--grey` leaves them grey. The network is convolutional and conditional on the digit,
latent size 32; Adam, batches of 128, a learning rate that decreases from 1e-3 to 0 along a cosine.
For 8-bit pixels, a normal likelihood with a learned variance is compared with a mixture of ten
logistics. A softmax over 256 levels of each colour is too slow on a CPU, so the categorical
likelihood gets pixels of `--levels` levels, and the normal likelihood is trained once more on
these.

Bits are comparable for equal numbers of levels. The normal density is that of (k + u) / levels for
level k and uniform noise u in [0, 1), sampled once; minus its mean log2 plus log2(levels) is an
upper bound on the bits of k. Both columns are measured on the first `--count` test images.
"""

import time
from pathlib import Path

import keras
import numpy as np
import typer

import keras_cvae
from keras_cvae import datasets, evaluation, likelihoods, plots

LIKELIHOODS = {
    "gaussian": lambda levels: likelihoods.Gaussian(0.01, learn_variance=True),
    "logistic_mixture": lambda levels: likelihoods.LogisticMixture(10),
    "categorical": likelihoods.Categorical,
}


def fields(rng, shape):
    """Two smooth fields of colour for each image, of shape `(n, height, width, 3)`, in [0, 1]."""
    n, *sides = shape
    pairs = rng.random((n, 16, 2, 3), "float32")
    contrast = np.abs((pairs[:, :, 0] - pairs[:, :, 1]) @ (0.3, 0.6, 0.1))
    # The first pair of colours that differ enough in brightness, or the one that differs most.
    chosen = pairs[np.arange(n), np.minimum(contrast, 0.4).argmax(1)]
    corners = chosen[:, :, None, None] + rng.uniform(-0.1, 0.1, (n, 2, 2, 2, 3))
    rows, columns = (np.stack([t, 1 - t]) for t in (np.linspace(0, 1, side) for side in sides))
    return np.einsum("nfabc,ai,bj->fnijc", np.clip(corners, 0, 1), rows, columns, optimize=True)


def prepare(x, seed, grey):
    """Images with a margin, tinted unless `grey`, as uint8."""
    scale = 255 if x.dtype == np.uint8 else 1
    x = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
    tinted = np.empty((*x.shape[:3], 1 if grey else 3), "uint8")
    for part, start in enumerate(range(0, len(x), 1000)):
        ink = x[start : start + 1000] / scale
        if not grey:
            front, back = fields(np.random.default_rng((*seed, part)), ink.shape[:3])
            ink = back + ink * (front - back)
        tinted[start : start + 1000] = np.round(255 * ink)
    return tinted


def as_levels(x, levels, name, seed):
    """Pixels with fewer levels, as uint8; for a density, with uniform noise within each level."""
    level = (x.astype("uint16") * levels) >> 8
    if name != "gaussian":
        return np.round(level * (255 / (levels - 1))).astype("uint8")
    noise = np.random.default_rng(seed).random(x.shape, "float32")
    return (level + noise) / np.float32(levels)


def main(
    data: str = "mnist",
    epochs: int = 10,
    out: Path = Path("runs/colour_digits"),
    seed: int = 0,
    grey: bool = False,
    levels: int = 16,
    samples: int = 100,
    count: int = 1000,
    limit: int | None = None,
) -> None:
    """Train a model for each likelihood, plot its images, print its bits per dimension."""
    out.mkdir(parents=True, exist_ok=True)
    *arrays, names = datasets.load(data)
    x_train, y_train, x_test, y_test = (array[:limit] for array in arrays)
    if x_train.ndim != 4 or x_train.shape[-1] != 1 or not 2 <= levels <= 256:
        raise typer.BadParameter("images must be grey, and `--levels` from 2 to 256")
    train_images, test_images = prepare(x_train, (seed, 0), grey), prepare(x_test, (seed, 1), grey)
    shape, rows = test_images.shape[1:], []
    pairs = [("gaussian", 256), ("logistic_mixture", 256), ("gaussian", levels)]
    for name, top in dict.fromkeys([*pairs, ("categorical", levels)]):
        keras.utils.set_random_seed(seed)
        x_train, x_test = (as_levels(x, top, name, seed) for x in (train_images, test_images))
        options = {"network": "conv", "likelihood": LIKELIHOODS[name](top)}
        cvae = keras_cvae.build_cvae(shape, len(names), 32, **options)
        steps = epochs * -(-len(x_train) // 128)
        cvae.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps)))
        model = f"{name}_{top}"
        callbacks = [
            keras.callbacks.ModelCheckpoint(out / f"{model}.keras"),
            keras.callbacks.CSVLogger(out / f"{model}.csv"),
        ]
        start = time.perf_counter()
        training = {"batch_size": 128, "epochs": epochs, "callbacks": callbacks}
        cvae.fit([x_train, y_train], validation_data=([x_test, y_test], None), **training)
        seconds = time.perf_counter() - start

        x, y = x_test[:count], y_test[:count]
        elbo = -cvae.evaluate([x, y], verbose=0, return_dict=True)["loss"]
        log_p = evaluation.log_likelihood(cvae, x, y, samples=samples, seed=seed).mean()
        width = top if name == "gaussian" else None
        bits = [evaluation.bits_per_dimension(nats, shape, levels=width) for nats in (elbo, log_p)]
        rows.append(f"{name:>16} | {top:>6} | {bits[0]:>6.3f} | {bits[1]:>6.3f} | {seconds:.0f}")

        digits = np.arange(len(names)).repeat(10)
        z = np.random.default_rng(seed).standard_normal((len(digits), cvae.latent_dim), "float32")
        parameters = cvae.decoder.predict([z, digits], verbose=0)
        sampled = keras.ops.convert_to_numpy(cvae.likelihood.sample(parameters, seed=seed))
        means = np.clip(cvae.reconstruct(x[:16], y[:16]), 0, 1)
        figures = {
            "reconstructions": plots.reconstructions(x[:16], means, y=y[:16]),
            "means": plots.class_rows(np.clip(cvae.decode(z, digits), 0, 1), digits),
            "samples": plots.class_rows(np.clip(sampled, 0, 1), digits),
        }
        for picture, figure in figures.items():
            figure.savefig(out / f"{model}_{picture}.png")

    print(f"\nbits per dimension of {len(x)} test images of shape {shape}, after {epochs} epochs")
    print(f"{'likelihood':>16} | levels |   ELBO | log p, {samples} samples | seconds of fit")
    print("\n".join(rows))


if __name__ == "__main__":
    typer.run(main)
