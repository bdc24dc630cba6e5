"""The convolutional VAE of TensorFlow's tutorial, trained from a tf.data stream.

Thresholded pixels, latent size 2, one-sample Monte Carlo ELBO, Adam with a learning rate of 1e-4,
batches of 32, 10 epochs. `--recommended` keeps model, latent size and epochs, but uses the
analytic KL divergence and a learning rate that decreases from 2e-3 to 0 along a cosine.
"""

import time
from pathlib import Path

import keras
import tensorflow as tf
import typer

import keras_cvae
from keras_cvae import callbacks, datasets, latents, networks, objectives, plots

TUTORIAL_ELBO = -156.50


def main(
    data: str = "mnist",
    epochs: int = 10,
    out: Path = Path("runs/conv_vae"),
    seed: int = 0,
    recommended: bool = False,
    filters: str = "32,64",
    batch_size: int = 32,
) -> None:
    """Train the model and plot the results. Colour images are not binarized."""
    out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(seed)
    x_train, _, x_test, _, _ = datasets.load(data)
    train = tf.data.Dataset.from_tensor_slices(x_train).shuffle(len(x_train)).batch(batch_size)
    test = tf.data.Dataset.from_tensor_slices(x_test).batch(batch_size)

    vae = keras_cvae.build_cvae(
        x_train.shape[1:],
        latent_dim=2,
        network=networks.Conv([int(count) for count in filters.split(",")]),
        binarize="threshold" if x_train.shape[-1] == 1 else None,
        objective=objectives.ELBO() if recommended else objectives.IWAE(1),
    )
    cosine = keras.optimizers.schedules.CosineDecay(2e-3, epochs * len(train))
    vae.compile(keras.optimizers.Adam(cosine if recommended else 1e-4))

    def reconstruct(vae):
        return vae.reconstruct(x_test[:16])

    def report(epoch, logs):
        seconds = time.perf_counter() - start
        print(f"\nepoch {epoch + 1}: test ELBO {-logs['val_loss']:.2f}, {seconds:.0f} s so far")

    pictures = (
        callbacks.EpochImages(reconstruct, out / "epochs"),
        callbacks.EpochGIF(reconstruct, out / "vae.gif"),
    )
    save = keras.callbacks.ModelCheckpoint(out / "model.keras")
    log = keras.callbacks.CSVLogger(out / "history.csv")
    elbo = keras.callbacks.LambdaCallback(on_epoch_end=report)
    all_callbacks = [elbo, save, log, *pictures]
    start = time.perf_counter()
    history = vae.fit(train, epochs=epochs, validation_data=test, callbacks=all_callbacks).history

    plots.loss_curves(history).savefig(out / "loss_curves.png")
    plots.reconstructions(x_test[:16], reconstruct(vae)).savefig(out / "reconstructions.png")
    z, ticks = latents.grid(20)
    figure = plots.manifold(vae.decode(z.reshape(20, 20, 2)), x=ticks, y=ticks)
    figure.savefig(out / "manifold.png")
    print(f"\ntest ELBO, nats per image | tutorial, 10 epochs | here, {epochs} epochs")
    print(f"{'':>25} | {TUTORIAL_ELBO:>19} | {-history['val_loss'][-1]:.2f}")


if __name__ == "__main__":
    typer.run(main)
