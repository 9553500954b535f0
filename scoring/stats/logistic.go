package stats

import (
	"errors"
	"math"
)

// Logistic is a fitted logistic regression: P(true | x) = 1/(1+exp(−f)) with
// f = Weights·x + Intercept.
type Logistic struct {
	Weights   []float64
	Intercept float64
}

// Decision is f; above 0 the answer is true.
func (m *Logistic) Decision(x []float32) float64 {
	f := m.Intercept
	for j, w := range m.Weights {
		f += float64(w * float64(x[j]))
	}
	return f
}

const (
	logisticSteps     = 100
	logisticTolerance = 1e-9 // of the gradient's largest entry
)

// FitLogistic minimises
//
//	l2/2 · |w|² + Σ log(1 + exp(−y·f(x))),  y = 1 for true and −1 for false
//
// by Newton's method (iteratively reweighted least squares) with halved steps
// where one overshoots; the intercept is not shrunk. With l2 > 0 and both labels
// there is one minimum, so the solver decides nothing. x has a row per sample.
// Error: labels of one kind only.
func FitLogistic(x [][]float32, label []bool, l2 float64) (*Logistic, error) {
	both := [2]bool{}
	for _, t := range label {
		if t {
			both[1] = true
		} else {
			both[0] = true
		}
	}
	if !both[0] || !both[1] {
		return nil, errors.New("a logistic regression needs samples of both labels")
	}
	d := len(x[0])
	m := &Logistic{Weights: make([]float64, d)}
	gradient, step := make([]float64, d+1), make([]float64, d+1)
	hessian := make([][]float64, d+1)
	for i := range hessian {
		hessian[i] = make([]float64, d+1)
	}
	loss := m.loss(x, label, l2)
	for range logisticSteps {
		m.derivatives(x, label, l2, gradient, hessian)
		largest := 0.0
		for _, g := range gradient {
			largest = max(largest, math.Abs(g))
		}
		if largest <= logisticTolerance {
			break
		}
		copy(step, gradient)
		solve(hessian, step)
		next, lower := *m, math.Inf(1)
		for scale := 1.0; scale > 1e-10; scale /= 2 {
			next = Logistic{Weights: make([]float64, d), Intercept: m.Intercept - float64(scale*step[d])}
			for j, w := range m.Weights {
				next.Weights[j] = w - float64(scale*step[j])
			}
			if lower = next.loss(x, label, l2); lower <= loss {
				break
			}
		}
		if !(lower <= loss) {
			break // at the minimum, to rounding
		}
		*m, loss = next, lower
	}
	return m, nil
}

// loss is the function that is minimised.
func (m *Logistic) loss(x [][]float32, label []bool, l2 float64) float64 {
	sum := 0.0
	for _, w := range m.Weights {
		sum += float64(w * w)
	}
	sum *= l2 / 2
	for i, row := range x {
		f := m.Decision(row)
		if label[i] {
			f = -f
		}
		sum += max(f, 0) + math.Log1p(math.Exp(-math.Abs(f)))
	}
	return sum
}

// derivatives fills in the gradient and the Hessian, the intercept last.
func (m *Logistic) derivatives(x [][]float32, label []bool, l2 float64, gradient []float64, hessian [][]float64) {
	d := len(m.Weights)
	for i := range hessian {
		clear(hessian[i])
	}
	for j, w := range m.Weights {
		gradient[j] = l2 * w
		hessian[j][j] = l2
	}
	gradient[d] = 0
	for i, row := range x {
		p := 1 / (1 + math.Exp(-m.Decision(row)))
		off, weight := p, p*(1-p)
		if label[i] {
			off = p - 1
		}
		for j, v := range row {
			gradient[j] += float64(off * float64(v))
			scaled := weight * float64(v)
			for k, u := range row[:j+1] {
				hessian[j][k] += float64(scaled * float64(u))
			}
			hessian[d][j] += scaled
		}
		gradient[d] += off
		hessian[d][d] += weight
	}
	// Where every sample is sure the intercept's row may vanish; any positive
	// number there leads down.
	hessian[d][d] = max(hessian[d][d], 1e-12)
}

// solve solves a·x = b by Cholesky's decomposition, in place: a's lower triangle
// is lost, b becomes x. A pivot that rounding leaves below 0 is a tiny positive one.
func solve(a [][]float64, b []float64) {
	n := len(b)
	for i := range n {
		for j := range i + 1 {
			sum := a[i][j]
			for k := range j {
				sum -= float64(a[i][k] * a[j][k])
			}
			if i == j {
				a[i][i] = math.Sqrt(max(sum, 1e-14))
			} else {
				a[i][j] = sum / a[j][j]
			}
		}
	}
	for i := range n {
		for k := range i {
			b[i] -= float64(a[i][k] * b[k])
		}
		b[i] /= a[i][i]
	}
	for i := n - 1; i >= 0; i-- {
		for k := i + 1; k < n; k++ {
			b[i] -= float64(a[k][i] * b[k])
		}
		b[i] /= a[i][i]
	}
}
