// KV heads as the host describes them, and what a row sees of one.
#pragma once
#include "kernel.h"

// A KV head of a layer is six words: the addresses of keys and values, the
// number of entries, this step's included, and nothing. Keys and values lie
// entry by entry; an entry's elements are padded to a whole number of words.
DEVICE Words pointer(Words heads, u32 head, u32 which) {
	const u32 at = head * 6u + 2u * which;
	return AT(Words, (u64)heads[at] | (u64)heads[at + 1u] << 32);
}
DEVICE u32 entriesOf(Words heads, u32 head) { return heads[head * 6u + 4u]; }

// wordsOf is the size of an entry of n elements.
DEVICE u32 wordsOf(bool kv16, u32 n) { return kv16 ? (n + 1u) / 2u : n; }

// element reads element i of entry e.
DEVICE float element(bool kv16, Words p, u32 e, u32 n, u32 i) {
	if (!kv16) return bitsToFloat(p[(u64)e * n + i]);
	const u32 w = p[(u64)e * wordsOf(kv16, n) + i / 2u];
	return half_((i & 1u) == 0u ? w & 0xffffu : w >> 16);
}

// Row r of the step sees the entries [low, high) of a KV head. lows, where
// present, holds the low ends, [rows × kvHeads]: entries were dropped and only
// the host knows the positions of those left.
DEVICE u32 highOf(u32 length, u32 n, u32 r) { return length - n + r + 1u; }
DEVICE u32 lowOf(Words lows, u32 kvHeads, u32 kv, u32 r, u32 high, u32 window) {
	if (!ABSENT(lows)) return lows[r * kvHeads + kv];
	return window == 0u || high < window ? 0u : high - window;
}
