#version 460
// Nothing but multiply-adds, to measure what the device can do: each
// invocation runs 16 independent chains of 4·rounds.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(push_constant) uniform Push {
	Floats dst;
	uint rounds;
	float a, b;
};

void main() {
	vec4 x[4];
	[[unroll]] for (uint i = 0u; i < 4u; i++) x[i] = vec4(float(index() + i)) * 1e-9;
	for (uint r = 0u; r < rounds; r++)
		[[unroll]] for (uint k = 0u; k < 4u; k++)
			[[unroll]] for (uint i = 0u; i < 4u; i++) x[i] = fma(x[i], vec4(a), vec4(b));
	const vec4 s = x[0] + x[1] + x[2] + x[3];
	dst.at[index()] = s.x + s.y + s.z + s.w;
}
