// Four consecutive elements of a stored row. The layouts are those of
// runner/tensor's unpackers; the format is GGML's type number and one of the
// program's constants, so that the driver's compiler keeps one case.
#pragma once
#include "kernel.h"

struct Four { float v[4]; };
struct Codes { u32 v[4]; };

DEVICE u32 u8At(Words w, u32 b) { return (w[b >> 2] >> ((b & 3u) * 8u)) & 0xffu; }
DEVICE u32 u16At(Words w, u32 b) { return (w[b >> 2] >> ((b & 2u) * 8u)) & 0xffffu; }

// u32At reads at an even address.
DEVICE u32 u32At(Words w, u32 b) {
	const u32 low = w[b >> 2];
	if ((b & 2u) == 0u) return low;
	return (low >> 16) | (w[(b >> 2) + 1u] << 16);
}

// bytes4 takes a word apart.
DEVICE Codes bytes4(u32 x) { return {{x & 0xffu, (x >> 8) & 0xffu, (x >> 16) & 0xffu, x >> 24}}; }

// linear4 is scale·(code − less) + shift, each operation rounded.
DEVICE Four linear4(Codes q, float scale, float less, float shift, bool shifted) {
	Four f;
	for (u32 j = 0; j < 4u; j++) {
		f.v[j] = scale * ((float)q.v[j] - less);
		if (shifted) f.v[j] = f.v[j] + shift;
	}
	return f;
}

TABLE const float iq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

DEVICE Four iq4Values(u32 codes, u32 shift, float scale) {
	const Codes c = bytes4((codes >> shift) & 0x0f0f0f0fu);
	Four f;
	for (u32 j = 0; j < 4u; j++) f.v[j] = scale * iq4[c.v[j]];
	return f;
}

// scaleMin gives the scale and the minimum of group g of eight (Q4_K, Q5_K).
DEVICE void scaleMin(Words w, u32 p, u32 g, u32 &scale, u32 &least) {
	if (g < 4u) {
		scale = u8At(w, p + g) & 63u;
		least = u8At(w, p + g + 4u) & 63u;
		return;
	}
	const u32 low = u8At(w, p + g + 4u);
	scale = (low & 15u) | (u8At(w, p + g - 4u) >> 6 << 4);
	least = (low >> 4) | (u8At(w, p + g) >> 6 << 4);
}

// fifths adds a fifth bit to four codes.
DEVICE Codes fifths(u32 codes, u32 high) {
	Codes q = bytes4(codes & 0x0f0f0f0fu);
	for (u32 j = 0; j < 4u; j++) q.v[j] |= ((high >> j) & 1u) << 4;
	return q;
}

// unpack4 gives elements k to k+3 (k a multiple of 4) of the row of cols
// elements that starts at byte base; 0 beyond the row's end.
DEVICE Four unpack4(u32 format, Words w, u32 base, u32 k, u32 cols) {
	Four v = {{0.0f, 0.0f, 0.0f, 0.0f}};
	if (format == 0u) { // F32
		for (u32 j = 0; j < 4u; j++)
			if (k + j < cols) v.v[j] = bitsToFloat(w[(base >> 2) + k + j]);
	} else if (format == 1u) { // F16
		for (u32 j = 0; j < 4u; j++)
			if (k + j < cols) v.v[j] = half_(u16At(w, base + 2u * (k + j)));
	} else if (format == 30u) { // BF16
		for (u32 j = 0; j < 4u; j++)
			if (k + j < cols) v.v[j] = bitsToFloat(u16At(w, base + 2u * (k + j)) << 16);
	} else if (k >= cols) {
		return v;
	} else if (format == 2u) { // Q4_0
		const u32 b = base + (k >> 5) * 18u, j = k & 31u;
		v = linear4(bytes4((u32At(w, b + 2u + (j & 15u)) >> ((j >> 4) * 4u)) & 0x0f0f0f0fu), half_(u16At(w, b)), 8.0f, 0.0f, false);
	} else if (format == 3u) { // Q4_1
		const u32 b = base + (k >> 5) * 20u, j = k & 31u;
		v = linear4(bytes4((u32At(w, b + 4u + (j & 15u)) >> ((j >> 4) * 4u)) & 0x0f0f0f0fu), half_(u16At(w, b)), 0.0f, half_(u16At(w, b + 2u)), true);
	} else if (format == 6u) { // Q5_0
		const u32 b = base + (k >> 5) * 22u, j = k & 31u, high = u32At(w, b + 2u) >> j;
		v = linear4(fifths(u32At(w, b + 6u + (j & 15u)) >> ((j >> 4) * 4u), high), half_(u16At(w, b)), 16.0f, 0.0f, false);
	} else if (format == 7u) { // Q5_1
		const u32 b = base + (k >> 5) * 24u, j = k & 31u, high = u32At(w, b + 4u) >> j;
		v = linear4(fifths(u32At(w, b + 8u + (j & 15u)) >> ((j >> 4) * 4u), high), half_(u16At(w, b)), 0.0f, half_(u16At(w, b + 2u)), true);
	} else if (format == 8u) { // Q8_0
		const u32 b = base + (k >> 5) * 34u, j = k & 31u;
		const u32 q = u32At(w, b + 2u + j);
		const float d = half_(u16At(w, b));
		for (u32 i = 0; i < 4u; i++) v.v[i] = d * (float)((int)(q << (24u - 8u * i)) >> 24);
	} else if (format == 10u) { // Q2_K
		const u32 b = base + (k >> 8) * 84u, i = k & 255u, g = i >> 4;
		const u32 s = u8At(w, b + g), codes = u32At(w, b + 16u + (g >> 3) * 32u + (g & 1u) * 16u + (i & 15u));
		const float dl = half_(u16At(w, b + 80u)) * (float)(s & 15u), ml = half_(u16At(w, b + 82u)) * (float)(s >> 4);
		v = linear4(bytes4((codes >> (((g >> 1) & 3u) * 2u)) & 0x03030303u), dl, 0.0f, -ml, true);
	} else if (format == 11u) { // Q3_K
		const u32 b = base + (k >> 8) * 110u, i = k & 255u, g = i >> 4, at = (g & 1u) * 16u + (i & 15u);
		const u32 low = (u8At(w, b + 96u + (g & 7u)) >> ((g >> 3) * 4u)) & 15u;
		const int s = (int)(low | (((u8At(w, b + 104u + (g & 3u)) >> ((g >> 2) * 2u)) & 3u) << 4)) - 32;
		Codes q = bytes4((u32At(w, b + 32u + (g >> 3) * 32u + at) >> (((g >> 1) & 3u) * 2u)) & 0x03030303u);
		const Codes high = bytes4((u32At(w, b + at) >> (g >> 1)) & 0x01010101u);
		for (u32 j = 0; j < 4u; j++) q.v[j] += high.v[j] * 4u;
		v = linear4(q, half_(u16At(w, b + 108u)) * (float)s, 4.0f, 0.0f, false);
	} else if (format == 12u) { // Q4_K
		const u32 b = base + (k >> 8) * 144u, i = k & 255u, g = i >> 5;
		u32 scale, least;
		scaleMin(w, b + 4u, g, scale, least);
		const float dl = half_(u16At(w, b)) * (float)scale, ml = half_(u16At(w, b + 2u)) * (float)least;
		v = linear4(bytes4((u32At(w, b + 16u + (g >> 1) * 32u + (i & 31u)) >> ((g & 1u) * 4u)) & 0x0f0f0f0fu), dl, 0.0f, -ml, true);
	} else if (format == 13u) { // Q5_K
		const u32 b = base + (k >> 8) * 176u, i = k & 255u, g = i >> 5;
		u32 scale, least;
		scaleMin(w, b + 4u, g, scale, least);
		const float dl = half_(u16At(w, b)) * (float)scale, ml = half_(u16At(w, b + 2u)) * (float)least;
		u32 q = (u32At(w, b + 48u + (g >> 1) * 32u + (i & 31u)) >> ((g & 1u) * 4u)) & 0x0f0f0f0fu;
		q |= ((u32At(w, b + 16u + (i & 31u)) >> g) & 0x01010101u) << 4;
		v = linear4(bytes4(q), dl, 0.0f, -ml, true);
	} else if (format == 14u) { // Q6_K
		const u32 b = base + (k >> 8) * 210u, i = k & 255u, g = i >> 4, run = (g >> 1) & 3u, at = (g & 1u) * 16u + (i & 15u);
		u32 q = (u32At(w, b + (g >> 3) * 64u + (run & 1u) * 32u + at) >> ((run >> 1) * 4u)) & 0x0f0f0f0fu;
		q |= ((u32At(w, b + 128u + (g >> 3) * 32u + at) >> (run * 2u)) & 0x03030303u) << 4;
		const int s = (int)(u8At(w, b + 192u + g) << 24) >> 24;
		v = linear4(bytes4(q), half_(u16At(w, b + 208u)) * (float)s, 32.0f, 0.0f, false);
	} else if (format == 20u) { // IQ4_NL
		const u32 b = base + (k >> 5) * 18u, j = k & 31u;
		v = iq4Values(u32At(w, b + 2u + (j & 15u)), (j >> 4) * 4u, half_(u16At(w, b)));
	} else if (format == 23u) { // IQ4_XS
		const u32 b = base + (k >> 8) * 136u, i = k & 255u, g = i >> 5, j = i & 31u;
		const u32 s = ((u8At(w, b + 4u + (g >> 1)) >> ((g & 1u) * 4u)) & 15u) | (((u16At(w, b + 2u) >> (g * 2u)) & 3u) << 4);
		v = iq4Values(u32At(w, b + 8u + g * 16u + (j & 15u)), (j >> 4) * 4u, half_(u16At(w, b)) * ((float)s - 32.0f));
	}
	return v;
}
