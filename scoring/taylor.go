package scoring

func init() {
	register(Declaration{
		Order: 130, Probe: Answers, Gradient: true, Source: "Michel et al., arXiv 1905.10650, eq. 2",
		Label:    "nats per unit of gate",
		Measures: "how fast the answer's log-probability changes as a head's output is scaled, to first order",
		New:      func() Named { return new(Taylor) },
	})
}

// Taylor is |∂L/∂g| for L = −log P(answer) and a gate g = 1 that multiplies a
// head's output at every position, before the output projection: the sum over
// positions of the product of the output and the gradient by it.
type Taylor struct{}

// Name implements Named.
func (Taylor) Name() string { return "taylor" }

// TaylorAnswer is the same score with a gate at the positions that predict the
// answer only: the prompt's last and the answer's but its last. A run of Taylor
// gives it too.
const TaylorAnswer = "taylor-answer"
