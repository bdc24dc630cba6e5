"""Results of the pages for their components."""

import numpy as np
import pytest

from keras_cvae.explore import data_urls
from keras_cvae.explore.images import ImageExplorer
from keras_cvae.explore.rows import RowExplorer
from keras_cvae.explore.table_view import TableView
from keras_cvae.explore.view import INFER, View
from tests.explore import made

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("uncompiled")]


@pytest.fixture(scope="module")
def view():
    return View(ImageExplorer(made.images()))


def test_painting(view):
    large, *others = view.paint(view.noise, 1.0, 1)
    assert large["is_large"] and large["caption"] == "dog"
    assert [tile["is_chosen"] for tile in others] == [False, True, False]
    assert large["address"] == others[1]["address"] != others[0]["address"]
    seed, noise, pictures = view.another(4, 1.0, 1)
    assert seed == 5 and pictures == view.paint(noise, 1.0, 1) == view.sample(5, 1.0, 1)[1]
    assert view.save(noise, 1.0, 1)["name"] == "toys.png"


def test_drawing(view):
    address, label = view.take(3)
    assert label == view.explorer.run.dataset.y_test[3]
    style, sentence, noise, temperature, value, pictures = view.draw(address, label, 0)
    assert (sentence, temperature, value) == ("", 1.0, label) and style == (noise, [label])
    assert pictures == view.paint(noise, 1.0, label)
    _, sentence, _, _, value, _ = view.draw(address, INFER, 0)
    assert sentence.startswith(f"Recognized as {view.explorer.run.class_names[value]} (")
    assert view.draw("", INFER, 0) is None and view.encode(None, INFER, 0) == (None, "")


def test_a_path_under_the_classes_of_both(view):
    first, second = (view.encode(*view.take(number))[0] for number in (0, 1))
    large, one, two = view.path(0.0, first, second)
    names = [view.explorer.run.class_names[style[1][0]] for style in (first, second)]
    assert [path[0]["caption"] for path in (one, two)] == [f"as {name}" for name in names]
    assert large[0]["address"] == one[0]["address"]
    large, one, two = view.path(1.0, first, second)
    assert large[0]["address"] == two[-1]["address"]
    assert view.path(0.5, first, None) == ([], [], [])
    assert view.path(0.5, first, first)[2] == []


def test_a_sample_is_shown_with_its_neighbours(view):
    sample, *others = view.nearest(view.noise.tolist(), 1.0, 1)
    assert sample["caption"] == "sample" and len(others) == 6
    assert {tile["caption"] for tile in others} <= {"cat", "dog", "owl"}


def test_vectors_are_profiles_of_test_vectors():
    view = View(ImageExplorer(made.images(None, (5,), likelihood="gaussian")))
    (large,) = view.paint(view.noise, 1.0)
    assert large["address"].startswith("data:image/svg")
    style, sentence, noise, _, pictures = view.draw(2, INFER)
    x = view.explorer.run.dataset.x_test[2:3]
    np.testing.assert_allclose(noise, view.explorer.model.noise_of(x)[0], rtol=1e-5)
    expected = data_urls.profile(view.explorer.model.reconstruct(x)[0], *view.explorer.range)
    assert pictures[0]["address"] == expected
    assert view.save(noise, 1.0)["address"].startswith("data:image/png")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    run, frame = made.table(tmp_path_factory.mktemp("table"))
    return TableView(RowExplorer(run)), frame


def test_columns_are_controls(table):
    view, frame = table
    sex, height, age, town = view.explorer.controls
    assert sex.is_condition and sex.choices == ("F", "M") and town.choices[0] == "Graz"
    train = frame[:60]
    assert height.range == f"{train.height.min():g}..{train.height.max():g}"
    assert age.range == f"{train.age.min()}..{train.age.max()}"


def test_generated_rows_have_the_requested_values(table):
    view, frame = table
    rows, sentence = view.generate(5, 1, 1.0, "M", "", "20..60", "any")
    assert list(rows.columns) == list(frame.columns) and len(rows) == 5
    assert set(rows.sex) == {"M"} and rows.age.between(20, 60).all() and sentence == ""
    rows, sentence = view.generate(5, 1, 1.0, "any", "tall", "", "any")
    assert rows is None and "'tall'" in sentence
    near, _ = view.nearest(5, 1, 1.0, "M", "", "", "any")
    assert near["row"].tolist() == ["generated", *["training"] * 5]
    assert view.save(5, 1, 1.0, "any", "", "", "any")["name"] == "people.csv"
    assert view.save(5, 1, 1.0, "any", "tall", "", "any") is None


def test_a_training_row_is_nearest_to_itself(table):
    view, frame = table
    assert view.explorer.nearest(frame[7:8]).iloc[0].equals(frame.iloc[7])


def test_a_row_and_its_style(table):
    view, frame = table
    noise, columns = view.take(3)
    assert columns["test row"].tolist() == frame.iloc[63].astype(str).tolist()
    other = {"F": "M", "M": "F"}[frame.sex[63]]
    changed = view.compare(noise, 3, other, "", "", "any")
    assert changed["decoded"][0] == other and columns["decoded"][0] == frame.sex[63]
    path = view.path(3, 4)
    assert path["0"].tolist() == columns["decoded"].tolist()
