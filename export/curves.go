package export

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"headprof/export/atomicfile"
	"headprof/runner/shape"
	"headprof/scoring"
)

// Curves is what each KV head's cache is worth by how much of it is kept: a
// file that ends in .csv, .json or .parquet.
const Curves Format = "curves"

func init() {
	register(Declaration{
		Format: Curves, Order: 44, Output: "curves.csv", Whole: true, Comments: true,
		About: "what a KV head's cache is worth by entries kept, nats per byte; .csv, .json or .parquet",
		Write: writeCurves,
	})
}

const curvesFormat = "curves/1"

// servedBytes is the size of a number in the cache that is served: float16.
const servedBytes = 2

// curveRow is a point of a KV head's curve.
type curveRow struct {
	Layer    int32    `parquet:"layer,dict"`
	KVHead   int32    `parquet:"kv_head,dict"`
	Kept     int32    `parquet:"kept,dict"`
	Bytes    *int64   `parquet:"bytes,optional,dict"`
	Loss     float64  `parquet:"loss"`
	Low      *float64 `parquet:"ci_low,optional"`
	High     *float64 `parquet:"ci_high,optional"`
	Convex   float64  `parquet:"convex"`
	PerEntry *float64 `parquet:"per_entry,optional"`
	PerByte  *float64 `parquet:"per_byte,optional"`
}

var curveFields = map[string]Column{
	"layer":     scoreFields["layer"],
	"kv_head":   {"KV head, from 0", ""},
	"kept":      {"entries of the prompt that the head keeps, all other heads keep everything", "cache entries"},
	"bytes":     {"keys and values of these entries as 16-bit numbers; null where head sizes are not known", "bytes"},
	"loss":      {"log-probability that the answer loses, mean over cases", "nats"},
	"ci_low":    {"lower end of the 95 % bootstrap interval of loss", "nats"},
	"ci_high":   {"upper end of the 95 % bootstrap interval of loss", "nats"},
	"convex":    {"loss of the curve's convex form, by which marginal budgets are made", "nats"},
	"per_entry": {"what each entry since the point before is worth by the convex form; null at the first point", "nats per cache entry"},
	"per_byte":  {"the same per byte; null where head sizes are not known", "nats per byte"},
}

// curveRows lays the curves of a table out as rows, by layer, KV head and
// entries. layers tell the bytes of an entry; nil: not known.
func curveRows(t *scoring.Table, layers shape.Model) ([]curveRow, error) {
	curves, err := t.Curves()
	if err != nil {
		return nil, err
	}
	var rows []curveRow
	for _, c := range curves {
		size := entryBytes(layers, c.Layer)
		convex := c.Convex()
		for i, k := range c.Kept {
			r := curveRow{
				Layer: int32(c.Layer), KVHead: int32(c.KVHead), Kept: int32(k), Loss: c.Loss[i],
				Low: known(c.Low[i]), High: known(c.High[i]), Convex: convex[i],
			}
			if size > 0 {
				r.Bytes = new(int64(k) * size)
			}
			if i > 0 {
				worth := (convex[i-1] - convex[i]) / float64(k-c.Kept[i-1])
				r.PerEntry = &worth
				if size > 0 {
					r.PerByte = new(worth / float64(size))
				}
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// entryBytes is the size of a layer's key and value of one KV head; 0 where it
// is not known.
func entryBytes(layers shape.Model, layer int) int64 {
	if layer >= len(layers) {
		return 0
	}
	return int64(layers[layer].KeyDim+layers[layer].ValueDim) * servedBytes
}

// curveFile is the JSON form: a list per column, for each KV head.
type curveFile struct {
	Format string       `json:"format"`
	Meta   scoring.Meta `json:"meta"`
	Heads  []curveHead  `json:"heads"`
}

type curveHead struct {
	Layer    int32      `json:"layer"`
	KVHead   int32      `json:"kv_head"`
	Kept     []int32    `json:"kept"`
	Bytes    []*int64   `json:"bytes"`
	Loss     []float64  `json:"loss"`
	Low      []*float64 `json:"ci_low"`
	High     []*float64 `json:"ci_high"`
	Convex   []float64  `json:"convex"`
	PerEntry []*float64 `json:"per_entry"`
	PerByte  []*float64 `json:"per_byte"`
}

func writeCurves(path string, t *scoring.Table, _ []scoring.Head, o Options) error {
	rows, err := curveRows(t, o.Layers)
	if err != nil {
		return err
	}
	about := about{Format: curvesFormat, Meta: t.Meta}
	switch ending := strings.ToLower(filepath.Ext(path)); {
	case ending == ".csv" || atomicfile.IsStdout(path):
		if err := writeCurveCSV(path, rows, about, o.CSVMeta == "comment"); err != nil || o.CSVMeta != "beside" {
			return err
		}
		return writeMetaBeside(path, about)
	case ending == ".parquet":
		return WriteParquet(path, curvesFormat, curveFields, t.Meta, rows)
	case ending == ".json":
		return writeCurveJSON(path, rows, t.Meta)
	}
	return fmt.Errorf("curves cannot be written to %s: its name must end in .csv, .json or .parquet", path)
}

func writeCurveCSV(path string, rows []curveRow, about about, comments bool) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		if comments {
			if err := writeComment(w, about); err != nil {
				return err
			}
		}
		c := csv.NewWriter(w)
		c.Write([]string{"layer", "kv_head", "kept", "bytes", "loss", "ci_low", "ci_high", "convex", "per_entry", "per_byte"})
		for _, r := range rows {
			bytes := ""
			if r.Bytes != nil {
				bytes = strconv.FormatInt(*r.Bytes, 10)
			}
			c.Write([]string{
				strconv.Itoa(int(r.Layer)), strconv.Itoa(int(r.KVHead)), strconv.Itoa(int(r.Kept)), bytes, number(r.Loss),
				optional(r.Low), optional(r.High), number(r.Convex), optional(r.PerEntry), optional(r.PerByte),
			})
		}
		c.Flush()
		return c.Error()
	})
}

func writeCurveJSON(path string, rows []curveRow, meta scoring.Meta) error {
	f := curveFile{Format: "headprof-" + curvesFormat, Meta: meta}
	for _, r := range rows {
		n := len(f.Heads)
		if n == 0 || f.Heads[n-1].Layer != r.Layer || f.Heads[n-1].KVHead != r.KVHead {
			f.Heads = append(f.Heads, curveHead{Layer: r.Layer, KVHead: r.KVHead})
			n++
		}
		h := &f.Heads[n-1]
		h.Kept, h.Bytes, h.Loss, h.Convex = append(h.Kept, r.Kept), append(h.Bytes, r.Bytes), append(h.Loss, r.Loss), append(h.Convex, r.Convex)
		h.Low, h.High = append(h.Low, r.Low), append(h.High, r.High)
		h.PerEntry, h.PerByte = append(h.PerEntry, r.PerEntry), append(h.PerByte, r.PerByte)
	}
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, append(data, '\n'))
}
