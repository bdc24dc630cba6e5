"""Tables on disk."""

import decimal

import pandas as pd
import pytest

from keras_cvae import tables
from tests.tables.rows import frame


@pytest.mark.once
def test_files(tmp_path):
    """Written and read, a table is the same; whole numbers stay so where cells are empty."""
    rows = frame().drop(columns="empty")
    for name in ("rows.csv", "rows.tsv", "rows.parquet"):
        tables.write(rows, tmp_path / name)
        read = tables.read(tmp_path / name)
        same = {"grade": "str", "rooms": "Int64"}
        pd.testing.assert_frame_equal(read.astype(same), rows.astype(same))
    path = tmp_path / "other.csv"
    path.write_bytes("\ufeffna\u00efve;b\n1;x\n;y\n".encode())
    read = tables.read(path)
    assert list(read.columns) == ["na\u00efve", "b"] and str(read.dtypes.iloc[0]) == "Int64"
    path.write_text("age; sex; height\n40; M; 1,7\n?; F; \n39; ?; 2\n")
    read = tables.read(path)
    expected = {"age": [40, None, 39], "sex": ["M", "F", None], "height": [1.7, None, 2]}
    expected = pd.DataFrame(expected).astype({"age": "Int64", "sex": read["sex"].dtype})
    pd.testing.assert_frame_equal(read, expected)


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"", "must begin with a line of names"),
        ("a.csv", b"a,b\n", "must contain rows. Received: 2 columns without a row"),
        ("a.csv", b"a,b\n1,2\n3\n", "Line 3 of .* must have 2 cells, as there are names.*: 1"),
        ("a.csv", b"a,b\n1,2,3\n", "Line 2 of .* must have 2 cells.*Received: 3"),
        ("a.csv", b"a,b,a\n1,2,3\n", "different names, none of them empty. Received: 'a' more"),
        ("a.csv", b"a,\n1,2\n", "different names, none of them empty"),
        ("a.csv", b"39, Private, 7\n5, State, 8\n38, Private, 9\n", "begin with a line of names"),
        ("a.csv", b"5.1,0.2,3.5\n4.9,0.2,3.1\n", "begin with a line of names.*cells.*'5.1'"),
        ("a.csv", b"e,x\np,x\ne,s\n", "begin with a line of names"),
        ("a.csv", b"a,b\n\xff\xfe,2\n", "must be a text file in UTF-8"),
        ("a.parquet", b"PAR1 and then nothing", "damaged, cut short or of another kind"),
        ("a.txt", b"a,b\n1,2\n", "must be a file that ends in .csv, .tsv or .parquet"),
    ],
)
def test_invalid_files_raise_an_error(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=expected):
        tables.read(tmp_path / name)


@pytest.mark.once
def test_a_parquet_file_cut_short_or_missing(tmp_path):
    path = tmp_path / "rows.parquet"
    tables.write(frame(), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="damaged, cut short"):
        tables.read(path)
    with pytest.raises(ValueError, match="must be a file that can be read. Received: no such"):
        tables.read(tmp_path / "none.csv")


@pytest.mark.once
def test_texts_that_pandas_would_read_as_missing_or_numbers(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("region,zip,size\nNA,01005,1\nNone,99501,NA\n,00501,2\n")
    found = tables.read(path)
    assert found["region"].tolist()[:2] == ["NA", "None"] and found["region"].isna()[2]
    assert found["zip"].tolist() == ["01005", "99501", "00501"]
    assert found["size"].dtype == "Int64" and found["size"].isna().tolist() == [False, True, False]


@pytest.mark.once
def test_nested_parquet_raises_an_error(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": [1, 2], "tags": [["x"], ["y", "z"]]}).to_parquet(path)
    with pytest.raises(ValueError, match="one value in each cell.*'tags'"):
        tables.read(path)


@pytest.mark.once
def test_other_encodings_and_words_for_missing(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("town,size\nZ\u00fcrich,3\nn/k,-999\nBern,4\n".encode("latin-1"))
    with pytest.raises(ValueError, match="file in UTF-8; `encoding` names another, such as lat"):
        tables.read(path)
    read = tables.read(path, encoding="latin-1", na_values=["n/k", "-999"])
    assert read["town"].tolist()[::2] == ["Z\u00fcrich", "Bern"] and read.isna().sum().sum() == 2
    with pytest.raises(ValueError, match="`encoding` must be one that Python knows"):
        tables.read(path, encoding="latin-99")


@pytest.mark.once
def test_a_nameless_column_that_numbers_the_rows_is_left_out(tmp_path):
    path = tmp_path / "t.csv"
    frame().to_csv(path)
    with pytest.warns(UserWarning, match="numbers the rows, is left out"):
        assert list(tables.read(path).columns) == list(frame().columns)
    path.write_text(",a\n3,1\n9,2\n")
    with pytest.raises(ValueError, match="first column.*must have a name.*does not number"):
        tables.read(path)


@pytest.mark.once
def test_decimals_are_numbers(tmp_path):
    path = tmp_path / "t.parquet"
    prices = [decimal.Decimal(cents) / 100 for cents in range(1000, 1060)]
    pd.DataFrame({"price": prices, "x": [1, 2, 3] * 20}).to_parquet(path)
    (price, _) = tables.Table.of(tables.read(path)).columns
    assert price.kind == "numeric" and price.decimals == 2
    assert price.write(price.read(tables.read(path)["price"]))[3] == 10.03
