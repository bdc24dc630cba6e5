"""The page of a run of images or vectors, built of Gradio's components."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras_cvae.explore import components
from keras_cvae.explore.controls import SPREAD, Control
from keras_cvae.explore.images import ImageExplorer
from keras_cvae.explore.serving import import_gradio
from keras_cvae.explore.view import INFER, View, remark

MOST_BUTTONS = 20  # classes with a button each; more are chosen from a list
# Options of events that must be answered at once: only the latest counts, no progress is shown.
AT_ONCE: dict[str, Any] = dict(queue=False, trigger_mode="always_last", show_progress="hidden")


class Source(NamedTuple):
    """The components of an example to encode: a drawing, or a test vector by its number.

    Attributes:
        value: The drawing or the number.
        truth: Its label.
        style: Its style, as `View.encode` returns it.
        words: A sentence on its inferred class.
        example: The number of a test image that replaces the drawing, or None.
    """

    value: Any
    truth: Any
    style: Any
    words: Any
    example: Any

    @property
    def triggers(self) -> list:
        """The events after which it is encoded again."""
        return [part.input for part in (self.value, self.truth) if hasattr(part, "input")]


def build(explorer: ImageExplorer) -> Any:
    """Builds the page.

    Args:
        explorer: The computations.

    Returns:
        A `gradio.Blocks`.
    """
    gr = import_gradio()
    view = View(explorer)
    with gr.Blocks(title=f"Explore {view.name}", analytics_enabled=False, fill_width=True) as page:
        gr.Markdown(f"## {view.name}\n{view.summary}")
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                gr.Markdown("### Choose" if explorer.is_vector else "### Draw")
                first = _source(view, "first")
            with gr.Column(scale=4, min_width=360):
                gr.Markdown("### The same style as every class" if explorer.model.classes else "")
                start = view.paint(view.noise, 1.0, *explorer.start)
                picture = components.tiles(start, elem_id="picture")
                values = [_control(control) for control in explorer.controls]
                if not values:
                    gr.Markdown("The model has no condition, so there is no class to choose.")
                with gr.Row():
                    save = gr.Button("Save the picture", size="sm", elem_id="save")
                    near = gr.Button("Nearest training examples", size="sm", elem_id="near")
                neighbours = components.tiles([], elem_id="neighbours")
                file = components.download()
            with gr.Column(scale=3, min_width=300):
                gr.Markdown("### Style")
                with gr.Row():
                    seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=90)
                    another = gr.Button("Sample again", elem_id="another", min_width=120)
                temperature = gr.Slider(
                    0, 2, 1, step=0.05, label="Temperature", elem_id="temperature"
                )
                pad = {} if explorer.is_vector else {"map": view.map, "controls": explorer.start}
                noise = components.latents(
                    view.noise, explorer.active, remark(explorer), elem_id="latents", **pad
                )
        gr.Markdown("### Between two of them")
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                second = _source(view, "second")
            with gr.Column(scale=7, min_width=360):
                position = gr.Slider(0, 1, 0.5, step=0.005, label="Position", elem_id="position")
                paths = [components.tiles([], elem_id=f"path{part}") for part in range(3)]

        style = [noise, temperature, *values]
        moves = [noise.input, temperature.input, *(value.input for value in values)]
        gr.on(moves, view.paint, style, picture, **AT_ONCE)
        if values and not explorer.is_vector:
            changes = [value.change for value in values]
            gr.on(changes, lambda *now: gr.HTML(controls=[*now]), values, noise, **AT_ONCE)
        sampling = [seed, temperature, *values]
        another.click(view.another, sampling, [seed, noise, picture], **AT_ONCE)
        seed.input(view.sample, sampling, [noise, picture], **AT_ONCE)
        near.click(view.nearest, style, neighbours, queue=False, show_progress="hidden")
        save.click(view.save, style, file, queue=False, show_progress="hidden")

        ends = [position, first.style, second.style]
        position.input(view.path, ends, paths, **AT_ONCE)
        draw = _or_skip(view.draw), [first.style, first.words, *style, picture]
        for source, (answer, outputs) in (
            (first, draw),
            (second, (view.encode, [second.style, second.words])),
        ):
            inputs = [source.value, source.truth, *values]
            events = [gr.on(source.triggers, answer, inputs, outputs, **AT_ONCE)]
            if source.example is not None:
                taken = [source.value, source.truth]
                event = source.example.input(view.take, source.example, taken, **AT_ONCE)
                events.append(event.then(answer, inputs, outputs, **AT_ONCE))
            for event in events:
                event.then(view.path, ends, paths, **AT_ONCE)
    return page


def _or_skip(function):
    """Returns an event handler that changes no component if the function returns None."""
    gr = import_gradio()

    def call(*arguments):
        values = function(*arguments)
        return gr.skip() if values is None else values

    return call


def _source(view, name) -> Source:
    gr = import_gradio()
    explorer, truth, example = view.explorer, None, None
    last = len(explorer.run.dataset.x_test) - 1
    labels = [choice for control in explorer.controls for choice in control.choices]
    if explorer.is_vector:
        gr.Markdown("Drawing needs images; this run is of vectors: choose a test vector.")
        value = gr.Slider(0, last, 0, step=1, label="Test vector", elem_id=name)
    else:
        shape = explorer.model.image_shape
        value = components.drawing(shape, explorer.background, elem_id=name)
        label = "or take a test image"
        example = gr.Slider(0, last, 0, step=1, label=label, elem_id=f"{name}_test")
    if explorer.model.classes:
        choices = [("recognize it", INFER), *labels]
        truth = gr.Dropdown(choices, value=INFER, label="It is", elem_id=f"{name}_truth")
    words = gr.Markdown(elem_id=f"{name}_words")
    truth = gr.State(INFER) if truth is None else truth
    return Source(value, truth, gr.State(None), words, example)


def _control(control: Control) -> Any:
    gr = import_gradio()
    if control.choices:
        kind = gr.Radio if len(control.choices) <= MOST_BUTTONS else gr.Dropdown
        return kind([*control.choices], value=control.start, label=control.name.capitalize())
    low, high = (control.mean + sign * SPREAD * control.deviation for sign in (-1, 1))
    return gr.Slider(low, high, control.mean, step=(high - low) / 200, label=control.name)
