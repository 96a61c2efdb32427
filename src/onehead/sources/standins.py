"""What a pickled DataFrame may name, and the inert stand-ins that take its place.

A pickle is a program: it imports what it names, calls it and sets its state. Here nothing that a
pickle names is ever imported. Each name on the list below stands for a `Node`, which keeps the
arguments it was called with and the state it was given, and does nothing else; any other name is
refused. So the list could not be abused by calling what is on it: not `ndarray` (whose state can
forge pointers), not `_codecs.encode`, not pandas' own constructors. `pandas_frame` then reads
numbers and texts out of the tree of nodes, and checks every size against the bytes at hand.

As a side effect no pandas is needed, and the version that wrote the file hardly matters. The names
are those that pandas 1.3 to 3, numpy 1 and 2, and pyarrow write for columns of numbers, texts,
truth values and categories, at every pickle protocol.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self


class _Sealed(type):
    """A class that cannot be changed, so that no pickle alters what the next one meets."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise TypeError(f"{cls.__name__} cannot be changed.")

    def __delattr__(cls, name: str) -> None:
        raise TypeError(f"{cls.__name__} cannot be changed.")


class Node(metaclass=_Sealed):
    """One object of a pickle: the role of what was named, its arguments and its state."""

    __slots__ = ("args", "state")
    role: ClassVar[str] = ""

    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> Self:
        """Keep the arguments; call nothing."""
        node = object.__new__(cls)
        node.args = args
        node.state = None
        return node

    def __setstate__(self, state: Any) -> None:
        """Keep the state; apply nothing."""
        self.state = state


_INDEX_CLASSES = ("Index", "RangeIndex", "Int64Index", "UInt64Index", "Float64Index")
_DTYPE_CLASSES = (
    *(f"{sign}Int{bits}Dtype" for sign in ("", "U") for bits in (8, 16, 32, 64)),
    "Float32Dtype",
    "Float64Dtype",
    "BooleanDtype",
    "StringDtype",
    "CategoricalDtype",
)

# Role: the places from which pickles name it, as "module name".
_PLACES: dict[str, tuple[str, ...]] = {
    "DataFrame": ("pandas.core.frame DataFrame", "pandas DataFrame"),
    "BlockManager": ("pandas.core.internals.managers BlockManager",),
    "block": (
        "pandas._libs.internals _unpickle_block",
        "pandas.core.internals.blocks new_block",
    ),
    "index": ("pandas.core.indexes.base _new_Index",),
    "index class": tuple(
        f"{module} {name}"
        for name in _INDEX_CLASSES
        for module in (
            "pandas",
            "pandas.core.indexes.base",
            "pandas.core.indexes.range",
            "pandas.core.indexes.numeric",
        )
    ),
    "dtype class": tuple(
        f"{module} {name}"
        for name in _DTYPE_CLASSES
        for module in (
            "pandas",
            "pandas.core.arrays.integer",
            "pandas.core.arrays.floating",
            "pandas.core.arrays.boolean",
            "pandas.core.arrays.string_",
            "pandas.core.dtypes.dtypes",
        )
    ),
    "masked array": tuple(
        f"{module} {name}"
        for module, name in (
            ("pandas.arrays", "IntegerArray"),
            ("pandas.arrays", "FloatingArray"),
            ("pandas.arrays", "BooleanArray"),
            ("pandas.core.arrays.integer", "IntegerArray"),
            ("pandas.core.arrays.floating", "FloatingArray"),
            ("pandas.core.arrays.boolean", "BooleanArray"),
        )
    ),
    "arrow strings": (
        "pandas.arrays ArrowStringArray",
        "pandas.core.arrays.string_arrow ArrowStringArray",
        "pandas.core.arrays.string_arrow ArrowStringArrayNumpySemantics",
    ),
    "backed array": ("pandas._libs.arrays __pyx_unpickle_NDArrayBacked",),
    "string array class": (
        "pandas.arrays StringArray",
        "pandas.core.arrays.string_ StringArray",
        "pandas.core.arrays.string_ StringArrayNumpySemantics",
    ),
    "categorical class": (
        "pandas Categorical",
        "pandas.arrays Categorical",
        "pandas.core.arrays.categorical Categorical",
    ),
    "NA": ("pandas._libs.missing NA", "pandas NA"),
    "arrow array": ("pyarrow.lib _restore_array",),
    "arrow chunks": ("pyarrow.lib chunked_array",),
    "arrow type": ("pyarrow.lib type_for_alias",),
    "arrow buffer": ("pyarrow.lib py_buffer",),
    "array": ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"),
    "array of bytes": ("numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer"),
    "array class": ("numpy ndarray",),
    "scalar": ("numpy.core.multiarray scalar", "numpy._core.multiarray scalar"),
    "dtype": ("numpy dtype",),
    "slice": ("builtins slice", "__builtin__ slice"),
    "bytearray": ("builtins bytearray", "__builtin__ bytearray"),
    "bytes": ("_codecs encode",),
    "object class": ("builtins object", "__builtin__ object"),
    "object": ("copyreg _reconstructor", "copy_reg _reconstructor"),
}

STAND_INS: dict[tuple[str, str], type[Node]] = {}
for _name, _places in _PLACES.items():
    _class: type[Node] = _Sealed(_name, (Node,), {"__slots__": (), "role": _name})  # type: ignore[assignment]
    for _place in _places:
        _module, _, _attribute = _place.partition(" ")
        STAND_INS[_module, _attribute] = _class
