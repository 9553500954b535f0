#version 460
// The top experts of each row and their weights. One row per invocation; ties
// go to the lower expert.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(push_constant) uniform Push {
	Floats logits; // [rows × count]; chosen ones are overwritten
	Words pick;    // [rows × used]
	Floats weight; // [rows × used]
	uint rows, count, used, normaliseTop;
};

void main() {
	const uint r = index();
	if (r >= rows) return;
	float top = -3.0e38;
	for (uint e = 0u; e < count; e++) top = max(top, logits.at[r * count + e]);
	float sum = 0.0;
	for (uint e = 0u; e < count; e++) sum += exp(logits.at[r * count + e] - top);
	float chosen = 0.0;
	for (uint u = 0u; u < used; u++) {
		uint best = 0u;
		float at = -3.3e38;
		for (uint e = 0u; e < count; e++) {
			const float x = logits.at[r * count + e];
			if (x > at) {
				best = e;
				at = x;
			}
		}
		logits.at[r * count + best] = -3.4e38;
		pick.at[r * used + u] = best;
		const float p = exp(at - top);
		weight.at[r * used + u] = p;
		chosen += p;
	}
	for (uint u = 0u; u < used; u++) weight.at[r * used + u] /= normaliseTop != 0u ? chosen : sum;
}
