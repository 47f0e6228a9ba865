"""``column IN (…)`` for any number of values in one parameter: the statement stays the same for all of them.

A list of parameters would make another statement of each length, to be prepared and planned anew.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, ScalarSelect, String, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

Column = ColumnElement[int] | InstrumentedAttribute[int]


class _Among(FunctionElement[bool]):
    """Integer columns, and the JSON of the rows that they may be."""

    # Not Boolean: SQLite would be asked whether the comparison equals 1, and would use no index for that.
    type = NullType()  # type: ignore[assignment]
    inherit_cache = True


def among(column: Column, values: Collection[int] | BindParameter[str]) -> ColumnElement[bool]:
    """Whether an integer column is one of these, or of the ``listed`` ones that are given later."""
    return _Among(column, values if isinstance(values, BindParameter) else listed(values))


def together_among(
    columns: Sequence[Column | ScalarSelect[int]], rows: Collection[tuple[int, ...]] | BindParameter[str]
) -> ColumnElement[bool]:
    """Whether integer columns together are one of these rows. ``among`` one of them too finds it by index."""
    return _Among(*columns, rows if isinstance(rows, BindParameter) else listed_together(rows))


def given(name: str) -> BindParameter[str]:
    """Stands for values in a statement that is built once."""
    return bindparam(name, type_=String())


def listed(values: Collection[int]) -> str:
    """Values to be given to such a statement."""
    return json.dumps([[value] for value in values])


def listed_together(rows: Collection[tuple[int, ...]]) -> str:
    """Rows to be given to such a statement."""
    return json.dumps(list(rows))


@compiles(_Among, "sqlite")
def _in_sqlite(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    *columns, rows = [compiler.process(clause, **options) for clause in element.clauses]
    values = ", ".join(f"json_extract(value, '$[{place}]')" for place in range(len(columns)))
    return f"({', '.join(columns)}) IN (SELECT {values} FROM json_each({rows}))"  # noqa: S608 - no text of people


@compiles(_Among, "postgresql")
def _in_postgresql(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    *columns, rows = [compiler.process(clause, **options) for clause in element.clauses]
    values = ", ".join(f"(value->>{place})::bigint" for place in range(len(columns)))
    source = f"jsonb_array_elements(CAST({rows} AS jsonb))"
    if len(columns) == 1:
        # As an array the planner takes it for few values, and looks them up by the index.
        return f"{columns[0]} = ANY (ARRAY(SELECT {values} FROM {source}))"  # noqa: S608
    return f"({', '.join(columns)}) IN (SELECT {values} FROM {source})"  # noqa: S608
