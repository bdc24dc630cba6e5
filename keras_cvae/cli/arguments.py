"""Arguments and options of the commands: their types and their texts in `--help`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from keras_cvae.cli import names

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `train` wrote.")]
Data = Annotated[str, Option(help=f"{', '.join(names.DATA)}, or the path of your own data.")]
OtherData = Annotated[str | None, Option(help="Other data.  [default: what it was trained on]")]
Out = Annotated[
    Path,
    Option(metavar="FILE", help="A .png picture or .npz arrays; a table: .csv, .tsv, .parquet."),
]
LabelSwitch = Annotated[
    bool, Option("--conditional/--unconditional", help="Whether to use labels.")
]
Force = Annotated[bool, Option("--force", help="Overwrite existing files.")]
Quiet = Annotated[bool, Option("--quiet", help="Print only the result.")]
Seed = Annotated[int, Option(min=0, max=2**32 - 1, help="Seed of all randomness.")]
Count = Annotated[int, Option(min=1, help="Number of images or rows.")]
