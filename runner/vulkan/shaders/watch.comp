#version 460
// The whole softmaxed attention row of one watched position and head, by the
// definition: maximum, exponentials, sum. One workgroup per row and head.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const bool KV16 = false;
layout(constant_id = 2) const uint D = 64;
layout(constant_id = 3) const bool CAPPED = false;
#include "cache.glsl"
#include "span.glsl"

layout(push_constant) uniform Push {
	Heads heads;
	Floats q, dst; // dst [watched × heads × stride]
	Words rows, lows;
	Floats sinks; // [heads] logits that take part in the softmax; absent: none
	uint n, kvHeads, group, window, stride;
	float scale, cap;
};

const uint THREADS = 64;
shared float qs[D];
shared float parts[THREADS];

float tanh_(float x) { return 1.0 - 2.0 / (exp(min(2.0 * x, 80.0)) + 1.0); }

void main() {
	const uint t = gl_LocalInvocationID.x, r = rows.at[gl_WorkGroupID.x], h = gl_WorkGroupID.y, kvHead = h / group;
	const Head head = heads.at[kvHead];
	Words keys = Words(head.keys);
	const uint high = highOf(head.entries, n, r), low = lowOf(lows, kvHeads, kvHead, r, high, window);
	const uint out0 = (gl_WorkGroupID.x * kvHeads * group + h) * stride;
	for (uint d = t; d < D; d += THREADS) qs[d] = q.at[(r * kvHeads * group + h) * D + d] * scale;
	barrier();

	float m = -3.0e38;
	for (uint e = low + t; e < high; e += THREADS) {
		float s = 0.0;
		for (uint d = 0u; d < D; d++) s = fma(qs[d], element(keys, e, D, d), s);
		if (CAPPED) s = cap * tanh_(s / cap);
		dst.at[out0 + e - low] = s;
		m = max(m, s);
	}
	parts[t] = m;
	barrier();
	for (uint k = THREADS / 2u; k > 0u; k /= 2u) {
		if (t < k) parts[t] = max(parts[t], parts[t + k]);
		barrier();
	}
	m = parts[0];
	barrier();
	float sum = 0.0;
	for (uint e = low + t; e < high; e += THREADS) {
		const float p = exp(dst.at[out0 + e - low] - m);
		dst.at[out0 + e - low] = p;
		sum += p;
	}
	parts[t] = sum;
	barrier();
	for (uint k = THREADS / 2u; k > 0u; k /= 2u) {
		if (t < k) parts[t] += parts[t + k];
		barrier();
	}
	sum = parts[0];
	if (!ABSENT(sinks)) sum += exp(sinks.at[h] - m);
	for (uint e = low + t; e < high; e += THREADS) dst.at[out0 + e - low] /= sum;
}
