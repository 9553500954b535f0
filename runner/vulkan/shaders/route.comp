#version 460
// The top experts of each row and their weights. One row per invocation; ties
// go to the lower expert.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(push_constant) uniform Push {
	Floats logits; // [rows × count]; chosen ones are overwritten
	Words pick;    // [rows × used]
	Floats weight; // [rows × used]
	Floats selection; // [count] added for the choice alone; absent: none
	uint rows, count, used, normaliseTop;
	uint sigmoid;            // shares are σ(logit), not a softmax
	uint groups, usedGroups; // of at most 32; 1: none
	float scale;             // of shares
	Floats each;             // [count] of each expert's share; absent: none
};

const float TAKEN = -3.4e38;

float sigmoid_(float x) { return 1.0 / (1.0 + exp(min(-x, 80.0))); }

// choice is what expert e of the row at r is chosen by.
float choice(uint r, uint e) {
	const float x = logits.at[r * count + e];
	if (x <= -3.3e38) return TAKEN;
	const float y = sigmoid != 0u ? sigmoid_(x) : x;
	return ABSENT(selection) ? y : y + selection.at[e];
}

// open gives the groups whose two best experts sum highest, one bit each.
uint open(uint r) {
	if (groups <= 1u) return 0xffffffffu;
	const uint size = count / groups;
	uint found = 0u;
	for (uint u = 0u; u < usedGroups; u++) {
		uint best = 0u;
		float at = TAKEN;
		for (uint g = 0u; g < groups; g++) {
			if ((found >> g & 1u) != 0u) continue;
			float first = TAKEN, second = TAKEN;
			for (uint e = g * size; e < (g + 1u) * size; e++) {
				const float x = choice(r, e);
				if (x > first) {
					second = first;
					first = x;
				} else if (x > second) {
					second = x;
				}
			}
			if (first + second > at) {
				best = g;
				at = first + second;
			}
		}
		found |= 1u << best;
	}
	return found;
}

void main() {
	const uint r = index();
	if (r >= rows) return;
	float top = -3.0e38;
	for (uint e = 0u; e < count; e++) top = max(top, logits.at[r * count + e]);
	float sum = 0.0;
	for (uint e = 0u; e < count; e++) sum += exp(logits.at[r * count + e] - top);
	const uint allowed = open(r), size = count / max(groups, 1u);
	float chosen = 0.0;
	for (uint u = 0u; u < used; u++) {
		uint best = 0u;
		float at = -3.3e38;
		for (uint e = 0u; e < count; e++) {
			const float x = choice(r, e);
			if (x > at && (groups <= 1u || (allowed >> (e / size) & 1u) != 0u)) {
				best = e;
				at = x;
			}
		}
		const float x = logits.at[r * count + best];
		logits.at[r * count + best] = TAKEN;
		pick.at[r * used + u] = best;
		const float p = sigmoid != 0u ? sigmoid_(x) : exp(x - top);
		weight.at[r * used + u] = p;
		chosen += p;
	}
	for (uint u = 0u; u < used; u++) {
		float p = weight.at[r * used + u];
		if (normaliseTop != 0u) {
			p /= chosen;
		} else if (sigmoid == 0u) {
			p /= sum;
		}
		if (scale != 1.0) p *= scale;
		weight.at[r * used + u] = ABSENT(each) ? p : p * each.at[pick.at[r * used + u]];
	}
}
