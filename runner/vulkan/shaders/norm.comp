#version 460
// RMSNorm or LayerNorm of slices of width elements; one workgroup per slice.
// dst may be src.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const uint THREADS = 64;
layout(constant_id = 2) const bool CENTRE = false;

layout(push_constant) uniform Push {
	Floats src, dst, weight, bias;
	uint slices, width;
	uint period; // slices until weight and bias begin anew
	float eps;
};

shared float sums[THREADS];

// total adds the invocations' numbers in an order that is always the same.
float total(float x) {
	const uint t = gl_LocalInvocationID.x;
	sums[t] = x;
	barrier();
	for (uint n = THREADS / 2u; n > 0u; n /= 2u) {
		if (t < n) sums[t] += sums[t + n];
		barrier();
	}
	const float s = sums[0];
	barrier();
	return s;
}

void main() {
	const uint slice = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
	if (slice >= slices) return;
	const uint t = gl_LocalInvocationID.x, at = slice * width, part = (slice % period) * width;
	float mean = 0.0;
	if (CENTRE) {
		float s = 0.0;
		for (uint i = t; i < width; i += THREADS) s += src.at[at + i];
		mean = total(s) / float(width);
	}
	float s = 0.0;
	for (uint i = t; i < width; i += THREADS) {
		const float d = src.at[at + i] - mean;
		s = fma(d, d, s);
	}
	const float inv = 1.0 / sqrt(total(s) / float(width) + eps);
	for (uint i = t; i < width; i += THREADS) {
		float y = (src.at[at + i] - mean) * inv;
		if (!ABSENT(weight)) y *= weight.at[part + i];
		if (!ABSENT(bias)) y += bias.at[part + i];
		dst.at[at + i] = y;
	}
}
