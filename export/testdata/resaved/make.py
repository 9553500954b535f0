"""Saves scores.parquet again with the tools that people use, as they do by
default and as their users' habits change it.

    python3 make.py        (pandas, polars, duckdb, pyarrow)

scores.parquet is `headprof export scores.csv --format parquet`.
"""
import duckdb
import pandas
import polars
import pyarrow.parquet

source = "scores.parquet"

table = pandas.read_parquet(source)
table.to_parquet("pandas.parquet")
table.to_csv("pandas.csv", index=False)
table.set_index(["layer", "head"]).to_parquet("pandas-index.parquet")
table.convert_dtypes().to_parquet("pandas-nullable.parquet")
table.astype({"method": "category", "decode": "category"}).to_parquet("pandas-category.parquet")
missing = table.copy()
missing.loc[2, "kv_head"] = None  # makes floats of the column: 0.0, 1.0
missing.to_csv("pandas-missing.csv", index=False)
missing.to_parquet("pandas-missing.parquet")
table.sample(frac=1, random_state=1).to_parquet("pandas-shuffled.parquet")
words = table.copy()
words["fast"] = words["fast"].map({True: "TRUE", False: "FALSE"})
words.to_csv("spreadsheet.csv", index=False, sep=";", encoding="utf-8-sig", lineterminator="\r\n")
words["fast"] = table["fast"].astype(int)
words.to_parquet("numbers.parquet")
words["fast"] = table["fast"].map({True: "TRUE", False: "FALSE"})
words.index += 1
words.to_csv("r.csv", na_rep="NA", quoting=2)  # as R's write.csv

table = polars.read_parquet(source)
table.write_parquet("polars.parquet")
table.write_csv("polars.csv")
table.with_columns(polars.col("method").cast(polars.Categorical)).write_parquet("polars-category.parquet")
table.write_csv("polars.tsv", separator="\t")

duckdb.sql(f"copy (from '{source}') to 'duckdb.parquet'")
duckdb.sql(f"copy (from '{source}') to 'duckdb-v2.parquet' (parquet_version v2, compression zstd)")
duckdb.sql(f"copy (from '{source}') to 'duckdb.csv'")

pyarrow.parquet.write_table(pyarrow.parquet.read_table(source), "pyarrow.parquet")
