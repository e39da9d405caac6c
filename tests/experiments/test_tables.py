"""Tables: how one is written is found out, what was read is told, and what can't be meant is refused at its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from prograd_experiments import data, networks, tables
from prograd_experiments.errors import ConfigError
from tests.helpers.configs import CONFIG, CSV

CONF = Path(networks.__file__).parent / "conf"
TABLE = "height,width,kind\n1,2,cat\n2,3,dog\n3,5,cat\n"
WORDS = "colour,size,price\nred,S,1.5\nblue,M,2.5\nred,L,3.5\n"
NUMBERS = "".join(f"{i}.5,{(7 * i) % 41}.25,{(5 * i) % 43 / 4}\n" for i in range(41))
"""41 rows of decimals."""


def table(path: Path, text: str, **options: Any) -> data.Data:
    path.write_text(text, encoding="utf-8")
    return data.load({"data": CSV | {"path": str(path)} | options})


def test_a_table_becomes_samples(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    animals = table(file, TABLE)
    assert (animals.task, animals.classes, animals.target) == ("classification", ("cat", "dog"), "kind")
    np.testing.assert_array_equal(animals.features, [[1, 2], [2, 3], [3, 5]])
    np.testing.assert_array_equal(animals.y, [[1, 0], [0, 1], [1, 0]])
    np.testing.assert_allclose(animals.x.std(axis=0), 1)

    heights = table(file, "1.5,2\n2.5,3\n4.0,9\n", target=0)
    assert (heights.task, heights.features.tolist()) == ("regression", [[2], [3], [9]])
    assert heights.targets.tolist() == [[1.5], [2.5], [4.0]]
    assert table(file, "1,2\n2,3\n", target="1", task="regression").y.shape == (2, 1)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("a;b;t\n1,5;-2,5e1;3,25\n,5;1;2\n", 3.25),
        ("1.5\t-25\t3.25\n.5\t1\t2\n", 3.25),
        ("  1.5  -25 3.25\n .5   1   2\n", 3.25),
        ("a|b|t\r\n1.5|-25|3.25\r\n.5|1|2\r\n", 3.25),
        ('"a, in m", "b", "t"\n1.5, -25, "3.25"\n.5, 1, 2\n', 3.25),
        ("\n\na,b,t\n\n1.5,-25,3.25\n\n.5,1,2", 3.25),
        ("\ufeffa,b,t\n1.5,-25,325e-2\n.5,1,2\n", 3.25),
    ],
    ids=["semicolons and decimal commas", "tabs", "spaces", "bars", "quotes", "empty lines", "byte order mark"],
)
def test_how_a_table_is_written_is_found_out(tmp_path: Path, text: str, target: float) -> None:
    found = table(tmp_path / "t.csv", text)
    assert found.features.tolist() == [[1.5, -25], [0.5, 1]]
    assert found.targets.tolist() == [[target], [2]]


@pytest.mark.parametrize(
    ("text", "options", "rows"),
    [
        ("2019,2020,t\n" + NUMBERS, {}, 41),
        ("2019,2020,kind\n1,0,a\n0,1,b\n1,1,a\n", {}, 3),
        ("2019,2020,kind\n1,0,a\n0,1,b\n1,1,a\n", {"heading": False}, 4),
        ("1,0,a\n0,1,b\n1,1,a\n", {}, 3),
        ("3,4,a\n0,1,b\n1,1,a\n", {}, 3),
        ("2019,2020,2021\n1,2,3.5\n3,4,5.5\n", {}, 3),
        ("2019,2020,2021\n1,2,3.5\n3,4,5.5\n", {"heading": True}, 2),
        ("red,cat\nblue,dog\nred,dog\n", {"categories": [0]}, 3),
    ],
)
def test_a_heading_is_told_from_a_sample(tmp_path: Path, text: str, options: dict[str, Any], rows: int) -> None:
    assert len(table(tmp_path / "t.csv", text, **options).features) == rows


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        (["1", "9", "4.5"], "target t: numbers from 1 to 9, mean 4.833"),
        (["0", "1e-3", "2e-3"], "target t: numbers from 0 to 0.002, mean 0.001"),
        (["cat", "dog", "cat"], "target t: 2 classes (cat, dog)"),
        (["True", "False", "True"], "target t: 2 classes (False, True)"),
        (["0", "1", "1"], "target t: 2 classes (0, 1); data.task=regression takes them as numbers"),
        (
            [str(i % 9) for i in range(40)],
            "target t: 9 classes (0, 1, 2, 3, 4, 5, …); data.task=regression takes them as numbers",
        ),
        (
            [str(100 + 37 * i % 60) for i in range(60)],
            "target t: numbers from 100 to 159, mean 129.5; data.task=classification makes classes of them",
        ),
    ],
)
def test_targets_are_told_as_what_they_are_taken_for(tmp_path: Path, targets: list[str], told: str) -> None:
    path = tmp_path / "t.csv"
    found = table(path, "a,t\n" + "".join(f"{i},{target}\n" for i, target in enumerate(targets)))
    assert found.told == f"{path}: {len(targets)} samples of 1 feature; {told}"


def test_what_was_guessed_is_told(tmp_path: Path) -> None:
    assert "; a comma before decimals" in table(tmp_path / "a.csv", "a;t\n1;2,5\n2;3\n").told
    assert "; no heading (data.heading=true takes" in table(tmp_path / "b.csv", NUMBERS).told
    assert (
        "; the heading is 2019, 2020, t (data.heading=false"
        in table(tmp_path / "c.csv", "2019,2020,t\n" + NUMBERS).told
    )


def test_the_task_can_be_set(tmp_path: Path) -> None:
    text = "".join(f"{i},{i % 3}\n" for i in range(9))
    assert table(tmp_path / "a.csv", text, task="regression").targets.tolist() == [[i % 3] for i in range(9)]
    words = table(tmp_path / "b.csv", text.replace("2\n", "x\n"), task="classification")
    assert words.classes == ("0", "1", "x")


def test_columns_with_words_become_features_or_are_left_out(tmp_path: Path) -> None:
    found = table(tmp_path / "a.csv", WORDS, categories=["colour", 1])
    np.testing.assert_array_equal(found.features, [[0, 1, 0, 0, 1], [1, 0, 0, 1, 0], [0, 1, 1, 0, 0]])
    assert table(tmp_path / "b.csv", WORDS, categories=["colour"], leave_out=["size"]).features.shape == (3, 2)
    # A delimiter at the end of each row makes no column.
    assert table(tmp_path / "e.csv", "a,b,t,\n1,2,3.5,\n3,4,5,\n").target == "t"
    assert table(tmp_path / "c.csv", "n,a,t\nx,1,2.5\ny,2,3\n", leave_out="n").features.tolist() == [[1], [2]]
    # Without the last column, the one before it is the target.
    assert table(tmp_path / "d.csv", TABLE + "4,6,cat\n", leave_out=["kind"]).target == "width"


def test_missing_values_are_left_out_or_become_the_mean(tmp_path: Path) -> None:
    text = "a,b,t\n1,10,1.5\n2,NA,2.5\n3,20,\n5, n/a ,3.5\n4,inf,4\n7,30,9\n"
    found = table(tmp_path / "a.csv", text, missing="drop")
    assert (found.features.tolist(), found.targets.tolist()) == ([[1, 10], [7, 30]], [[1.5], [9]])
    mean = table(tmp_path / "b.csv", text.replace("20,\n", "20,0.5\n"), missing="mean")
    assert np.isnan(mean.features[:, 1]).tolist() == [False, True, False, True, True, False]
    np.testing.assert_allclose(mean.x[:, 1], np.sqrt(1.5) * np.array([-1, 0, 0, 0, 0, 1]), atol=1e-15)
    # A class without samples is none.
    assert table(tmp_path / "c.csv", "a,t\n1,x\n?,y\n2,z\n3,x\n", missing="drop").classes == ("x", "z")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (TABLE, {"target": "knd"}, r"data\.target: expected one of height, width, kind, got knd; did you mean kind\?"),
        ("a,a,t\n1,2,3.5\n3,4,5\n", {"target": "a"}, "several columns have it: set a column's number"),
        (TABLE + "1,x,cat\n", {}, r"row 5, column width: expected a finite number, got 'x'"),
        (
            TABLE + "1,nan,cat\n",
            {},
            r"row 5, column width: expected a value, got 'nan'; data\.missing=drop leaves",
        ),
        (
            TABLE + "1,2\n",
            {},
            r"row 5: expected 3 cells, as in the first row, got 2; cells end with data\.delimiter=comma",
        ),
        (TABLE + "1,2\n", {"missing": "drop"}, "row 5: expected 3 cells"),
        (TABLE + "1,2,cat,4\n", {}, "row 5: expected 3 cells, as in the first row, got 4"),
        ("a,b\n1,2,3\n4,5,6\n", {}, "row 2: expected 2 cells, as in the first row, got 3"),
        (
            TABLE + "1,2,NA\n",
            {},
            r"row 5, column kind: expected a target, got 'NA'; data\.missing=drop leaves out such",
        ),
        (TABLE + "1,2,NA\n", {"missing": "mean"}, "row 5, column kind: expected a target"),
        (TABLE + "\n\n1,2,\n", {}, r"row 7, column kind: expected a target, got ''"),
        ("1.5,2\n2.5,nan\n", {"task": "classification"}, r"row 2, column 1: expected a target, got 'nan'"),
        ("1.5,2\n?,2\n", {"target": 0}, r"row 2, column 0: expected a target, got '\?'"),
        ("a,b\n1,0.5\n2,-inf\n", {}, r"row 3, column b: expected a target, got '-inf'"),
        ("a,b\n1,0.5\n2,Null\n", {}, r"row 3, column b: expected a target, got 'Null'"),
        (NUMBERS.replace("0.25,0.0", "0.25,NA", 1), {}, r"row 1, column 2: expected a target, got 'NA'"),
        (NUMBERS + "1,1,x\n", {}, r"row 42, column 2: .* got 'x'; data\.task=classification makes a class of it"),
        ("a,b\n?,1.5\n?,2.5\n", {"missing": "drop"}, r"data\.missing: expected rows without missing values to be left"),
        ('a,"' + "b" * 200_000, {}, "row 1: expected a quote that ends on its line"),
        ('a,b,t\n1,2,x\n3,"4,y\n5,6,x\n7,8,y\n', {}, "row 3: expected a quote that ends on its line"),
        ('a,b,t\n1,2,"x\n3,4,"y"\n5,6,"x"\n', {}, "row 2: expected a quote that ends on its line"),
        ('a,b,t\n1,"2,x\n3,"4,y\n5,6,x\n', {}, "row 2: expected a quote that ends on its line"),
        ('a,b,"t\n1,2,3\n', {}, "row 1: expected a quote that ends on its line"),
        ("a,b\n", {}, "expected at least a feature, a target and a sample, got 2 columns and 0 rows below the heading"),
        ("", {}, "expected at least a feature, a target and a sample, got an empty file"),
        ("1\n2\n", {}, "expected at least a feature, a target and a sample, got 1 column and 2 rows"),
        (TABLE, {"task": "guess"}, r"data\.task: expected one of classification, regression, got guess"),
        (TABLE, {"task": "regression"}, r"row 2, column kind: expected a finite number, got 'cat'"),
        (
            WORDS + WORDS.partition("\n")[2],
            {},
            r"got words \('blue' in colour, 'L' in size\); 'data\.categories=\[colour,size\]' makes a feature of",
        ),
        ("a;t\n1;2,5\n2;3,5\n", {"decimal": "point"}, r"row 2, column t: .*, got '2,5'; data\.decimal=comma\?"),
        ('a,t\n"1,234",2.5\n"2,234",3\n', {}, r"got '1,234'; plain numbers, such as 1234\.5, are read"),
        ("a,t\n$2,2.5\n$3,3\n", {}, r"row 2, column a: expected a finite number, got '\$2'; plain numbers"),
        (
            "a;t\n1;1.234,5\n2;2.345,6\n3;1,5\n",
            {},
            r"column t: .*, got '1\.234,5'; plain numbers, .*, data\.task=class",
        ),
        ("n,t\n2020-01-01,2.5\n2020-01-02,3\n", {}, r"got words \('2020-01-01' in n\); 'data\.leave_out=\[n\]' leaves"),
        ("a;t\n1;2\n", {"delimiter": ";", "decimal": "x"}, r"data\.decimal: expected one of point, comma, got x"),
        (TABLE, {"delimiter": "comma", "decimal": "comma"}, r"expected another sign than data\.delimiter"),
        (TABLE, {"delimiter": "semicolon"}, "got 1 column and 3 rows"),
        (TABLE, {"heading": "yes"}, r"data\.heading: expected true or false, got yes"),
        (TABLE, {"missing": "zero"}, r"data\.missing: expected one of drop, mean, got zero"),
        (TABLE, {"target": ["kind"]}, r"data\.target: expected a column, by name or number, got \[\"kind\"\]"),
        (TABLE, {"target": 3}, r"data\.target: expected one of height, width, kind, got 3"),
        (TABLE, {"leave_out": [1.5]}, r"data\.leave_out: expected a list of columns, by name or number"),
        ("a,t\n1,7\n2,7\n", {}, "target t: expected at least 2 classes, got one: 7"),
        ("a,t\n1,7\n2,7\n", {"task": "regression"}, "target t: expected numbers that vary, got 7 alone"),
        ("a,t\n1,x\n2,y\n", {}, r"got 2 classes for 2 samples; data\.target names another column"),
        (
            "a,t\n" + "".join(f"{i},n{i % 45}\n" for i in range(60)),
            {},
            "expected classes that several samples share, got 45 classes for 60 samples",
        ),
        (
            "a,t\n" + "".join(f"{i},{i}\n" for i in range(60)),
            {"task": "classification"},
            r"got 60 classes for 60 samples; data\.task=regression\?",
        ),
    ],
)
def test_a_table_that_is_none_is_refused_at_its_place(
    tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        table(tmp_path / "t.csv", text, **options)
    assert len(str(raised.value).splitlines()) == 1


def test_a_table_in_another_encoding_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    for text in ("a,t\n1,ä\n2,b\n3,b\n", "a,t\n" + "1,b\n" * 100_000 + "2,ä\n"):
        file.write_bytes(text.encode("latin-1"))
        with pytest.raises(
            ConfigError, match=r"t\.csv: expected a table in UTF-8, got the byte 0xe4; save it as UTF-8"
        ):
            data.load({"data": CSV | {"path": str(file)}})


def test_a_column_is_one_thing_in_a_long_table(tmp_path: Path) -> None:
    # More rows than are parsed at a time, with words in the last part only.
    rows = 3 * tables.CHUNK // 2
    numbers = "".join(f"{i},{i % 3}\n" for i in range(rows))
    found = table(tmp_path / "a.csv", numbers + f"{rows},x\n" * 2, task="classification")
    assert found.classes == ("0", "1", "2", "x")
    assert found.targets.sum(axis=0).tolist() == [rows // 3, rows // 3, rows // 3, 2]
    with pytest.raises(ConfigError, match=f"row {rows + 1}, column 1: expected a finite number, got 'x'"):
        table(tmp_path / "b.csv", numbers + f"{rows},x\n")


def test_other_content_is_another_configuration(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    config = CONFIG | {"data": CSV | {"path": str(file)}}
    file.write_text(TABLE)
    first = networks.check(config)
    assert networks.check(first) == first
    file.write_text(TABLE + "7,7,dog\n")
    assert networks.check(config)["data"]["sha256"] != first["data"]["sha256"]


def test_the_file_of_a_table_has_all_keys() -> None:
    found = yaml.safe_load((CONF / "data" / "csv.yaml").read_text())
    assert found == CSV | {"path": "???"}
    assert {*found, "sha256"} == {"name", *tables.KEYS}
