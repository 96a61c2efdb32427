"""From the inert nodes of a pickled DataFrame (`standins`) to its columns.

Every function raises ValueError where the nodes do not make what they should; sizes are checked
against the bytes at hand before anything is allocated or sliced.
"""

from __future__ import annotations

import re
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.sources.standins import Node

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

Cells = list[Any]

# Truth values, integers, floats, fixed-width text, and objects; nothing with fields or pointers.
_PLAIN_DTYPE = re.compile(r"(b1|[iuf][1248]|U\d{1,6})")
_OBJECT_DTYPES = ("O", "O8")
NUMPY_ROLES = ("array", "array of bytes")


def frame_columns(frame: Any, most: int) -> tuple[dict[str, Callable[[], Cells]], int]:
    """The columns of a DataFrame, each to be decoded when it is called, and the number of rows.

    `most` is the size of the file in bytes: each row and each column takes one at least. The index,
    where it has a name, is a column too. Two columns of one name are a ValueError.
    """
    if role(frame) != "DataFrame":
        raise ValueError(f"it holds {describe(frame)}, not a DataFrame.")
    state = expect(frame.state, dict)
    manager = state.get("_mgr", state.get("_data"))
    if role(manager) != "BlockManager" or len(manager.args) < 2:
        raise ValueError("its DataFrame was written by pandas before 1.3.")
    blocks, axes = manager.args[:2]
    labels, (index, index_name) = _labels(axes[0])[0], _labels(axes[1])
    if max(len(labels), len(index)) > most:
        raise ValueError(f"it has {len(labels)} columns and {len(index)} rows.")
    columns: list[Callable[[], Cells] | None] = [None] * len(labels)
    n_rows = len(index)
    for block in expect(blocks, tuple):
        if role(block) != "block" or len(block.args) < 2:
            raise ValueError(f"where a block belongs, it holds {describe(block)}.")
        places = _places(block.args[1], len(labels))
        rows = _rows(block.args[0], len(places), n_rows)
        for offset, place in enumerate(places):
            columns[place] = partial(_row, rows, offset)
    if None in columns:
        raise ValueError(f"its column {labels[columns.index(None)]!r} has no values.")
    named = {str(label): column for label, column in zip(labels, columns, strict=True) if column}
    if len(named) < len(labels):
        raise ValueError("two of its columns have the same name.")
    if isinstance(index_name, str) and index_name not in named:
        named[index_name] = lambda: list(index)
    return named, n_rows


def role(value: Any) -> str:
    """The role of a node, "" of anything else; a bare class stands for itself."""
    if isinstance(value, type) and issubclass(value, Node):
        return value.role
    if isinstance(value, Node):
        return role(value.args[0]) if value.role == "object" and value.args else value.role
    return ""


def describe(value: Any) -> str:
    """What a value is, for a message."""
    return role(value) or f"a {type(value).__name__}"


def expect(value: Any, kind: type) -> Any:
    """The value, if it is of the kind."""
    if not isinstance(value, kind):
        raise ValueError(f"where a {kind.__name__} belongs, it holds {describe(value)}.")  # noqa: TRY004
    return value


def _rows(values: Any, width: int, n_rows: int) -> Callable[[], NDArray[Any]]:
    """A block's columns as the rows of an array [width, n_rows], decoded when first called."""

    @cache
    def decode() -> NDArray[Any]:
        if role(values) in NUMPY_ROLES:
            return _numpy_array(values).reshape(width, n_rows)
        cells = np.array(_cells(values), dtype=object)
        return cells.reshape(width, n_rows)

    return decode


def _row(rows: Callable[[], NDArray[Any]], offset: int) -> Cells:
    return list(rows()[offset].tolist())


def _labels(index: Any) -> tuple[Sequence[Any], Any]:
    """The labels of an index, and its name."""
    if role(index) != "index":
        raise ValueError(f"where an index belongs, it holds {describe(index)}.")
    content = expect(index.args[1], dict)
    if "data" in content:
        return _cells(content["data"]), content.get("name")
    bounds = [expect(content.get(key), int) for key in ("start", "stop", "step")]
    return range(*bounds), content.get("name")


def _places(placement: Any, n_columns: int) -> list[int]:
    """The columns that a block fills."""
    if role(placement) == "slice":
        bounds = [None if bound is None else expect(bound, int) for bound in placement.args]
        places = list(range(n_columns))[slice(*bounds)]
    else:
        places = [expect(place, int) for place in _cells(placement)]
    if any(not 0 <= place < n_columns for place in places):
        raise ValueError("a block names a column that does not exist.")
    return places


def _cells(values: Any) -> Cells:
    """The cells of any array node in C order; None is missing."""
    kind = role(values)
    if kind in NUMPY_ROLES:
        return list(_numpy_array(values).ravel().tolist())
    if kind == "masked array":
        state = expect(values.state, dict)
        cells, mask = _cells(state.get("_data")), _cells(state.get("_mask"))
        return [None if hidden else cell for cell, hidden in zip(cells, mask, strict=True)]
    if kind == "arrow strings":
        state = expect(values.state, dict)
        return _arrow_cells(state.get("_pa_array", state.get("_data")))
    if kind == "backed array":
        return _backed_cells(values)
    raise ValueError(f"where an array belongs, it holds {describe(values)}.")


def _numpy_array(node: Node) -> NDArray[Any]:
    """A numpy array of plain values or of plain objects."""
    if role(node) == "array":
        _, shape, dtype, is_fortran, data = expect(node.state, tuple)
    else:
        data, dtype, shape, order = node.args
        is_fortran = order == "F"
    shape = tuple(expect(length, int) for length in expect(shape, tuple))
    flat: NDArray[Any]
    if isinstance(data, list) and _dtype_name(dtype) in _OBJECT_DTYPES:
        flat = np.empty(len(data), dtype=object)
        for i, cell in enumerate(data):
            flat[i] = _plain(cell)
    else:
        flat = np.frombuffer(_bytes(data), dtype=_plain_dtype(dtype))
    return flat.reshape(shape, order="F" if is_fortran else "C")


def _backed_cells(node: Node) -> Cells:
    """The cells of pandas' StringArray or Categorical."""
    state = node.state if node.state is not None else node.args[-1]
    parts = expect(state, tuple)
    array = next((part for part in parts if role(part) in NUMPY_ROLES), None)
    cells = _cells(array)
    if role(node.args[0]) == "string array class":
        return cells
    if role(node.args[0]) != "categorical class":
        raise ValueError(f"its arrays of {describe(node.args[0])} are not known.")
    dtype = next((part for part in parts if role(part) == "dtype class"), None)
    categories = _labels(expect(getattr(dtype, "state", None), dict).get("categories"))[0]
    return [None if code < 0 else categories[code] for code in cells]


def _arrow_cells(node: Any) -> Cells:
    """The texts of a pyarrow array of strings."""
    if role(node) == "arrow chunks":
        return [cell for chunk in expect(node.args[0], list) for cell in _arrow_cells(chunk)]
    if role(node) != "arrow array":
        raise ValueError(f"where a pyarrow array belongs, it holds {describe(node)}.")
    kind, length, _, start, buffers = expect(node.args[0], tuple)[:5]
    widths = {"string": "<i4", "large_string": "<i8"}
    width = widths.get(kind.args[0] if role(kind) == "arrow type" else "")
    if width is None:
        raise ValueError("a pyarrow column holds other than text.")
    validity, offsets, data = buffers
    stop = expect(start, int) + expect(length, int)
    text = _bytes(data) if data is not None else b""
    ends = np.frombuffer(_bytes(offsets), dtype=width)[start : stop + 1].tolist()
    if start < 0 or (length and len(ends) != length + 1) or not _ascending(ends, len(text)):
        raise ValueError("a pyarrow column is damaged.")
    valid = [True] * length
    if validity is not None:
        bits = np.unpackbits(np.frombuffer(_bytes(validity), dtype=np.uint8), bitorder="little")
        valid = bits[start:stop].tolist()
    spans = zip(ends[:length], ends[1:], valid, strict=True)
    return [text[a:b].decode() if known else None for a, b, known in spans]


def _ascending(ends: list[int], most: int) -> bool:
    return not ends or (
        ends[0] >= 0 and ends[-1] <= most and all(a <= b for a, b in pairwise(ends))
    )


def _dtype_name(dtype: Any) -> str:
    if role(dtype) != "dtype" or not dtype.args or not isinstance(dtype.args[0], str):
        raise ValueError(f"where a dtype belongs, it holds {describe(dtype)}.")
    return str(dtype.args[0])


def _plain_dtype(dtype: Any) -> np.dtype[Any]:
    """A dtype without fields or pointers, in the byte order that its state gives."""
    name = _dtype_name(dtype)
    if not _PLAIN_DTYPE.fullmatch(name):
        raise ValueError(f"a column has the dtype {name!r}, which no table of outcomes needs.")
    order = dtype.state[1] if isinstance(dtype.state, tuple) and len(dtype.state) > 1 else "="
    return np.dtype((">" if order == ">" else "<") + name)


def _bytes(value: Any) -> bytes | bytearray:
    """The bytes that a value stands for."""
    if isinstance(value, bytes | bytearray):
        return value
    if role(value) in ("bytes", "bytearray") and len(value.args) == 2:
        text, encoding = value.args
        if isinstance(text, str) and encoding in ("latin1", "latin-1"):
            return text.encode("latin-1")
    elif role(value) in ("arrow buffer", "bytearray") and len(value.args) == 1:
        return _bytes(value.args[0])
    elif role(value) in ("bytes", "bytearray") and not value.args:
        return b""
    raise ValueError(f"where bytes belong, it holds {describe(value)}.")


def _plain(cell: Any) -> Any:
    """A cell of a column of objects, without its wrapping."""
    if role(cell) == "NA":
        return None
    if role(cell) == "scalar":
        dtype, data = cell.args
        return np.frombuffer(_bytes(data), dtype=_plain_dtype(dtype), count=1)[0].item()
    if role(cell) in NUMPY_ROLES:
        return _cells(cell)
    if role(cell):
        raise ValueError(f"a cell holds {describe(cell)}.")
    return cell
