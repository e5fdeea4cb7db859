from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footplate.engine import paths
from footplate.engine.changes import Change, ChangeKind, compare, forcing, without
from footplate.engine.errors import Unsupported
from footplate.engine.values import Secret, Unknown


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("spec.replicas", ("spec", "replicas")),
        ("spec.containers[0].image", ("spec", "containers", 0, "image")),
        ('metadata.annotations["a.b/c"]', ("metadata", "annotations", "a.b/c")),
        ("spec.containers[*].env", ("spec", "containers", "*", "env")),
        ('["odd\\"key"].x', ('odd"key', "x")),
    ],
)
def test_paths_read_as_pulumi_writes_them(text: str, path: paths.Path) -> None:
    assert paths.parse(text) == path


parts = st.integers(0, 50) | st.text(min_size=1, max_size=8).filter(lambda t: t != "*")


@given(st.lists(parts, min_size=1, max_size=5).filter(lambda p: isinstance(p[0], str)))
def test_a_path_reads_back_as_it_was_written(path: list[str | int]) -> None:
    assert paths.parse(paths.text(tuple(path))) == tuple(path)


def test_nonsense_is_no_path() -> None:
    with pytest.raises(Unsupported, match="no property path"):
        paths.parse("spec.[")


def test_wildcards_expand_to_what_is_there() -> None:
    value = {"a": [{"b": 1}, {"c": 2}, {"b": 3}]}
    assert list(paths.expand(paths.parse("a[*].b"), value)) == [("a", 0, "b"), ("a", 2, "b")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 5) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(json_values, json_values)
def test_values_are_equal_exactly_if_nothing_changed(old: Any, new: Any) -> None:
    def distinct(value: Any) -> Any:
        """Python takes True for 1; JSON does not."""
        if isinstance(value, dict):
            return {k: distinct(v) for k, v in value.items()}
        if isinstance(value, list):
            return [distinct(v) for v in value]
        return (type(value).__name__, value)

    assert (not compare(old, new)) == (distinct(old) == distinct(new))
    assert compare(new, new) == []


def test_items_with_names_are_told_apart_by_them() -> None:
    old = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}
    new = {"containers": [{"name": "x", "image": "9"}, {"name": "a", "image": "1"}, {"name": "b", "image": "2"}]}
    assert compare(old, new) == [
        Change(("containers", 2, "image"), ChangeKind.UPDATE, "1", "2"),
        Change(("containers", 0), ChangeKind.ADD, None, {"name": "x", "image": "9"}),
    ]


def test_a_changed_secret_is_marked_and_an_unchanged_one_is_no_change() -> None:
    (change,) = compare({"a": "old"}, {"a": Secret("new")})
    assert (change.old, change.new) == (Secret("old"), Secret("new"))
    assert compare({"a": "same"}, {"a": Secret("same")}) == []


def test_what_becomes_unknown_changes() -> None:
    assert compare({"a": 1}, {"a": Unknown}) == [Change(("a",), ChangeKind.UPDATE, 1, Unknown)]


def test_fixed_fields_force_replacement_whole_or_in_part() -> None:
    fixed = [paths.parse("spec.selector")]
    within, around, beside = (
        Change(("spec", "selector", "matchLabels", "a"), ChangeKind.ADD),
        Change(("spec",), ChangeKind.UPDATE),
        Change(("spec", "replicas"), ChangeKind.UPDATE),
    )
    assert [c.forces_replacement for c in forcing([within, around, beside], fixed)] == [True, True, False]
    assert without([within, beside], [paths.parse("spec.selector")]) == [beside]
