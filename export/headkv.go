package export

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"headprof/export/atomicfile"
	"headprof/scoring"
	"headprof/scoring/stats"
)

// HeadKV is the published form of HeadKV and Retrieval-Head.
const HeadKV Format = "headkv"

func init() {
	register(Declaration{
		Format: HeadKV, Order: 10, Output: "headkv.json", QueryHeads: true, Complete: true, Trials: true,
		About: "HeadKV's and Retrieval-Head's JSON",
		Write: writeHeadKV,
	})
}

// writeHeadKV writes one method in the published form of HeadKV and
// Retrieval-Head: one line, {"layer-head": [score per passing trial, …]},
// ordered by layer and head. Their loaders take the mean of each list and rely
// on that order. Where single trials are not known the list holds the mean.
//
// The form has no place for a remark, so whether trials were forced or greedy
// stands beside it, in run.json.
func writeHeadKV(path string, _ *scoring.Table, heads []scoring.Head, _ Options) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		b := bufio.NewWriter(w)
		for i, h := range heads {
			separator := ", "
			if i == 0 {
				separator = "{"
			}
			fmt.Fprintf(b, "%s\"%d-%d\": [", separator, h.Layer, h.Head)
			values := h.Trials
			if len(values) == 0 {
				values = []float64{h.Mean}
			}
			if math.IsNaN(h.Mean) {
				return fmt.Errorf("layer %d, head %d has no score, and HeadKV's form has no word for that", h.Layer, h.Head)
			}
			for j, v := range values {
				if j > 0 {
					b.WriteString(", ")
				}
				b.WriteString(number(v))
			}
			b.WriteByte(']')
		}
		b.WriteString("}\n")
		return b.Flush()
	})
}

// readHeadKV reads the published form. Head counts come from the keys; KV heads
// and windows are not in it.
func readHeadKV(data []byte, method string) (*Profile, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("it is not a JSON object of the form {\"layer-head\": [scores]}")
	}
	var rows []scoring.Head
	trials := 0
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("at byte %d: %w", d.InputOffset(), err)
		}
		key, _ := t.(string)
		h, err := headOfKey(key)
		if err != nil {
			return nil, err
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, fmt.Errorf("the scores of %s: %w", key, err)
		}
		if h.Trials, err = scoreList(raw); err != nil {
			return nil, fmt.Errorf("the scores of %s: %w", key, err)
		}
		h.Method = method
		h.N = len(h.Trials)
		h.Mean, h.StdErr = stats.MeanStdErr(h.Trials)
		h.Low, h.High = math.NaN(), math.NaN()
		trials = max(trials, h.N)
		if rows = append(rows, h); len(rows) > maxRows {
			return nil, fmt.Errorf("more than %d heads", maxRows)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("the object does not end: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("something follows the object at byte %d", d.InputOffset())
	}
	p := &parts{rows: rows, meta: scoring.Meta{Passed: trials, FastUnknown: true}}
	p.quantities = []scoring.Quantity{{Method: method, Mean: scoring.OverTrials}}
	return p.assemble()
}

// headOfKey reads "layer-head".
func headOfKey(key string) (scoring.Head, error) {
	l, h, ok := strings.Cut(key, "-")
	layer, err1 := strconv.ParseUint(l, 10, 16)
	head, err2 := strconv.ParseUint(h, 10, 16)
	if !ok || err1 != nil || err2 != nil {
		return scoring.Head{}, fmt.Errorf("the key %.40q is not of the form layer-head, as in \"3-14\"", key)
	}
	return scoring.Head{Layer: int(layer), Head: int(head), KVHead: scoring.Unknown, Window: scoring.Unknown}, nil
}

// readScoreList reads what QRHead's detection writes: [["layer-head", score], …],
// best first.
func readScoreList(data []byte) (*Profile, error) {
	var pairs [][2]json.RawMessage
	if err := json.Unmarshal(data, &pairs); err != nil {
		return nil, fmt.Errorf("it is not a JSON list of the form [[\"layer-head\", score], …]: %w", err)
	}
	if len(pairs) > maxRows {
		return nil, fmt.Errorf("more than %d heads", maxRows)
	}
	p := &parts{meta: scoring.Meta{FastUnknown: true}, quantities: []scoring.Quantity{{Method: "qrhead", Label: "attention from the query to the right documents (QRScore)", Mean: "queries"}}}
	for i, pair := range pairs {
		var name string
		if err := json.Unmarshal(pair[0], &name); err != nil {
			return nil, fmt.Errorf("entry %d: %.40s is not a head of the form \"layer-head\"", i, pair[0])
		}
		h, err := headOfKey(name)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		values, err := scoreList(pair[1])
		if err != nil || len(values) != 1 {
			return nil, fmt.Errorf("entry %d: %.40s is not a score", i, pair[1])
		}
		h.Method, h.Mean = "qrhead", values[0]
		h.StdErr, h.Low, h.High = math.NaN(), math.NaN(), math.NaN()
		p.rows = append(p.rows, h)
	}
	return p.assemble()
}

// scoreList reads a list of numbers, or one number.
func scoreList(raw json.RawMessage) ([]float64, error) {
	if len(raw) == 0 || bytes.Contains(raw, []byte("null")) {
		return nil, fmt.Errorf("null is no score")
	}
	var values []float64
	if raw[0] != '[' {
		values = make([]float64, 1)
		if err := json.Unmarshal(raw, &values[0]); err != nil {
			return nil, err
		}
		return values, nil
	}
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, err
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("the list is empty")
	}
	return values, nil
}
