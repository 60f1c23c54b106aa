"""Runs SQL in DuckDB, or Python that leaves `times`, and prints what came of it as JSON.

Not what it is to be: tests/other_tools.rs knows that. Usage: run.py sql|python < TEXT
"""

import json
import sys


def sql(text):
    import duckdb

    rows = duckdb.sql(text)
    return rows.fetchall() if rows is not None else []


def python(text):
    names = {}
    exec(text, names)
    times = names["times"]
    if hasattr(times, "rows"):  # polars
        return times.rows()
    return [[*key, int(count)] for key, count in times.items()]


print(json.dumps({"sql": sql, "python": python}[sys.argv[1]](sys.stdin.read())))
