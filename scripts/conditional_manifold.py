"""The 2-D latent manifold of a plain convolutional VAE, and those of a conditional VAE per label.

The convolutional tutorial's network, latent size 2, thresholded pixels, Adam with a learning rate
of 1e-4, 50 epochs. The two dimensions of the plain VAE mostly encode which digit it is, those of
the conditional VAE the style.
"""

from pathlib import Path

import keras
import typer
from PIL import Image

import keras_cvae
from keras_cvae import datasets, latents, plots


def main(
    data: str = "mnist",
    epochs: int = 50,
    out: Path = Path("runs/conditional_manifold"),
    seed: int = 0,
    labels: str = "2,4,8",
    batch_size: int = 32,
    learning_rate: float = 1e-4,
) -> None:
    """Train both models and plot the manifolds."""
    out.mkdir(parents=True, exist_ok=True)
    x_train, y_train, x_test, y_test, names = datasets.load(data)
    z, ticks = latents.grid(20)

    def train(name, condition, train, test):
        keras.utils.set_random_seed(seed)
        options = {"latent_dim": 2, "network": "conv", "binarize": "threshold"}
        model = keras_cvae.build_cvae(x_train.shape[1:], condition, **options)
        model.compile(keras.optimizers.Adam(learning_rate))
        save = keras.callbacks.ModelCheckpoint(out / f"{name}.keras")
        log = keras.callbacks.CSVLogger(out / f"{name}.csv")
        training = {"batch_size": batch_size, "epochs": epochs, "callbacks": [save, log]}
        history = model.fit(train, validation_data=(test, None), **training).history
        return model, -history["val_loss"][-1]

    def plot(model, label, title):
        path = out / f"manifold_{title.replace(' ', '_')}.png"
        plots.manifold(
            model.decode(z.reshape(20, 20, 2), label), x=ticks, y=ticks, title=title
        ).savefig(path)
        return Image.open(path)

    vae, plain_elbo = train("vae", None, x_train, x_test)
    cvae, elbo = train("cvae", len(names), [x_train, y_train], [x_test, y_test])
    panels = [plot(vae, None, "plain VAE")]
    for label in map(int, labels.split(",")):
        panels.append(plot(cvae, label, f"label {names[label]}"))
    sheet = Image.new("RGB", (sum(p.width for p in panels), max(p.height for p in panels)), "white")
    for i, panel in enumerate(panels):
        sheet.paste(panel, (sum(p.width for p in panels[:i]), 0))
    sheet.save(out / "manifolds.png")

    print(f"\ntest ELBO after {epochs} epochs, nats per image | tutorial, 10 epochs | here")
    print(f"{'plain VAE':>47} | {-156.5:>19} | {plain_elbo:.2f}")
    print(f"{'conditional VAE':>47} | {-126.99:>19} | {elbo:.2f}")


if __name__ == "__main__":
    typer.run(main)
