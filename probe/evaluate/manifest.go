package evaluate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"

	"headprof/probe"
	"headprof/probe/journal"
	"headprof/scoring"
)

// manifest says what an evaluation was made from.
func manifest(e probe.Model, items string, n int, s Setting, vs []Variant, o Options) *journal.Manifest {
	m := base(e, items, n, o)
	var names []string
	for _, v := range vs {
		names = append(names, fmt.Sprintf("%s:%d", v.Policy, v.Capacity))
	}
	m.Settings["policies"] = strings.Join(names, " ")
	maps.Copy(m.Settings, s.settings(vs))
	return m
}

func base(e probe.Model, items string, n int, o Options) *journal.Manifest {
	settings := map[string]string{}
	maps.Copy(settings, o.Settings)
	return &journal.Manifest{
		Format:  journal.Format,
		Version: o.Version, Settings: settings, Environment: environment(nil),
		Model: probe.ManifestModel(e),
		Plan:  journal.Plan{Hash: items, Trials: n, Block: shardBlock, Seed: o.Seed, Shard: o.Shard.String(), Params: o.Params},
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

// differs says how a journal's line and the plan name an item, where they differ.
func differs(there, now string) string {
	if there == now {
		return ""
	}
	return fmt.Sprintf("the line is of %q, the run's is %q", there, now)
}
