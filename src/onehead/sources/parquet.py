"""Parquet files, by pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.errors import DataError, MissingExtraError
from onehead.sources.frame import Distinct, Frame

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from onehead.sources.frame import Column


class ParquetSource:
    """One parquet file; only the columns that are wanted are read."""

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise MissingExtraError(f"reading {path}", "data") from None
        self.name = str(path)
        self._path = path
        self._errors = (pa.ArrowException, OSError, UnicodeDecodeError)
        try:
            schema = pq.read_schema(path)
        except self._errors as error:
            raise self._unreadable(error) from None
        self.columns: tuple[str, ...] = tuple(schema.names)
        texts = (pa.types.is_string, pa.types.is_large_string)
        self._texts = {field.name for field in schema if any(is_a(field.type) for is_a in texts)}

    def read(self, wanted: Sequence[str]) -> Frame:
        """The columns `wanted`, each as its distinct values where its type allows it."""
        import pyarrow.parquet as pq

        try:
            # A ParquetFile, not read_table: folder names must not become columns.
            # Texts stay dictionaries: prompts that repeat for every model would fill the memory.
            texts = [name for name in wanted if name in self._texts]
            with pq.ParquetFile(self._path, read_dictionary=texts) as file:
                table = file.read(columns=list(wanted))
            table.validate(full=True)
            columns = {name: _column(table.column(name)) for name in wanted}
        except self._errors as error:
            raise self._unreadable(error) from None
        return Frame(self.name, table.num_rows, columns)

    def _unreadable(self, error: Exception) -> DataError:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return DataError(
            f"{self.name}: is no readable parquet file ({reason}). "
            "It may be cut short or of another format; write it again."
        )


def _column(array: Any) -> Column:
    """A column of the table as distinct values and codes; nested types as plain objects."""
    import pyarrow as pa

    if pa.types.is_nested(array.type):
        return list(array.to_pylist())
    if pa.types.is_dictionary(array.type):
        array = array.unify_dictionaries()
    array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode(null_encoding="encode")
    values = array.dictionary.to_pylist()
    codes = array.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    return Distinct([*values, None], codes.astype(np.intp))
