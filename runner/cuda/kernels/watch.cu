// Whole attention rows of watched positions, and their largest weights.
#include "cache.h"

struct WatchArgs {
	Words heads;
	Floats q, dst; // dst [watched × heads × stride]
	Words rows, lows;
	Floats sinks; // [heads] logits that take part in the softmax; absent: none
	u32 n, kvHeads, group, window, stride;
	float scale, cap;
};

SHARED(float, qs, 256);
SHARED(float, parts, 64);

// watch is the softmaxed row of one position and head by the definition:
// maximum, exponentials, sum. A group per row and head.
KERNEL(watch, WatchArgs, 64) {
	const bool kv16 = CONSTANT(1) != 0u, capped = CONSTANT(3) != 0u;
	const u32 dim = CONSTANT(2);
	const u32 t = THREAD, r = p.rows[GROUP_X], h = GROUP_Y, kvHead = h / p.group;
	Words keys = pointer(p.heads, kvHead, 0);
	const u32 high = highOf(entriesOf(p.heads, kvHead), p.n, r), low = lowOf(p.lows, p.kvHeads, kvHead, r, high, p.window);
	const u64 out0 = (u64)(GROUP_X * p.kvHeads * p.group + h) * p.stride;
	for (u32 d = t; d < dim; d += 64u) qs[d] = p.q[(u64)(r * p.kvHeads * p.group + h) * dim + d] * p.scale;
	BARRIER();

	float m = -3.0e38f;
	for (u32 e = low + t; e < high; e += 64u) {
		float s = 0.0f;
		for (u32 d = 0; d < dim; d++) s = fma_(qs[d], element(kv16, keys, e, dim, d), s);
		if (capped) s = p.cap * tanh_(s / p.cap);
		p.dst[out0 + e - low] = s;
		m = max_(m, s);
	}
	parts[t] = m;
	BARRIER();
	for (u32 k = 32; k > 0u; k /= 2u) {
		if (t < k) parts[t] = max_(parts[t], parts[t + k]);
		BARRIER();
	}
	m = parts[0];
	BARRIER();
	float sum = 0.0f;
	for (u32 e = low + t; e < high; e += 64u) {
		const float x = exp_(p.dst[out0 + e - low] - m);
		p.dst[out0 + e - low] = x;
		sum += x;
	}
	parts[t] = sum;
	BARRIER();
	for (u32 k = 32; k > 0u; k /= 2u) {
		if (t < k) parts[t] = parts[t] + parts[t + k];
		BARRIER();
	}
	sum = parts[0];
	if (!ABSENT(p.sinks)) sum += exp_(p.sinks[h] - m);
	for (u32 e = low + t; e < high; e += 64u) p.dst[out0 + e - low] = p.dst[out0 + e - low] / sum;
}

struct TopArgs {
	Words heads;
	Floats src; // [watched × heads × stride]
	Words dst;  // [watched × heads × k × 2]
	Words rows, lows;
	u32 n, kvHeads, group, window, stride, k;
};

#define NONE 0xffffffffu
SHARED(u32, entries, 64);

// top gives the k largest weights of each watched row, the largest first, of
// equal ones the lower entry first; NaN is never among them. A group per row
// and head. dst holds pairs of entry and weight; where the row has fewer than
// k, the entry is ~0.
KERNEL(top, TopArgs, 64) {
	const u32 t = THREAD, r = p.rows[GROUP_X], h = GROUP_Y, kvHead = h / p.group;
	const u32 high = highOf(entriesOf(p.heads, kvHead), p.n, r), low = lowOf(p.lows, p.kvHeads, kvHead, r, high, p.window);
	const u32 row = GROUP_X * p.kvHeads * p.group + h, length = high - low;
	// A thread looks after every 64th weight: its own largest one that is not
	// taken yet lies in shared memory.
	float last = 3.0e38f;
	u32 at = NONE;
	bool stale = true;
	for (u32 i = 0; i < p.k; i++) {
		if (stale) {
			float best = -1.0f;
			u32 where = NONE;
			for (u32 e = t; e < length; e += 64u) {
				const float w = p.src[(u64)row * p.stride + e];
				if ((w < last || (w == last && e > at)) && w > best) {
					best = w;
					where = e;
				}
			}
			parts[t] = best;
			entries[t] = where;
		}
		BARRIER();
		float best = parts[0];
		u32 where = entries[0];
		for (u32 j = 1; j < 64u; j++) {
			const float w = parts[j];
			const u32 e = entries[j];
			if (w > best || (w == best && e < where)) {
				best = w;
				where = e;
			}
		}
		stale = where != NONE && where % 64u == t;
		if (stale) {
			last = best;
			at = where;
		}
		if (t == 0u) {
			p.dst[(row * p.k + i) * 2u] = where;
			p.dst[(row * p.k + i) * 2u + 1u] = floatToBits(best);
		}
		BARRIER();
	}
}
