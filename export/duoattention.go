package export

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"headprof/export/atomicfile"
	"headprof/scoring"
)

// Names of the files in DuoAttention's folder.
const (
	duoScores = "full_attention_heads.tsv"
	duoConfig = "config.json"
)

// duoSettings is config.json: what DuoAttention's loader needs, and where the
// numbers are from. Its threshold applies to learned gates, so ours is left out.
type duoSettings struct {
	SinkSize   int    `json:"sink_size"`
	RecentSize int    `json:"recent_size"`
	ModelName  string `json:"model_name,omitempty"`
	Source     string `json:"source,omitempty"`
	Method     string `json:"method,omitempty"`
	Reduce     string `json:"reduce,omitempty"`
	Scale      string `json:"scale,omitempty"`
	Decode     string `json:"decode,omitempty"`
	Fast       *bool  `json:"fast,omitempty"`
	Trials     int    `json:"trials,omitempty"`
	Passed     int    `json:"passed,omitempty"`
	// DuoAttention's patterns may hold other sizes to serve with.
	DeploySink   *int `json:"deploy_sink_size,omitempty"`
	DeployRecent *int `json:"deploy_recent_size,omitempty"`
}

// ErrStreaming says that sink and recent sizes describe no streaming head.
var ErrStreaming = errors.New("a streaming head keeps at least one token, and no negative number of them")

// DuoAttention and KVPress are one folder: a TSV of KV heads and config.json.
const (
	DuoAttention Format = "duoattention"
	KVPress      Format = "kvpress"
)

func init() {
	d := Declaration{
		Format: DuoAttention, Order: 20, Output: "duoattention", Folder: true, Complete: true,
		About: "a folder with full_attention_heads.tsv and config.json",
		Write: writeDuoAttention,
	}
	register(d)
	d.Format, d.Order, d.Output = KVPress, 40, "kvpress"
	d.About = "the same folder as kvpress's DuoAttentionPress reads it"
	register(d)
}

// writeDuoAttention writes the folder that DuoAttention, kvpress and SGLang
// forks load: one line per layer, one column per KV head, values in [0, 1].
func writeDuoAttention(dir string, t *scoring.Table, heads []scoring.Head, o Options) error {
	m := t.Meta
	s := duoSettings{
		SinkSize: 128, RecentSize: 256, Reduce: o.Reduce, Scale: o.Scale,
		ModelName: m.Model, Source: "headprof", Method: heads[0].Method, Decode: m.Decode, Trials: m.Trials, Passed: m.Passed,
	}
	if !m.FastUnknown {
		s.Fast = &m.Fast
	}
	if from := m.Streaming; from != nil {
		s.SinkSize, s.RecentSize, s.DeploySink, s.DeployRecent = from.Sink, from.Recent, from.DeploySink, from.DeployRecent
	}
	if o.Sink != nil {
		s.SinkSize, s.DeploySink = *o.Sink, nil
	}
	if o.Recent != nil {
		s.RecentSize, s.DeployRecent = *o.Recent, nil
	}
	if s.SinkSize < 0 || s.RecentSize < 0 || s.SinkSize+s.RecentSize == 0 {
		return fmt.Errorf("%w: %d first and %d last tokens", ErrStreaming, s.SinkSize, s.RecentSize)
	}
	if l := withoutRows(heads); l >= 0 {
		return fmt.Errorf("layer %d has no attention, and DuoAttention's table has a row of KV heads for every layer", l)
	}
	if !scoring.KnowsKVHeads(heads) {
		return fmt.Errorf("DuoAttention's table has a column per KV head: %w", scoring.ErrKVHeads)
	}
	for _, h := range heads {
		if math.IsNaN(h.Mean) {
			return fmt.Errorf("layer %d, head %d has no score, and DuoAttention's table has no word for that", h.Layer, h.Head)
		}
	}
	switch s.Reduce {
	case "", "max":
		s.Reduce, heads = "max", scoring.BestOfGroup(heads)
	case "mean":
		heads = meanOfGroup(heads)
	default:
		return fmt.Errorf("no reduction %q; known: max, mean", s.Reduce)
	}
	var scale func(h scoring.Head) float64
	top := 0.0
	columns := 0
	for _, h := range heads {
		top = max(top, h.Mean)
		columns = max(columns, h.Head+1)
	}
	switch s.Scale {
	case "", "max":
		s.Scale = "max"
		if top == 0 {
			return fmt.Errorf("every score is 0, so none can be scaled to 1")
		}
		scale = func(h scoring.Head) float64 { return max(0, h.Mean/top) }
	case "rank":
		scale = func(h scoring.Head) float64 {
			return float64(len(heads)-h.Rank) / float64(max(1, len(heads)-1))
		}
	default:
		return fmt.Errorf("no scale %q; known: max, rank", s.Scale)
	}
	if len(heads) != columns*(heads[len(heads)-1].Layer+1) {
		return fmt.Errorf("layers have different numbers of KV heads, which DuoAttention's table cannot hold")
	}
	config, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return atomicfile.WriteFolder(dir,
		atomicfile.File{Name: duoConfig, Fill: func(w io.Writer) error {
			_, err := w.Write(append(config, '\n'))
			return err
		}},
		atomicfile.File{Name: duoScores, Fill: func(w io.Writer) error {
			b := bufio.NewWriter(w)
			for i, h := range heads {
				b.WriteString(number(scale(h)))
				if (i+1)%columns == 0 {
					b.WriteByte('\n')
				} else {
					b.WriteByte('\t')
				}
			}
			return b.Flush()
		}})
}

// meanOfGroup reduces rows of query heads to rows of KV heads by their mean.
func meanOfGroup(heads []scoring.Head) []scoring.Head {
	var out []scoring.Head
	n := 0
	for i, h := range heads {
		if i == 0 || h.Layer != heads[i-1].Layer || h.KVHead != heads[i-1].KVHead {
			h.Head, n = h.KVHead, 1
			out = append(out, h)
			continue
		}
		n++
		last := &out[len(out)-1]
		last.Mean += (h.Mean - last.Mean) / float64(n)
	}
	scoring.Rerank(out)
	return out
}

// readTSV reads full_attention_heads.tsv as numpy.loadtxt does: '#' starts a
// comment, blank lines do not count, values are clipped to [0, 1] as
// DuoAttention's loader clips them. Its columns are KV heads.
func readTSV(data []byte) (*Profile, error) {
	var rows []scoring.Head
	layer, columns := 0, 0
	s := bufio.NewScanner(bytes.NewReader(data))
	s.Buffer(make([]byte, 0, 1<<16), 1<<22)
	for line := 1; s.Scan(); line++ {
		text, _, _ := strings.Cut(s.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		if columns == 0 {
			columns = len(fields)
		}
		if len(fields) != columns {
			return nil, fmt.Errorf("line %d has %d values, the lines before it %d", line, len(fields), columns)
		}
		for head, f := range fields {
			v, err := strconv.ParseFloat(f, 64)
			if err != nil || math.IsNaN(v) {
				return nil, fmt.Errorf("line %d: %.40q is not a number", line, f)
			}
			rows = append(rows, scoring.Head{
				Method: "duoattention", Layer: layer, Head: head, KVHead: head, Window: scoring.Unknown, Mean: max(0, min(1, v)),
				StdErr: math.NaN(), Low: math.NaN(), High: math.NaN(),
			})
		}
		if layer++; len(rows) > maxRows {
			return nil, fmt.Errorf("more than %d heads", maxRows)
		}
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	p := &parts{rows: rows, meta: scoring.Meta{FastUnknown: true}}
	p.quantities = []scoring.Quantity{{Method: "duoattention", Label: "gate", PerKVHead: true}}
	return p.assemble()
}

// readDuoSettings adds what config.json says of the table's making. The file
// may be absent.
func readDuoSettings(dir string, t *scoring.Table) error {
	path := filepath.Join(dir, duoConfig)
	data, err := readLimited(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var s duoSettings
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	t.Meta.Model, t.Meta.Decode = s.ModelName, s.Decode
	t.Meta.Trials, t.Meta.Passed = s.Trials, s.Passed
	if s.Fast != nil {
		t.Meta.Fast, t.Meta.FastUnknown = *s.Fast, false
	}
	t.Meta.Streaming = &scoring.Streaming{Sink: s.SinkSize, Recent: s.RecentSize, DeploySink: s.DeploySink, DeployRecent: s.DeployRecent}
	if s.Source == "headprof" {
		t.SetQuantity(scoring.Quantity{Method: "duoattention", Label: s.Method + ", " + s.Reduce + " of the group, scale " + s.Scale, PerKVHead: true})
	}
	return nil
}

// withoutRows is the first layer that no row is of, before the last that one is of; -1: none.
func withoutRows(heads []scoring.Head) int {
	layers := map[int]bool{}
	last := -1
	for _, h := range heads {
		layers[h.Layer], last = true, max(last, h.Layer)
	}
	for l := range last {
		if !layers[l] {
			return l
		}
	}
	return -1
}
