"""Scores, encodes or generates a collection larger than memory, in parallel, by Ray Data.

    pip install "ray[data]"
    python scripts/ray_map.py score runs/digits/model.keras data.parquet scores
    python scripts/ray_map.py encode runs/digits/model.keras photos encodings
    python scripts/ray_map.py generate runs/digits/model.keras labels.parquet images

The data are Parquet files, or a folder with one sub-folder of images per class. A row of Parquet
has an `image`, a list of pixels, and a `label`, an integer, if the task and the model need them.
The results are Parquet files with the other columns of the data, and those of the task:

- `score`: `elbo` and its terms, in nats;
- `encode`: `z_mean` and `z_log_var`;
- `generate`: `image`.

If a worker is killed, it is started again and repeats its batch: no row is lost or written twice.
The results are the same, since the noise depends only on the rows.
"""

import zlib
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
import ray
import typer

import keras_cvae
from keras_cvae.data.images import SUFFIXES

MODES = {1: "L", 3: "RGB"}  # of images, by their channels


class Worker:
    """A model in a separate process.

    Args:
        model: The path of a saved model.
        task: `"score"`, `"encode"` or `"generate"`.
    """

    def __init__(self, model: str, task: str):
        self.cvae: Any = keras.saving.load_model(model)
        self.task = getattr(self, task)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the results of a batch, and its columns except the images."""
        y = batch.get("label") if self.cvae.classes else None
        x = batch.pop("image", None)
        if x is not None:
            x = np.stack([*x]).reshape(-1, *self.cvae.image_shape)
        return {**batch, **self.task(x, y, len(next(iter(batch.values()), x)))}

    def score(self, x, y, count) -> dict:
        """Returns the ELBO of each row, and its terms."""
        return keras_cvae.evaluation.terms(self.cvae, x, y, seed=zlib.crc32(x.tobytes()))

    def encode(self, x, y, count) -> dict:
        """Returns the posterior of each row."""
        return dict(zip(("z_mean", "z_log_var"), self.cvae.encode(x, y), strict=True))

    def generate(self, x, y, count) -> dict:
        """Returns an image for each row."""
        seed = zlib.crc32(repr(y if y is None else y.tolist()).encode())
        return {"image": self.cvae.generate(y, count=count, seed=seed).reshape(count, -1)}


def read(data: Path, image_shape: tuple) -> ray.data.Dataset:
    """Reads Parquet files, or images of any size in a folder with a sub-folder for each class."""
    if data.suffix == ".parquet" or any(data.glob("*.parquet")):
        return ray.data.read_parquet(str(data))
    if len(image_shape) != 3:
        raise typer.BadParameter("MODEL is a model of vectors: DATA must be Parquet files")
    names = sorted(path.name for path in data.iterdir() if path.is_dir())

    def add_label(batch):
        folders = [Path(path).parent.name for path in batch["path"]]
        return {**batch, "label": np.array([names.index(folder) for folder in folders])}

    files = [str(path) for path in sorted(data.rglob("*")) if path.suffix.lower() in SUFFIXES]
    size, mode = image_shape[:2], MODES[image_shape[2]]
    images = ray.data.read_images(files, size=size, mode=mode, include_paths=True)
    return images.map_batches(add_label)


def map_rows(
    rows, worker, model: Path, task: str, batch_size: int, workers: int
) -> ray.data.Dataset:
    """Maps rows by workers, which Ray starts again if they are killed."""
    return rows.map_batches(
        worker,
        fn_constructor_args=[str(model.resolve()), task],
        compute=ray.data.ActorPoolStrategy(size=workers),
        batch_size=batch_size,
        batch_format="numpy",
        num_cpus=0.5,  # leaves processor time for reading and writing
    )


def main(
    task: Annotated[str, typer.Argument(help="score, encode or generate.")],
    model: Annotated[Path, typer.Argument(help="A saved model.")],
    data: Annotated[Path, typer.Argument(help="Parquet files, or folders of images.")],
    out: Annotated[Path, typer.Argument(help="Folder for Parquet files, new or empty.")],
    batch_size: int = 512,
    workers: Annotated[int, typer.Option(help="Processes that hold a model.")] = 2,
) -> None:
    """Map the rows of data to results."""
    if task not in ("score", "encode", "generate"):
        raise typer.BadParameter("TASK must be score, encode or generate")
    if out.exists() and any(out.iterdir()):
        raise typer.BadParameter(f"OUT must be a new or an empty folder: {out}")
    rows = read(data, keras.saving.load_model(model).image_shape)
    results = map_rows(rows, Worker, model, task, batch_size, workers)
    results.write_parquet(str(out.resolve()))


if __name__ == "__main__":
    typer.run(main)
