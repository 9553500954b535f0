package arch

// window gives layers the sliding window of the metadata, or of the given number
// of tokens where there is none (required: that is an error): those that
// attention.sliding_window_pattern marks, or, where it is a number n (every
// where it is absent), all but each n-th; 0 stands for all layers.
func (m *metadata) window(every, fallback int) {
	if fallback == required {
		m.require("attention.sliding_window")
		fallback = 0
	}
	w := m.count("attention.sliding_window", maxContext, fallback)
	if w == 0 || m.err != nil {
		return
	}
	const key = "attention.sliding_window_pattern"
	if _, _, err := m.src.Uint(m.key(key)); err != nil { // a list, then
		list, _, err := m.src.Ints(m.key(key))
		m.check(err)
		if len(list) != len(m.Layers) {
			m.fail("metadata key %s has %d entries for %d layers", m.key(key), len(list), len(m.Layers))
			return
		}
		for l, local := range list {
			if local != 0 {
				m.Layers[l].Window = w
			}
		}
		return
	}
	every = m.count(key, maxLayers, every)
	for l := range m.Layers {
		if every == 0 || (l+1)%every != 0 {
			m.Layers[l].Window = w
		}
	}
}
