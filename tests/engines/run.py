"""Puts the lines of this folder into an engine, and prints what queries answer, as JSON.

Not what they should answer: tests/engines.rs knows that.
Usage: run.py clickhouse|duckdb SETUP.sql < LIST-OF-QUERIES.json; run.py yaml FILE
"""

import glob
import json
import sys


def clickhouse(setup, queries):
    from chdb.session import Session

    session = Session("clickhouse")
    session.query(setup)
    for file in sorted(glob.glob("lines*.jsonl*")):
        with open(file) as lines:
            session.query("INSERT INTO tcpcong.lines FORMAT JSONEachRow " + lines.read())
    numbers = " SETTINGS output_format_json_quote_64bit_integers = 0"
    answers = [session.query(query + numbers, "JSONCompact") for query in queries]
    return [json.loads(str(answer))["data"] for answer in answers]


def duckdb(setup, queries):
    import duckdb

    duckdb.sql(setup)
    return [duckdb.sql(query).fetchall() for query in queries]


def alike(answers):
    """0.0 as 0, as ClickHouse prints it."""

    def one(value):
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return [[[one(value) for value in row] for row in rows] for rows in answers]


def yaml(file):
    import yaml

    with open(file) as text:
        return yaml.safe_load(text)


if sys.argv[1] == "yaml":
    found = yaml(sys.argv[2])
else:
    with open(sys.argv[2]) as setup:
        engine = {"clickhouse": clickhouse, "duckdb": duckdb}[sys.argv[1]]
        found = alike(engine(setup.read(), json.load(sys.stdin)))
# Times as ClickHouse prints them.
print(json.dumps(found, default=str))
