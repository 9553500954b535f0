#version 460
// dst[r] += Σ_u weight[r][u] · src[r·used + u], in the order of u.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(push_constant) uniform Push {
	Floats dst, src, weight;
	uint rows, width, used;
};

void main() {
	const uint i = index();
	if (i >= rows * width) return;
	const uint r = i / width, c = i % width;
	float y = 0.0;
	for (uint u = 0u; u < used; u++) y = fma(weight.at[r * used + u], src.at[(r * used + u) * width + c], y);
	dst.at[i] += y;
}
