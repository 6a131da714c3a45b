"""Counts the facts of a segment with DuckDB, Polars and PyArrow. Prints a line of JSON for each."""

import json
import sys

path = sys.argv[1]


def told(name, rows, weight, by_release, by_tag, by_map, users, first, crash):
    print(json.dumps({
        "reader": name,
        "rows": rows,
        "weight": weight,
        "by_release": sorted([["" if release is None else release, count] for release, count in by_release]),
        "by_tag": sorted([["" if value is None else value, count] for value, count in by_tag]),
        "by_map": sorted([list(pair) for pair in by_map]),
        "users": users,
        "first": first,
        "crash": crash,
    }))


def duckdb_counts():
    import duckdb

    facts = duckdb.connect(config={"threads": 1})
    facts.execute("SET TimeZone = 'UTC'")
    facts.execute(f"CREATE VIEW facts AS FROM read_parquet('{path}')")
    one = lambda sql: facts.execute(sql).fetchall()
    rows, weight, users, first = one(
        "SELECT count(*), sum(weight), count(DISTINCT user), min(epoch_ms(received_at)) FROM facts"
    )[0]
    told(
        "duckdb",
        rows,
        int(weight),
        one("SELECT release, count(*) FROM facts GROUP BY ALL"),
        one('SELECT "tag:shard", count(*) FROM facts GROUP BY ALL'),
        one("SELECT tags['rare'] AS rare, count(*) FROM facts WHERE rare IS NOT NULL GROUP BY ALL"),
        users,
        first,
        str(one("SELECT crash_id FROM facts ORDER BY received_at, crash_id LIMIT 1")[0][0]),
    )


def polars_counts():
    import uuid

    import polars as pl

    facts = pl.scan_parquet(path)
    rows, weight, users, first = facts.select(
        pl.len(),
        pl.col("weight").cast(pl.Int64).sum(),
        pl.col("user").drop_nulls().n_unique().alias("users"),
        pl.col("received_at").min().dt.epoch("ms").alias("first"),
    ).collect().row(0)
    by = lambda column: facts.group_by(column).len().collect().rows()
    of_map = {}
    for tags in facts.select("tags").collect().to_series().to_list():
        for name, value in dict(tags or {}).items():
            if name == "rare":
                of_map[value] = of_map.get(value, 0) + 1
    crash = facts.sort("received_at", "crash_id").select("crash_id").head(1).collect().row(0)[0]
    told(
        "polars", rows, weight, by("release"), by("tag:shard"),
        of_map.items(), users, first, str(uuid.UUID(bytes=bytes(crash))),
    )


def pyarrow_counts():
    import uuid

    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    facts = pq.read_table(path)

    def by(column):
        counted = pc.value_counts(facts[column])
        return [(entry["values"].as_py(), entry["counts"].as_py()) for entry in counted]

    of_map = {}
    for tags in facts["tags"].to_pylist():
        for name, value in tags or []:
            if name == "rare":
                of_map[value] = of_map.get(value, 0) + 1
    crash = facts["crash_id"][0].as_py()
    told(
        "pyarrow",
        facts.num_rows,
        pc.sum(facts["weight"]).as_py(),
        by("release"),
        by("tag:shard"),
        of_map.items(),
        pc.count_distinct(facts["user"], mode="only_valid").as_py(),
        facts["received_at"][0].value,
        str(crash if isinstance(crash, uuid.UUID) else uuid.UUID(bytes=bytes(crash))),
    )


duckdb_counts()
polars_counts()
pyarrow_counts()
