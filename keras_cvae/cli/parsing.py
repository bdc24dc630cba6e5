"""Converts the texts of options to numbers, labels and parts of a model."""

from __future__ import annotations

import ast
import functools
import inspect
import math
import re
import tempfile
from collections.abc import Callable
from typing import Any

from keras_cvae import checks
from keras_cvae.checks import explain, look_up, require

AUTO = "auto"  # a setting that is chosen from the data
INTERNAL = "dtype", "bounds", "seed", "args", "kwargs"  # set by a model, or by Keras


def check_out_file(out, force, suffixes) -> None:
    """Refuses a file that cannot be written, or that exists, unless `--force` is set."""
    require(out.suffix in suffixes, "--out", f"must end in {' or '.join(suffixes)}", f"'{out}'")
    expected, advice = "must be a new file", ("force", "replaces one")
    require(force or not out.exists(), "--out", expected, f"'{out}', which exists", advice)
    require(not out.is_dir(), "--out", "must be a file", f"'{out}', a folder")
    with explain("--out", "must be in a folder that can be written to", OSError):
        out.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out.parent).close()


def leave_out_others(context, *names) -> None:
    """Refuses all options but these: with the first of them the settings are those of a run."""
    options = {param.name: max(param.opts, key=len) for param in context.command.params}
    for name, option in options.items():
        is_set = context.get_parameter_source(name).name == "COMMANDLINE"
        expected = f"must be left out with `--{names[0]}`: a run continues with its own settings"
        require(not is_set or name in names, option, expected, context.params[name])


def labels(option, texts, class_names) -> list[int] | None:
    """Converts names or numbers of classes to integers."""
    require(class_names, option, "must be left out of a model without a condition", texts[0])
    numbers = {str(label): label for label in range(-1, len(class_names))}
    names = {name: label for label, name in enumerate(class_names)}
    return [look_up(option, text, numbers | names) for text in texts]  # names before numbers


def integers(option, text, separator, least=0) -> list[int] | None:
    """Returns the integers in a text, each at least `least`; None for None."""
    if text is None:
        return None
    expected = f"must be integers with '{separator}' between them, each at least {least}"
    matches = re.fullmatch(rf"\d+({separator}\d+)*", text)
    numbers = [int(number) for number in text.split(separator)] if matches else []
    require(numbers and min(numbers) >= least, option, expected, repr(text))
    return numbers


def number_or_auto(option, text) -> int | str:
    """Returns an integer of at least 1, or `"auto"`."""
    if text == AUTO:
        return text
    expected = "must be auto or an integer of at least 1"
    require(re.fullmatch(r"\d+", text) and int(text), option, expected, repr(text))
    return int(text)


def condition(conditional, infer_label, enumerate_label, label_dropout) -> Callable | None:
    """Returns a function from the number of classes to the condition, or None."""
    from keras_cvae import conditions

    kinds = {"--infer-label": conditions.Inferred, "--enumerate-label": conditions.Enumerated}
    switches = {"--infer-label": infer_label, "--enumerate-label": enumerate_label}
    switches["--unconditional"] = not conditional
    if on := [option for option, is_on in switches.items() if is_on]:
        require(len(on) == 1, None, f"Only one of {', '.join(switches)} is possible", " ".join(on))
        expected = f"must be left out with `{on[0]}`"
        require(label_dropout in (None, 0), "--label-dropout", expected, label_dropout)
        return kinds.get(on[0])
    dropout = conditions.HIDDEN if label_dropout is None else label_dropout
    return functools.partial(conditions.Classes, dropout=dropout)


def member(option, text, names) -> Any:
    """Returns a member of a family of parts: its name, or an object if it has settings.

    Args:
        option: The name of the option.
        text: Its value, such as `vamp` or `vamp:components=50`; None and `"auto"` are returned.
        names: The members by name.
    """
    if text in (None, AUTO) or ":" not in text:
        return text
    return _create(names, *_name_and_settings(option, text, names))


def _create(names, name, settings):
    """Creates a member with its settings; an error names the setting, as in `vamp:components`."""
    try:
        return names[name](**settings)
    except checks.ArgumentError as error:
        raise error.rename_arguments({error.argument: f"{name}:{error.argument}"}) from None


def _name_and_settings(option, text, names):
    name, _, written = text.partition(":")
    parameters = inspect.signature(look_up(option, name, names)).parameters
    of_users = [setting for setting in parameters if setting not in INTERNAL]
    expected = f"`{option} {name}` has no settings"
    if of_users:
        expected = f"`{option} {name}` has the settings {', '.join(of_users)}, as {name}:"
        expected += f"{of_users[0]}=VALUE"
    settings = {}
    for part in re.split(r",(?![^(]*\))", written) if written else ():  # commas outside of brackets
        setting, sign, value = (piece.strip() for piece in part.partition("="))
        require(sign and setting in of_users, None, expected, repr(part))
        try:
            settings[setting] = ast.literal_eval(value)
        except (SyntaxError, TypeError, ValueError):
            settings[setting] = value  # a string
    return name, settings


def objective(text, beta) -> Any:
    """Returns an objective with that beta; `"auto"` if both are to be chosen from the data."""
    from keras_cvae import objectives

    name, settings = _name_and_settings("--objective", text, objectives.NAMES)
    if beta == AUTO:
        return AUTO if text == "elbo" else _create(objectives.NAMES, name, settings)
    takes = "beta" in inspect.signature(objectives.NAMES[name]).parameters
    takes = takes and "beta" not in settings
    require(takes, "--beta", f"must be left out of `--objective {text}`", beta)
    try:
        settings["beta"] = float(beta)
    except ValueError:
        settings["beta"] = math.nan
    is_weight = 0 <= settings["beta"] < math.inf
    require(is_weight, "--beta", "must be auto or a finite number of at least 0", repr(beta))
    return _create(objectives.NAMES, name, settings)


def network(name, options) -> Any:
    """Returns a network with its options; `"auto"` if no option is set."""
    from keras_cvae import networks

    if name == AUTO:
        dense, conv = options["hidden_units"], options["filters"]
        if not any(options.values()):
            return AUTO
        name = "conv" if conv and not dense else "dense"
    kind = look_up("--network", name, networks.NAMES)
    texts = {option: f"--{option.replace('_', '-')}" for option in options}
    takes = [option for option in options if option in inspect.signature(kind).parameters]
    expected = f"`--network {name}` takes {', '.join(texts[option] for option in takes)}"
    options = {option: value for option, value in options.items() if value is not None}
    for option in options:
        require(option in takes, None, expected, texts[option])
    return kind(**options)


def height_and_width(text) -> tuple[int, int] | None:
    """Returns height and width, as in 32x48; a single number is both."""
    sizes = integers("--image-size", text, "x", least=1)
    if sizes is None:
        return None
    expected = "must be one size, or HEIGHTxWIDTH"
    require(len(sizes) < 3, "--image-size", expected, repr(text))
    return sizes[0], sizes[-1]
