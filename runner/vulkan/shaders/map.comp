#version 460
// Element by element: dst = f(dst or a, b).
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const uint OP = 0; // 0 add, 1 scale, 2 soft cap, 3 gate, 4 clamped gate (gpt-oss)
layout(constant_id = 2) const uint ACT = 0; // 0 SiLU, 1 GELU by tanh, 2 GELU, 3 sigmoid, 4 none

layout(push_constant) uniform Push {
	Floats dst, a, b;
	uint count;
	uint share; // gate: elements of b that one element of a weighs
	float s, t;
};

// tanh without overflow.
float tanh_(float x) { return 1.0 - 2.0 / (exp(min(2.0 * x, 80.0)) + 1.0); }

// erf by formula 7.1.26 of Abramowitz and Stegun; its error is below 1.5e-7.
float erf_(float x) {
	const float t = 1.0 / fma(0.3275911, abs(x), 1.0);
	const float p = t * fma(t, fma(t, fma(t, fma(t, 1.061405429, -1.453152027), 1.421413741), -0.284496736), 0.254829592);
	return sign(x) * (1.0 - p * exp(-x * x));
}

float activate(float x) {
	if (ACT == 4u) return x;
	if (ACT == 1u) return x / (1.0 + exp(min(-1.5957691216057308 * fma(0.044715 * x * x, x, x), 80.0)));
	if (ACT == 2u) return 0.5 * x * (1.0 + erf_(x * 0.7071067811865476));
	const float g = 1.0 / (1.0 + exp(min(-x, 80.0)));
	return ACT == 3u ? g : x * g;
}

void main() {
	const uint i = index();
	if (i >= count) return;
	if (OP == 0u) {
		dst.at[i] = dst.at[i] + a.at[i];
	} else if (OP == 1u) {
		dst.at[i] = dst.at[i] * s;
	} else if (OP == 2u) {
		dst.at[i] = s * tanh_(dst.at[i] / s);
	} else if (OP == 4u) {
		const float g = min(a.at[i], s), u = clamp(b.at[i], -s, s);
		dst.at[i] = g / (1.0 + exp(min(-t * g, 80.0))) * (u + 1.0);
	} else {
		float y = activate(a.at[i / share]);
		if (!ABSENT(b)) y *= b.at[i];
		dst.at[i] = y;
	}
}
