import numpy as np
import pytest
import strokes

pytestmark = pytest.mark.once


@pytest.mark.parametrize("width", [2, 3, 4, 6])
def test_thickness_of_a_bar_is_its_width(width):
    bar = np.zeros((1, 60, 28))
    bar[0, 4:56, 10 : 10 + width] = 1
    assert abs(strokes.thickness(bar)[0] - width) < 0.45
    np.testing.assert_array_equal(strokes.thickness(np.zeros((1, 5, 5))), 0)


@pytest.mark.parametrize("slope", [-0.8, -0.25, 0.0, 0.5])
def test_slant_of_a_line_is_its_slope(slope):
    rows = np.arange(40)
    columns = np.round(30 - slope * (rows - 20)).astype(int)
    line = np.zeros((2, 40, 60, 1))
    line[0, rows, columns] = 1
    np.testing.assert_allclose(strokes.slant(line), [slope, 0], atol=0.02)


def test_colour_images_raise_an_error():
    for measure in (strokes.thickness, strokes.slant):
        with pytest.raises(ValueError, match=r"`images` must be of shape .*\(2, 5, 5, 3\)"):
            measure(np.zeros((2, 5, 5, 3)))
