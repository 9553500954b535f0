package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"headprof/probe/journal"
	"headprof/scoring"
)

// differences says how two profiles were made differently, as far as both tell.
func differences(a, b *ranked) []string {
	am, bm := a.profile.Rows().Meta, b.profile.Rows().Meta
	var out []string
	add := func(what, x, y string) {
		if x != "" && y != "" && x != y {
			out = append(out, fmt.Sprintf("%s: %s is of %s, %s of %s", what, a.path, x, b.path, y))
		}
	}
	if am.ModelSHA != "" && bm.ModelSHA != "" && am.ModelSHA != bm.ModelSHA {
		add("model", modelText(am), modelText(bm))
	}
	if a.run != nil && b.run != nil {
		add("weights", a.run.Model.Weights, b.run.Model.Weights)
		add("tokenizer", vocabulary(a.run.Model), vocabulary(b.run.Model))
	}
	if !am.FastUnknown && !bm.FastUnknown && am.Fast != bm.Fast {
		fast := a.path
		if bm.Fast {
			fast = b.path
		}
		out = append(out, fmt.Sprintf("%s was computed with %s, the other without", fast, fastNote))
	}
	if am.Decode != "" && bm.Decode != "" && am.Decode != bm.Decode {
		out = append(out, fmt.Sprintf("%s was decoded %s, %s %s", a.path, am.Decode, b.path, bm.Decode))
	}
	if a.run != nil && b.run != nil {
		out = append(out, planDifferences(a, b)...)
	}
	return out
}

func modelText(m scoring.Meta) string {
	return fmt.Sprintf("%s (sha256 %.12s)", m.Model, m.ModelSHA)
}

func vocabulary(m journal.Model) string {
	if m.Tokenizer == "" {
		return ""
	}
	return fmt.Sprintf("the vocabulary %.12s", m.Tokenizer)
}

// planDifferences says in what the flags and settings of two runs differ. What
// one run leaves out was at its default, if both ran the same kind of prompts.
func planDifferences(a, b *ranked) (out []string) {
	sameProbes := slices.Equal(a.probes(), b.probes())
	if !sameProbes {
		out = append(out, fmt.Sprintf("prompts: %s ran %s, %s %s", a.path, strings.Join(a.probes(), ", "), b.path, strings.Join(b.probes(), ", ")))
	}
	x, y := a.facts(), b.facts()
	for k := range y {
		if _, ok := x[k]; !ok {
			x[k] = ""
		}
	}
	for _, k := range slices.Sorted(maps.Keys(x)) {
		v, w := x[k], y[k]
		if v == w || !sameProbes && (v == "" || w == "") {
			continue
		}
		out = append(out, fmt.Sprintf("%s: %s has %s, %s %s", k, a.path, orDefault(v), b.path, orDefault(w)))
	}
	if len(out) == 0 && a.run.Plan.Hash != b.run.Plan.Hash {
		out = append(out, fmt.Sprintf("prompts: %s and %s ran different ones", a.path, b.path))
	}
	return out
}

func orDefault(s string) string {
	if s == "" {
		return "the default"
	}
	return s
}

// facts are the flags and settings of a run that are not told otherwise. A
// method's parameters are among them.
func (r *ranked) facts() map[string]string {
	out := maps.Clone(r.run.Settings)
	maps.Copy(out, r.run.Plan.Params)
	for _, told := range []string{"methods", "decode", fastSetting} {
		delete(out, told)
	}
	out["seed"] = fmt.Sprint(r.run.Plan.Seed)
	out["headprof version (of the methods)"] = r.run.Version
	return out
}

// probes names the kinds of prompts that a run's methods are computed on.
func (r *ranked) probes() []string {
	seen := map[string]bool{}
	for _, m := range strings.Split(r.run.Settings["methods"], ",") {
		name := "needle trials"
		if d, err := scoring.Lookup(m); err == nil && d.Probe != scoring.Needles {
			name = string(d.Probe)
		}
		seen[name] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// errOtherTokens says that two profiles are of models with other vocabularies.
var errOtherTokens = errors.New("their models have different tokenizers, so their heads have nothing in common but their places")

// checkMix refuses profiles of models that have nothing in common.
func checkMix(profiles []*ranked, mix bool) error {
	for _, r := range profiles[1:] {
		a := profiles[0]
		if !mix && a.run != nil && r.run != nil && a.run.Model.Tokenizer != "" && r.run.Model.Tokenizer != "" && a.run.Model.Tokenizer != r.run.Model.Tokenizer {
			return usagef("%s and %s: %w; --mix compares them all the same", a.path, r.path, errOtherTokens)
		}
	}
	return nil
}

// allDifferences are those of every profile from the first.
func allDifferences(profiles []*ranked) (out []string) {
	for _, r := range profiles[1:] {
		out = append(out, differences(profiles[0], r)...)
	}
	return out
}

// modelDifferences says how a model file differs from the model that a profile
// is of, as far as the profile tells.
func modelDifferences(path string, of *journal.Manifest, file, weights, tokenizer string) (out []string, sameTokens bool) {
	if of == nil {
		return nil, true
	}
	if w := of.Model.Weights; w != "" && w != weights {
		out = append(out, fmt.Sprintf("weights: %s is of %s, %s of %s", path, w, filepath.Base(file), weights))
	}
	return out, of.Model.Tokenizer == "" || of.Model.Tokenizer == tokenizer
}
