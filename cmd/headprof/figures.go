package main

import (
	"path/filepath"
	"slices"

	"headprof/plots"
	"headprof/probe"
	"headprof/scoring"
)

// plotMeta is what a title says about a table.
func plotMeta(t *scoring.Table, method string) plots.Meta {
	m := plots.Meta{Model: t.Meta.Model, Method: method, Decode: t.Meta.Decode, Trials: t.Meta.Trials, Passed: t.Meta.Passed}
	if t.Meta.Fast {
		m.Note = fastNote
	}
	return m
}

// headsFigure turns one method's rows into what plots draws.
func headsFigure(t *scoring.Table, method string, top int) plots.Heads {
	rows := t.Of(method)
	h := plots.Heads{Meta: plotMeta(t, method), Top: top}
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
		h.Window[r.Layer] = r.Window
	}
	return h
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

// drawRun draws a run's figures into its folder.
func drawRun(dir string, t *scoring.Table, r *probe.Result, method string, top int) ([]string, error) {
	heads := headsFigure(t, method, top)
	var paths []string
	for _, d := range []struct {
		name string
		draw func() (*plots.Figure, error)
	}{
		{"heads", func() (*plots.Figure, error) { return plots.HeadMap(heads) }},
		{"ranking", func() (*plots.Figure, error) { return plots.Ranking(heads) }},
		{"layers", func() (*plots.Figure, error) { return plots.Layers(heads) }},
		{"needle", func() (*plots.Figure, error) { return plots.Needle(needleFigure(heads.Meta, r)) }},
	} {
		f, err := d.draw()
		if err != nil {
			return nil, err
		}
		path := filepath.Join(dir, d.name+".png")
		if err := f.Save(path); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}
