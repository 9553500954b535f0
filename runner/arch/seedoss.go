package arch

import "headprof/runner/backend"

func init() { register("seed_oss", loadSeedOSS) }

// loadSeedOSS is Seed-OSS: Llama's block, with biases and half-split rotation.
func loadSeedOSS(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	return c.llama(b, &llama{rope: c.rope(false, 10000)})
}
