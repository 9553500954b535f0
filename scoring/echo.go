package scoring

func init() {
	register(Declaration{
		Order: 70, Probe: Repeats, Source: "arXiv 2407.15891 (RazorAttention)",
		Label:    "attention on earlier copies",
		Measures: "attention to the earlier copies of a token, in repeated random tokens",
		New:      func() Named { return new(Echo) },
	})
	register(Declaration{
		Order: 80, Probe: Repeats, Source: "arXiv 2407.15891 (RazorAttention)",
		Label:    "attention after earlier copies",
		Measures: "attention to the tokens after the earlier copies of a token, in repeated random tokens",
		New:      func() Named { return new(Induction) },
	})
}

// Echo is RazorAttention's echo score; see Copies.Echo.
type Echo struct{}

// Name implements Named.
func (Echo) Name() string { return "echo" }

// Induction is RazorAttention's induction score; see Copies.Induction.
type Induction struct{}

// Name implements Named.
func (Induction) Name() string { return "induction" }

// Copies lists, for every position of a sequence, the earlier positions from
// first on that hold the same token, ascending.
type Copies struct {
	first int
	of    [][]int32
}

// NewCopies finds the copies in a sequence whose first tokens (BOS) do not count.
func NewCopies(ids []int32, first int) Copies {
	c := Copies{first: first, of: make([][]int32, len(ids))}
	seen := map[int32][]int32{}
	for i := first; i < len(ids); i++ {
		c.of[i] = seen[ids[i]]
		seen[ids[i]] = append(seen[ids[i]], int32(i)) // beyond every list that was given out
	}
	return c
}

// Echo is the attention that a row pays to the earlier copies of its own token
// (RazorAttention, arXiv 2407.15891, "echo head"). weights[i] belongs to
// position first+i.
func (c Copies) Echo(position int, weights []float32, first int) float64 {
	return c.sum(position, weights, first, 0)
}

// Induction is the attention that a row pays to the tokens that follow the
// earlier copies of its own token ("induction head").
func (c Copies) Induction(position int, weights []float32, first int) float64 {
	return c.sum(position, weights, first, 1)
}

func (c Copies) sum(position int, weights []float32, first, shift int) float64 {
	var sum float64
	for _, j := range c.of[position] {
		if at := int(j) + shift - first; at >= 0 && at < len(weights) {
			sum += float64(weights[at])
		}
	}
	return sum
}
