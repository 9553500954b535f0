package allocate

func init() { register(20, func() Policy { return new(Uniform) }) }

// Uniform gives every cache the same (SnapKV, arXiv 2404.14469).
type Uniform struct{}

// Name implements Policy.
func (Uniform) Name() string { return "uniform" }

// Allocate implements Policy.
func (Uniform) Allocate(r Request) ([]Budget, error) {
	quotas := make([]float64, len(caches(r.Model, r.Level)))
	for i := range quotas {
		quotas[i] = float64(r.Capacity - r.Window)
	}
	return r.Budgets(quotas)
}
