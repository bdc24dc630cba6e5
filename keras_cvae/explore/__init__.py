"""A page to play with a run in: draw, choose a class, move a latent, see the image change.

`images` and `rows` compute what the page shows, arrays in and arrays out; `page` and `table_page`
arrange it with Gradio, which `serving` serves to this machine alone.
"""
