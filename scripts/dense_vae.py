"""The dense VAE of the Keras blog: a two-dimensional latent space of grey digits.

784-256-2-256-784, RMSprop, batches of 100, 50 epochs, analytic KL divergence. Plots the
architecture, the loss curves, the test digits in latent space, and the manifold of 15 x 15 digits.
"""

import shutil
from pathlib import Path

import keras
import typer

import keras_cvae
from keras_cvae import datasets, latents, networks, plots


def main(
    data: str = "mnist",
    epochs: int = 50,
    out: Path = Path("runs/dense_vae"),
    seed: int = 0,
) -> None:
    """Train the model and plot the results."""
    out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(seed)
    x_train, _, x_test, y_test, class_names = datasets.load(data)

    vae = keras_cvae.build_cvae(x_train.shape[1:], latent_dim=2, network=networks.Dense((256,)))
    vae.compile(optimizer="rmsprop")
    history = vae.fit(x_train, batch_size=100, epochs=epochs, validation_data=(x_test, None))
    vae.save(out / "model.keras")

    plots.loss_curves(history.history).savefig(out / "loss_curves.png")
    z_mean, _ = vae.encoder.predict(x_test, batch_size=1000)
    figure = plots.latent_scatter(z_mean, y_test, class_names=class_names)
    figure.savefig(out / "latent_space.png")
    z, ticks = latents.grid(15, low=0.05, high=0.95)
    plots.manifold(vae.decode(z.reshape(15, 15, 2)), x=ticks, y=ticks).savefig(out / "manifold.png")

    options = {"show_shapes": True, "expand_nested": True, "splines": "polyline"}
    if shutil.which("dot"):
        for name, model in {"encoder": vae.encoder, "vae": vae}.items():
            keras.utils.plot_model(model, out / f"{name}.png", **options)
    else:
        print("Diagrams of the networks are left out: they need Graphviz")

    final = {name: values[-1] for name, values in history.history.items()}
    print(f"\nnats per image after {epochs} epochs | Keras blog | here")
    for name, value in final.items():
        print(f"{name:>37} | {'curves':>10} | {value:.2f}")


if __name__ == "__main__":
    typer.run(main)
