#version 460
// The k largest weights of each watched attention row, the largest first, of
// equal ones the lower entry first; NaN is never among them. One workgroup per
// row and head. dst holds pairs of entry and weight; where the row has fewer
// than k, the entry is ~0.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const bool KV16 = false;
#include "cache.glsl"
#include "span.glsl"

layout(push_constant) uniform Push {
	Heads heads;
	Floats src; // [watched × heads × stride]
	Words dst;  // [watched × heads × k × 2]
	Words rows, lows;
	uint n, kvHeads, group, window, stride, k;
};

const uint THREADS = 64;
const uint NONE = 0xffffffffu;
shared float weights[THREADS];
shared uint entries[THREADS];

// before reports whether weight a of entry i comes before weight b of entry j.
bool before(float a, uint i, float b, uint j) { return a > b || a == b && i < j; }

void main() {
	const uint t = gl_LocalInvocationID.x, r = rows.at[gl_WorkGroupID.x], h = gl_WorkGroupID.y, kvHead = h / group;
	const uint high = highOf(heads.at[kvHead].entries, n, r), low = lowOf(lows, kvHeads, kvHead, r, high, window);
	const uint row = gl_WorkGroupID.x * kvHeads * group + h, length = high - low;
	// An invocation looks after every 64th weight: its own largest one that is
	// not taken yet lies in shared memory.
	float last = 3.0e38;
	uint at = NONE;
	bool stale = true;
	for (uint i = 0u; i < k; i++) {
		if (stale) {
			float best = -1.0;
			uint where_ = NONE;
			for (uint e = t; e < length; e += THREADS) {
				const float w = src.at[row * stride + e];
				if ((w < last || w == last && e > at) && w > best) {
					best = w;
					where_ = e;
				}
			}
			weights[t] = best;
			entries[t] = where_;
		}
		barrier();
		float best = weights[0];
		uint where_ = entries[0];
		for (uint j = 1u; j < THREADS; j++)
			if (before(weights[j], entries[j], best, where_)) {
				best = weights[j];
				where_ = entries[j];
			}
		stale = where_ != NONE && where_ % THREADS == t;
		if (stale) {
			last = best;
			at = where_;
		}
		if (t == 0u) {
			dst.at[(row * k + i) * 2u] = where_;
			dst.at[(row * k + i) * 2u + 1u] = floatBitsToUint(best);
		}
		barrier();
	}
}
