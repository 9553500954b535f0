#version 460
// dst[r][to … to+width) = src[rows[r]][from … from+width): Gather, and Split and
// Join where rows is absent.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(push_constant) uniform Push {
	Floats dst, src;
	Words rows;
	uint count, width, stride, from, pitch, to;
};

void main() {
	const uint i = index();
	if (i >= count * width) return;
	const uint r = i / width;
	dst.at[r * pitch + to + i % width] = src.at[(ABSENT(rows) ? r : rows.at[r]) * stride + from + i % width];
}
