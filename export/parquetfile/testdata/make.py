"""Small Parquet files for the tests of package parquetfile: python3 make.py

Written by PyArrow, pandas, Polars and DuckDB (26.0.1, 3.1.1, 2.1.0 and 2.0.1 here)
from one table of 120 rows whose values a rule gives, so that the test can
compute them: row i holds i*7 % 50 (int32), i*10^9 (int64, missing where
i % 5 = 0), sin(i) (float64), i/4 (float32), "n" + i % 9 (string, missing where
i % 7 = 0), i % 3 = 0 (bool), and only nulls. Some files have a decimal column,
i/8 with three digits, and a half-float column, i/4.
"""
import decimal
import math
import os

import duckdb
import numpy as np
import polars
import pyarrow as pa
import pyarrow.parquet as pq

n = 120
columns = {
    "int": pa.array([i * 7 % 50 for i in range(n)], pa.int32()),
    "long": pa.array([None if i % 5 == 0 else i * 10**9 for i in range(n)], pa.int64()),
    "double": pa.array([math.sin(i) for i in range(n)], pa.float64()),
    "float": pa.array([i / 4 for i in range(n)], pa.float32()),
    "text": pa.array([None if i % 7 == 0 else f"n{i % 9}" for i in range(n)]),
    "bool": pa.array([i % 3 == 0 for i in range(n)]),
}
flat = pa.table(columns)
full = pa.table(columns | {
    "none": pa.nulls(n),
    "decimal": pa.array([decimal.Decimal(i) / 8 for i in range(n)], pa.decimal128(9, 3)),
    "half": pa.array(np.array([i / 4 for i in range(n)], np.float16)),
    "nested": pa.array([[i, i] for i in range(n)]),
})
here = os.path.dirname(os.path.abspath(__file__))
path = lambda name: os.path.join(here, name + ".parquet")

delta = {"int": "DELTA_BINARY_PACKED", "long": "DELTA_BINARY_PACKED", "double": "BYTE_STREAM_SPLIT", "float": "BYTE_STREAM_SPLIT",
         "text": "DELTA_BYTE_ARRAY", "bool": "RLE"}
lengths = delta | {"text": "DELTA_LENGTH_BYTE_ARRAY", "int": "BYTE_STREAM_SPLIT"}
for name, options in {
    "arrow-snappy": dict(),
    "arrow-zstd-v2": dict(compression="zstd", data_page_version="2.0", data_page_size=200, row_group_size=50),
    "arrow-gzip-plain": dict(compression="gzip", use_dictionary=False, row_group_size=100),
    "arrow-none-v2": dict(compression="none", data_page_version="2.0"),
    "arrow-brotli": dict(compression="brotli"),
    "arrow-lz4": dict(compression="lz4"),
    "arrow-decimal-integer": dict(compression="none", store_decimal_as_integer=True),
}.items():
    pq.write_table(full, path(name), **options)
pq.write_table(flat, path("arrow-delta"), compression="none", use_dictionary=False, column_encoding=delta)
pq.write_table(flat, path("arrow-delta-v2"), compression="lz4", data_page_version="2.0", use_dictionary=False, column_encoding=lengths)
large = flat.set_column(4, "text", flat["text"].cast(pa.large_string())).set_column(0, "int", flat["int"].cast(pa.uint32()))
pq.write_table(large, path("arrow-large-string"), version="1.0")

frame = flat.to_pandas()  # long becomes float64, as in a frame with a missing value
frame["long"] = frame["long"].astype("Int64")
frame["text"] = frame["text"].astype("category")
frame.to_parquet(path("pandas"))

frame = polars.from_arrow(flat)
frame.write_parquet(path("polars"))
frame.write_parquet(path("polars-lz4"), compression="lz4", row_group_size=50, statistics="full")

duckdb.sql("create table t as select * from flat")
duckdb.sql(f"copy t to '{path('duckdb')}' (format parquet)")
duckdb.sql(f"copy t to '{path('duckdb-v2')}' (format parquet, parquet_version v2)")
duckdb.sql(f"copy t to '{path('duckdb-v2-brotli')}' (format parquet, parquet_version v2, codec brotli)")
duckdb.sql(f"copy t to '{path('duckdb-lz4')}' (format parquet, codec lz4_raw)")
