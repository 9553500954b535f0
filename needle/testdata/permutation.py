"""Expected values of TestThePermutationIsTheOneThatIsDescribed: the seeded order of
generate.go, written anew from its description (a four-round Feistel network
over the next even number of bits, walked until it lands below the size; the
round function is SplitMix64's finaliser of key and round).

    python permutation.py
"""
M = (1 << 64) - 1


def mix(x):
    x = (x + 0x9E3779B97F4A7C15) & M
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & M
    x = (x ^ x >> 27) * 0x94D049BB133111EB & M
    return x ^ x >> 31


def at(size, key, i):
    bits = max(2, (size - 1).bit_length())
    half = (bits + 1) // 2
    while True:
        left, right = divmod(i, 1 << half)
        for r in range(4):
            left, right = right, left ^ mix(right ^ mix((key + r) & M)) % (1 << half)
        i = left << half | right
        if i < size:
            return i


for size, key in ((1, 5), (4, 5), (5, 5), (16, 1), (17, 1), (65536, 2), (65537, 2), (10**12, 3)):
    print(size, key, [at(size, key, i) for i in range(min(size, 6))])
# Ten needles of seed 7 in turns of five recipes: number n is combination at(n // 5)
# of recipe n % 5 under the key mix(seed) + n % 5.
print([at(1000 + n % 5, (mix(7) + n % 5) & M, n // 5) for n in range(10)])
