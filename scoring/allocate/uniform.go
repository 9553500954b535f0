package allocate

// uniform gives every cache the same (SnapKV, arXiv 2404.14469).
func uniform(m Model, p Params) []float64 {
	quotas := make([]float64, len(caches(m, p.Level)))
	for i := range quotas {
		quotas[i] = float64(p.Capacity - p.Window)
	}
	return quotas
}
