"""Parquet and Feather files, by pyarrow."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from rigorkd.errors import InputError
from rigorkd.extras import require
from rigorkd.readers.listing import most_unpacked
from rigorkd.readers.raw import RawTable, text_of

CELLS = 10**7
"""Values that a table may have: a column of equal ones takes no room in the file."""
_BATCH = 1024


def _unpacked(file: str, content: bytes) -> Any:
    """The table, read in parts, so that a small file cannot fill the memory; InputError if it would."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = pq.ParquetFile(io.BytesIO(content))
    most, size, batches = most_unpacked(content), 0, []
    if found.metadata.num_rows * max(1, found.metadata.num_columns) > CELLS:
        raise InputError(f"{file}: has more than {CELLS:,} values", hint="save the runs' results alone")
    for batch in found.iter_batches(_BATCH):
        size += batch.nbytes
        if size > most:
            raise InputError(f"{file}: larger than {most:,} bytes unpacked", hint="save it as a CSV")
        batches.append(batch)
    return pa.Table.from_batches(batches, found.schema_arrow)


def read_parquet(file: str, content: bytes) -> RawTable:
    """Read a Parquet file; its index, where pandas kept one with a name, is a column.

    Raises:
        InputError: pyarrow is not there, or it is no Parquet file.
    """
    require("parquet", "reading a Parquet file")
    import pandas as pd
    import pyarrow as pa

    try:
        found = _unpacked(file, content).to_pandas()
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise InputError(f"{file}: not a Parquet file ({error})", hint="save it again, or as a CSV") from None
    if any(found.index.names):
        found = found.reset_index()
    names = ["_".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in found.columns]
    frame = pd.DataFrame(
        {name: [text_of(value) for value in found.iloc[:, i]] for i, name in enumerate(names)}, dtype=object
    )
    for name in names:  # what pandas made a float because of a gap is a whole number still
        words = frame[name]
        if words.map(lambda word: word.endswith(".0") or word == "nan").all():
            frame[name] = words.map(lambda word: "" if word == "nan" else word[:-2])
    rows = len(frame)
    return RawTable(
        frame, (file,), np.zeros(rows, dtype=np.int64), np.arange(1, rows + 1, dtype=np.int64), "Parquet"
    )
