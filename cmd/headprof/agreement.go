package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"headprof/export"
	"headprof/plots"
	"headprof/scoring"
	"headprof/scoring/stats"
)

// agreed is how far several rankings agree, and what they agree on.
type agreed struct {
	*scoring.Agreement
	consensus   *scoring.Consensus
	differences []string
}

// agree compares the rankings of profiles, all with all.
func agree(profiles []*ranked, top, atLeast int, mix bool, seed uint64) (*agreed, error) {
	if err := checkMix(profiles, mix); err != nil {
		return nil, err
	}
	rankings, err := rankingsOf(profiles)
	if err != nil {
		return nil, err
	}
	if n := len(rankings); atLeast > n {
		return nil, usagef("--at-least %d: there are only %d rankings", atLeast, n)
	}
	o := scoring.Options{Seed: seed}
	a := &agreed{differences: allDifferences(profiles)}
	if a.Agreement, err = scoring.Agree(rankings, top, mix, o); err != nil {
		return nil, mixHint(explain(err))
	}
	if a.consensus, err = scoring.Agreed(rankings, top, atLeast, mix, o); err != nil {
		return nil, err
	}
	return a, nil
}

// file is what compare --out writes.
func (a *agreed) file() *export.Agreement {
	return export.NewAgreement(a.Agreement, a.consensus, a.differences)
}

// unit is what is compared.
func (a *agreed) unit() string {
	if a.KVHeads {
		return "KV heads"
	}
	return "heads"
}

// print writes the matrix, the intervals of its pairs and the consensus.
func (a *agreed) print(w io.Writer) {
	n := len(a.Names)
	for _, d := range a.differences {
		fmt.Fprintln(w, d)
	}
	fmt.Fprintf(w, "agreement of %d rankings of %d %s: below the diagonal Spearman's rank correlation, above it how many of the top %d are shared\n", n, a.Heads, a.unit(), a.K)
	name := nameWidth(a.Names)
	number := len(strconv.Itoa(n))
	fmt.Fprintf(w, "  %*s %-*s", number, "", name, "")
	for i := range n {
		fmt.Fprintf(w, " %6d", i+1)
	}
	fmt.Fprintln(w)
	for i := range n {
		fmt.Fprintf(w, "  %*d %s", number, i+1, padded(a.Names[i], name))
		for j := range n {
			cell := "·"
			switch v := a.Spearman[i][j].Value; {
			case i < j:
				cell = strconv.Itoa(a.Shared[i][j])
			case i > j && !math.IsNaN(v):
				cell = fmt.Sprintf("%.2f", v)
			case i > j:
				cell = "-"
			}
			fmt.Fprint(w, " ", strings.Repeat(" ", 6-utf8.RuneCountInString(cell)), cell)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "pairs, with 95 %% intervals\n  %s %s %-24s %-28s resampled\n", padded("", name), padded("", name), "Spearman", fmt.Sprintf("shared of the top %d", a.K))
	for i := range n {
		for j := i + 1; j < n; j++ {
			fmt.Fprintf(w, "  %s %s %-24s %-28s %s\n", padded(a.Names[i], name), padded(a.Names[j], name), pairText(a.Spearman[i][j]),
				pairText(a.Overlap[i][j]), a.Resampled[i][j])
		}
	}
	a.printConsensus(w)
}

func (a *agreed) printConsensus(w io.Writer) {
	c := a.consensus
	members := c.Members()
	fmt.Fprintf(w, "consensus: %d %s in the top %d of at least %d of %d rankings\n", len(members), a.unit(), c.K, c.AtLeast, len(c.Names))
	if len(members) == 0 {
		return
	}
	fmt.Fprintf(w, "  %5s %5s %7s %10s %10s  voted for by\n", "layer", "head", "votes", "mean rank", "stability")
	for _, h := range members {
		stability := "-"
		if !math.IsNaN(h.Stability) {
			stability = fmt.Sprintf("%.2f", h.Stability)
		}
		voters := "all"
		if h.Votes < len(c.Names) {
			voters = strings.Join(h.Voters(c.Names), ", ")
		}
		fmt.Fprintf(w, "  %5d %5d %7s %10.1f %10s  %s\n", h.Layer, h.Head, fmt.Sprintf("%d/%d", h.Votes, len(c.Names)), h.MeanRank, stability, voters)
	}
}

func pairText(e stats.Estimate) string {
	switch {
	case math.IsNaN(e.Value):
		return "-"
	case math.IsNaN(e.Low):
		return fmt.Sprintf("%.3f", e.Value)
	}
	return fmt.Sprintf("%.3f [%.3f, %.3f]", e.Value, e.Low, e.High)
}

func nameWidth(names []string) int {
	w := 0
	for _, n := range names {
		w = max(w, utf8.RuneCountInString(n))
	}
	return w
}

func padded(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// agreementFigure turns an agreement into what plots draws.
func agreementFigure(a *scoring.Agreement, model, title string) (*plots.Figure, error) {
	values := func(of func(stats.Estimate) float64) [][]float64 {
		m := make([][]float64, len(a.Names))
		for i := range m {
			for j := range a.Names {
				m[i] = append(m[i], of(a.Spearman[i][j]))
			}
		}
		return m
	}
	p := plots.Agreement{
		Meta: plots.Meta{Model: model, Title: title}, Names: a.Names, Shared: a.Shared, K: a.K, Heads: a.Heads, KVHeads: a.KVHeads,
		Spearman: values(func(e stats.Estimate) float64 { return e.Value }),
		Low:      values(func(e stats.Estimate) float64 { return e.Low }),
		High:     values(func(e stats.Estimate) float64 { return e.High }),
		Interval: "95 % bootstrap interval",
	}
	return plots.AgreementMap(p)
}

// modelOfAll is the model's name where all profiles are of one.
func modelOfAll(profiles []*ranked) string {
	name := profiles[0].profile.Rows().Meta.Model
	for _, r := range profiles {
		if r.profile.Rows().Meta.Model != name {
			return ""
		}
	}
	return name
}
