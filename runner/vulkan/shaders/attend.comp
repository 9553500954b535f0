#version 460
// softmax(scale·q·kᵀ)·v over the cache, without ever holding a row of weights:
// a workgroup takes BQ queries (rows × heads of one KV head's group) through
// the keys in tiles of T entries, keeping each query's maximum, sum and output
// (online softmax; Dao et al., arXiv 2205.14135, algorithm 1). Tiles start at
// multiples of T of the entry's index, and one that a query does not see leaves
// its numbers as they are, so a row does not depend on its neighbours.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const bool KV16 = false;
layout(constant_id = 2) const uint D = 64;  // of queries and keys
layout(constant_id = 3) const uint DV = 64; // of values
layout(constant_id = 4) const uint BQ = 16;
layout(constant_id = 5) const bool CAPPED = false;
#include "cache.glsl"
#include "span.glsl"

layout(push_constant) uniform Push {
	Heads heads;
	Floats q, dst;
	Words rows;  // batch rows to compute; absent: all
	Words lows;
	Words muted; // [heads] 1: output zero; absent: none
	Floats sinks; // [heads] logits that take part in the softmax; absent: none
	uint count;  // rows to compute
	uint n;      // rows of the step
	uint kvHeads, group, window;
	float scale, cap;
};

const uint THREADS = 64; // local_size_x
const uint T = 32;       // keys per tile
const uint C = 32;       // dimensions of keys and values in shared memory at once
const uint DP = (D + C - 1) / C * C;
const uint CHUNKS = (DV + C - 1) / C;
const uint RS = BQ / 8;           // scores: an invocation has RS queries × 4 keys
const uint RO = BQ / 2;           // output: RO queries × one column of each chunk
const float NONE = -3.0e38;       // stands for −∞

shared float qs[BQ * (DP + 1)];
shared float kv[T * (C + 1)];
shared float ps[BQ * (T + 1)];
shared float top[BQ], sum[BQ], shrink[BQ];

float tanh_(float x) { return 1.0 - 2.0 / (exp(min(2.0 * x, 80.0)) + 1.0); }

void main() {
	const uint t = gl_LocalInvocationID.x, kvHead = gl_WorkGroupID.y, q0 = gl_WorkGroupID.x * BQ;
	const uint queries = count * group, end = min(q0 + BQ, queries) - 1u;
	const Head head = heads.at[kvHead];
	Words keys = Words(head.keys), values = Words(head.values);

	for (uint i = t; i < BQ * DP; i += THREADS) {
		const uint qi = q0 + i / DP, d = i % DP;
		float v = 0.0;
		if (qi < queries && d < D) {
			const uint r = ABSENT(rows) ? qi / group : rows.at[qi / group];
			v = q.at[(r * kvHeads * group + kvHead * group + qi % group) * D + d] * scale;
		}
		qs[i / DP * (DP + 1u) + d] = v;
	}
	if (t < BQ) {
		top[t] = NONE;
		sum[t] = 0.0;
	}
	const uint firstRow = ABSENT(rows) ? q0 / group : rows.at[q0 / group];
	const uint lastRow = ABSENT(rows) ? end / group : rows.at[end / group];
	const uint low0 = lowOf(lows, kvHeads, kvHead, firstRow, highOf(head.entries, n, firstRow), window);
	const uint high1 = highOf(head.entries, n, lastRow);

	float acc[CHUNKS * RO];
	[[unroll]] for (uint i = 0u; i < CHUNKS * RO; i++) acc[i] = 0.0;
	const uint sk = t % 8u, sq = t / 8u; // scores: keys sk + 8j, queries sq + 8i
	const uint oc = t % C, oq = t / C;   // output: column oc of each chunk, queries oq + 2i

	for (uint e0 = low0 / T * T; e0 < high1; e0 += T) {
		float s[RS * 4];
		[[unroll]] for (uint i = 0u; i < RS * 4u; i++) s[i] = 0.0;
		for (uint d0 = 0u; d0 < D; d0 += C) {
			barrier();
			for (uint i = t; i < T * C; i += THREADS) {
				const uint e = e0 + i / C, d = d0 + i % C;
				kv[i / C * (C + 1u) + i % C] = e < high1 && d < D ? element(keys, e, D, d) : 0.0;
			}
			barrier();
			for (uint d = 0u; d < C; d++) {
				float a[RS], b[4];
				[[unroll]] for (uint i = 0u; i < RS; i++) a[i] = qs[(sq + 8u * i) * (DP + 1u) + d0 + d];
				[[unroll]] for (uint j = 0u; j < 4u; j++) b[j] = kv[(sk + 8u * j) * (C + 1u) + d];
				[[unroll]] for (uint i = 0u; i < RS; i++)
					[[unroll]] for (uint j = 0u; j < 4u; j++) s[i * 4u + j] = fma(a[i], b[j], s[i * 4u + j]);
			}
		}
		[[unroll]] for (uint i = 0u; i < RS; i++)
			[[unroll]] for (uint j = 0u; j < 4u; j++) {
				float x = s[i * 4u + j];
				if (CAPPED) x = cap * tanh_(x / cap);
				ps[(sq + 8u * i) * (T + 1u) + sk + 8u * j] = x;
			}
		barrier();
		if (t < BQ) {
			const uint qi = q0 + t, at = t * (T + 1u);
			float m = top[t], l = sum[t];
			uint low = 0u, high = 0u;
			if (qi < queries) {
				const uint r = ABSENT(rows) ? qi / group : rows.at[qi / group];
				high = highOf(head.entries, n, r);
				low = lowOf(lows, kvHeads, kvHead, r, high, window);
			}
			// Of the tile, entries [a, b) are seen.
			const uint a = low <= e0 ? 0u : min(low - e0, T), b = high <= e0 ? 0u : min(high - e0, T);
			for (uint j = a; j < b; j++) m = max(m, ps[at + j]);
			const float f = top[t] == NONE ? 0.0 : exp(top[t] - m);
			precise float total = l * f;
			for (uint j = 0u; j < T; j++) {
				const float p = j >= a && j < b ? exp(ps[at + j] - m) : 0.0;
				ps[at + j] = p;
				total = total + p;
			}
			if (a < b) {
				top[t] = m;
				sum[t] = total;
				shrink[t] = f;
			} else {
				shrink[t] = 1.0;
			}
		}
		barrier();
		[[unroll]] for (uint c = 0u; c < CHUNKS; c++) {
			if (c > 0u) barrier();
			for (uint i = t; i < T * C; i += THREADS) {
				const uint e = e0 + i / C, d = c * C + i % C;
				kv[i / C * (C + 1u) + i % C] = e < high1 && d < DV ? element(values, e, DV, d) : 0.0;
			}
			barrier();
			[[unroll]] for (uint i = 0u; i < RO; i++) acc[c * RO + i] *= shrink[oq + 2u * i];
			for (uint j = 0u; j < T; j++) {
				const float v = kv[j * (C + 1u) + oc];
				[[unroll]] for (uint i = 0u; i < RO; i++) acc[c * RO + i] = fma(ps[(oq + 2u * i) * (T + 1u) + j], v, acc[c * RO + i]);
			}
		}
	}

	[[unroll]] for (uint c = 0u; c < CHUNKS; c++)
		[[unroll]] for (uint i = 0u; i < RO; i++) {
			const uint qi = q0 + oq + 2u * i, d = c * C + oc;
			if (qi >= queries || d >= DV) continue;
			const uint h = kvHead * group + qi % group;
			float all = sum[oq + 2u * i];
			if (!ABSENT(sinks)) all += exp(sinks.at[h] - top[oq + 2u * i]);
			float y = acc[c * RO + i] / all;
			if (!ABSENT(muted) && muted.at[h] != 0u) y = 0.0;
			dst.at[(qi / group * kvHeads * group + h) * DV + d] = y + 0.0;
		}
}
