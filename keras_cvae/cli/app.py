"""The command: its group of sub-commands, and the messages and exit codes of errors."""

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

# Names of options by the names of the Python arguments that they set, if these differ.
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
    """The sub-commands. An error of the user is printed in one line, as is an interrupt."""

    def invoke(self, ctx) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # from `| head`; typer handles it
            raise
        except (ValueError, OSError) as error:
            if isinstance(error, (ArgumentError, ArgumentErrors)):
                error = error.rename_arguments(_options(self.commands[ctx.invoked_subcommand]))
            for fault in error.errors if isinstance(error, ArgumentErrors) else [error]:
                say(fault)
            raise typer.Exit(2) from None
        except KeyboardInterrupt as stop:
            say(str(stop) or "Stopped")
            raise typer.Exit(130) from None


class Command(typer.core.TyperCommand):
    """A command that imports Keras and the package after its options are parsed."""

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
    """Runs the command. It exits with code 2 after an error of the user, with 130 after Ctrl-C.

    Args:
        args: Arguments of the command; by default those of the process.
        prepare: Called before a command runs, after its options are parsed: imports the package.

    Raises:
        SystemExit: Always.
    """
    if os.environ.get(LOG_LEVEL, QUIET) == QUIET:
        # It warns of retracing, although several models have one program each.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        for of_authors in (DeprecationWarning, FutureWarning):  # for authors of libraries
            warnings.simplefilter("ignore", of_authors)
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
    """Parses the options that come before the name of a sub-command."""


def _options(command):
    """Returns the options of a command by the names of the Python arguments that they set."""
    options = {param.name: max(param.opts, key=len) for param in command.params}
    known = [option for param in command.params for option in (*param.opts, *param.secondary_opts)]
    options |= {name: option for name, option in OPTIONS.items() if option in known}
    return {name: option for name, option in options.items() if option.startswith("--")}


def say(message: object) -> None:
    """Prints a message in one line on stderr."""
    print("keras-cvae:", *str(message).split(), file=sys.stderr)
