from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from footplate.engine import values
from footplate.engine.values import Secret, Unknown, from_state, from_struct, masked, plain, to_state, to_struct

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not x.is_integer())
    | st.text(max_size=20).filter(lambda text: text not in values._UNKNOWNS)  # pyright: ignore[reportPrivateUsage]
)
keys = st.text(min_size=1, max_size=10)
property_values = st.recursive(
    scalars | st.just(Unknown),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4) | inner.map(lambda v: Secret(plain(v)))
    ),
    max_leaves=12,
)


@given(st.dictionaries(keys, property_values, max_size=4))
def test_values_survive_the_wire(properties: dict[str, Any]) -> None:
    assert from_struct(to_struct(properties)) == properties


@given(st.dictionaries(keys, property_values, max_size=4))
def test_values_survive_the_state_file(properties: dict[str, Any]) -> None:
    stored = to_state(properties, lambda text: text[::-1])
    assert from_state(stored, lambda text: text[::-1]) == properties


def test_a_secret_is_not_shown_and_not_stored_in_clear() -> None:
    properties = {"token": Secret("hunter2"), "list": [Secret({"a": "hunter2"})], "size": Unknown}
    assert masked(properties) == {"token": "[secret]", "list": ["[secret]"], "size": "[unknown]"}
    assert "hunter2" not in str(to_state(properties, lambda text: "sealed"))
    assert "hunter2" not in repr(properties)
    assert masked(properties, reveal=True)["token"] == "hunter2"


def test_an_output_value_is_what_it_holds() -> None:
    signed = {values.SIGNATURE: values.OUTPUT_VALUE, "value": "x", "secret": True, "dependencies": ["urn"]}
    assert from_struct(to_struct({"a": signed})) == {"a": Secret("x")}
    unknown = {values.SIGNATURE: values.OUTPUT_VALUE}
    assert from_struct(to_struct({"a": unknown})) == {"a": Unknown}


def test_marks_go_where_the_model_has_them() -> None:
    model = {"data": {"a": Secret("1"), "b": "2"}, "list": [Secret(1), 2]}
    assert values.mark_like({"data": {"a": "x", "b": "y", "c": "z"}, "list": [3, 4]}, model) == {
        "data": {"a": Secret("x"), "b": "y", "c": "z"},
        "list": [Secret(3), 4],
    }
    # A list that grew: which item is the secret one can no longer be told.
    assert values.mark_like({"list": [1, 2, 3]}, model) == {"list": Secret([1, 2, 3])}
