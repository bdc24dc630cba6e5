"""Denoising: a VAE trained to denoise, a plain VAE, and a median filter.

    python scripts/denoise.py --data mnist

For normal noise, salt-and-pepper noise, and a grey block, a model is trained with a corruption:
its encoder receives corrupted images, while the likelihood is that of the clean ones
(`build_cvae(..., corruption=...)`). Then corrupted test images are denoised by `reconstruct` of
this model and of one trained without a corruption. The table lists the peak signal-to-noise ratio
to the clean images in dB (higher is better): its mean over the images and the standard error. No
method uses the labels.

The size of the median filter is chosen on a tenth of the training images, as were the defaults,
with `--validate`, which prints the table for these images. Models are saved in `--out`; an
interrupted run continues after its last complete epoch.
"""

from pathlib import Path

import keras
import numpy as np
import typer
from scipy.ndimage import median_filter

import keras_cvae
from keras_cvae import corruptions, datasets, networks, objectives
from keras_cvae.plots.mosaic import mosaic

SIZES = 3, 5, 7  # of the median filter, in pixels


def all_corruptions(seed=None):
    """The corruptions; the hidden block is grey, so that its position is visible."""
    options = {"bounds": (0.0, 1.0), "seed": seed}
    return {
        "gaussian": corruptions.GaussianNoise(**options),
        "salt_and_pepper": corruptions.SaltAndPepper(**options),
        "blocks": corruptions.HiddenBlocks(value=0.5, **options),
    }


def train(x, corruption, latent_dim, likelihood, beta, epochs, seed, out):
    """Returns the model of a folder: loaded if it exists, otherwise trained."""
    if (out / "model.keras").exists():
        return keras.saving.load_model(out / "model.keras")
    out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(seed)
    network, objective = networks.Dense((512, 512)), objectives.ELBO(beta)
    options = {"network": network, "likelihood": likelihood, "objective": objective}
    options["corruption"] = corruption
    vae = keras_cvae.build_cvae(x.shape[1:], None, latent_dim, **options)
    cosine = keras.optimizers.schedules.CosineDecay(1e-3, epochs * -(-len(x) // 128))
    vae.compile(keras.optimizers.Adam(cosine))
    backup = keras.callbacks.BackupAndRestore(out / "backup", double_checkpoint=True)
    log = keras.callbacks.CSVLogger(out / "history.csv", append=True)
    vae.fit(x, batch_size=128, epochs=epochs, callbacks=[backup, log], verbose=2)
    vae.save(out / "model.keras")
    return vae


def decibels(images, clean):
    """The peak signal-to-noise ratio of each image, whose pixels are in [0, 1]."""
    error = np.square(images - clean).reshape(len(clean), -1).mean(1)
    return -10 * np.log10(error)


def median_filtered(images, size):
    """Images after a median filter."""
    return median_filter(images, (1, size, size, 1))


def main(
    data: str = "mnist",
    epochs: int = 20,
    out: Path = Path("runs/denoise"),
    seed: int = 0,
    latent_dim: int = 32,
    likelihood: str = "bernoulli",
    beta: float = 0.2,
    limit: int | None = None,
    validate: bool = False,
) -> None:
    """Train the models, print the table and plot the images."""
    dataset = datasets.load(data)
    x_train, _, x_held, _ = datasets.hold_out(dataset, seed=seed)
    x_test = x_held if validate else dataset.x_test
    scale = 255 if x_train.dtype == np.uint8 else 1
    x_held, clean = (x[:limit].astype("float32") / scale for x in (x_held, x_test))
    settings = {
        "latent_dim": latent_dim,
        "likelihood": likelihood,
        "beta": beta,
        "epochs": epochs,
        "seed": seed,
    }
    plain = train(x_train, None, **settings, out=out / "plain")
    lines, rows, labels = [], [], []
    validation_noise, test_noise = all_corruptions(seed + 1), all_corruptions(seed + 2)
    for name, corruption in all_corruptions().items():
        model = train(x_train, corruption, **settings, out=out / name)
        noisy_held, noisy = (
            keras.ops.convert_to_numpy(layer[name](images, training=True))
            for layer, images in ((validation_noise, x_held), (test_noise, clean))
        )
        quality = [decibels(median_filtered(noisy_held, size), x_held).mean() for size in SIZES]
        size = SIZES[np.argmax(quality)]
        shown = {
            "corrupted": noisy,
            "denoised": model.reconstruct(noisy),
            "plain model": plain.reconstruct(noisy),
            f"median of {size}x{size}": median_filtered(noisy, size),
        }
        ratios = [decibels(images, clean) for images in shown.values()]
        cells = [f"{r.mean():.2f} ± {r.std() / len(r) ** 0.5:.2f}" for r in ratios]
        lines.append(" | ".join([f"| {name}", *cells, f"{size}x{size} |"]))
        shown["clean"] = clean
        rows += [np.asarray(images[:12]) for images in shown.values()]
        labels += [f"{name}: {kind}" if kind == "corrupted" else kind for kind in shown]

    mosaic(np.clip(rows, 0, 1), row_labels=labels).savefig(out / "restored.png")
    print(f"\nPSNR in dB, {len(clean):,} {'validation' if validate else 'test'} images")
    print(
        "| | corrupted | denoised | plain model | median filter | size |\n|---" + "|---" * 5 + "|"
    )
    print("\n".join(lines))


if __name__ == "__main__":
    typer.run(main)
