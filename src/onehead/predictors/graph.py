"""Make an exported network quick to run: its arrays fixed, its outputs joined, without onnx.

The export takes the arrays as inputs, so that the pool stays free. Once a router is loaded they
never change, and as constants they are packed once by onnxruntime: a decision takes less than half
the time, and a prompt gets bit for bit the same outputs alone and in a batch (with inputs, a batch
of one runs another matrix kernel than a larger one). One output is handed over quicker than four.

An ONNX file is a protobuf message; this needs only its wire format
(https://protobuf.dev/programming-guides/encoding) and some field numbers of onnx.proto.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE = 1, 2, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INTEGER, _ATTRIBUTE_TYPE = 1, 3, 20
_INTEGER = 2
_VALUE_INFO_NAME, _VALUE_INFO_TYPE, _TYPE_TENSOR = 1, 2, 1
_TENSOR_ELEMENT, _TENSOR_SHAPE, _SHAPE_DIMENSION = 1, 2, 1
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "float16": 10}
"""TensorProto.DataType of the kinds of arrays that routers hold."""
_VARINT, _BYTES = 0, 2
_FIXED_SIZES = {1: 8, 5: 4}


def with_constants(network: bytes, arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """`network` with the inputs named in `arrays` replaced by constants.

    Raises:
        ArtifactError: `network` is no ONNX model, lacks such an input, or an array is of a kind
            that networks do not take.
    """
    return _edited(network, lambda graph: _fixed(graph, arrays))


def with_joined(network: bytes, names: Sequence[str], joined: str) -> bytes:
    """`network` with one more output: the float outputs `names`, [n, m] or [n], side by side.

    Raises:
        ArtifactError: `network` is no ONNX model.
    """
    flat = [f"{joined}.{name}" for name in names]
    # Flatten makes a column of what is [n], and leaves what is [n, m].
    nodes = [_node("Flatten", [name], out) for name, out in zip(names, flat, strict=True)]
    nodes.append(_node("Concat", flat, joined, axis=1))
    shape = _field(_TENSOR_SHAPE, 2 * _field(_SHAPE_DIMENSION, b""))  # both free
    tensor = _field(_TYPE_TENSOR, _number(_TENSOR_ELEMENT, _TYPES["float32"]) + shape)
    output = _field(_VALUE_INFO_NAME, joined.encode()) + _field(_VALUE_INFO_TYPE, tensor)
    added = [_field(_GRAPH_NODE, node) for node in nodes] + [_field(_GRAPH_OUTPUT, output)]
    return _edited(network, lambda graph: b"".join([bytes(graph), *added]))


def _edited(network: bytes, edit: Callable[[memoryview], bytes]) -> bytes:
    """`network` with its graph edited."""
    parts, found = [], False
    for number, whole, payload in _fields(memoryview(network)):
        if number == _MODEL_GRAPH:
            found = True
            parts.append(_field(_MODEL_GRAPH, edit(payload)))
        else:
            parts.append(bytes(whole))
    if not found:
        raise ArtifactError("the network holds no graph: it is not an ONNX model.")
    return b"".join(parts)


def _node(operator: str, inputs: Sequence[str], output: str, **integers: int) -> bytes:
    """An operation as a NodeProto."""
    parts = [_field(_NODE_INPUT, name.encode()) for name in inputs]
    parts += [_field(_NODE_OUTPUT, output.encode()), _field(_NODE_OPERATOR, operator.encode())]
    for name, value in integers.items():
        attribute = _field(_ATTRIBUTE_NAME, name.encode()) + _number(_ATTRIBUTE_INTEGER, value)
        parts.append(_field(_NODE_ATTRIBUTE, attribute + _number(_ATTRIBUTE_TYPE, _INTEGER)))
    return b"".join(parts)


def _fixed(graph: memoryview, arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """A graph with some inputs turned to constants."""
    parts, missing = [], set(arrays)
    for number, whole, payload in _fields(graph):
        name = _name(payload) if number == _GRAPH_INPUT else None
        if name in arrays:
            missing.discard(name)
        else:
            parts.append(bytes(whole))
    if missing:
        raise ArtifactError(
            f"the network has no input for the arrays {', '.join(sorted(missing))}."
        )
    parts += [_field(_GRAPH_INITIALIZER, _tensor(*item)) for item in arrays.items()]
    return b"".join(parts)


def _name(value_info: memoryview) -> str | None:
    """The name of a graph input."""
    for number, _, payload in _fields(value_info):
        if number == _VALUE_INFO_NAME:
            return bytes(payload).decode("utf-8", "replace")
    return None


def _tensor(name: str, array: NDArray[np.generic]) -> bytes:
    """An array as a TensorProto."""
    if array.dtype.name not in _TYPES:
        raise ArtifactError(
            f"array {name!r} holds {array.dtype}; a network takes {', '.join(_TYPES)}."
        )
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    dims = [_number(_TENSOR_DIMS, size) for size in array.shape]
    kind = _number(_TENSOR_TYPE, _TYPES[array.dtype.name])
    data = [_field(_TENSOR_NAME, name.encode()), _field(_TENSOR_RAW, little.tobytes())]
    return b"".join([*dims, kind, *data])


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """The fields of a message: number, the whole field, and the payload where it has a length."""
    start = 0
    while start < len(message):
        key, at = _read_varint(message, start)
        number, wire = key >> 3, key & 7
        begin = at
        if wire == _VARINT:
            _, at = _read_varint(message, at)
        elif wire == _BYTES:
            length, begin = _read_varint(message, at)
            at = begin + length
        elif wire in _FIXED_SIZES:
            at += _FIXED_SIZES[wire]
        else:
            raise ArtifactError(f"the network is damaged: wire type {wire} at byte {start}.")
        if at > len(message):
            raise ArtifactError(
                f"the network is cut off: a field at byte {start} goes past its end."
            )
        yield number, message[start:at], message[begin:at]
        start = at


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    """A varint and the position after it."""
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise ArtifactError(f"the network is damaged at byte {at}: a number has no end.")


def _varint(value: int) -> bytes:
    """A number as a varint."""
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _number(number: int, value: int) -> bytes:
    """A field with a number in it."""
    return _varint(number << 3 | _VARINT) + _varint(value)


def _field(number: int, payload: bytes) -> bytes:
    """A field with a length."""
    return _varint(number << 3 | _BYTES) + _varint(len(payload)) + payload
