from __future__ import annotations

import numpy as np
import pytest

from fakeoff.arena.players.openvino_ir import IRError, read_constants
from tests.openvino_ir import IR

ONE, TWO, THREE = (np.full((2, 3), value, np.float32) for value in (1, 2, 3))


def small(**over: object) -> IR:
    """``ONE * x + TWO``."""
    ir = IR()
    x = ir.operation("Parameter")
    product = ir.operation("Multiply", x, ir.constant(ONE, **over))
    ir.operation("Result", ir.operation("Add", product, ir.constant(TWO)))
    return ir


def refused(ir: IR, *, before: str = "") -> str:
    with pytest.raises(IRError) as caught:
        read_constants(ir.xml(before=before), ir.content)
    return str(caught.value)


def test_constants_come_with_what_takes_them_in_the_order_of_the_graph() -> None:
    ir = small()
    found = read_constants(ir.xml(), ir.content)
    assert [(one.consumer, one.port) for one in found] == [("Multiply", 1), ("Add", 1)]
    assert np.array_equal(found[0].value, ONE)
    assert np.array_equal(found[1].value, TWO)


def test_the_order_of_the_file_says_nothing() -> None:
    # The same graph, its constants first and the later one before the earlier.
    ir = IR()
    two, one = ir.constant(TWO), ir.constant(ONE)
    total = ir.operation("Add", ir.operation("Multiply", ir.operation("Parameter"), one), two)
    ir.operation("Result", total)
    other = small()
    pairs = zip(read_constants(ir.xml(), ir.content), read_constants(other.xml(), other.content), strict=True)
    assert all(a.consumer == b.consumer and np.array_equal(a.value, b.value) for a, b in pairs)


def test_a_constant_that_two_operations_take_comes_twice_and_an_operation_is_followed_once() -> None:
    ir = IR()
    shared = ir.constant(THREE)
    x = ir.operation("Multiply", ir.operation("Parameter"), shared)
    ir.operation("Result", ir.operation("Add", ir.operation("Power", x, shared), x))
    found = read_constants(ir.xml(), ir.content)
    assert [(one.consumer, one.port) for one in found] == [("Multiply", 1), ("Power", 1)]


def test_half_precision_is_widened_and_what_is_no_weight_is_left_out() -> None:
    ir = IR()
    x = ir.operation("Reshape", ir.operation("Parameter"), ir.constant(np.array([1, -1])))
    half = ir.operation("Add", x, ir.constant(np.array([0.5, 2], np.float16)))
    ir.operation("Result", ir.operation("Add", half, ir.constant(np.float32(7))))  # a scalar, without a shape
    found = read_constants(ir.xml(), ir.content)
    assert [one.value.tolist() for one in found] == [[0.5, 2], 7]
    assert all(one.value.dtype == np.float32 for one in found)


def test_a_graph_that_bites_its_tail_ends() -> None:
    ir = small()
    circle = ir.xml().replace(b"</edges>", b'<edge from-layer="4" from-port="0" to-layer="2" to-port="7"/></edges>')
    assert len(read_constants(circle, ir.content)) == 2


def test_a_deep_graph_needs_no_recursion() -> None:
    ir = IR()
    x = ir.operation("Parameter")
    for _ in range(5000):
        x = ir.operation("Relu", x)
    ir.operation("Result", ir.operation("Add", x, ir.constant(ONE)))
    assert len(read_constants(ir.xml(), ir.content)) == 1


@pytest.mark.parametrize(
    "document_type",
    [
        '<!DOCTYPE net [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE net SYSTEM "file:///etc/passwd">',
        "<!DOCTYPE net>",
    ],
)
def test_a_document_type_is_refused_before_its_entities_are_read(document_type: str) -> None:
    assert "declares a document type" in refused(small(), before=document_type)


@pytest.mark.parametrize(
    ("says", "what"),
    [
        ({"offset": 10**9}, "there are only 48"),
        ({"offset": 32}, "ends at byte 56, and there are only 48"),
        ({"offset": -4}, "'-4' stands where a number should"),
        ({"offset": "9" * 30}, "stands where a number should"),
        ({"size": 8}, "does not take the 8 bytes"),
        ({"size": 10**12, "shape": "250000000000"}, "there are only 48"),
        ({"shape": "2, 3, 1e3"}, "'1e3' stands where a number should"),
        ({"shape": ",".join(["1"] * 9)}, "more than 8 dimensions"),
        ({"element_type": "bf16"}, "holds 'bf16'; weights are f16 or f32"),
        ({"element_type": "f16"}, "does not take the 24 bytes"),
    ],
)
def test_a_constant_that_does_not_lie_in_its_bytes_is_refused(says: dict[str, object], what: str) -> None:
    ir = small(**says)
    with pytest.raises(IRError, match=what):
        read_constants(ir.xml(), ir.content)


def test_values_that_are_not_finite_are_refused() -> None:
    ir = small()
    ir.content = np.array([np.nan] * 12, np.float32).tobytes()
    assert "not finite" in refused(ir)


def test_constants_that_say_the_same_bytes_over_and_over_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fakeoff.arena.players.openvino_ir._MOST_CONSTANT_BYTES", 100 * 24)
    ir = IR()
    x, shared = ir.operation("Parameter"), ir.constant(ONE)
    for _ in range(100):
        x = ir.operation("Add", x, shared)
    result = ir.operation("Result", x)
    assert len(read_constants(ir.xml(), ir.content)) == 100
    ir.operation("Result", ir.operation("Add", result, shared))
    assert "its constants are larger than" in refused(ir)


def test_graphs_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(IRError, match="is no XML"):
        read_constants(b"<net><layers>", b"")
    with pytest.raises(IRError, match="without a result"):
        read_constants(b"<net/>", b"")
    ir = small()
    with pytest.raises(IRError, match="one of them is not there"):
        read_constants(ir.xml().replace(b'to-layer="4"', b'to-layer="44"'), ir.content)
    with pytest.raises(IRError, match="two of its layers are number 3"):
        read_constants(ir.xml().replace(b'id="4"', b'id="3"'), ir.content)
    monkeypatch.setattr("fakeoff.arena.players.openvino_ir._MOST_LAYERS", 5)
    assert "more than 5 layers" in refused(ir)
    with pytest.raises(IRError, match="larger than 8 MiB"):
        read_constants(b" " * (8 * 2**20 + 1), b"")
