package arch

// PrefillFLOPs counts the float operations of computing a prompt of n tokens:
// two per weight and token in matrix products (of a mixture, of the experts
// used), four per head dimension and visible key in attention. The last
// layer's feed-forward and the output matrix count for one token.
func (c *Config) PrefillFLOPs(n int) float64 {
	var sum float64
	w := float64(c.Width)
	for i, l := range c.Layers {
		rows := float64(n)
		q, kv, o := float64(l.Heads*l.KeyDim), float64(l.KVHeads*(l.KeyDim+l.ValueDim)), float64(l.Heads*l.ValueDim)
		sum += 2 * rows * w * (q + kv)
		seen := float64(n) * float64(n+1) / 2 // keys over all rows
		if l.Window > 0 && l.Window < n {
			seen = float64(l.Window)*float64(n-l.Window) + float64(l.Window)*float64(l.Window+1)/2
		}
		if i == len(c.Layers)-1 {
			rows = 1
			seen = float64(n)
		}
		sum += 2 * seen * (q + o)
		ff := 3 * float64(l.FeedForward)
		if c.Experts > 0 {
			ff = 3*float64(c.Used*c.ExpertWidth+c.SharedWidth) + float64(c.Experts)
		}
		sum += 2 * rows * w * (o + ff)
	}
	return sum + 2*w*float64(c.Vocab)
}
