package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"headprof/export"
	"headprof/probe/journal"
	"headprof/scoring"
)

// allMethods is --method's word for every method of a profile.
const allMethods = "all"

// ranked is a profile that is compared, with what is known of its making.
type ranked struct {
	path    string
	profile *export.Profile
	run     *journal.Manifest // nil: it is no run's folder
	methods []string
	several bool // more than one method was asked for
	bare    bool // leave trials out: no intervals are wanted
}

// openRanked reads profiles and the methods that are asked for: one, several by
// commas, or all. Of several methods a profile takes part with those it holds;
// each must be held by one.
func (f *profileFlags) openRanked(paths []string, methods string) ([]*ranked, error) {
	var profiles []*ranked
	missing := map[string]bool{}
	asked := strings.Split(methods, ",")
	for i, m := range asked {
		asked[i] = strings.TrimSpace(m)
		if missing[asked[i]] {
			return nil, usagef("--method %s: %s is named twice", methods, asked[i])
		}
		missing[asked[i]] = true
	}
	for _, path := range paths {
		p, err := f.read(path)
		if err != nil {
			return nil, err
		}
		r := &ranked{path: path, profile: p, several: len(asked) > 1 || methods == allMethods}
		if r.run, err = manifestOf(path); err != nil {
			return nil, err
		}
		t := p.Rows()
		for _, m := range asked {
			switch {
			case m == allMethods:
				r.methods = t.Methods()
			case len(asked) > 1 && t.Of(m) == nil && m != scoring.ConsensusMethod:
				continue
			default:
				if m, err = methodOf(t, m, path); err != nil {
					return nil, err
				}
				r.methods = append(r.methods, m)
			}
			missing[m] = false
		}
		if len(r.methods) == 0 {
			return nil, usagef("%s has none of the methods %s; it has %s", path, strings.Join(asked, ", "), strings.Join(t.Methods(), ", "))
		}
		profiles = append(profiles, r)
	}
	for _, m := range asked {
		if len(asked) > 1 && missing[m] {
			return nil, usagef("no profile has the method %q", m)
		}
	}
	return profiles, nil
}

// manifestOf reads the manifest of a run's folder; nil where path is none.
func manifestOf(path string) (*journal.Manifest, error) {
	m, err := journal.ReadManifest(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	return m, err
}

// isList reports whether one of the rankings names some heads only.
func (r *ranked) isList() bool {
	return r.profile.List != nil || slices.ContainsFunc(r.methods, r.profile.Table.IsList)
}

// rankings are the profile's methods, each with the trials that its scores are
// means of where they lie beside the scores. Runs of one plan share their trials.
func (r *ranked) rankings(name func(path, method string) string) ([]scoring.Ranking, error) {
	t := r.profile.Table
	if r.isList() {
		return nil, fmt.Errorf("%s lists some heads; agreement is known of profiles that score every head", r.path)
	}
	var trials []scoring.TrialScore
	if !r.bare {
		var err error
		trials, err = export.ReadTrials(filepath.Join(r.path, "trials.parquet"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return nil, err
		}
	}
	pool := r.path
	if r.run != nil {
		pool = r.run.Plan.Hash
	}
	var out []scoring.Ranking
	for _, m := range r.methods {
		x := scoring.Ranking{Name: name(r.path, m), Heads: t.Of(m), PerKVHead: t.Quantity(m).PerKVHead || scoring.OfKVHeads(m), Pool: pool}
		for _, trial := range trials {
			if trial.Scores[m] != nil {
				x.Trials = append(x.Trials, trial)
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// rankingsOf names the rankings of several profiles so that no two are alike.
func rankingsOf(profiles []*ranked) ([]scoring.Ranking, error) {
	apart := true
	held := map[string]bool{}
	for _, r := range profiles {
		for _, m := range r.methods {
			apart = apart && !held[m]
			held[m] = true
		}
	}
	name := func(path, method string) string {
		switch {
		case apart && profiles[0].several:
			return method
		case !profiles[0].several:
			return path
		}
		return path + " " + method
	}
	var out []scoring.Ranking
	count := map[string]int{}
	for _, r := range profiles {
		list, err := r.rankings(name)
		if err != nil {
			return nil, err
		}
		for _, x := range list {
			if count[x.Name]++; count[x.Name] > 1 {
				x.Name += fmt.Sprintf(" (%d)", count[x.Name]) // a profile that is named twice
			}
			out = append(out, x)
		}
	}
	return out, nil
}

// withConsensus adds the consensus of all methods to a table that does not hold
// it: a head's vote is a place among a method's top tenth, and more than half of
// the methods make it a member.
func withConsensus(t *scoring.Table, path string) error {
	if t.Of(scoring.ConsensusMethod) != nil {
		return nil
	}
	r := &ranked{path: path, profile: &export.Profile{Table: t}, methods: t.Methods(), several: true, bare: true}
	if len(r.methods) < 2 {
		return usagef("%s holds scores of %s alone, so there is no consensus; 'headprof compare A B... --consensus FILE' writes that of several profiles", path, r.methods[0])
	}
	rankings, err := rankingsOf([]*ranked{r})
	if err != nil {
		return err
	}
	c, err := scoring.Agreed(rankings, 0, 0, false, scoring.Options{Resamples: 1})
	if errors.Is(err, scoring.ErrNoCommonMeaning) {
		return usagef("%s: %w; write the consensus of the methods that you mean with 'headprof compare %s --method a,b,c --consensus FILE', and give that file", path, err, path)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	own := c.Table(t.Meta)
	t.Heads = append(t.Heads, own.Heads...)
	t.SetQuantity(own.Quantity(scoring.ConsensusMethod))
	if len(c.Members()) == 0 {
		return fmt.Errorf("%s: no head is in the top %d under at least %d of %d methods, so there is no consensus; 'headprof compare --at-least' and '--top-k' make it wider", path, c.K, c.AtLeast, len(c.Names))
	}
	return nil
}

// mixHint says how rankings without a common meaning are compared all the same.
func mixHint(err error) error {
	if errors.Is(err, scoring.ErrNoCommonMeaning) {
		return usagef("%w; name methods and profiles that have one, or give --mix: groups of query heads then count by their best head, and heads that all have are compared", err)
	}
	return err
}
