"""The page of a run of a table, built of Gradio's components."""

from __future__ import annotations

from typing import Any

from keras_cvae.explore import components
from keras_cvae.explore.page import AT_ONCE
from keras_cvae.explore.rows import RowExplorer
from keras_cvae.explore.serving import import_gradio
from keras_cvae.explore.table_view import ANY, TableView
from keras_cvae.explore.view import remark


def build(explorer: RowExplorer) -> Any:
    """Builds the page.

    Args:
        explorer: The computations.

    Returns:
        A `gradio.Blocks`.
    """
    gr = import_gradio()
    view, last = TableView(explorer), len(explorer.run.dataset.x_test) - 1
    noise, table = view.take(0)
    with gr.Blocks(title=f"Explore {view.name}", analytics_enabled=False, fill_width=True) as page:
        run, used = explorer.run, len(explorer.active)
        counts, _, _ = run.summary().partition("\n")
        of = f"{used} of {run.model.latent_dim} latent dimensions are in use."
        gr.Markdown(f"## {view.name}\n{counts}. {of}")
        with gr.Row():
            with gr.Column(scale=3, min_width=300):
                gr.Markdown("### Columns\nA value or a range, such as 30..40; empty is any.")
                with gr.Row():
                    values = [_control(control) for control in explorer.controls]
            with gr.Column(scale=6, min_width=400):
                gr.Markdown("### Generated rows")
                with gr.Row():
                    count = gr.Number(10, label="Rows", precision=0, minimum=1, min_width=90)
                    seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=90)
                    temperature = gr.Slider(0, 2, 1, step=0.05, label="Temperature", min_width=160)
                    another = gr.Button("Sample again", elem_id="another", min_width=120)
                words = gr.Markdown(elem_id="words")
                start, _ = view.generate(10, 0, 1.0, *[None] * len(values))
                rows = gr.Dataframe(start, interactive=False, elem_id="rows")
                with gr.Row():
                    save = gr.Button("Save the rows", size="sm", elem_id="save")
                    near = gr.Button(
                        "Training rows nearest to the first", size="sm", elem_id="near"
                    )
                neighbours = gr.Dataframe(interactive=False, elem_id="neighbours")
                file = components.download()
        with gr.Row():
            with gr.Column(scale=3, min_width=300):
                gr.Markdown("### A row and its style")
                place = gr.Slider(0, last, 0, step=1, label="Test row", elem_id="first")
                style = components.latents(
                    noise, explorer.active, remark(explorer), elem_id="latents"
                )
            with gr.Column(scale=6, min_width=400):
                decoded = gr.Dataframe(table, interactive=False, elem_id="decoded")
                gr.Markdown("### To another row")
                other = gr.Slider(0, last, min(1, last), step=1, label="Other test row")
                path = gr.Dataframe(view.path(0, min(1, last)), interactive=False, elem_id="path")

        sampling = [count, seed, temperature, *values]
        lists = [value.input for value in values if isinstance(value, gr.Dropdown)]
        texts = [value for value in values if isinstance(value, gr.Textbox)]
        ended = [event for text in texts for event in (text.submit, text.blur)]
        changes = [*lists, *ended, count.submit, seed.submit, temperature.release]
        gr.on(changes, view.generate, sampling, [rows, words], **AT_ONCE)
        another.click(view.another, sampling, [seed, rows, words], **AT_ONCE)
        near.click(view.nearest, sampling, [neighbours, words], queue=False)
        save.click(view.save, sampling, file, queue=False, show_progress="hidden")
        gr.on(
            [style.input, *lists, *ended],
            view.compare,
            [style, place, *values],
            decoded,
            **AT_ONCE,
        )
        place.input(view.take, place, [style, decoded], **AT_ONCE)
        gr.on([place.release, other.release], view.path, [place, other], path, **AT_ONCE)
    return page


def _control(control):
    gr = import_gradio()
    label = f"{control.name} (condition)" if control.is_condition else control.name
    if control.choices:
        choices = [ANY, *control.choices]
        return gr.Dropdown(choices, value=ANY, label=label, min_width=140)
    return gr.Textbox(label=label, placeholder=control.range, min_width=140, max_lines=1)
