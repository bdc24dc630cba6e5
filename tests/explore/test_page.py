"""The pages in a browser: drawn on, moved, and silent to other machines."""

import contextlib
import json
import shutil
import socket
import threading
import time

import pytest

from keras_cvae.explore import opening, serving
from tests.explore import made

pytestmark = [pytest.mark.once, pytest.mark.slow, pytest.mark.usefixtures("uncompiled")]
pytest.importorskip("gradio", reason="Gradio is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
SERIOUS = "error", "warning"


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as driver:
        flags = [
            "--no-sandbox",
            "--disable-gpu",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ]
        browser = driver.chromium.launch(executable_path=BROWSER, args=flags)
        yield browser
        browser.close()


@contextlib.contextmanager
def served(run):
    """The address of a run's page, served by a thread."""
    import uvicorn

    application = serving.application(opening.page_of(run))
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning"))
    with serving.bind(0) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield serving.address(listening)
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def opened(browser, run, monkeypatch):
    """The page of a run; in the end, no error was logged and no other machine was called."""
    errors, hosts = [], set()
    look_up = socket.getaddrinfo

    def log_host(host, *args, **kwargs):
        hosts.add(host)
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", log_host)
    with served(run) as address:
        page = browser.new_page(viewport={"width": 1400, "height": 2200})
        page.on("console", lambda m: errors.append(m.text) if m.type in SERIOUS else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: hosts.add(request.url))
        page.goto(address)
        page.wait_for_selector("#latents input[type=range]")
        yield page
        page.close()
    local = address, "data:", "blob:", serving.HOST
    assert not errors
    assert not {host for host in hosts if host and not str(host).startswith(local)}


def changed(page, what, act):
    """Acts, and returns what a JavaScript expression is once it has another value."""
    before = page.evaluate(what)
    act()
    deadline = time.monotonic() + 30
    while page.evaluate(what) == before:
        assert time.monotonic() < deadline, f"{what} is the same"
        page.wait_for_timeout(50)
    return page.evaluate(what)


def stroke(page, selector, *points):
    """Draws a line through points, in shares of width and height, with the mouse."""
    box = page.locator(selector).bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()


def sources(selector):
    return f"[...document.querySelectorAll('{selector} img')].map(i => i.src).join()"


def set_range(page, selector, value):
    page.locator(selector).first.evaluate(
        """(input, value) => {
            input.value = value;
            input.dispatchEvent(new Event('input', { bubbles: true }));
        }""",
        value,
    )


def test_a_page_of_images(browser, monkeypatch):
    picture, slider = sources("#picture"), "#latents .sliders input"
    behind = "document.querySelector('#latents .pad').style.getPropertyValue('--map')"
    with opened(browser, made.images(), monkeypatch) as page:
        page.wait_for_function(f"{behind}.startsWith('url(data:image/png')")
        assert page.locator("#picture img").count() == 4  # the image, and as three classes
        first = page.evaluate(picture)
        changed(page, picture, lambda: stroke(page, "#first canvas", (0.3, 0.2), (0.7, 0.8)))
        page.wait_for_function(
            "document.querySelector('#first_words').innerText.includes('Recognized')"
        )
        page.wait_for_timeout(500)  # the stroke's last part
        drawn = page.evaluate(f"document.querySelector('{slider}').value")
        assert float(drawn) != 0
        changed(page, picture, lambda: set_range(page, slider, 2.5))
        up = "document.querySelectorAll('#latents .sliders input')[1].value"
        value = changed(page, up, lambda: stroke(page, "#latents .pad", (0.5, 0.5), (0.75, 0.1)))
        assert float(value) == pytest.approx(2.4, abs=0.1)
        changed(page, picture, lambda: page.click("#another"))
        page.wait_for_timeout(500)  # what is behind the pad follows
        choose = page.locator("input[type=radio]").nth(2).check
        changed(page, behind, choose)
        across = page.locator("#latents select").first
        changed(page, behind, lambda: across.select_option(index=2))
        page.wait_for_function("document.querySelector('#picture .chosen').innerText === 'owl'")
        page.click("#latents .centre")
        page.locator("input[type=radio]").nth(0).check()
        page.wait_for_function(
            f"{picture} === {json.dumps(first)}"
        )  # the middle of the prior again
        second = "#second canvas", (0.2, 0.8), (0.8, 0.3)
        path = changed(page, sources("#path1"), lambda: stroke(page, *second))
        assert len({*path.split("data:")}) > 5
        where = "#position input[type=range]"
        page.wait_for_timeout(500)
        changed(page, sources("#path0"), lambda: set_range(page, where, 0.1))
        changed(page, sources("#neighbours"), lambda: page.click("#near"))
        with page.expect_download() as download:
            page.click("#save")
        assert download.value.suggested_filename == "toys.png"


def test_a_page_of_a_table(browser, monkeypatch, tmp_path):
    run, _ = made.table(tmp_path)
    text = "document.querySelector('{}').innerText"
    with opened(browser, run, monkeypatch) as page:
        page.wait_for_function("document.querySelector('#rows').innerText.includes('town')")
        changed(page, text.format("#rows"), lambda: page.click("#another"))
        changed(
            page,
            text.format("#decoded"),
            lambda: set_range(page, "#latents .sliders input", 3),
        )
        age = page.get_by_label("age")
        age.fill("tall")
        age.press("Enter")
        page.wait_for_function("document.querySelector('#words').innerText.includes('tall')")
        age.fill("20..40")
        age.press("Enter")
        page.wait_for_function("!document.querySelector('#words').innerText.includes('tall')")
