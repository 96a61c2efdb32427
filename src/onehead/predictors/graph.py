"""Fix the arrays of a router in its exported network, without the onnx package.

The export takes the arrays as inputs, so that the pool stays free. Once a router is loaded they
never change, and as constants they are packed once by onnxruntime: a decision takes less than half
the time, and a prompt gets bit for bit the same outputs alone and in a batch (with inputs, a batch
of one runs another matrix kernel than a larger one).

An ONNX file is a protobuf message; this needs only its wire format
(https://protobuf.dev/programming-guides/encoding) and six field numbers of onnx.proto.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

_MODEL_GRAPH = 7
_GRAPH_INITIALIZER, _GRAPH_INPUT = 5, 11
_VALUE_INFO_NAME = 1
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
    parts, found = [], False
    for number, whole, payload in _fields(memoryview(network)):
        if number == _MODEL_GRAPH:
            found = True
            parts.append(_field(_MODEL_GRAPH, _graph(payload, arrays)))
        else:
            parts.append(bytes(whole))
    if not found:
        raise ArtifactError("the network holds no graph: it is not an ONNX model.")
    return b"".join(parts)


def _graph(graph: memoryview, arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
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
    dims = [_varint(_TENSOR_DIMS << 3 | _VARINT) + _varint(size) for size in array.shape]
    kind = _varint(_TENSOR_TYPE << 3 | _VARINT) + _varint(_TYPES[array.dtype.name])
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


def _field(number: int, payload: bytes) -> bytes:
    """A field with a length."""
    return _varint(number << 3 | _BYTES) + _varint(len(payload)) + payload
