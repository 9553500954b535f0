package allocate

// pyramid gives lower layers more, falling linearly (PyramidKV, arXiv
// 2406.02069), in the integer form of the published code: with
// base = c − α the last layer aims at base/β and the first at twice the base
// less that; where the first would exceed the prompt, it gets the prompt and
// the last the more. The step between layers is rounded down, so totals differ
// from the request by up to a layer's worth; Fit mends that.
func pyramid(m Model, p Params) []float64 {
	base := p.Capacity - p.Window
	low := base / p.Slope
	high := 2*base - low
	if p.Context > 0 && high >= p.Context-p.Window {
		high = max(0, p.Context-p.Window)
		low = 2*base - high
	}
	step := 0
	if n := len(m.Layers) - 1; n > 0 {
		step = (high - low) / n
		if (high-low)%n < 0 { // Python rounds down
			step--
		}
	} else {
		high = base
	}
	var quotas []float64
	for _, c := range caches(m, p.Level) {
		quotas = append(quotas, float64(max(0, high-c.Layer*step)))
	}
	return quotas
}
