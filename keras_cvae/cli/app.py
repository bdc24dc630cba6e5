"""The command: its group of sub-commands, and how each of them ends."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer import Option

from keras_cvae.checks import ArgumentError, ArgumentErrors
from keras_cvae.cli.starting import BACKENDS, LOG_LEVEL, QUIET

# Options by the names of Python's arguments, where these differ.
OPTIONS = {
    "name_or_path": "--data",
    "input_shape": "--data",
    "x": "--data",
    "y": "--data",
    "as_y": "--as-label",
    "dropout": "--label-dropout",
    "test_fraction": "--test-share",
    "labelled": "--unconditional",
    "dims": "--axes",
    "conditions": "--condition",
    "kinds": "--columns",
    "part": "--what",
}


class Commands(typer.core.TyperGroup):
    """The sub-commands; bad input ends one with a line on stderr an error, Ctrl-C with one line."""

    def invoke(self, ctx) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # of `| head`, which typer sees to
            raise
        except (ValueError, OSError) as error:
            if isinstance(error, (ArgumentError, ArgumentErrors)):
                error = error.renamed(_options(self.commands[ctx.invoked_subcommand]))
            for fault in error.errors if isinstance(error, ArgumentErrors) else [error]:
                say(fault)
            raise typer.Exit(2) from None
        except KeyboardInterrupt as stop:
            say(str(stop) or "Stopped")
            raise typer.Exit(130) from None


class Command(typer.core.TyperCommand):
    """A command that runs once its options are parsed and Keras and the package are imported."""

    def invoke(self, ctx) -> Any:
        if ctx.obj is not None:
            ctx.obj()
        return super().invoke(ctx)


app = typer.Typer(
    cls=Commands,
    help="Conditional variational autoencoders: train one, then generate from it.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main(args: Sequence[str] | None = None, prepare: Callable[[], None] | None = None) -> None:
    """Runs the command; bad input ends it with a line on stderr and exit code 2, Ctrl-C with 130.

    Args:
        args: Arguments of the command; by default those of the process.
        prepare: Called before a command runs, after its options are parsed: imports the package.

    Raises:
        SystemExit: Always.
    """
    if os.environ.get(LOG_LEVEL, QUIET) == QUIET:
        # It warns of retracing, where in truth several models have a program each.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # for authors of libraries
        warnings.showwarning = lambda message, *_, **__: say(message)
        app(args, prog_name="keras-cvae", obj=prepare)


def _say_version(is_set):
    if is_set:
        print(", ".join(_versions()))
        raise typer.Exit()


def _versions():
    """Yields the versions of this package, Keras, and the backends that are installed."""
    yield f"keras-cvae {importlib.metadata.version('keras_cvae')}"
    for name in ("keras", *BACKENDS):
        try:
            yield f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue


Version = Option("--version", is_eager=True, callback=_say_version, help="Show the version.")


@app.callback()
def _shared(version: Annotated[bool, Version] = False) -> None:
    """Takes the options of the command itself."""


def _options(command):
    """Returns the options of a command by the names of the Python arguments that they set."""
    options = {param.name: max(param.opts, key=len) for param in command.params}
    known = [option for param in command.params for option in (*param.opts, *param.secondary_opts)]
    options |= {name: option for name, option in OPTIONS.items() if option in known}
    return {name: option for name, option in options.items() if option.startswith("--")}


def say(message: object) -> None:
    """Prints a message in one line on stderr."""
    print("keras-cvae:", *str(message).split(), file=sys.stderr)
