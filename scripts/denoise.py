"""Noise removed: a VAE that was trained to, a plain one, and a median filter.

    python scripts/denoise.py --data mnist

For normal noise, salt and pepper, and a grey block, a model is trained whose encoder sees spoilt
images while the likelihood is of the clean ones (`build_cvae(..., corruption=...)`). Then spoilt
test images are given to `reconstruct`: of that model, and of one that was trained without. The
table holds the peak signal-to-noise ratio of each to the clean images, in dB, the more the better:
the mean over the images and its standard error. No method is told the label.

A tenth of the training images validates: the size of the median filter is chosen there, and so were
the defaults, with `--validate`, which measures there. Models are kept in `--out`; an interrupted
run goes on after its last whole epoch.
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


def spoilers(seed=None):
    """The corruptions; of a grey block it is always to be seen where it is."""
    options = {"bounds": (0.0, 1.0), "seed": seed}
    return {
        "gaussian": corruptions.GaussianNoise(**options),
        "salt_and_pepper": corruptions.SaltAndPepper(**options),
        "blocks": corruptions.HiddenBlocks(value=0.5, **options),
    }


def train(x, corruption, latent_dim, likelihood, beta, epochs, seed, out):
    """Returns the model that is kept in a folder, or one that is trained now."""
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


def filtered(images, size):
    """The median of the pixels around each pixel."""
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
    """Train the models, print the table and draw the picture."""
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
    seen, unseen = spoilers(seed + 1), spoilers(seed + 2)
    for name, corruption in spoilers().items():
        model = train(x_train, corruption, **settings, out=out / name)
        noisy_held, noisy = (
            keras.ops.convert_to_numpy(layer[name](images, training=True))
            for layer, images in ((seen, x_held), (unseen, clean))
        )
        quality = [decibels(filtered(noisy_held, size), x_held).mean() for size in SIZES]
        size = SIZES[np.argmax(quality)]
        shown = {
            "spoilt": noisy,
            "restored": model.reconstruct(noisy),
            "plain model": plain.reconstruct(noisy),
            f"median of {size}x{size}": filtered(noisy, size),
        }
        found = {kind: decibels(images, clean) for kind, images in shown.items()}
        errors = [values.std() / len(values) ** 0.5 for values in found.values()]
        cells = [
            f"{found[kind].mean():.2f} ± {e:.2f}" for kind, e in zip(found, errors, strict=True)
        ]
        lines.append(" | ".join([f"| {name}", *cells, f"{size}x{size} |"]))
        shown["clean"] = clean
        rows += [np.asarray(images[:12]) for images in shown.values()]
        labels += [f"{name}: {kind}" if kind == "spoilt" else kind for kind in shown]

    mosaic(np.clip(rows, 0, 1), row_labels=labels).savefig(out / "restored.png")
    print(f"\nPSNR in dB, {len(clean):,} {'validation' if validate else 'test'} images")
    print(
        "| | spoilt | restored | plain model | median filter | its size |\n|---" + "|---" * 5 + "|"
    )
    print("\n".join(lines))


if __name__ == "__main__":
    typer.run(main)
