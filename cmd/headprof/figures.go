package main

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"headprof/plots"
	"headprof/probe"
	"headprof/scoring"
	"headprof/scoring/stats"
)

// plotMeta is what a title says about a table.
func plotMeta(t *scoring.Table, method string) plots.Meta {
	m := plots.Meta{Model: t.Meta.Model, Method: method, Decode: t.Meta.Decode, Trials: t.Meta.Trials, Passed: t.Meta.Passed}
	if scoring.ProbeOf(method) != scoring.Needles {
		m.Decode = "" // nothing was decoded
		if rows := t.Of(method); len(rows) > 0 && rows[0].N > 0 {
			m.Trials, m.Passed, m.Cases = 0, 0, rows[0].N
		}
	}
	if t.Meta.Fast {
		m.Note = fastNote
	}
	if t.Meta.Thinking != "" {
		m.Note = strings.TrimPrefix(m.Note+", "+t.Meta.Thinking, ", ")
	}
	if t.Meta.Partial != "" {
		m.Note = strings.TrimPrefix(m.Note+", "+t.Meta.Partial, ", ")
	}
	return m
}

// headsFigure turns one method's rows into what plots draws.
func headsFigure(t *scoring.Table, method string, top int) plots.Heads {
	rows := t.Of(method)
	h := plots.Heads{Meta: plotMeta(t, method), Top: top}
	q := t.Quantity(method)
	h.Label, h.PerKV, h.Listed = axisLabel(q), q.PerKVHead, t.IsList(method)
	rows, h.Interval = withIntervals(rows, q.Interval)
	kv := 0
	for _, r := range rows {
		h.Layers, h.Heads, kv = max(h.Layers, r.Layer+1), max(h.Heads, r.Head+1), max(kv, r.KVHead+1)
	}
	if kv > 0 && h.Heads%kv == 0 {
		h.KVGroup = h.Heads / kv
	}
	h.Window = make([]int, h.Layers)
	grid := func(value func(scoring.Head) float64) [][]float64 {
		g := make([][]float64, h.Layers)
		for l := range g {
			g[l] = make([]float64, h.Heads)
			for i := range g[l] {
				g[l][i] = math.NaN() // heads without a row have no score
			}
		}
		for _, r := range rows {
			g[r.Layer][r.Head] = value(r)
		}
		return g
	}
	h.Score = grid(func(r scoring.Head) float64 { return r.Mean })
	h.Low = grid(func(r scoring.Head) float64 { return r.Low })
	h.High = grid(func(r scoring.Head) float64 { return r.High })
	for _, r := range rows {
		h.Window[r.Layer] = max(0, r.Window) // an unknown window is not drawn
	}
	return h
}

// axisLabel names a method's number on an axis: what it is, and over what it
// is a mean.
func axisLabel(q scoring.Quantity) string {
	label := q.Label
	if label == "" {
		label = "score"
	}
	if q.Mean != "" {
		label += " (mean over " + q.Mean + ")"
	}
	return label
}

// withIntervals gives rows with the intervals of their means: those that are
// there, which said names, or, where a file holds each head's trials and no
// intervals (the published JSON), those of a bootstrap over trials. what names
// the intervals that are given.
func withIntervals(rows []scoring.Head, said string) (out []scoring.Head, what string) {
	out, what = slices.Clone(rows), said
	for i := range out {
		h := &out[i]
		if n := len(h.Trials); n > 1 && math.IsNaN(h.Low) && math.IsNaN(h.High) {
			e := stats.Default(1).MeanEstimate(h.Trials, stats.Groups(n, strconv.Itoa))
			h.Low, h.High = e.Low, e.High
			what = "95 % bootstrap interval over the file's trials"
		}
	}
	return out, what
}

// curvesFigure turns a table's curves into what plots draws.
func curvesFigure(t *scoring.Table, top int) (plots.Curves, error) {
	curves, err := t.Curves()
	if err != nil {
		return plots.Curves{}, err
	}
	point := scoring.PointName(curves[0].Kept[0])
	out := plots.Curves{Meta: plotMeta(t, point), Top: top, Interval: t.Quantity(point).Interval}
	out.Method = scoring.CacheCut{}.Name()
	for _, c := range curves {
		h := plots.CurveHead{Layer: c.Layer, KVHead: c.KVHead}
		for i, k := range c.Kept {
			h.Points = append(h.Points, plots.Point{X: float64(k), Y: c.Loss[i], Low: c.Low[i], High: c.High[i]})
		}
		out.Heads = append(out.Heads, h)
	}
	return out, nil
}

// needleFigure counts trials and passes over length and depth.
func needleFigure(m plots.Meta, r *probe.Result) plots.NeedleGrid {
	g := plots.NeedleGrid{Meta: m}
	type point struct {
		length int
		depth  float64
		pass   bool
	}
	var points []point
	for _, rec := range r.Records {
		points = append(points, point{rec.Length, rec.Depth, rec.Pass})
		for _, a := range rec.Also {
			points = append(points, point{a.Length, a.Depth, rec.Pass})
		}
	}
	for _, p := range points {
		g.Lengths, g.Depths = append(g.Lengths, p.length), append(g.Depths, p.depth)
	}
	slices.Sort(g.Lengths)
	slices.Sort(g.Depths)
	g.Lengths, g.Depths = slices.Compact(g.Lengths), slices.Compact(g.Depths)
	for range g.Depths {
		g.Trials = append(g.Trials, make([]int, len(g.Lengths)))
		g.Passed = append(g.Passed, make([]int, len(g.Lengths)))
	}
	for _, p := range points {
		d, _ := slices.BinarySearch(g.Depths, p.depth)
		l, _ := slices.BinarySearch(g.Lengths, p.length)
		g.Trials[d][l]++
		if p.pass {
			g.Passed[d][l]++
		}
	}
	return g
}

// drawing is one figure of a run and the file that it is drawn into.
type drawing struct {
	path string
	draw func() (*plots.Figure, error)
}

// drawAll draws figures into files. The results that they show are written by
// then, so a figure that cannot be drawn or written fails nothing: it becomes a
// problem for the user to read, and the others are drawn.
func drawAll(all []drawing) (paths, problems []string) {
	for _, d := range all {
		if err := d.save(); err != nil {
			problems = append(problems, fmt.Sprintf("%s was not drawn: %s", d.path, strings.TrimPrefix(message(err), "plot: ")))
			continue
		}
		paths = append(paths, d.path)
	}
	return paths, problems
}

// warnFigures warns of figures that were not drawn.
func warnFigures(cmd *cobra.Command, asJSON bool, problems []string) {
	for _, p := range problems {
		if asJSON {
			printJSON(cmd.OutOrStdout(), map[string]any{"event": "warning", "kind": "figure", "text": p})
			continue
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", p)
	}
}

func (d drawing) save() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("drawing failed (%v); please report this", r)
		}
	}()
	f, err := d.draw()
	if err != nil {
		return err
	}
	return f.Save(d.path)
}

// drawRun draws a run's figures into its folder.
func drawRun(dir string, t *scoring.Table, r *probe.Result, method string, top int) (paths, problems []string) {
	heads := headsFigure(t, method, top)
	path := func(name string) string { return filepath.Join(dir, name) }
	figures := []drawing{
		{path("heads.png"), func() (*plots.Figure, error) { return plots.HeadMap(heads) }},
		{path("ranking.png"), func() (*plots.Figure, error) { return plots.Ranking(heads) }},
		{path("layers.png"), func() (*plots.Figure, error) { return plots.Layers(heads) }},
	}
	answer, thought := scoring.AnswerMethod(method)
	if !thought {
		answer = method
	}
	if thinking := scoring.WhileThinking(answer); slices.Contains(t.Methods(), thinking) {
		heads := headsFigure(t, thinking, top)
		figures = append(figures,
			drawing{path("heads-thinking.png"), func() (*plots.Figure, error) { return plots.HeadMap(heads) }},
			drawing{path("ranking-thinking.png"), func() (*plots.Figure, error) { return plots.Ranking(heads) }})
	}
	if t.CurvePoints() != nil {
		figures = append(figures, drawing{path("curves.png"), func() (*plots.Figure, error) {
			c, err := curvesFigure(t, 0)
			if err != nil {
				return nil, err
			}
			return plots.CacheCurves(c)
		}})
	}
	if len(r.Records) > 0 { // needle trials
		figures = append(figures, drawing{path("needle.png"), func() (*plots.Figure, error) { return plots.Needle(needleFigure(heads.Meta, r)) }})
	}
	return drawAll(figures)
}
