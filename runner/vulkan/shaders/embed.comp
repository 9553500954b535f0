#version 460
// Rows of a table, multiplied by scale: four elements per invocation.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const uint FORMAT = 0;
#include "unpack.glsl"

layout(push_constant) uniform Push {
	Words table, ids;
	Floats dst;
	uint count, cols, rowBytes;
	uint first, rows; // the ids in this part of the table
	float scale;
};

void main() {
	const uint quads = (cols + 3u) / 4u, i = index();
	if (i >= count * quads) return;
	const uint r = i / quads, k = (i % quads) * 4u, id = ids.at[r];
	if (id < first || id - first >= rows) return;
	const vec4 v = unpack4(table, (id - first) * rowBytes, k, cols);
	[[unroll]] for (uint j = 0u; j < 4u; j++)
		if (k + j < cols) dst.at[r * cols + k + j] = v[j] * scale;
}
