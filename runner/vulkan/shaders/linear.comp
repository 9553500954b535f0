#version 460
// dst = (x·wᵀ + bias)·scale, or dst += that. A workgroup computes a tile of BM
// rows × BN columns, an invocation TM × TN of its elements, each as one chain
// of fused multiply-adds in ascending k: which tile an element lies in changes
// nothing of it.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const uint FORMAT = 0;
layout(constant_id = 2) const uint BM = 32;
layout(constant_id = 3) const uint BN = 64;
layout(constant_id = 4) const uint TM = 4;
layout(constant_id = 5) const uint TN = 4;
layout(constant_id = 6) const bool HALF = false;    // inputs rounded to binary16
layout(constant_id = 7) const bool EXPERTS = false; // BM = 1: each row has its own matrix of a stack
#include "unpack.glsl"

layout(push_constant) uniform Push {
	Words w;
	Floats x, bias, dst;
	Words pick;      // expert of each row
	uint rows, cols; // of x
	uint outs;       // rows of w in this part (of one expert)
	uint rowBytes;   // of w
	uint stride;     // of dst
	uint first;      // dst column of w's row 0
	uint share;      // EXPERTS: consecutive rows of dst that read the same row of x
	uint add;        // dst += rather than dst =
	float scale;
};

const uint BK = 32;
const uint XS = BM + 1, WS = BN + 1;
shared float xs[BK * XS];
shared float ws[BK * WS];

float rounded(float f) { return half_(toHalf(f)); }

void main() {
	const uint t = gl_LocalInvocationID.x, threads = gl_WorkGroupSize.x;
	const uint tn = t % (BN / TN), tm = t / (BN / TN);
	const uint m0 = gl_WorkGroupID.y * BM, n0 = gl_WorkGroupID.x * BN;
	const uint matrix = EXPERTS ? pick.at[m0] * outs : 0u;
	float acc[TM * TN];
	[[unroll]] for (uint i = 0u; i < TM * TN; i++) acc[i] = 0.0;

	for (uint k0 = 0u; k0 < cols; k0 += BK) {
		for (uint i = t; i < BM * BK; i += threads) {
			const uint m = i / BK, k = i % BK;
			float v = 0.0;
			if (m0 + m < rows && k0 + k < cols) v = x.at[(EXPERTS ? (m0 + m) / share : m0 + m) * cols + k0 + k];
			xs[k * XS + m] = HALF ? rounded(v) : v;
		}
		for (uint i = t; i < BN * (BK / 4u); i += threads) {
			const uint n = i / (BK / 4u), k = (i % (BK / 4u)) * 4u;
			vec4 v = vec4(0);
			if (n0 + n < outs) v = unpack4(w, (matrix + n0 + n) * rowBytes, k0 + k, cols);
			[[unroll]] for (uint j = 0u; j < 4u; j++) ws[(k + j) * WS + n] = HALF ? rounded(v[j]) : v[j];
		}
		barrier();
		for (uint ks = 0u; ks < BK; ks += 4u) [[unroll]] for (uint k = ks; k < ks + 4u; k++) {
			float a[TM], b[TN];
			[[unroll]] for (uint i = 0u; i < TM; i++) a[i] = xs[k * XS + tm + i * (BM / TM)];
			[[unroll]] for (uint j = 0u; j < TN; j++) b[j] = ws[k * WS + tn + j * (BN / TN)];
			[[unroll]] for (uint i = 0u; i < TM; i++)
				[[unroll]] for (uint j = 0u; j < TN; j++) acc[i * TN + j] = fma(a[i], b[j], acc[i * TN + j]);
		}
		barrier();
	}

	[[unroll]] for (uint i = 0u; i < TM; i++)
		[[unroll]] for (uint j = 0u; j < TN; j++) {
			const uint m = m0 + tm + i * (BM / TM), n = n0 + tn + j * (BN / TN);
			if (m >= rows || n >= outs) continue;
			precise float y = acc[i * TN + j];
			if (!ABSENT(bias)) y = y + bias.at[matrix + first + n];
			y = y * scale;
			const uint at = m * stride + first + n;
			if (add != 0u) y = dst.at[at] + y;
			dst.at[at] = y;
		}
}
