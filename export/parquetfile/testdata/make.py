"""Small Parquet files for the tests of package parquetfile: python3 make.py

Written by PyArrow (26.0.1 here) from one table of 300 rows whose values a rule
gives, so that the test can compute them: row i holds i·7 % 50 (int32), i·10^9
(int64, missing where i % 5 = 0), sin(i) (float64), i/4 (float32), "n" + i % 9
(string, missing where i % 7 = 0), i % 3 = 0 (bool).
"""
import math
import os
import pyarrow as pa
import pyarrow.parquet as pq

n = 300
table = pa.table({
    "int": pa.array([i * 7 % 50 for i in range(n)], pa.int32()),
    "long": pa.array([None if i % 5 == 0 else i * 10**9 for i in range(n)], pa.int64()),
    "double": pa.array([math.sin(i) for i in range(n)], pa.float64()),
    "float": pa.array([i / 4 for i in range(n)], pa.float32()),
    "text": pa.array([None if i % 7 == 0 else f"n{i % 9}" for i in range(n)]),
    "bool": pa.array([i % 3 == 0 for i in range(n)]),
    "nested": pa.array([[i, i] for i in range(n)]),
})
here = os.path.dirname(__file__)
for name, options in {
    "snappy-v1": dict(compression="snappy"),
    "zstd-v2": dict(compression="zstd", data_page_version="2.0", data_page_size=200, row_group_size=128),
    "gzip-plain": dict(compression="gzip", use_dictionary=False, row_group_size=100),
    "none-v2": dict(compression="none", data_page_version="2.0"),
}.items():
    pq.write_table(table, os.path.join(here, name + ".parquet"), **options)
