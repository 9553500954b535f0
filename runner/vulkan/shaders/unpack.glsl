// Four consecutive elements of a stored row. FORMAT is GGML's type number and
// a specialisation constant, so that one case is left after compilation.
// The layouts are those of runner/tensor's unpackers.

uint u8(Words w, uint b) { return (w.at[b >> 2] >> ((b & 3u) * 8u)) & 0xffu; }

uint u16(Words w, uint b) { return (w.at[b >> 2] >> ((b & 2u) * 8u)) & 0xffffu; }

// u32 reads at an even address.
uint u32(Words w, uint b) {
	uint low = w.at[b >> 2];
	if ((b & 2u) == 0u) return low;
	return (low >> 16) | (w.at[(b >> 2) + 1u] << 16);
}

// bytes4 takes a word apart.
uvec4 bytes4(uint x) { return uvec4(x & 0xffu, (x >> 8) & 0xffu, (x >> 16) & 0xffu, x >> 24); }

const float iq4[16] = float[](-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

vec4 iq4Values(uint codes, uint shift) {
	uvec4 c = bytes4((codes >> shift) & 0x0f0f0f0fu);
	return vec4(iq4[c.x], iq4[c.y], iq4[c.z], iq4[c.w]);
}

// Scale and minimum of group g of eight (Q4_K, Q5_K).
uvec2 scaleMin(Words w, uint p, uint g) {
	if (g < 4u) return uvec2(u8(w, p + g) & 63u, u8(w, p + g + 4u) & 63u);
	uint low = u8(w, p + g + 4u);
	return uvec2((low & 15u) | (u8(w, p + g - 4u) >> 6 << 4), (low >> 4) | (u8(w, p + g) >> 6 << 4));
}

// unpack4 gives elements k to k+3 (k a multiple of 4) of the row of cols
// elements that starts at byte base; 0 beyond the row's end.
vec4 unpack4(Words w, uint base, uint k, uint cols) {
	precise vec4 v = vec4(0);
	if (FORMAT == 0u) { // F32
		uint i = (base >> 2) + k;
		[[unroll]] for (uint j = 0u; j < 4u; j++) if (k + j < cols) v[j] = uintBitsToFloat(w.at[i + j]);
	} else if (FORMAT == 1u) { // F16
		[[unroll]] for (uint j = 0u; j < 4u; j++) if (k + j < cols) v[j] = half_(u16(w, base + 2u * (k + j)));
	} else if (FORMAT == 30u) { // BF16
		[[unroll]] for (uint j = 0u; j < 4u; j++) if (k + j < cols) v[j] = uintBitsToFloat(u16(w, base + 2u * (k + j)) << 16);
	} else if (k >= cols) {
		return v;
	} else if (FORMAT == 2u) { // Q4_0
		uint b = base + (k >> 5) * 18u, j = k & 31u;
		uvec4 q = bytes4((u32(w, b + 2u + (j & 15u)) >> ((j >> 4) * 4u)) & 0x0f0f0f0fu);
		v = half_(u16(w, b)) * (vec4(q) - 8.0);
	} else if (FORMAT == 3u) { // Q4_1
		uint b = base + (k >> 5) * 20u, j = k & 31u;
		uvec4 q = bytes4((u32(w, b + 4u + (j & 15u)) >> ((j >> 4) * 4u)) & 0x0f0f0f0fu);
		v = half_(u16(w, b)) * vec4(q);
		v = v + half_(u16(w, b + 2u));
	} else if (FORMAT == 6u) { // Q5_0
		uint b = base + (k >> 5) * 22u, j = k & 31u, high = u32(w, b + 2u) >> j;
		uvec4 q = bytes4((u32(w, b + 6u + (j & 15u)) >> ((j >> 4) * 4u)) & 0x0f0f0f0fu);
		q |= ((uvec4(high) >> uvec4(0, 1, 2, 3)) & 1u) << 4;
		v = half_(u16(w, b)) * (vec4(q) - 16.0);
	} else if (FORMAT == 7u) { // Q5_1
		uint b = base + (k >> 5) * 24u, j = k & 31u, high = u32(w, b + 4u) >> j;
		uvec4 q = bytes4((u32(w, b + 8u + (j & 15u)) >> ((j >> 4) * 4u)) & 0x0f0f0f0fu);
		q |= ((uvec4(high) >> uvec4(0, 1, 2, 3)) & 1u) << 4;
		v = half_(u16(w, b)) * vec4(q);
		v = v + half_(u16(w, b + 2u));
	} else if (FORMAT == 8u) { // Q8_0
		uint b = base + (k >> 5) * 34u, j = k & 31u;
		int q = int(u32(w, b + 2u + j));
		v = half_(u16(w, b)) * vec4((q << 24) >> 24, (q << 16) >> 24, (q << 8) >> 24, q >> 24);
	} else if (FORMAT == 10u) { // Q2_K
		uint b = base + (k >> 8) * 84u, i = k & 255u, g = i >> 4;
		uint s = u8(w, b + g), codes = u32(w, b + 16u + (g >> 3) * 32u + (g & 1u) * 16u + (i & 15u));
		precise float dl = half_(u16(w, b + 80u)) * float(s & 15u), ml = half_(u16(w, b + 82u)) * float(s >> 4);
		v = dl * vec4(bytes4((codes >> (((g >> 1) & 3u) * 2u)) & 0x03030303u));
		v = v - ml;
	} else if (FORMAT == 11u) { // Q3_K
		uint b = base + (k >> 8) * 110u, i = k & 255u, g = i >> 4, at = (g & 1u) * 16u + (i & 15u);
		uint low = (u8(w, b + 96u + (g & 7u)) >> ((g >> 3) * 4u)) & 15u;
		int s = int(low | (((u8(w, b + 104u + (g & 3u)) >> ((g >> 2) * 2u)) & 3u) << 4)) - 32;
		uvec4 q = bytes4((u32(w, b + 32u + (g >> 3) * 32u + at) >> (((g >> 1) & 3u) * 2u)) & 0x03030303u);
		uvec4 high = bytes4((u32(w, b + at) >> (g >> 1)) & 0x01010101u);
		precise float dl = half_(u16(w, b + 108u)) * float(s);
		v = dl * vec4(ivec4(q + high * 4u) - 4);
	} else if (FORMAT == 12u) { // Q4_K
		uint b = base + (k >> 8) * 144u, i = k & 255u, g = i >> 5;
		uvec2 s = scaleMin(w, b + 4u, g);
		precise float dl = half_(u16(w, b)) * float(s.x), ml = half_(u16(w, b + 2u)) * float(s.y);
		v = dl * vec4(bytes4((u32(w, b + 16u + (g >> 1) * 32u + (i & 31u)) >> ((g & 1u) * 4u)) & 0x0f0f0f0fu));
		v = v - ml;
	} else if (FORMAT == 13u) { // Q5_K
		uint b = base + (k >> 8) * 176u, i = k & 255u, g = i >> 5;
		uvec2 s = scaleMin(w, b + 4u, g);
		precise float dl = half_(u16(w, b)) * float(s.x), ml = half_(u16(w, b + 2u)) * float(s.y);
		uint q = (u32(w, b + 48u + (g >> 1) * 32u + (i & 31u)) >> ((g & 1u) * 4u)) & 0x0f0f0f0fu;
		q |= ((u32(w, b + 16u + (i & 31u)) >> g) & 0x01010101u) << 4;
		v = dl * vec4(bytes4(q));
		v = v - ml;
	} else if (FORMAT == 14u) { // Q6_K
		uint b = base + (k >> 8) * 210u, i = k & 255u, g = i >> 4, run = (g >> 1) & 3u, at = (g & 1u) * 16u + (i & 15u);
		uint q = (u32(w, b + (g >> 3) * 64u + (run & 1u) * 32u + at) >> ((run >> 1) * 4u)) & 0x0f0f0f0fu;
		q |= ((u32(w, b + 128u + (g >> 3) * 32u + at) >> (run * 2u)) & 0x03030303u) << 4;
		int s = (int(u8(w, b + 192u + g)) << 24) >> 24;
		precise float dl = half_(u16(w, b + 208u)) * float(s);
		v = dl * (vec4(bytes4(q)) - 32.0);
	} else if (FORMAT == 20u) { // IQ4_NL
		uint b = base + (k >> 5) * 18u, j = k & 31u;
		v = half_(u16(w, b)) * iq4Values(u32(w, b + 2u + (j & 15u)), (j >> 4) * 4u);
	} else if (FORMAT == 23u) { // IQ4_XS
		uint b = base + (k >> 8) * 136u, i = k & 255u, g = i >> 5, j = i & 31u;
		uint s = ((u8(w, b + 4u + (g >> 1)) >> ((g & 1u) * 4u)) & 15u) | (((u16(w, b + 2u) >> (g * 2u)) & 3u) << 4);
		precise float dl = half_(u16(w, b)) * (float(s) - 32.0);
		v = dl * iq4Values(u32(w, b + 8u + g * 16u + (j & 15u)), (j >> 4) * 4u);
	}
	return v;
}
