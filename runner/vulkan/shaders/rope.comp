#version 460
// Rotates the pairs of each head in place by angles whose cosine and sine the
// host has worked out: [rows × dims/2] pairs.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const bool INTERLEAVED = false;

layout(push_constant) uniform Push {
	Floats x, turn;
	uint rows, heads, dim, dims;
};

void main() {
	const uint pairs = dims / 2u, i = index();
	if (i >= rows * heads * pairs) return;
	const uint p = i % pairs, h = (i / pairs) % heads, r = i / (pairs * heads);
	const uint at = (r * heads + h) * dim;
	const uint a = at + (INTERLEAVED ? 2u * p : p), b = at + (INTERLEAVED ? 2u * p + 1u : p + pairs);
	const float c = turn.at[(r * pairs + p) * 2u], s = turn.at[(r * pairs + p) * 2u + 1u];
	const float u = x.at[a], v = x.at[b];
	precise float y = u * c - v * s, z = v * c + u * s;
	x.at[a] = y;
	x.at[b] = z;
}
