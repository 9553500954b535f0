#version 460
// Copies chosen entries of one KV head to new storage, word by word.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(push_constant) uniform Push {
	Words dst, src, entries;
	uint count, width; // words of an entry
};

void main() {
	const uint i = index();
	if (i >= count * width) return;
	dst.at[i] = src.at[entries.at[i / width] * width + i % width];
}
