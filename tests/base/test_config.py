"""Typed configuration: what goes through, what is refused and how that is said."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordsight.base.config import BY_KIND, Choice, from_dict, known_keys, override, read_toml, to_dict
from wordsight.base.errors import ConfigError, NotFound


@dataclass(frozen=True)
class Optimiser:
    lr: float = 1e-3
    betas: tuple[float, ...] = (0.9, 0.98)
    kind: Literal["adamw", "sgd"] = "adamw"


@dataclass(frozen=True)
class Run:
    name: str
    steps: int = 10
    budget: str | int | None = None
    ema: bool = False
    size: tuple[int, int] = (8, 8)
    place: Path = Path("runs")
    weights: dict[str, float] = field(default_factory=dict)
    optimiser: Optimiser = Optimiser()


def test_nested_values() -> None:
    values = {
        "name": "a",
        "optimiser": {"lr": 1, "betas": [0.8, 0.9]},
        "weights": {"x": 2},
        "place": "there",
        "size": [4, 6],
    }
    run = from_dict(Run, values)
    assert run == Run("a", optimiser=Optimiser(1.0, (0.8, 0.9)), weights={"x": 2.0}, place=Path("there"), size=(4, 6))
    assert isinstance(run.optimiser.lr, float)


@given(
    st.builds(
        Run,
        name=st.text(),
        steps=st.integers(),
        budget=st.none() | st.integers() | st.text(),
        ema=st.booleans(),
        weights=st.dictionaries(st.text(), st.floats(allow_nan=False)),
        optimiser=st.builds(
            Optimiser, lr=st.floats(allow_nan=False), betas=st.tuples(st.floats(0, 1), st.floats(0, 1))
        ),
    )
)
def test_there_and_back(run: Run) -> None:
    assert from_dict(Run, to_dict(run)) == run


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": "a", "stpes": 3}, "unknown key stpes; did you mean steps?"),
        ({"name": "a", "optimiser": {"lrr": 3}}, "unknown key optimiser.lrr; did you mean lr?"),
        ({"name": "a", "zzz": 1}, "unknown key zzz; known here: name, steps"),
        ({}, "name is missing; set name"),
        ({"name": 3}, "name = 3 is a whole number; give text"),
        ({"name": "a", "steps": "3"}, "steps = '3' is text; give a whole number, for example 10"),
        ({"name": "a", "steps": True}, "steps = True is true or false; give a whole number, for example 10"),
        ({"name": "a", "steps": 3.0}, "steps = 3.0 is a number; give a whole number, for example 10"),
        ({"name": "a", "ema": 1}, "ema = 1 is a whole number; give true or false"),
        ({"name": "a", "size": [1]}, "size has 1 items; give 2"),
        (
            {"name": "a", "optimiser": {"betas": [0.9, "x"]}},
            "optimiser.betas[1] = 'x' is text; give a number, for example 0.98",
        ),
        ({"name": "a", "optimiser": {"kind": "adam"}}, "optimiser.kind = 'adam'; use one of 'adamw', 'sgd'"),
        (
            {"name": "a", "optimiser": 3},
            "optimiser = 3 is a whole number; give a group of keys, for example optimiser.lr",
        ),
        ({"name": "a", "weights": {"x": "y"}}, "weights.x = 'y' is text; give a number"),
        ({"name": "a", "budget": []}, "budget = [] is a list; give text"),
    ],
)
def test_refused(values: dict, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_dict(Run, values)
    assert str(caught.value).startswith(said)


def test_known_keys_are_those_of_the_values_below_names_and_of_the_kind() -> None:
    @dataclass(frozen=True)
    class Whole:
        run: Run
        runs: dict[str, Optimiser] = field(default_factory=dict)

    inside = ["name", "steps", "budget", "ema", "size", "place", "weights", *_OPTIMISER]
    assert known_keys(Whole, {"runs": {"a": {}}}) == [f"run.{key}" for key in inside] + [
        "runs",
        "runs.a.lr",
        "runs.a.betas",
        "runs.a.kind",
    ]


_OPTIMISER = ("optimiser.lr", "optimiser.betas", "optimiser.kind")


def test_override_reads_toml_values_and_leaves_the_original() -> None:
    values = {"optimiser": {"lr": 0.1}}
    changed = override(
        values, ["optimiser.lr=0.5", "name=a run", "ema = true", 'budget="20"', "weights.x=1", "size=[1, 2]"]
    )
    assert values == {"optimiser": {"lr": 0.1}}
    assert changed == {
        "optimiser": {"lr": 0.5},
        "name": "a run",
        "ema": True,
        "budget": "20",
        "weights": {"x": 1},
        "size": [1, 2],
    }


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("lr", "'lr' is not of the form a.b=c"),
        ("=3", "'=3' is not of the form"),
        ("lr.x=3", "lr.x: lr is a value, not a group"),
    ],
)
def test_override_refused(assignment: str, said: str) -> None:
    with pytest.raises(ConfigError, match="^" + said):
        override({"lr": 0.1}, [assignment])


def test_toml_files(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('name = "é"\n[optimiser]\nlr = 0.5\n', encoding="utf-8")
    assert read_toml(path) == {"name": "é", "optimiser": {"lr": 0.5}}
    with pytest.raises(NotFound, match="no file .*absent.toml; check the path"):
        read_toml(tmp_path / "absent.toml")
    path.write_text("name = ")
    with pytest.raises(ConfigError, match="run.toml is not TOML: "):
        read_toml(path)
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(ConfigError, match="is not TOML"):
        read_toml(path)


@dataclass(frozen=True)
class Square:
    kind: str = "square"
    side: int = 1


@dataclass(frozen=True)
class Circle:
    kind: str = "circle"
    radius: float = 1.0


def shapes():
    return {"square": Choice(Square, {"radius": 0.0, "points": (1, 2)}), "circle": Choice(Circle)}


@dataclass(frozen=True)
class Drawing:
    shape: Any = field(default_factory=Square, metadata={BY_KIND: shapes})


def test_a_field_holds_one_of_several_dataclasses_by_their_kind():
    assert from_dict(Drawing, {}).shape == Square()
    assert from_dict(Drawing, {"shape": {"side": 3}}).shape == Square(side=3)  # the first, where no kind is stated
    assert from_dict(Drawing, {"shape": {"kind": "circle", "radius": 2}}).shape == Circle(radius=2.0)
    circle = Drawing(Circle(radius=2.5))
    assert from_dict(Drawing, to_dict(circle)) == circle


def test_what_a_kind_implies_may_be_said_and_nothing_else():
    assert from_dict(Drawing, {"shape": {"radius": 0.0, "points": [1, 2]}}).shape == Square()
    for values, message in (
        ({"radius": 1.0}, 'shape.radius = 1.0 with shape.kind = "square"; leave it out'),
        ({"points": [2, 1]}, 'shape.points = [2, 1] with shape.kind = "square"; leave it out'),
        ({"kind": "circle", "side": 1}, "unknown key shape.side; known here: kind, radius"),
        ({"kind": "line"}, "shape.kind = 'line'; use one of 'square', 'circle'"),
        ({"kind": 1}, "shape.kind = 1; use one of 'square', 'circle'"),
        ({"side": "long"}, "shape.side = 'long' is text; give a whole number, for example 1"),
    ):
        with pytest.raises(ConfigError) as caught:
            from_dict(Drawing, {"shape": values})
        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("[" * 3000 + "]" * 3000, "more than 100 deep"),
        ("[" * 101 + "]" * 101, "more than 100 deep"),
        ("{a=" * 101 + "1" + "}" * 101, "more than 100 deep"),
        (f"{{{'a.' * 3000}b=1}}", "more than 100 deep"),
        ("9" * 5000, "a number of thousands of digits"),
    ],
)
def test_what_no_reader_can_take_is_refused_in_one_short_line(tmp_path: Path, value: str, says: str) -> None:
    (tmp_path / "odd.toml").write_text(f"limit = {value}\n")
    with pytest.raises(ConfigError, match=says) as caught:
        read_toml(tmp_path / "odd.toml")
    assert "odd.toml" in str(caught.value) and len(str(caught.value)) < 300
    with pytest.raises(ConfigError, match=f"train.limit has .*{says}"):
        override({}, [f"train.limit={value}"])


def test_what_is_deep_but_not_too_deep_is_read(tmp_path: Path) -> None:
    (tmp_path / "deep.toml").write_text(f"limit = {'[' * 99}7{']' * 99}\n")
    value = read_toml(tmp_path / "deep.toml")["limit"]
    for _ in range(99):
        (value,) = value
    assert value == 7
