package export

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"headprof/scoring"
)

// about is what a score table carries besides its columns: in a Parquet
// footer, in a comment or in a .meta.json beside a CSV file.
type about struct {
	Format     string             `json:"format,omitempty"`
	Meta       scoring.Meta       `json:"meta"`
	Halves     []half             `json:"halves,omitempty"`
	Quantities []scoring.Quantity `json:"quantities,omitempty"`
}

func aboutOf(t *scoring.Table) about {
	a := about{Format: scoresFormat, Meta: t.Meta}
	for _, s := range t.Halves {
		a.Halves = append(a.Halves, half{s.Method, s.Unit, s.Splits, known(s.Correlation), known(s.Corrected)})
	}
	for _, m := range t.Methods() {
		a.Quantities = append(a.Quantities, t.Quantity(m))
	}
	return a
}

// scoresOf makes a profile of a table's columns. What the columns say counts;
// the metadata only adds to it, and a note says where both disagree.
func scoresOf(f *frame, a about) (*Profile, error) {
	value := "mean"
	if !f.has("mean") {
		value = "score"
	}
	if !f.has(value) {
		return nil, fmt.Errorf("there is no score; a column named mean or score must hold it")
	}
	layer, head, kv, window := f.ints("layer", -1), f.ints("head", scoring.Unknown), f.ints("kv_head", scoring.Unknown), f.ints("window", scoring.Unknown)
	method, decode, fast := f.texts("method"), f.texts("decode"), f.truths("fast")
	mean, stdErr, low, high := f.floats(value), f.floats("std_error"), f.floats("ci_low"), f.floats("ci_high")
	n, rankLow, rankHigh := f.ints("n", 0), f.ints("rank_low", 0), f.ints("rank_high", 0)
	if f.err != nil {
		return nil, f.err
	}
	p := &parts{meta: a.Meta, halves: a.Halves, quantities: a.Quantities}
	for i := range f.rows {
		h := scoring.Head{
			Method: method[i], Layer: layer[i], Head: head[i], KVHead: kv[i], Window: window[i],
			Mean: mean[i], StdErr: stdErr[i], Low: low[i], High: high[i], N: n[i], RankLow: rankLow[i], RankHigh: rankHigh[i],
		}
		if h.Head == scoring.Unknown && h.KVHead >= 0 {
			h.Head = h.KVHead
			p.perKVHead(h.Method)
		}
		if math.IsInf(h.Mean, 0) {
			return nil, fmt.Errorf("%s: the score of layer %d, head %d is %v", f.place(i), h.Layer, h.Head, h.Mean)
		}
		p.rows = append(p.rows, h)
	}
	if err := p.sayHow(decode, fast, counted(p.rows)); err != nil {
		return nil, err
	}
	return p.assemble()
}

// counted is how many trials the rows say that count: needle trials where they
// are among them, else cases, of which methods of one probe share theirs and
// those of another have their own.
func counted(rows []scoring.Head) (n int) {
	perProbe := map[scoring.Probe]int{}
	for _, h := range rows {
		probe := scoring.ProbeOf(h.Method)
		perProbe[probe] = max(perProbe[probe], h.N)
	}
	if n := perProbe[scoring.Needles]; n > 0 {
		return n
	}
	for _, m := range perProbe {
		n += m
	}
	return n
}

// parts is what a profile is put together from.
type parts struct {
	meta       scoring.Meta
	halves     []half
	quantities []scoring.Quantity
	rows       []scoring.Head
	notes      []string
	model      scoring.Shape // where the source tells it
	list       bool          // a list even if it happens to name every head of a smaller model
}

func (p *parts) quantity(method string) *scoring.Quantity {
	for i := range p.quantities {
		if p.quantities[i].Method == method {
			return &p.quantities[i]
		}
	}
	p.quantities = append(p.quantities, scoring.QuantityOf(method))
	return &p.quantities[len(p.quantities)-1]
}

func (p *parts) perKVHead(method string) { p.quantity(method).PerKVHead = true }

func (p *parts) note(format string, values ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, values...))
}

// sayHow takes from the columns how the scores came to be.
func (p *parts) sayHow(decode []string, fast []truth, counted int) error {
	said := ""
	for _, d := range decode {
		if d == "" {
			continue
		}
		if said != "" && d != said {
			return fmt.Errorf("its rows were decoded in different ways (%s and %s); keep the rows of one", said, d)
		}
		said = d
	}
	if said != "" {
		if p.meta.Decode != "" && p.meta.Decode != said {
			p.note("the column decode says %s, the file's metadata %s; the column counts", said, p.meta.Decode)
		}
		p.meta.Decode = said
	}
	quick := untold
	for _, t := range fast {
		if t == untold {
			continue
		}
		if quick != untold && t != quick {
			return fmt.Errorf("some of its rows were computed with --int8 and some without; keep the rows of one")
		}
		quick = t
	}
	switch {
	case quick != untold:
		// Metadata leaves fast out where it is false, and so does metadata of others.
		if p.meta.Fast != (quick == yes) && (p.meta.Fast || p.meta.ModelSHA != "") {
			p.note("the column fast says %t, the file's metadata %t; the column counts", quick == yes, p.meta.Fast)
		}
		p.meta.Fast, p.meta.FastUnknown = quick == yes, false
	case !p.meta.Fast && p.meta.ModelSHA == "":
		p.meta.FastUnknown = true
	}
	if counted > 0 && counted != p.meta.Passed {
		if p.meta.Passed > 0 {
			p.note("the column n says that %d trials count, the file's metadata %d; the column counts", counted, p.meta.Passed)
		}
		p.meta.Passed = counted
	}
	if p.meta.Trials < p.meta.Passed {
		p.meta.Trials = 0
	}
	return nil
}

// assemble puts rows in order. Where every method holds every head of its
// layers once, the profile is a table; else it lists some heads.
func (p *parts) assemble() (*Profile, error) {
	if len(p.rows) == 0 {
		return nil, fmt.Errorf("it holds no scores")
	}
	type key struct {
		method      string
		layer, head int
	}
	at := make(map[key]int, len(p.rows))
	var methods []string
	extent := map[string][]int{} // heads per layer
	for i, r := range p.rows {
		if r.Layer < 0 || r.Layer >= maxLayers || r.Head < 0 || r.Head >= maxPerLayer || r.KVHead < scoring.Unknown || r.KVHead > r.Head || r.Window < scoring.Unknown {
			return nil, fmt.Errorf("no model has layer %d, head %d with KV head %d", r.Layer, r.Head, r.KVHead)
		}
		k := key{r.Method, r.Layer, r.Head}
		if _, ok := at[k]; ok {
			return nil, fmt.Errorf("layer %d, head %d appears twice", r.Layer, r.Head)
		}
		at[k] = i
		layers, ok := extent[r.Method]
		if !ok {
			if methods = append(methods, r.Method); len(methods) > 64 {
				return nil, fmt.Errorf("it holds more than 64 methods")
			}
		}
		for len(layers) <= r.Layer {
			layers = append(layers, 0)
		}
		layers[r.Layer] = max(layers[r.Layer], r.Head+1)
		extent[r.Method] = layers
	}
	t := scoring.Table{Meta: p.meta, Notes: p.notes}
	complete := !p.list
	first := map[bool]string{}
	for _, m := range methods {
		from := len(t.Heads)
		some := false
		for l, heads := range extent[m] {
			complete = complete && heads > 0
			for h := range heads {
				i, ok := at[key{m, l, h}]
				if !ok {
					complete = false
					continue
				}
				t.Heads = append(t.Heads, p.rows[i])
				some = some || !math.IsNaN(p.rows[i].Mean)
			}
		}
		if !some {
			if m == "" {
				return nil, fmt.Errorf("no head has a score")
			}
			return nil, fmt.Errorf("no head has a score under the method %s", m)
		}
		scoring.Rerank(t.Heads[from:])
		q := *p.quantity(m)
		fillKVHeads(t.Heads[from:], extent[m], q.PerKVHead)
		t.SetQuantity(q)
		if f, ok := first[q.PerKVHead]; !ok {
			first[q.PerKVHead] = m
		} else if fmt.Sprint(extent[f]) != fmt.Sprint(extent[m]) {
			complete = false
		}
	}
	for _, h := range p.halves {
		t.Halves = append(t.Halves, scoring.SplitHalf{Method: h.Method, Unit: h.Unit, Splits: h.Splits, Correlation: orNaN(h.Correlation), Corrected: orNaN(h.Corrected)})
	}
	if !complete {
		return &Profile{List: &scoring.HeadList{Table: t, Model: p.model}}, nil
	}
	return &Profile{Table: &t}, nil
}

// fillKVHeads fills in single KV heads that are missing where the other heads
// share them evenly in order; else none is known. A layer of which none is
// known has none: it reads another layer's.
func fillKVHeads(rows []scoring.Head, perLayer []int, perKVHead bool) {
	if perKVHead || scoring.KnowsKVHeads(rows) {
		return
	}
	kvHeads := make([]int, len(perLayer))
	for _, h := range rows {
		kvHeads[h.Layer] = max(kvHeads[h.Layer], h.KVHead+1)
	}
	even := true
	for l, kv := range kvHeads {
		even = even && (kv == 0 || perLayer[l]%kv == 0)
	}
	for _, h := range rows {
		even = even && (h.KVHead == scoring.Unknown || h.KVHead == h.Head/(perLayer[h.Layer]/kvHeads[h.Layer]))
	}
	for i, h := range rows {
		rows[i].KVHead = scoring.Unknown
		if even && kvHeads[h.Layer] > 0 {
			rows[i].KVHead = h.Head / (perLayer[h.Layer] / kvHeads[h.Layer])
		}
	}
}

// parseAbout reads metadata that was written as one JSON value.
func parseAbout(data []byte) (a about, err error) {
	if len(data) == 0 {
		return a, nil
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return a, fmt.Errorf("its metadata: %w", err)
	}
	if a.Format != "" && !strings.HasPrefix(a.Format, "scores/") {
		return about{}, nil
	}
	return a, nil
}
