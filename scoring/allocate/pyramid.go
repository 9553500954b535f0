package allocate

func init() { register(30, func() Policy { return new(Pyramid) }) }

// Pyramid gives lower layers more, falling linearly (PyramidKV, arXiv
// 2406.02069, section 4.2), in the integer form of the published code.
type Pyramid struct {
	Slope int `param:"slope" default:"20" min:"1" help:"PyramidKV's β: the last layer aims at the mean divided by it"`
}

// Name implements Policy.
func (Pyramid) Name() string { return "pyramid" }

// Budget is the number of selected entries of each cache of a layer: with the
// mean base = c − α, the last layer aims at ⌊base/β⌋ and the first at twice
// the base less that; where the first would exceed the entries before the
// window, it gets those and the last the difference. The step between layers is
// rounded down, so totals are a little above the mean; Fit mends that. Prompts
// shorter than twice the base get the base in every layer. A prompt of 0
// tokens stands for one of unknown length, longer than any budget.
func (p Pyramid) Budget(layer, layers, base, prompt, window int) int {
	if layers < 2 || prompt > 0 && prompt < 2*base {
		return base
	}
	last := base / p.Slope
	first := 2*base - last
	if earlier := prompt - window; prompt > 0 && first >= earlier {
		first = earlier
		last = 2*base - first
	}
	step, n := (first-last)/(layers-1), layers-1
	if (first-last)%n < 0 { // Python rounds down
		step--
	}
	return first - layer*step
}

// Allocate implements Policy.
func (p Pyramid) Allocate(r Request) ([]Budget, error) {
	var quotas []float64
	for _, c := range caches(r.Model, r.Level) {
		b := p.Budget(r.Model.Layers[:c.Layer].Attending(), r.Model.Layers.Attending(), r.Capacity-r.Window, r.context(), r.Window)
		quotas = append(quotas, float64(max(0, b)))
	}
	return r.Budgets(quotas)
}
