package export

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"path"
	"regexp"
	"strconv"
	"strings"

	"headprof/export/atomicfile"
	"headprof/scoring"
)

// QRHead is a YAML list of the best heads.
const QRHead Format = "qrhead"

func init() {
	register(Declaration{
		Format: QRHead, Order: 30, Output: "qrhead.yaml", QueryHeads: true, Listed: true,
		About: "QRHead's YAML list of heads",
		Write: writeQRHead,
	})
}

// writeQRHead writes QRHead's configuration (arXiv 2506.09944; its
// src/qrretriever/configs): the best heads as "layer-head,layer-head,…", best
// first, and the model's names. The comment tells the model's shape, which the
// list alone does not.
func writeQRHead(file string, t *scoring.Table, heads []scoring.Head, o Options) error {
	m, top := t.Meta, o.TopHeads()
	best, _ := scoring.Top(heads, top)
	if top < 1 || len(best) < top {
		return fmt.Errorf("%d heads cannot be listed of %d that have a score", top, len(best))
	}
	var list []string
	for _, h := range best {
		list = append(list, fmt.Sprintf("%d-%d", h.Layer, h.Head))
	}
	name := path.Base(strings.ReplaceAll(m.Model, `\`, "/"))
	if m.Model == "" {
		name = ""
	}
	return atomicfile.Write(file, func(w io.Writer) error {
		comment := []string{fmt.Sprintf("# headprof: top %d of %d heads", top, len(heads))}
		if shape := t.Shape(best[0].Method).String(); shape != "" {
			comment = append(comment, "shape "+shape)
		}
		comment = append(comment, "method "+strconv.Quote(best[0].Method))
		if m.Decode != "" {
			comment = append(comment, "decode "+strconv.Quote(m.Decode))
		}
		if !m.FastUnknown {
			comment = append(comment, fmt.Sprintf("fast %t", m.Fast))
		}
		if counted := m.CountedText(); counted != "" {
			comment = append(comment, counted)
		}
		_, err := fmt.Fprintf(w, "%s\nattn_head_set: %q\nmodel_base_class: %s\nmodel_name_or_path: %s\n",
			strings.Join(comment, ", "), strings.Join(list, ","), strconv.Quote(name), strconv.Quote(m.Model))
		return err
	})
}

// readQRHead reads the head list of QRHead's YAML. It names heads in order and
// nothing else, so scores are made of places: 1 for the first, falling evenly.
// Our own comment tells the model's shape and how the scores were made.
func readQRHead(data []byte) (*Profile, error) {
	s := bufio.NewScanner(bytes.NewReader(data))
	s.Buffer(make([]byte, 0, 1<<16), 1<<22)
	p := &parts{list: true, meta: scoring.Meta{FastUnknown: true}}
	p.quantities = []scoring.Quantity{{Method: "qrhead", Label: "place in the list (1 for the first)"}}
	var list string
	found := false
	for s.Scan() {
		if comment, ok := strings.CutPrefix(s.Text(), "# headprof: "); ok {
			p.readComment(comment)
			continue
		}
		key, value, ok := strings.Cut(s.Text(), ":")
		if !ok {
			continue
		}
		switch strings.TrimSpace(key) {
		case "attn_head_set":
			list, found = yamlString(value), true
		case "model_name_or_path":
			p.meta.Model = yamlString(value)
		}
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	if !found || list == "" || list == "full_heads" {
		return nil, fmt.Errorf("attn_head_set lists no heads")
	}
	items := strings.Split(list, ",")
	if len(items) > maxRows {
		return nil, fmt.Errorf("more than %d heads", maxRows)
	}
	seen := map[[2]int]bool{}
	for i, item := range items {
		h, err := headOfKey(strings.TrimSpace(item))
		if err != nil {
			return nil, err
		}
		if at := [2]int{h.Layer, h.Head}; seen[at] {
			return nil, fmt.Errorf("head %s is listed twice", item)
		} else {
			seen[at] = true
		}
		h.Method, h.Mean = "qrhead", float64(len(items)-i)/float64(len(items))
		h.StdErr, h.Low, h.High = math.NaN(), math.NaN(), math.NaN()
		p.rows = append(p.rows, h)
	}
	return p.assemble()
}

// commentParts finds what writeQRHead's comment says.
var commentParts = regexp.MustCompile(`(shape (\d+x\d+(?:/\d+)?))|(decode "(greedy|forced)")|(fast (true|false))|((\d+) of (\d+) trials passed)|((\d+) trials? counts?)`)

// readComment takes what our own comment says; what it does not say stays unknown.
func (p *parts) readComment(comment string) {
	for _, m := range commentParts.FindAllStringSubmatch(comment, -1) {
		switch {
		case m[1] != "":
			p.model, _ = scoring.ParseShape(m[2])
		case m[3] != "":
			p.meta.Decode = m[4]
		case m[5] != "":
			p.meta.Fast, p.meta.FastUnknown = m[6] == "true", false
		case m[7] != "":
			p.meta.Passed, _ = strconv.Atoi(m[8])
			p.meta.Trials, _ = strconv.Atoi(m[9])
		case m[10] != "":
			p.meta.Passed, _ = strconv.Atoi(m[11])
		}
	}
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
