#version 460
// Appends the step's keys (or values) to a layer's cache: one word per invocation.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const bool KV16 = false;
layout(constant_id = 2) const bool VALUES = false;
#include "cache.glsl"

layout(push_constant) uniform Push {
	Heads heads;
	Floats src;
	uint rows, kvHeads, dim;
};

void main() {
	const uint n = words(dim), i = index();
	if (i >= rows * kvHeads * n) return;
	const uint w = i % n, h = (i / n) % kvHeads, r = i / (n * kvHeads);
	const Head head = heads.at[h];
	Words p = Words(VALUES ? head.values : head.keys);
	const uint entry = head.entries - rows + r, from = (r * kvHeads + h) * dim;
	if (!KV16) {
		p.at[entry * n + w] = floatBitsToUint(src.at[from + w]);
		return;
	}
	uint x = toHalf(src.at[from + 2u * w]);
	if (2u * w + 1u < dim) x |= toHalf(src.at[from + 2u * w + 1u]) << 16;
	p.at[entry * n + w] = x;
}
