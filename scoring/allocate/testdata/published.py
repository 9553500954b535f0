"""Expected budgets for the tests of package allocate: python3 published.py > published.json

Follows the published HeadKV allocation step by step with the types it uses
(np.mean per head, Python's sum and //, float64 tensors, torch.round), on
synthetic scores; the pyramid cases follow its PyramidKV variant. Made with
NumPy and PyTorch (versions in the output).
"""
import json
import numpy as np
import torch

rng = np.random.default_rng(11)


def headkv(scores, layers, heads, capacity, window, beta, temp):
    base = capacity - window
    means = [np.mean(s) for s in scores]
    share = torch.tensor(np.array(means) / sum(means))
    share = torch.pow(share, temp)
    share = (share / torch.sum(share)).reshape(layers, heads)
    pool = (base // beta) * layers * heads
    floor = base - base // beta
    return torch.round(share * pool + floor).int().tolist()


def pyramid(layers, capacity, window, beta, prompt):
    base = capacity - window
    if prompt < base * 2:  # the code's branch for short prompts selects as SnapKV does
        return [base] * layers
    low = base // beta
    high = base * 2 - low
    if high >= prompt - window:
        high = prompt - window
        low = base * 2 - high
    step = (high - low) // (layers - 1)
    return [high - l * step for l in range(layers)]


models = []
for layers, heads, trials, shape in [(4, 6, 9, 0.2), (5, 8, 40, 0.05), (30, 9, 130, 0.1), (32, 32, 3, 0.03)]:
    # A few heads score much, most little, as real profiles do; 4 digits keep the file small.
    scale = rng.gamma(shape, 1.0, size=layers * heads)
    scores = [(scale[i] * rng.gamma(4.0, 0.25, size=trials)).round(4).tolist() for i in range(layers * heads)]
    cases = []
    for capacity in (64, 128, 512) + ((19, 130, 1000) if heads < 9 else ()):
        for beta in (1.005, 1.2, 2, 10) + ((1.1, 1.01, 1.5, 5) if heads < 9 else ()):
            for temp in ((1, 2, 0.5) if heads < 9 else (1,)):
                got = headkv(scores, layers, heads, capacity, 8, beta, temp)
                cases.append(dict(capacity=capacity, beta=beta, temp=temp,
                                  budgets=got if layers * heads < 50 else None,
                                  sum=int(np.sum(got)), weighted=int((np.arange(layers * heads) * np.array(got).ravel()).sum())))
    models.append(dict(layers=layers, heads=heads, means=[float(np.mean(s)) for s in scores], cases=cases))

# Scores in 32nds that add up to 1/2: with 24 or 40 heads, shares of the pool
# are odd multiples of a half.
for layers, heads in [(3, 8), (5, 8)]:
    means = np.zeros(layers * heads)
    for i in rng.integers(0, layers * heads, size=16):
        means[i] += 1 / 32
    cases = []
    for capacity in (64, 72, 100, 128, 521):
        for beta in (1.005, 1.2, 2, 10):
            got = headkv([[m] for m in means], layers, heads, capacity, 8, beta, 1)
            cases.append(dict(capacity=capacity, beta=beta, temp=1, budgets=got, sum=int(np.sum(got)),
                              weighted=int((np.arange(layers * heads) * np.array(got).ravel()).sum())))
    models.append(dict(layers=layers, heads=heads, means=means.tolist(), cases=cases))

pyramids = [dict(layers=l, capacity=c, window=w, beta=b, prompt=p, budgets=pyramid(l, c, w, b, p))
            for l, c, w, b, p in [(32, 128, 8, 20, 4096), (30, 64, 8, 20, 100000), (18, 512, 16, 5, 8192), (12, 512, 8, 20, 700),
                                  (32, 128, 8, 20, 239), (32, 128, 8, 20, 240), (32, 128, 8, 20, 241), (32, 128, 8, 20, 242), (2, 40, 16, 3, 49), (7, 100, 60, 2, 95), (5, 64, 40, 7, 50)]]
floor_divs = [dict(a=a, b=b, q=a // b) for a in (1, 10, 11, 12, 13, 56, 110, 120, 121, 504, 992, 1016) for b in (1.0, 1.005, 1.01, 1.1, 1.2, 1.5, 2.0, 5.0, 10.0, 1.3, 3.3, 7.7)]
print(json.dumps(dict(versions=dict(numpy=np.__version__, torch=torch.__version__), models=models, pyramids=pyramids, floor_divs=floor_divs)))
