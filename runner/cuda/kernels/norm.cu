// RMSNorm or LayerNorm of slices of width elements, a group per slice. dst may be src.
#include "kernel.h"

struct NormArgs {
	Floats src, dst, weight, bias;
	u32 slices, width;
	u32 period; // slices until weight and bias begin anew
	float eps;
};

SHARED(float, sums, 64);

// total adds the threads' numbers in an order that is always the same.
DEVICE float total(float x) {
	const u32 t = THREAD;
	sums[t] = x;
	BARRIER();
	for (u32 n = 32; n > 0u; n /= 2u) {
		if (t < n) sums[t] = sums[t] + sums[t + n];
		BARRIER();
	}
	const float s = sums[0];
	BARRIER();
	return s;
}

KERNEL(norm, NormArgs, 64) {
	const u32 slice = GROUP_Y * GROUPS_X + GROUP_X;
	if (slice >= p.slices) return;
	const u32 t = THREAD, part = slice % p.period * p.width;
	const u64 at = (u64)slice * p.width;
	float mean = 0.0f;
	if (CONSTANT(2) != 0u) {
		float s = 0.0f;
		for (u32 i = t; i < p.width; i += 64u) s += p.src[at + i];
		mean = total(s) / (float)p.width;
	}
	float s = 0.0f;
	for (u32 i = t; i < p.width; i += 64u) {
		const float d = p.src[at + i] - mean;
		s = fma_(d, d, s);
	}
	const float inv = 1.0f / sqrt_(total(s) / (float)p.width + p.eps);
	for (u32 i = t; i < p.width; i += 64u) {
		float y = (p.src[at + i] - mean) * inv;
		if (!ABSENT(p.weight)) y = y * p.weight[part + i];
		if (!ABSENT(p.bias)) y = y + p.bias[part + i];
		p.dst[at + i] = y;
	}
}
