package evaluate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strings"

	"headprof/probe"
	"headprof/scoring"
)

// manifest says what an evaluation was made from.
func manifest(e probe.Model, items string, n int, s Setting, vs []Variant, o Options) *probe.Manifest {
	m := base(e, items, n, o)
	var names []string
	for _, v := range vs {
		names = append(names, fmt.Sprintf("%s:%d", v.Policy, v.Capacity))
	}
	m.Settings["policies"] = strings.Join(names, " ")
	maps.Copy(m.Settings, s.settings(vs))
	return m
}

func base(e probe.Model, items string, n int, o Options) *probe.Manifest {
	settings := map[string]string{}
	maps.Copy(settings, o.Settings)
	return &probe.Manifest{
		Version: o.Version, Settings: settings, Environment: environment(nil),
		Model: probe.ManifestModel{Name: e.Name(), SHA256: e.SHA256(), Layers: e.Layers(), Heads: e.Heads()},
		Plan:  probe.ManifestPlan{Hash: items, Trials: n, Block: n, Seed: o.Seed, Params: o.Params},
	}
}

// scoresHash identifies a profile by its means, whatever file they came from.
func scoresHash(t *scoring.Table) string {
	h := sha256.New()
	for _, r := range t.Heads {
		fmt.Fprintf(h, "%s %d %d %v\n", r.Method, r.Layer, r.Head, r.Mean)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// reader appends journal lines to records.
func reader[R any](records *[]*R, check func(*R) error) func(line []byte) error {
	return func(line []byte) error {
		r := new(R)
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(r); err != nil {
			return err
		}
		if err := check(r); err != nil {
			return err
		}
		*records = append(*records, r)
		return nil
	}
}

// matches checks that a journal holds the first steps of a run, in order.
func matches(path string, have, want int, at func(i int) (there, now string)) error {
	if have > want {
		return fmt.Errorf("%s holds %d steps, more than the run's %d; name another folder with --out or delete it", path, have, want)
	}
	for i := range have {
		if there, now := at(i); there != now {
			return fmt.Errorf("%s:%d: the line is %q, but the run's is %q; the journal was damaged, or lines are missing or out of order: restore it, or delete this line and all after it", path, i+1, there, now)
		}
	}
	return nil
}

// rounded keeps six decimals: exponentials differ in their last bits between
// processors, and a journal should not.
func rounded(v float64) float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return -math.MaxFloat64 // JSON knows no infinity
	}
	return math.Round(v*1e6) / 1e6
}
