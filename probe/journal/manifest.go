package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"headprof/export/atomicfile"
	"headprof/export/textfile"
	"headprof/runner/shape"
)

// Format is the version of the folder's layout.
const Format = 1

// Manifest is run.json: what a run's folder was made from. Nothing in it
// depends on time, so that equal runs have equal manifests.
type Manifest struct {
	Format  int    `json:"format"`
	Version string `json:"headprof"`
	Model   Model  `json:"model"`
	Plan    Plan   `json:"plan"`
	// Settings change results; Environment does not and is not compared.
	Settings    map[string]string `json:"settings"`
	Environment map[string]string `json:"environment,omitempty"`
	Outcome     *Outcome          `json:"outcome,omitempty"` // absent: not finished
}

// Model identifies a run's model.
type Model struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Layers int    `json:"layers"`
	Heads  int    `json:"heads"` // query heads of the widest layer
	// Weights is the number format that holds most of the weights, such as
	// "Q4_K"; Tokenizer is tokenizer.Digest. "" in manifests of earlier versions.
	Weights   string `json:"weights,omitempty"`
	Tokenizer string `json:"tokenizer,omitempty"`
	// Shape describes each layer. Manifests of earlier versions lack it: their
	// models have equal layers.
	Shape shape.Model `json:"shape,omitempty"`
}

// Layout is the shape of the model's layers. What a manifest of an earlier
// version does not say is 0, but for head sizes, which its environment gives.
func (m *Manifest) Layout() shape.Model {
	if m.Model.Shape != nil {
		return m.Model.Shape
	}
	l := shape.Layer{Heads: m.Model.Heads}
	l.KeyDim, _ = strconv.Atoi(m.Environment["key_dim"])
	l.ValueDim, _ = strconv.Atoi(m.Environment["value_dim"])
	return shape.Uniform(m.Model.Layers, l)
}

// Plan identifies a run's plan.
type Plan struct {
	Hash   string            `json:"hash"`
	Trials int               `json:"trials"` // of all shards
	Block  int               `json:"block"`
	Seed   uint64            `json:"seed"`
	Shard  string            `json:"shard,omitempty"`
	Params map[string]string `json:"params,omitempty"`
}

// Outcome is how a run ended.
type Outcome struct {
	Trials  int      `json:"trials"` // run, duplicates not counted
	Passed  int      `json:"passed"`
	CutOff  int      `json:"cut_off_in_thinking,omitempty"`
	Stopped *Stop    `json:"stopped_early,omitempty"`
	Partial *Partial `json:"partial,omitempty"`
}

// Partial says that a merged run lacks items of shards that did not end.
type Partial struct {
	Finished string `json:"finished_shards"` // as in "1-2,4"
	Shards   int    `json:"shards"`
	Items    int    `json:"of_trials"` // of the whole plan
}

// Text is the label of a partial run's tables and figures; empty for nil.
func (p *Partial) Text(items int) string {
	if p == nil {
		return ""
	}
	finished := p.Finished
	if finished == "" {
		finished = "none"
	}
	return fmt.Sprintf("partial: %d of %d, shards finished: %s of %d", items, p.Items, finished, p.Shards)
}

func (o *Outcome) partial() *Partial {
	if o == nil {
		return nil
	}
	return o.Partial
}

// Stop is the decision to end a run before its last item.
type Stop struct {
	Trials int    `json:"after_trials"`
	Of     int    `json:"of"`
	Why    string `json:"why"`
}

// Difference is one thing in which two manifests differ.
type Difference struct{ What, There, Now string }

// MismatchError refuses a folder that holds another run.
type MismatchError struct {
	Dir         string
	Differences []Difference
}

func (e *MismatchError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s holds a different run:", e.Dir)
	for _, d := range e.Differences {
		fmt.Fprintf(&b, "\n  %s: %s there, %s now", d.What, orNone(d.There), orNone(d.Now))
	}
	b.WriteString("\nname another folder with --out, repeat the run with the settings there to continue it, or delete the folder")
	return b.String()
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// differences lists in what b departs from a, where it would change results.
func (a *Manifest) differences(b *Manifest) []Difference {
	var out []Difference
	add := func(what, there, now string) {
		if there != now {
			out = append(out, Difference{what, there, now})
		}
	}
	add("folder format", fmt.Sprint(a.Format), fmt.Sprint(b.Format))
	add("headprof version", a.Version, b.Version)
	if a.Model.SHA256 != b.Model.SHA256 {
		add("model", a.Model.Name+" (sha256 "+short(a.Model.SHA256)+")", b.Model.Name+" (sha256 "+short(b.Model.SHA256)+")")
	}
	each := func(there, now map[string]string) {
		keys := map[string]bool{}
		for _, m := range []map[string]string{there, now} {
			for k := range m {
				keys[k] = true
			}
		}
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			add(k, there[k], now[k])
		}
	}
	each(a.Settings, b.Settings)
	each(a.Plan.Params, b.Plan.Params)
	add("seed", fmt.Sprint(a.Plan.Seed), fmt.Sprint(b.Plan.Seed))
	add("shard", a.Plan.Shard, b.Plan.Shard)
	add("trials per block", fmt.Sprint(a.Plan.Block), fmt.Sprint(b.Plan.Block))
	add("trials in the plan", fmt.Sprint(a.Plan.Trials), fmt.Sprint(b.Plan.Trials))
	if len(out) == 0 {
		add("plan (its prompts or their order)", short(a.Plan.Hash), short(b.Plan.Hash))
	}
	return out
}

func short(hash string) string { return hash[:min(12, len(hash))] }

// ReadManifest reads a run folder's run.json.
func ReadManifest(dir string) (*Manifest, error) {
	path := filepath.Join(dir, ManifestName)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m := new(Manifest)
	if data, err = textfile.Clean(path, data); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(m); err != nil {
		return nil, fmt.Errorf("%s is not a run's manifest (%w); restore the file, or delete the folder and run again", path, JSONError(err))
	}
	if m.Format != Format {
		return nil, fmt.Errorf("%s has format %d; this headprof reads format %d", path, m.Format, Format)
	}
	return m, nil
}

// write replaces run.json in one step.
func (m *Manifest) write(dir string) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(filepath.Join(dir, ManifestName), append(data, '\n'))
}
