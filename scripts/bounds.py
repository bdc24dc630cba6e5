"""Bounds on log p(x | y) for several beta: rate and distortion, and importance weighting.

For each beta, a dense model is trained on dynamically binarized images. `rate_distortion.png`
shows the rate, the information about an image that z contains, and the distortion, the information
that is still needed once z is known, both in nats. Their sum is minus the ELBO, which is constant
along each diagonal. `bound.png` shows the importance-weighted bound against its number of samples
K: it starts at the ELBO and converges to log p(x | y). Models that exist in `--out` are not
trained again, so an interrupted run can be repeated.
"""

from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import typer
from matplotlib.figure import Figure

import keras_cvae
from keras_cvae import datasets, evaluation, networks, objectives

BETAS = 0.25, 0.5, 1.0, 2.0, 4.0
SAMPLES = 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000


def train(data, beta, epochs, path, seed):
    """Returns the model of a beta: loaded from `path` if it exists, otherwise trained."""
    if path.exists():
        return keras.saving.load_model(path)
    print(f"beta {beta:g}, {epochs} epochs", flush=True)
    keras.utils.set_random_seed(seed)
    cvae = keras_cvae.build_cvae(
        data.x_train.shape[1:],
        len(data.class_names),
        32,
        network=networks.Dense((500, 500)),
        objective=objectives.ELBO(beta),
        binarize="dynamic",
    )
    steps = epochs * -(-len(data.x_train) // 100)
    cvae.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps)))
    cvae.fit([data.x_train, data.y_train], batch_size=100, epochs=epochs, verbose=2)
    cvae.save(path)
    return cvae


def mean(values):
    """Mean and standard error over images."""
    return np.mean(values), np.std(values, ddof=1) / len(values) ** 0.5


def plane(points, protocol) -> Figure:
    """Plots the rate-distortion plane."""
    figure = Figure(figsize=(6, 4.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    rates, distortions = np.transpose([*points.values()])
    axes.plot(rates, distortions, color="0.6", zorder=1)
    axes.scatter(rates, distortions, zorder=2)
    for beta, (rate, distortion) in points.items():
        text = f"beta {beta:g}: {rate + distortion:.1f}"
        axes.annotate(text, (rate, distortion), (6, 6), textcoords="offset points")
    axes.margins(0.3, 0.2)
    best = min(rates + distortions)
    axes.axline((rates.mean(), best - rates.mean()), slope=-1, ls=":", color="0.6")
    axes.text(0.02, 0.02, f"dotted: -ELBO {best:.1f}", transform=axes.transAxes, color="0.4")
    axes.set(xlabel="rate, nats per image", ylabel="distortion, nats per image")
    axes.set_title(protocol, fontsize="small")
    return figure


def curves(bounds, samples, protocol) -> Figure:
    """Plots the bound against the number of samples, a line for each beta."""
    figure = Figure(figsize=(6, 4.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    for beta, values in bounds.items():
        means, errors = np.transpose(values)
        axes.plot(samples, means, marker=".", label=f"beta {beta:g}")
        axes.fill_between(samples, means - errors, means + errors, alpha=0.2)
    axes.set(xscale="log", xlabel="samples K (band: standard error over images)")
    axes.set_ylabel("bound on log p(x|y), nats per image")
    axes.set_title(protocol, fontsize="small")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def main(
    data: str = "mnist",
    epochs: int = 30,
    limit: int = 1000,
    most_samples: int = 5000,
    betas: Annotated[list[float], typer.Option("--beta", help="May be repeated.")] = BETAS,
    out: Path = Path("runs/bounds"),
    seed: int = 0,
) -> None:
    """Train a model for each beta, print the table and make both plots."""
    out.mkdir(parents=True, exist_ok=True)
    dataset = datasets.load(data)
    x, y = dataset.x_test[:limit], dataset.y_test[:limit]
    samples = [count for count in SAMPLES if count <= most_samples]
    points, bounds = {}, {}
    for beta in betas:
        cvae = train(dataset, beta, epochs, out / f"beta_{beta:g}.keras", seed)
        parts = evaluation.rate_and_distortion(cvae, x, y, seed=seed)
        points[beta] = [parts["rate"].mean(), parts["distortion"].mean()]
        bounds[beta] = []
        for count in samples:
            print(f"beta {beta:g}: K = {count}", flush=True)
            log_p = evaluation.log_likelihood(cvae, x, y, samples=count, seed=seed, verbose=0)
            bounds[beta].append(mean(log_p))
    protocol = f"{Path(data).stem}, {len(x):,} test images, dense 500-500-32, {epochs} epochs"
    plane(points, protocol).savefig(out / "rate_distortion.png")
    curves(bounds, samples, protocol).savefig(out / "bound.png")
    print(f"\n{protocol}; nats per image")
    print(
        f"| beta | rate | distortion | ELBO | bound, K = {samples[-1]:,} |\n|---|---|---|---|---|"
    )
    for beta, (rate, distortion) in points.items():
        bound, error = bounds[beta][-1]
        cells = f"{rate:.2f} | {distortion:.2f} | {-rate - distortion:.2f}"
        print(f"| {beta:g} | {cells} | {bound:.2f} ± {error:.2f} |")


if __name__ == "__main__":
    typer.run(main)
