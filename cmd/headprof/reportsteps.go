package main

import (
	"math"
	"path/filepath"

	"headprof/export"
	htmlreport "headprof/plots/report"
	"headprof/scoring"
)

// mostSteps of an answer are shown: of longer ones the beginning.
const mostSteps = mostGroups

// stepGroups sums what each step of the counted trials' answers adds to scores.
type stepGroups struct {
	trials []int // by step: counted trials whose answer has it
	sums   map[stepOf]*moments
}

type stepOf struct {
	method      string
	step        int // of the scored ones
	layer, head int
}

// moments are a sum and a sum of squares.
type moments struct{ sum, squares float64 }

// readSteps reads the steps of a run's counted trials; nil where it kept none.
func readSteps(dir string, trials []scoring.TrialScore) (*stepGroups, error) {
	files, err := filepath.Glob(filepath.Join(dir, stepsFolder, "*.parquet"))
	if err != nil || len(files) == 0 {
		return nil, err
	}
	counts := map[string]bool{}
	for _, t := range trials {
		counts[t.ID] = t.Pass
	}
	g := &stepGroups{sums: map[stepOf]*moments{}}
	for _, file := range files {
		rows, err := export.ReadSteps(file)
		if err != nil {
			return nil, err
		}
		g.add(rows, counts)
	}
	return g, nil
}

func (g *stepGroups) add(rows []export.StepRow, counts map[string]bool) {
	place := map[int32]int{} // of a scored step among them
	for _, r := range rows {
		if !r.Scored || !counts[r.Trial] {
			continue
		}
		at, seen := place[r.Step]
		if !seen {
			at = len(place)
			place[r.Step] = at
			if at == len(g.trials) && at < mostSteps {
				g.trials = append(g.trials, 0)
			}
			if at < mostSteps {
				g.trials[at]++
			}
		}
		if at >= mostSteps {
			continue
		}
		key := stepOf{r.Method, at, int(r.Layer), int(r.Head)}
		m := g.sums[key]
		if m == nil {
			m = new(moments)
			g.sums[key] = m
		}
		m.sum += r.Value
		m.squares += r.Value * r.Value
	}
}

// into adds each step's mean over its trials, and its standard error, to a method.
func (g *stepGroups) into(m *htmlreport.Method, rows []scoring.Head) {
	if g == nil || len(g.trials) < 2 {
		return
	}
	for s, trials := range g.trials {
		n := float64(trials)
		mean, stdErr := make([]float64, len(rows)), make([]float64, len(rows))
		for i, h := range rows {
			of := g.sums[stepOf{m.Name, s, h.Layer, h.Head}]
			if of == nil {
				return // of other prompts
			}
			mean[i], stdErr[i] = of.sum/n, math.NaN()
			if n > 1 {
				stdErr[i] = math.Sqrt(max(0, of.squares-of.sum*of.sum/n) / (n - 1) / n)
			}
		}
		m.ByStep, m.ByStepErr = append(m.ByStep, mean), append(m.ByStepErr, stdErr)
	}
}
