"""Serves a run over HTTP: a POST request of labels returns a picture.

    pip install fastapi uvicorn
    python scripts/serve.py runs/digits
    curl -X POST localhost:8000/images -H "Content-Type: application/json" \
        -d '{"labels": ["3", "8"], "seed": 1}' --output images.png

Requests are answered by threads, which take turns in using the model.
"""

import io
from pathlib import Path
from typing import Annotated

import fastapi
import numpy as np
import pydantic
import typer
import uvicorn

from keras_cvae import plots, runs
from keras_cvae.runs import pictures

MOST = 256  # images in a request


class Request(pydantic.BaseModel):
    """The labels to generate images of, as names or integers, and a seed."""

    labels: Annotated[list[str | int], pydantic.Field(min_length=1, max_length=MOST)]
    seed: Annotated[int | None, pydantic.Field(ge=0, lt=2**32)] = None


def application(folder: Path) -> fastapi.FastAPI:
    """Returns the web application of a run of images with classes."""
    run = runs.Run.load(folder)
    app = fastapi.FastAPI(title=f"Images of {folder}")

    @app.get("/classes")
    def classes() -> list[str]:
        return run.class_names

    @app.post("/images")
    def images(request: Request) -> fastapi.Response:
        labels = [
            run.class_names.index(label) if label in run.class_names else label
            for label in request.labels
        ]
        try:
            x = run.model.generate(np.array(labels), seed=request.seed)
        except ValueError as error:
            raise fastapi.HTTPException(422, str(error)) from None
        file = io.BytesIO()
        plots.sheet(pictures.drawable(run, x)).savefig(file, format="png")
        return fastapi.Response(file.getvalue(), media_type="image/png")

    return app


def main(folder: Path, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve a run until Ctrl-C."""
    uvicorn.run(application(folder), host=host, port=port)


if __name__ == "__main__":
    typer.run(main)
