// The top experts of each row and their weights, a row per thread; ties go to
// the lower expert.
#include "kernel.h"

struct RouteArgs {
	Floats logits; // [rows × count]; chosen ones are overwritten
	Words pick;    // [rows × used]
	Floats weight; // [rows × used]
	Floats selection; // [count] added for the choice alone; absent: none
	u32 rows, count, used, normaliseTop;
	u32 sigmoid;            // shares are σ(logit), not a softmax
	u32 groups, usedGroups; // of at most 32; 1: none
	float scale;            // of shares
	Floats each;            // [count] of each expert's share; absent: none
};

#define TAKEN (-3.4e38f)

DEVICE float sigmoid_(float x) { return 1.0f / (1.0f + exp_(min_(-x, 80.0f))); }

// choice is what expert e of row r is chosen by.
DEVICE float choice(const RouteArgs &p, u32 r, u32 e) {
	const float x = p.logits[r * p.count + e];
	if (x <= -3.3e38f) return TAKEN;
	const float y = p.sigmoid != 0u ? sigmoid_(x) : x;
	return ABSENT(p.selection) ? y : y + p.selection[e];
}

// open gives the groups whose two best experts sum highest, one bit each.
DEVICE u32 open(const RouteArgs &p, u32 r) {
	if (p.groups <= 1u) return 0xffffffffu;
	const u32 size = p.count / p.groups;
	u32 found = 0;
	for (u32 u = 0; u < p.usedGroups; u++) {
		u32 best = 0;
		float at = TAKEN;
		for (u32 g = 0; g < p.groups; g++) {
			if ((found >> g & 1u) != 0u) continue;
			float first = TAKEN, second = TAKEN;
			for (u32 e = g * size; e < (g + 1u) * size; e++) {
				const float x = choice(p, r, e);
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

KERNEL(route, RouteArgs, 64) {
	const u32 r = INDEX;
	if (r >= p.rows) return;
	float top = -3.0e38f;
	for (u32 e = 0; e < p.count; e++) top = max_(top, p.logits[r * p.count + e]);
	float sum = 0.0f;
	for (u32 e = 0; e < p.count; e++) sum += exp_(p.logits[r * p.count + e] - top);
	const u32 allowed = open(p, r), size = p.count / (p.groups > 1u ? p.groups : 1u);
	float chosen = 0.0f;
	for (u32 u = 0; u < p.used; u++) {
		u32 best = 0;
		float at = -3.3e38f;
		for (u32 e = 0; e < p.count; e++) {
			const float x = choice(p, r, e);
			if (x > at && (p.groups <= 1u || (allowed >> (e / size) & 1u) != 0u)) {
				best = e;
				at = x;
			}
		}
		const float x = p.logits[r * p.count + best];
		p.logits[r * p.count + best] = TAKEN;
		p.pick[r * p.used + u] = best;
		const float share = p.sigmoid != 0u ? sigmoid_(x) : exp_(x - top);
		p.weight[r * p.used + u] = share;
		chosen += share;
	}
	for (u32 u = 0; u < p.used; u++) {
		float share = p.weight[r * p.used + u];
		if (p.normaliseTop != 0u) {
			share = share / chosen;
		} else if (p.sigmoid == 0u) {
			share = share / sum;
		}
		if (p.scale != 1.0f) share = share * p.scale;
		if (!ABSENT(p.each)) share = share * p.each[p.pick[r * p.used + u]];
		p.weight[r * p.used + u] = share;
	}
}
