// softmax(scale·q·kᵀ)·v over the cache, without ever holding a row of weights:
// a group takes BQ queries (rows × heads of one KV head's group) through the
// keys in tiles of T entries, keeping each query's maximum, sum and output
// (online softmax; Dao et al., arXiv 2205.14135, algorithm 1). Tiles start at
// multiples of T of the entry's index, and one that a query does not see leaves
// its numbers as they are, so a row does not depend on its neighbours.
#include "cache.h"

struct AttendArgs {
	Words heads;
	Floats q, dst;
	Words rows;   // batch rows to compute; absent: all
	Words lows;
	Words muted;  // [heads] 1: output zero; absent: none
	Floats sinks; // [heads] logits that take part in the softmax; absent: none
	u32 count;    // rows to compute
	u32 n;        // rows of the step
	u32 kvHeads, group, window;
	float scale, cap;
};

#define N 64u          // threads
#define T 32u          // keys per tile
#define C 32u          // dimensions of keys and values in shared memory at once
#define NONE (-3.0e38f) // stands for −∞

SHARED(float, qs, 16 * 257);
SHARED(float, kv, T * (C + 1));
SHARED(float, ps, 16 * (T + 1));
SHARED(float, top, 16);
SHARED(float, sum, 16);
SHARED(float, shrink, 16);

// attend takes values of at most CHUNKS·C dimensions.
template <u32 BQ, u32 CHUNKS> DEVICE void attend(const AttendArgs &p) {
	const u32 RS = BQ / 8u; // scores: a thread has RS queries × 4 keys
	const u32 RO = BQ / 2u; // output: RO queries × one column of each chunk
	const bool kv16 = CONSTANT(1) != 0u, capped = CONSTANT(5) != 0u;
	const u32 D = CONSTANT(2), DV = CONSTANT(3), DP = (D + C - 1u) / C * C;
	const u32 t = THREAD, kvHead = GROUP_Y, q0 = GROUP_X * BQ;
	const u32 queries = p.count * p.group, end = minu(q0 + BQ, queries) - 1u;
	const u32 length = entriesOf(p.heads, kvHead);
	Words keys = pointer(p.heads, kvHead, 0), values = pointer(p.heads, kvHead, 1);

#pragma unroll 1
	for (u32 i = t; i < BQ * DP; i += N) {
		const u32 qi = q0 + i / DP, d = i % DP;
		float v = 0.0f;
		if (qi < queries && d < D) {
			const u32 r = ABSENT(p.rows) ? qi / p.group : (u32)p.rows[qi / p.group];
			v = p.q[(u64)(r * p.kvHeads * p.group + kvHead * p.group + qi % p.group) * D + d] * p.scale;
		}
		qs[i / DP * (DP + 1u) + d] = v;
	}
	if (t < BQ) {
		top[t] = NONE;
		sum[t] = 0.0f;
	}
	const u32 firstRow = ABSENT(p.rows) ? q0 / p.group : (u32)p.rows[q0 / p.group];
	const u32 lastRow = ABSENT(p.rows) ? end / p.group : (u32)p.rows[end / p.group];
	const u32 low0 = lowOf(p.lows, p.kvHeads, kvHead, firstRow, highOf(length, p.n, firstRow), p.window);
	const u32 high1 = highOf(length, p.n, lastRow);

	float acc[CHUNKS * RO];
#pragma unroll
	for (u32 i = 0; i < CHUNKS * RO; i++) acc[i] = 0.0f;
	const u32 sk = t % 8u, sq = t / 8u; // scores: keys sk + 8j, queries sq + 8i
	const u32 oc = t % C, oq = t / C;   // output: column oc of each chunk, queries oq + 2i

	for (u32 e0 = low0 / T * T; e0 < high1; e0 += T) {
		float s[RS * 4];
#pragma unroll
		for (u32 i = 0; i < RS * 4u; i++) s[i] = 0.0f;
		for (u32 d0 = 0; d0 < D; d0 += C) {
			BARRIER();
#pragma unroll 1
			for (u32 i = t; i < T * C; i += N) {
				const u32 e = e0 + i / C, d = d0 + i % C;
				kv[i / C * (C + 1u) + i % C] = e < high1 && d < D ? element(kv16, keys, e, D, d) : 0.0f;
			}
			BARRIER();
#pragma unroll 4
			for (u32 d = 0; d < C; d++) {
				float a[RS], b[4];
#pragma unroll
				for (u32 i = 0; i < RS; i++) a[i] = qs[(sq + 8u * i) * (DP + 1u) + d0 + d];
#pragma unroll
				for (u32 j = 0; j < 4u; j++) b[j] = kv[(sk + 8u * j) * (C + 1u) + d];
#pragma unroll
				for (u32 i = 0; i < RS; i++)
#pragma unroll
					for (u32 j = 0; j < 4u; j++) s[i * 4u + j] = fma_(a[i], b[j], s[i * 4u + j]);
			}
		}
#pragma unroll
		for (u32 i = 0; i < RS; i++)
#pragma unroll
			for (u32 j = 0; j < 4u; j++) {
				float x = s[i * 4u + j];
				if (capped) x = p.cap * tanh_(x / p.cap);
				ps[(sq + 8u * i) * (T + 1u) + sk + 8u * j] = x;
			}
		BARRIER();
		if (t < BQ) {
			const u32 qi = q0 + t, at = t * (T + 1u);
			float m = top[t];
			u32 low = 0, high = 0;
			if (qi < queries) {
				const u32 r = ABSENT(p.rows) ? qi / p.group : (u32)p.rows[qi / p.group];
				high = highOf(length, p.n, r);
				low = lowOf(p.lows, p.kvHeads, kvHead, r, high, p.window);
			}
			// Of the tile, entries [a, b) are seen.
			const u32 a = low <= e0 ? 0u : minu(low - e0, T), b = high <= e0 ? 0u : minu(high - e0, T);
#pragma unroll 1
			for (u32 j = a; j < b; j++) m = max_(m, ps[at + j]);
			const float f = top[t] == NONE ? 0.0f : exp_(top[t] - m);
			float total = sum[t] * f;
#pragma unroll 1
			for (u32 j = 0; j < T; j++) {
				const float x = j >= a && j < b ? exp_(ps[at + j] - m) : 0.0f;
				ps[at + j] = x;
				total = total + x;
			}
			if (a < b) {
				top[t] = m;
				sum[t] = total;
				shrink[t] = f;
			} else {
				shrink[t] = 1.0f;
			}
		}
		BARRIER();
#pragma unroll
		for (u32 c = 0; c < CHUNKS; c++) {
			if (c * C >= DV) break;
			if (c > 0u) BARRIER();
#pragma unroll 1
			for (u32 i = t; i < T * C; i += N) {
				const u32 e = e0 + i / C, d = c * C + i % C;
				kv[i / C * (C + 1u) + i % C] = e < high1 && d < DV ? element(kv16, values, e, DV, d) : 0.0f;
			}
			BARRIER();
#pragma unroll
			for (u32 i = 0; i < RO; i++) acc[c * RO + i] *= shrink[oq + 2u * i];
#pragma unroll 4
			for (u32 j = 0; j < T; j++) {
				const float v = kv[j * (C + 1u) + oc];
#pragma unroll
				for (u32 i = 0; i < RO; i++) acc[c * RO + i] = fma_(ps[(oq + 2u * i) * (T + 1u) + j], v, acc[c * RO + i]);
			}
		}
	}

#pragma unroll
	for (u32 c = 0; c < CHUNKS; c++)
#pragma unroll
		for (u32 i = 0; i < RO; i++) {
			const u32 qi = q0 + oq + 2u * i, d = c * C + oc;
			if (qi >= queries || d >= DV) continue;
			const u32 h = kvHead * p.group + qi % p.group;
			float all = sum[oq + 2u * i];
			if (!ABSENT(p.sinks)) all += exp_(p.sinks[h] - top[oq + 2u * i]);
			float y = acc[c * RO + i] / all;
			if (!ABSENT(p.muted) && p.muted[h] != 0u) y = 0.0f;
			p.dst[(u64)(qi / p.group * p.kvHeads * p.group + h) * DV + d] = y + 0.0f;
		}
}

// The suffix is the number of queries and of chunks of values.
KERNEL(attend_16_2, AttendArgs, 64) { attend<16, 2>(p); }
KERNEL(attend_16_4, AttendArgs, 64) { attend<16, 4>(p); }
KERNEL(attend_16_8, AttendArgs, 64) { attend<16, 8>(p); }
KERNEL(attend_8_2, AttendArgs, 64) { attend<8, 2>(p); }
KERNEL(attend_8_4, AttendArgs, 64) { attend<8, 4>(p); }
KERNEL(attend_8_8, AttendArgs, 64) { attend<8, 8>(p); }
