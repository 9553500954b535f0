// What kernels are written with. Clang compiles them to PTX; for the emulated
// device (../emulator) the same sources are compiled for the host, where every
// access to memory is checked (host.h).
#pragma once
typedef unsigned int u32;
typedef unsigned long long u64;

#ifdef __CUDA__

#define DEVICE __attribute__((device)) inline __attribute__((always_inline))
#define TABLE __attribute__((constant))
// KERNEL begins a kernel of so many threads per group whose arguments are p.
#define KERNEL(name, Args, threads) extern "C" __attribute__((global)) __attribute__((launch_bounds(threads))) void name(Args p)
// SHARED declares an array that a group's threads share.
#define SHARED(T, name, n) static __attribute__((shared)) T name[n]

typedef __attribute__((address_space(1))) float *Floats;
typedef __attribute__((address_space(1))) u32 *Words;
#define ABSENT(p) (!(p))
#define AT(Pointer, address) ((Pointer)(address))

// CONSTANT is one of the program's constants: its place in the PTX text is
// filled in before the driver compiles it.
#define CONSTANT(i) ({ u32 c_; asm("mov.u32 %0, CONSTANT_" #i ";" : "=r"(c_)); c_; })

#define THREAD __nvvm_read_ptx_sreg_tid_x()
#define THREADS __nvvm_read_ptx_sreg_ntid_x()
#define GROUP_X __nvvm_read_ptx_sreg_ctaid_x()
#define GROUP_Y __nvvm_read_ptx_sreg_ctaid_y()
#define GROUPS_X __nvvm_read_ptx_sreg_nctaid_x()
#define BARRIER() __syncthreads()

DEVICE float bitsToFloat(u32 x) { return __builtin_bit_cast(float, x); }
DEVICE u32 floatToBits(float x) { return __builtin_bit_cast(u32, x); }
DEVICE float fma_(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
DEVICE float sqrt_(float x) { return __nvvm_sqrt_rn_f(x); }

#else
#include "../emulator/host.h"
#endif

DEVICE float min_(float a, float b) { return a < b ? a : b; }
DEVICE float max_(float a, float b) { return a > b ? a : b; }
DEVICE u32 minu(u32 a, u32 b) { return a < b ? a : b; }

// exp_ is eˣ to 1 ulp or so, by additions and multiplications alone, so that
// every device gives the same bits: x = n·ln 2 + r, |r| ≤ ln 2 / 2, Taylor's
// series of eʳ to the 7th power, times 2ⁿ. It is 0 below −87.3.
DEVICE float exp_(float x) {
	if (x < -87.3f) return 0.0f;
	x = min_(x, 88.7f);
	const float shifted = fma_(x, 1.44269504f, 12582912.0f); // rounds to a whole number
	const float n = shifted - 12582912.0f;
	const float r = fma_(n, 2.12194440e-4f, fma_(n, -0.693359375f, x)); // ln 2 in two parts, the first short
	float y = fma_(r, 1.98412698e-4f, 1.38888889e-3f);
	y = fma_(y, r, 8.33333333e-3f);
	y = fma_(y, r, 4.16666667e-2f);
	y = fma_(y, r, 1.66666667e-1f);
	y = fma_(y, r, 0.5f);
	y = fma_(y * r, r, r) + 1.0f;
	const int e = (int)(floatToBits(shifted) - 0x4b400000u);
	const int half = e / 2; // 2ⁿ in two factors: n may be 128
	return y * bitsToFloat((u32)(half + 127) << 23) * bitsToFloat((u32)(e - half + 127) << 23);
}

// tanh_ does not overflow.
DEVICE float tanh_(float x) { return 1.0f - 2.0f / (exp_(min_(2.0f * x, 80.0f)) + 1.0f); }

// half_ is binary16 bits as a float, exactly. Infinity becomes 65536.
DEVICE float half_(u32 h) {
	const u32 sign = (h & 0x8000u) << 16, rest = h & 0x7fffu;
	const u32 bits = (rest & 0x7c00u) == 0u ? floatToBits((float)rest * 5.9604644775390625e-8f) : (rest << 13) + 0x38000000u;
	return bitsToFloat(bits | sign);
}

// toHalf rounds to the nearest binary16, ties to even; what is too large
// becomes the largest finite one.
DEVICE u32 toHalf(float f) {
	const u32 bits = floatToBits(f), sign = (bits >> 16) & 0x8000u, a = bits & 0x7fffffffu;
	if (a >= 0x477ff000u) return sign | 0x7bffu;
	if (a < 0x38800000u) { // subnormal: the sum's own rounding cuts at 2^-24
		const float s = bitsToFloat(a) + 0.5f;
		return sign | ((floatToBits(s) - 0x3f000000u) & 0xffffu);
	}
	return sign | ((a - 0x38000000u + 0xfffu + ((a >> 13) & 1u)) >> 13);
}

// INDEX is the thread's number in a launch spread over two dimensions.
#define INDEX ((GROUP_Y * GROUPS_X + GROUP_X) * THREADS + THREAD)
