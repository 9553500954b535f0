// The entries [low, high) that row r of the step sees in a KV head. lows, where
// present, holds the low ends, [rows × kvHeads]: entries were dropped and only
// the host knows the positions of those left.
uint highOf(uint length, uint n, uint r) { return length - n + r + 1u; }

uint lowOf(Words lows, uint kvHeads, uint kv, uint r, uint high, uint window) {
	if (!ABSENT(lows)) return lows.at[r * kvHeads + kv];
	return window == 0u || high < window ? 0u : high - window;
}
