"""Expected values of mean_test.go, by NumPy: python mean.py

Vectors are made by a rule both sides can follow: frac(i·√2)·frac(i·√3), from i = first.
"""
import json
import numpy as np

frac = lambda z: z - np.floor(z)
out = dict(numpy=np.__version__, means=[], quantiles=[])
sizes = [1, 2, 7, 8, 9, 15, 16, 17, 127, 128, 129, 135, 136, 137, 200, 271, 1000, 5000]
for first, n in [(1, n) for n in sizes] + [(200 * k, 128) for k in range(1, 9)]:
    i = np.arange(first, first + n, dtype=float)
    v = frac(i * np.sqrt(2.0)) * frac(i * np.sqrt(3.0))
    out["means"].append(dict(first=first, n=n, mean=float(np.mean(v)).hex(), stderr=float(v.std(ddof=1) / np.sqrt(n)) if n > 1 else None))
    if n in (1, 2, 9, 200):
        out["quantiles"].append(dict(first=first, n=n, p=[0, 0.025, 0.05, 0.5, 0.975, 1], q=np.quantile(v, [0, 0.025, 0.05, 0.5, 0.975, 1]).tolist()))
json.dump(out, open("mean.json", "w"), indent=1)
