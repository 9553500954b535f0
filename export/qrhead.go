package export

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"headprof/export/atomicfile"
	"headprof/scoring"
)

// writeQRHead writes QRHead's configuration (arXiv 2506.09944; its
// src/qrretriever/configs): the best heads as "layer-head,layer-head,…", best
// first, and the model's names.
func writeQRHead(file string, m scoring.Meta, heads []scoring.Head, o Options) error {
	top := o.Top
	if top == 0 {
		top = 16
	}
	if top < 0 || top > len(heads) {
		return fmt.Errorf("%d heads cannot be listed of %d", top, len(heads))
	}
	best := slices.Clone(heads)
	slices.SortFunc(best, func(a, b scoring.Head) int { return cmp.Compare(a.Rank, b.Rank) })
	var list []string
	for _, h := range best[:top] {
		list = append(list, fmt.Sprintf("%d-%d", h.Layer, h.Head))
	}
	name := path.Base(strings.ReplaceAll(m.Model, `\`, "/"))
	if m.Model == "" {
		name = ""
	}
	return atomicfile.Write(file, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "# headprof: top %d of %d heads, method %s, decode %s, fast %t, %d of %d trials passed\n"+
			"attn_head_set: %q\nmodel_base_class: %s\nmodel_name_or_path: %s\n",
			top, len(heads), strconv.Quote(best[0].Method), strconv.Quote(m.Decode), m.Fast, m.Passed, m.Trials,
			strings.Join(list, ","), strconv.Quote(name), strconv.Quote(m.Model))
		return err
	})
}

// readQRHead reads the head list of QRHead's YAML. It names heads in order and
// nothing else, so scores are made of places: 1 for the first, falling evenly,
// 0 for heads that are not listed; and the model's shape reaches as far as the
// list does.
func readQRHead(data []byte) (*scoring.Table, error) {
	s := bufio.NewScanner(bytes.NewReader(data))
	s.Buffer(make([]byte, 0, 1<<16), 1<<22)
	var list, model string
	found := false
	for s.Scan() {
		key, value, ok := strings.Cut(s.Text(), ":")
		if !ok {
			continue
		}
		switch strings.TrimSpace(key) {
		case "attn_head_set":
			list, found = yamlString(value), true
		case "model_name_or_path":
			model = yamlString(value)
		}
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	if !found || list == "" || list == "full_heads" {
		return nil, fmt.Errorf("attn_head_set lists no heads")
	}
	places := map[[2]int]int{}
	layers, heads := 0, 0
	items := strings.Split(list, ",")
	if len(items) > maxRows {
		return nil, fmt.Errorf("more than %d heads", maxRows)
	}
	for i, item := range items {
		h, err := headOfKey(strings.TrimSpace(item))
		if err != nil {
			return nil, err
		}
		at := [2]int{h.Layer, h.Head}
		if _, ok := places[at]; ok {
			return nil, fmt.Errorf("head %s is listed twice", item)
		}
		places[at] = i
		layers, heads = max(layers, h.Layer+1), max(heads, h.Head+1)
	}
	if layers*heads > maxRows {
		return nil, fmt.Errorf("no model has %d layers of %d heads", layers, heads)
	}
	var rows []scoring.Head
	for l := range layers {
		for h := range heads {
			r := scoring.Head{Method: "qrhead", Layer: l, Head: h, KVHead: h, StdErr: math.NaN(), Low: math.NaN(), High: math.NaN()}
			if i, ok := places[[2]int{l, h}]; ok {
				r.Mean = float64(len(items)-i) / float64(len(items))
			}
			rows = append(rows, r)
		}
	}
	return assemble(rows, scoring.Meta{Model: model})
}

// yamlString reads a plain or quoted scalar up to a comment.
func yamlString(s string) string {
	s = strings.TrimSpace(s)
	if s != "" && (s[0] == '"' || s[0] == '\'') {
		if quoted, err := strconv.QuotedPrefix(s); err == nil && s[0] == '"' {
			s, _ = strconv.Unquote(quoted)
			return s
		}
		if end := strings.IndexByte(s[1:], s[0]); end >= 0 {
			return s[1 : 1+end]
		}
		return s[1:]
	}
	s, _, _ = strings.Cut(s, " #")
	return strings.TrimSpace(s)
}
