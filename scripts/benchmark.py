"""Speed of keras_cvae in comparison with plain Keras and with hand-written programs.

    python scripts/benchmark.py train --model conv --batch-size 32
    python scripts/benchmark.py generate | startup | scaling

All programs of a table run at the same time, each in its own process, and take turns of a few
epochs, so that a slow machine slows all of them down alike. They use the same images, network,
initial weights, optimizer and batch size, and all of them shuffle, sample noise and train on the
last, smaller batch.
"""

import statistics
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from benchmarks import report, startup
from benchmarks.race import Contender, course

OUT = Path("runs/benchmark")
TUNED = {"steps_per_execution": 32, "jit_compile": True}  # of `compile`; not supported on torch
WITH_KERAS = {
    "keras_cvae": {"function": "keras_fit:library"},
    "default keras fit": {"function": "keras_fit:plain"},
    "keras fit, 32 steps per call, XLA": {"function": "keras_fit:plain", "options": TUNED},
}
HAND_WRITTEN = {
    "TensorFlow, epoch compiled by hand": "tensorflow_loops:compiled_epoch",
    "PyTorch loop": "torch_loop:loop",
    "JAX step loop": "jax_loops:step_loop",
}
WITH_SAMPLES = "keras_fit:library", "tensorflow_loops:compiled_epoch", "jax_loops:step_loop"
CURVES = {
    "latent size": (2, 8, 32, 128, 512),
    "hidden units": (64, 128, 256, 512, 1024, 2048),
    "images per epoch": (1_000, 3_000, 10_000, 30_000, 60_000),
    "batch size": (32, 100, 512, 2048),
    "samples per image": (1, 10, 100, 1000),
}

app = typer.Typer(add_completion=False, help=__doc__)
Model = StrEnum("Model", ["dense", "conv"])
BatchSizes = Annotated[list[int], typer.Option("--batch-size", help="May be repeated.")]
Backends = Annotated[str, typer.Option(help="Keras backends, comma-separated.")]
Streams = Annotated[
    bool, typer.Option(help="Also train from tf.data, or on torch from a DataLoader.")
]
Samples = Annotated[
    int, typer.Option(help="Samples of z per image; with more than one, IWAE (dense only).")
]
Only = Annotated[
    str, typer.Option(help="Only programs whose name has one of these words, comma-separated.")
]


@app.command("train")
def train(
    data: str = "mnist",
    model: Model = Model.dense,
    batch_size: BatchSizes = (32, 100, 512),
    backends: Backends = "tensorflow,jax",
    only: Only = "",
    streams: Streams = False,
    samples: Samples = 1,
    images: int | None = None,
    rounds: int = 7,
    warmup: int = 1,
    epochs: int = 3,
    out: Path = OUT,
    seed: int = 0,
) -> None:
    """Images per second of training."""
    names = [name.strip() for name in backends.split(",")]
    programs = {}
    for suffix, options in {"": {}, ", a stream": {"streamed": True}}.items():
        if streams or not suffix:
            for kind, how in WITH_KERAS.items():
                how = how | {"options": how.get("options", {}) | options}
                for name in names:
                    programs[f"{kind}, {name}{suffix}"] = how | {"backend": name}
    programs |= {name: {"function": function} for name, function in HAND_WRITTEN.items()}
    if samples > 1:
        programs = {n: how for n, how in programs.items() if how["function"] in WITH_SAMPLES}
        for how in programs.values():
            how["options"] = {**how.get("options", {}), "samples": samples}
    words = [word.strip().lower() for word in only.split(",")]
    programs = {n: how for n, how in programs.items() if any(word in n.lower() for word in words)}
    rows, panels, results = [], {}, []
    with course(data, images, rounds, warmup, out, epochs) as track:
        for size in batch_size:
            shared = {"images": track.images, "model": model, "batch_size": size, "seed": seed}
            ran = track.race([Contender(name, **how, **shared) for name, how in programs.items()])
            ours = [c for c in ran if c.function == "keras_fit:library"]
            for c in ran:
                row = {"batch": size, "program": c.name, **report.rates(c)}
                row |= {f"{_settings_of(own)}, ratio": own.faster_than(c) for own in ours}
                row |= {"first epoch, s": c.first, "peak MB": c.peak, "loss, nats": c.value}
                rows.append(row)
            panels |= {f"batches of {size}": [(c.name, c.rates) for c in ran]} if ran else {}
            results += ran
    bound = f" on {samples} samples per image" if samples > 1 else ""
    title = f"Training the {model} model{bound}, {track.images:,} images per epoch; "
    title += f"median, slowest and fastest of {rounds} rounds of {epochs} epochs"
    note = "ratio: images/s of keras_cvae divided by the program's, median over the rounds\n"
    note += "peak MB: in addition to the memory after imports and loading data\n"
    note += f"loss: mean over epoch {1 + (track.warmup - 1 + rounds) * epochs}"
    figure = report.bars(panels, "training, images/s")
    report.write(out, f"train_{model}", title, rows, figure, results, note)


def _settings_of(contender):
    return contender.name.split(", ", 1)[1]


@app.command("generate")
def generate(
    data: str = "mnist",
    model: Model = Model.dense,
    batch_size: BatchSizes = (256, 1000),
    backends: Backends = "tensorflow,jax",
    images: int = 100_000,
    side: int = 20,
    rounds: int = 5,
    warmup: int = 1,
    out: Path = OUT,
    seed: int = 0,
) -> None:
    """Images per second when sampling, and when decoding a square grid of images."""
    shared = {"model": model, "seed": seed}
    sample = {**shared, "counted": images, "options": {"count": images}}
    sheet = {**shared, "counted": side * side, "options": {"side": side}}
    samples, sheets = [], []
    for name in (name.strip() for name in backends.split(",")):
        for size in batch_size:
            who = f"cvae.generate, {name}, batches of {size}", "keras_fit:generate", name
            samples.append(Contender(*who, batch_size=size, **sample))
        who = f"cvae.decode of the sheet, {name}", "keras_fit:sheet", name
        sheets.append(Contender(*who, **sheet))
        who = f"predict for each picture, {name}", "keras_fit:one_by_one", name
        sheets.append(Contender(*who, **sheet))
    for how, size in (("batches of 1000", 1000), ("one pass", images)):
        who = f"PyTorch decoder, {how}", "torch_loop:decode"
        samples.append(Contender(*who, batch_size=size, **sample))
    with course(data, 1000, rounds, warmup, out) as track:
        ran = track.race([*samples, *sheets])
    rows, panels = [], {}
    for task, group in ((f"{images:,} samples", samples), (f"{side} x {side} sheet", sheets)):
        group = [c for c in group if c in ran]
        ours = [c for c in group if c.name.startswith("cvae.")]
        for c in group:
            rivals = [own for own in ours if c.name.endswith(own.backend)] or ours
            best = max(rivals, key=lambda own: statistics.median(own.rates), default=None)
            row = {"task": task, "program": c.name, **report.rates(c)}
            row["ratio"] = best.faster_than(c) if best and c not in ours else None
            rows.append(row | {"first, s": c.first, "peak MB": c.peak, "mean pixel": c.value})
        panels[task] = [(c.name, c.rates) for c in group]
    title = f"Generating with the {model} model; median, slowest and fastest of {rounds} rounds"
    note = (
        "ratio: images/s of our fastest (on the same backend, for Keras) divided by the program's"
    )
    figure = report.bars(panels, "images/s (logarithmic)", log=True)
    report.write(out, f"generate_{model}", title, rows, figure, ran, note)


@app.command("startup")
def start(backends: Backends = "tensorflow,jax", rounds: int = 7, out: Path = OUT) -> None:
    """Seconds of `import keras_cvae`, and until the first training batch is done."""
    rows, panels = [], {}
    for backend in (name.strip() for name in backends.split(",")):
        results = startup.measure(backend, rounds)
        for name, (seconds, imported) in results.items():
            median = statistics.median(seconds)
            row = {"backend": backend, "program": name, "seconds": median}
            row |= {"least": min(seconds), "most": max(seconds)}
            of_keras, known = results["import keras"]
            row["more than import keras"] = median - statistics.median(of_keras)
            more = set(imported or ()) - set(known if name != "import keras" else ())
            row["imports"] = ", ".join(sorted(more)) or ("none more" if imported else "")
            rows.append(row)
        panels[backend] = [(name, seconds) for name, (seconds, _) in results.items()]
    title = f"Starting up; median, least and most of {rounds} rounds"
    note = f"imports: which of {', '.join(startup.NOT_AT_IMPORT)} are imported, too"
    report.write(out, "startup", title, rows, report.bars(panels, "seconds"), panels, note)


@app.command("scaling")
def scaling(
    data: str = "mnist",
    backend: str = "tensorflow",
    images: int | None = None,
    test_images: int = 500,
    rounds: int = 3,
    warmup: int = 1,
    out: Path = OUT,
    seed: int = 0,
) -> None:
    """Training speed by size of model, data and batch; speed of evaluation by number of samples."""
    rows, panels, results = [], {}, []
    with course(data, images, rounds, warmup, out) as track:
        few, some = min(test_images, track.images), min(10_000, track.images)
        for curve, sizes in CURVES.items():
            contenders = []
            for x in sizes:
                own = {
                    "latent size": {"options": {"latent_dim": x}},
                    "hidden units": {"options": {"hidden_units": [x]}},
                    "images per epoch": {"images": x},
                    "batch size": {"batch_size": x},
                    "samples per image": {"images": few, "options": {"samples": x}},
                }[curve]
                how = "log_likelihood" if curve == "samples per image" else "library"
                settings = {"images": some, "seed": seed} | own
                if settings["images"] <= track.images:
                    who = f"{curve} {x}", f"keras_fit:{how}", backend
                    contenders.append(Contender(*who, **settings))
            ran = track.race(contenders)
            points = [(int(c.name.split()[-1]), c.rates) for c in ran]
            for c, (size, _) in zip(ran, points, strict=True):
                row = {"curve": curve, "size": size, **report.rates(c)}
                row |= {"us/image": 1e6 / row["images/s"], "first, s": c.first, "peak MB": c.peak}
                rows.append(row)
            panels |= {curve: points} if points else {}
            results += ran
    title = (
        f"keras_cvae on {backend}: training the dense model (latent size 20, 256 hidden units, "
        f"{some:,} images per epoch, batches of 100, one of them varied), and log_likelihood of "
        f"{few} images (last curve); median, slowest and fastest of {rounds} rounds"
    )
    figure = report.curves(panels, "images/s")
    report.write(out, f"scaling_{backend}", title, rows, figure, results)


if __name__ == "__main__":
    app()
