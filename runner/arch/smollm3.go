package arch

import "headprof/runner/backend"

func init() { register("smollm3", loadSmolLM3) }

// loadSmolLM3 is SmolLM3: Llama's block, every fourth layer without rotary
// embedding (arXiv 2501.18795).
func loadSmolLM3(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.window(0, 0)
	return c.llama(b, &llama{rope: c.rope(true, 10000), unrotated: c.unrotated(func(l int) bool { return (l+1)%4 == 0 })})
}

// unrotated gives the layers without rotary embedding.
func (m *metadata) unrotated(rule func(l int) bool) []bool {
	return m.marked("headprof.unrotated", rule)
}

// marked gives the layers that a folder marks under a key, else those of the
// family's rule.
func (m *metadata) marked(key string, rule func(l int) bool) []bool {
	out := make([]bool, len(m.Layers))
	list, listed, err := m.src.Ints(key)
	m.check(err)
	if listed && len(list) != len(out) {
		m.fail("%s has %d entries for %d layers", key, len(list), len(out))
		return out
	}
	for l := range out {
		out[l] = rule(l)
		if listed {
			out[l] = list[l] != 0
		}
	}
	return out
}
