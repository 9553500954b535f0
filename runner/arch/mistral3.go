package arch

import (
	"math"

	"headprof/runner/backend"
)

func init() { register("mistral3", loadMistral3) }

// loadMistral3 is Ministral 3 (arXiv 2601.08584): Llama's block, with queries that
// grow with the logarithm of the position, once per original context.
func loadMistral3(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.window(0, 0)
	m := &llama{rope: c.rope(true, required)}
	if scale := c.float("attention.temperature_scale", 0); scale != 0 {
		m.temperature = backend.Temperature{Scale: scale, Every: c.count("rope.scaling.original_context_length", maxContext, -1)}
	}
	// As llama.cpp reads it: YaRN's factor on sin and cos over that of this multiplier.
	if by := c.float("rope.scaling.yarn_log_multiplier", 0); by != 0 {
		factor := c.float("rope.scaling.factor", 1)
		m.rope.Scale /= float32(1 + 0.1*by*math.Log(max(1, factor)))
	}
	return c.llama(b, m)
}
