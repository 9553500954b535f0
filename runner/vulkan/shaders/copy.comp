#version 460
// dst[r] = src[rows[r]][from … from+width): Gather, and Split where rows is absent.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(push_constant) uniform Push {
	Floats dst, src;
	Words rows;
	uint count, width, stride, from;
};

void main() {
	const uint i = index();
	if (i >= count * width) return;
	const uint r = i / width;
	dst.at[i] = src.at[(ABSENT(rows) ? r : rows.at[r]) * stride + from + i % width];
}
