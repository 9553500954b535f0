// dst = (x·wᵀ + bias)·scale, or dst += that. A group computes a tile of BM rows
// × BN columns, a thread TM × TN of its elements, each as one chain of fused
// multiply-adds in ascending k: which tile an element lies in changes nothing
// of it.
#include "unpack.h"

struct LinearArgs {
	Words w;
	Floats x, bias, dst;
	Words pick;    // expert of each row
	u32 rows, cols; // of x
	u32 outs;      // rows of w in this part (of one expert)
	u32 rowBytes;  // of w
	u32 stride;    // of dst
	u32 first;     // dst column of w's row 0
	u32 share;     // experts: consecutive rows of dst that read the same row of x
	u32 add;       // dst += rather than dst =
	float scale;
};

#define BK 32u

SHARED(float, xs, 32 * 65);
SHARED(float, ws, 32 * 65);

DEVICE float rounded(float f) { return half_(toHalf(f)); }

template <u32 BM, u32 BN, u32 TM, u32 TN> DEVICE void linear(const LinearArgs &p) {
	const u32 XS = BM + 1, WS = BN + 1, threads = BM / TM * (BN / TN);
	const u32 format = CONSTANT(1);
	const bool halves = CONSTANT(6) != 0u, experts = CONSTANT(7) != 0u; // inputs rounded to binary16; BM = 1: each row has its own matrix of a stack
	const u32 t = THREAD, tn = t % (BN / TN), tm = t / (BN / TN);
	const u32 m0 = GROUP_Y * BM, n0 = GROUP_X * BN;
	const u32 matrix = experts ? p.pick[m0] * p.outs : 0u;
	float acc[TM * TN];
#pragma unroll
	for (u32 i = 0; i < TM * TN; i++) acc[i] = 0.0f;

	for (u32 k0 = 0; k0 < p.cols; k0 += BK) {
#pragma unroll 1
		for (u32 i = t; i < BM * BK; i += threads) {
			const u32 m = i / BK, k = i % BK;
			float v = 0.0f;
			if (m0 + m < p.rows && k0 + k < p.cols) v = p.x[(u64)(experts ? (m0 + m) / p.share : m0 + m) * p.cols + k0 + k];
			xs[k * XS + m] = halves ? rounded(v) : v;
		}
#pragma unroll 1
		for (u32 i = t; i < BN * (BK / 4u); i += threads) {
			const u32 n = i / (BK / 4u), k = i % (BK / 4u) * 4u;
			Four v = {{0.0f, 0.0f, 0.0f, 0.0f}};
			if (n0 + n < p.outs) v = unpack4(format, p.w, (matrix + n0 + n) * p.rowBytes, k0 + k, p.cols);
			for (u32 j = 0; j < 4u; j++) ws[(k + j) * WS + n] = halves ? rounded(v.v[j]) : v.v[j];
		}
		BARRIER();
#pragma unroll 4
		for (u32 k = 0; k < BK; k++) {
			float a[TM], b[TN];
#pragma unroll
			for (u32 i = 0; i < TM; i++) a[i] = xs[k * XS + tm + i * (BM / TM)];
#pragma unroll
			for (u32 j = 0; j < TN; j++) b[j] = ws[k * WS + tn + j * (BN / TN)];
#pragma unroll
			for (u32 i = 0; i < TM; i++)
#pragma unroll
				for (u32 j = 0; j < TN; j++) acc[i * TN + j] = fma_(a[i], b[j], acc[i * TN + j]);
		}
		BARRIER();
	}

#pragma unroll
	for (u32 i = 0; i < TM; i++)
#pragma unroll
		for (u32 j = 0; j < TN; j++) {
			const u32 m = m0 + tm + i * (BM / TM), n = n0 + tn + j * (BN / TN);
			if (m >= p.rows || n >= p.outs) continue;
			float y = acc[i * TN + j];
			if (!ABSENT(p.bias)) y = y + p.bias[matrix + p.first + n];
			y = y * p.scale;
			const u64 at = (u64)m * p.stride + p.first + n;
			if (p.add != 0u) y = p.dst[at] + y;
			p.dst[at] = y;
		}
}

// The suffix is the number of rows of a tile.
KERNEL(linear_1, LinearArgs, 64) { linear<1, 64, 1, 1>(p); }
KERNEL(linear_8, LinearArgs, 64) { linear<8, 64, 2, 4>(p); }
KERNEL(linear_32, LinearArgs, 64) { linear<32, 64, 4, 8>(p); }
KERNEL(linear_64, LinearArgs, 64) { linear<64, 64, 8, 8>(p); }
