// One KV head of one layer. Keys and values lie entry by entry; an entry's
// elements are padded to a whole number of words.
struct Head {
	uvec2 keys, values;
	uint entries; // entries, this step's included
	uint pad;
};
layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer Heads { Head at[]; };

// words is the size of an entry of n elements.
uint words(uint n) { return KV16 ? (n + 1u) / 2u : n; }

// element reads element i of entry e.
float element(Words p, uint e, uint n, uint i) {
	if (!KV16) return uintBitsToFloat(p.at[e * n + i]);
	const uint w = p.at[e * words(n) + i / 2u];
	return half_((i & 1u) == 0u ? w & 0xffffu : w >> 16);
}
