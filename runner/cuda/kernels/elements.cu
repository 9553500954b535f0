// Kernels that compute an element, or a few, per thread.
#include "cache.h"
#include "unpack.h"

struct EmbedArgs {
	Words table, ids;
	Floats dst;
	u32 count, cols, rowBytes;
	u32 first, rows; // the ids in this part of the table
	float scale;
};

// embed looks up rows of a table and multiplies them by scale: four elements per thread.
KERNEL(embed, EmbedArgs, 64) {
	const u32 quads = (p.cols + 3u) / 4u, i = INDEX;
	if (i >= p.count * quads) return;
	const u32 r = i / quads, k = i % quads * 4u, id = p.ids[r];
	if (id < p.first || id - p.first >= p.rows) return;
	const Four v = unpack4(CONSTANT(1), p.table, (id - p.first) * p.rowBytes, k, p.cols);
	for (u32 j = 0; j < 4u; j++)
		if (k + j < p.cols) p.dst[(u64)r * p.cols + k + j] = v.v[j] * p.scale;
}

struct RopeArgs {
	Floats x, turn; // turn [rows × dims/2] pairs of cosine and sine
	u32 rows, heads, dim, dims;
};

// rope rotates the pairs of each head in place.
KERNEL(rope, RopeArgs, 64) {
	const u32 pairs = p.dims / 2u, i = INDEX;
	if (i >= p.rows * p.heads * pairs) return;
	const u32 n = i % pairs, h = i / pairs % p.heads, r = i / (pairs * p.heads);
	const bool interleaved = CONSTANT(1) != 0u;
	const u32 at = (r * p.heads + h) * p.dim;
	const u32 a = at + (interleaved ? 2u * n : n), b = at + (interleaved ? 2u * n + 1u : n + pairs);
	const float c = p.turn[(r * pairs + n) * 2u], s = p.turn[(r * pairs + n) * 2u + 1u];
	const float u = p.x[a], v = p.x[b];
	p.x[a] = u * c - v * s;
	p.x[b] = v * c + u * s;
}

// erf by formula 7.1.26 of Abramowitz and Stegun; its error is below 1.5e-7.
DEVICE float erf_(float x) {
	const float a = x < 0.0f ? -x : x;
	const float t = 1.0f / fma_(0.3275911f, a, 1.0f);
	const float y = 1.0f - t * fma_(t, fma_(t, fma_(t, fma_(t, 1.061405429f, -1.453152027f), 1.421413741f), -0.284496736f), 0.254829592f) * exp_(-x * x);
	return x < 0.0f ? -y : y;
}

// activate is SiLU (0), GELU by tanh (1), GELU (2), the sigmoid (3) or nothing (4).
DEVICE float activate(u32 act, float x) {
	if (act == 4u) return x;
	if (act == 1u) return x / (1.0f + exp_(min_(-1.5957691216057308f * fma_(0.044715f * x * x, x, x), 80.0f)));
	if (act == 2u) return 0.5f * x * (1.0f + erf_(x * 0.7071067811865476f));
	const float g = 1.0f / (1.0f + exp_(min_(-x, 80.0f)));
	return act == 3u ? g : x * g;
}

struct MapArgs {
	Floats dst, a, b;
	u32 count;
	u32 share; // gate: elements of b that one element of a weighs
	float s, t;
};

// map is dst = f(dst or a, b): a sum (0), a product by s (1), a soft cap (2), a
// gate (3) or gpt-oss's clamped gate (4).
KERNEL(map, MapArgs, 64) {
	const u32 i = INDEX, op = CONSTANT(1);
	if (i >= p.count) return;
	if (op == 0u) {
		p.dst[i] = p.dst[i] + p.a[i];
	} else if (op == 1u) {
		p.dst[i] = p.dst[i] * p.s;
	} else if (op == 2u) {
		p.dst[i] = p.s * tanh_(p.dst[i] / p.s);
	} else if (op == 4u) {
		const float g = min_(p.a[i], p.s), u = min_(max_(p.b[i], -p.s), p.s);
		p.dst[i] = g / (1.0f + exp_(min_(-p.t * g, 80.0f))) * (u + 1.0f);
	} else {
		float y = activate(CONSTANT(2), p.a[i / p.share]);
		if (!ABSENT(p.b)) y = y * p.b[i];
		p.dst[i] = y;
	}
}

struct CopyArgs {
	Floats dst, src;
	Words rows;
	u32 count, width, stride, from, pitch, to;
};

// copy is dst[r][to … to+width) = src[rows[r]][from … from+width): Gather, and
// Split and Join where rows is absent.
KERNEL(copy, CopyArgs, 64) {
	const u32 i = INDEX;
	if (i >= p.count * p.width) return;
	const u32 r = i / p.width;
	p.dst[(u64)r * p.pitch + p.to + i % p.width] = p.src[(u64)(ABSENT(p.rows) ? r : (u32)p.rows[r]) * p.stride + p.from + i % p.width];
}

struct KeepArgs {
	Words dst, src, entries;
	u32 count, width; // words of an entry
};

// keep copies chosen entries of one KV head to new storage, word by word.
KERNEL(keep, KeepArgs, 64) {
	const u32 i = INDEX;
	if (i >= p.count * p.width) return;
	p.dst[i] = p.src[(u64)p.entries[i / p.width] * p.width + i % p.width];
}

struct StoreArgs {
	Words heads;
	Floats src;
	u32 rows, kvHeads, dim;
};

// store appends the step's keys, or values, to a layer's cache: a word per thread.
KERNEL(store, StoreArgs, 64) {
	const bool kv16 = CONSTANT(1) != 0u;
	const u32 n = wordsOf(kv16, p.dim), i = INDEX;
	if (i >= p.rows * p.kvHeads * n) return;
	const u32 w = i % n, h = i / n % p.kvHeads, r = i / (n * p.kvHeads);
	Words dst = pointer(p.heads, h, CONSTANT(2));
	const u32 entry = entriesOf(p.heads, h) - p.rows + r, from = (r * p.kvHeads + h) * p.dim;
	if (!kv16) {
		dst[(u64)entry * n + w] = floatToBits(p.src[from + w]);
		return;
	}
	u32 x = toHalf(p.src[from + 2u * w]);
	if (2u * w + 1u < p.dim) x |= toHalf(p.src[from + 2u * w + 1u]) << 16;
	dst[(u64)entry * n + w] = x;
}

struct MixArgs {
	Floats dst, src, weight;
	u32 rows, width, used;
};

// mix is dst[r] += Σ_u weight[r][u] · src[r·used + u], in the order of u.
KERNEL(mix, MixArgs, 64) {
	const u32 i = INDEX;
	if (i >= p.rows * p.width) return;
	const u32 r = i / p.width, c = i % p.width;
	float y = 0.0f;
	for (u32 u = 0; u < p.used; u++) y = fma_(p.weight[r * p.used + u], p.src[(u64)(r * p.used + u) * p.width + c], y);
	p.dst[i] = p.dst[i] + y;
}

struct PeakArgs {
	Floats dst;
	u32 rounds;
	float a, b;
};

// peak does nothing but multiply-adds, to measure what the device can do: 16
// independent chains of 4·rounds per thread.
KERNEL(peak, PeakArgs, 64) {
	float x[16];
	for (u32 i = 0; i < 16u; i++) x[i] = (float)(INDEX + i) * 1e-9f;
	for (u32 r = 0; r < p.rounds; r++)
#pragma unroll
		for (u32 k = 0; k < 4u; k++)
#pragma unroll
			for (u32 i = 0; i < 16u; i++) x[i] = fma_(x[i], p.a, p.b);
	float s = 0.0f;
	for (u32 i = 0; i < 16u; i++) s += x[i];
	p.dst[INDEX] = s;
}
