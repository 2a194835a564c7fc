"""The one error of this package: a table or a question that cannot be analysed."""

from __future__ import annotations


class TableError(ValueError):
    """The table, the plan or an argument cannot be used. `hint` says how to mend it.

    `row` is the position of the offending row in the table that was given (from 0) and `column` its column,
    so that a caller who knows the file can say which line it is.
    """

    def __init__(self, message: str, *, hint: str = "", row: int | None = None, column: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.row = row
        self.column = column

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message
