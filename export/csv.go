package export

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	"headprof/export/atomicfile"
	"headprof/scoring"
)

// scoreColumns are scores.csv's columns.
var scoreColumns = []string{
	"layer", "head", "kv_head", "method", "mean", "std_error", "n", "rank",
	"ci_low", "ci_high", "rank_low", "rank_high", "share", "window", "decode", "fast",
}

// number writes the shortest decimal that reads back as v.
func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func optional(v *float64) string {
	if v == nil {
		return ""
	}
	return number(*v)
}

func optionalInt(v *int32) string {
	if v == nil {
		return ""
	}
	return strconv.Itoa(int(*v))
}

func optionalText(v *string) string {
	if v == nil {
		return ""
	}
	return *v
}

func optionalBool(v *bool) string {
	if v == nil {
		return ""
	}
	return strconv.FormatBool(*v)
}

// writeComment writes metadata as a comment line.
func writeComment(w io.Writer, about any) error {
	data, err := json.Marshal(about)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", csvMetaPrefix, data)
	return err
}

// metaSuffix ends the name of the file beside a CSV file that holds its
// metadata.
const metaSuffix = ".meta.json"

// writeMetaBeside writes the metadata of a CSV file into a file beside it.
func writeMetaBeside(path string, about any) error {
	if info, err := os.Stat(path); atomicfile.IsStdout(path) || err == nil && !info.Mode().IsRegular() {
		return nil // nothing lies beside a pipe or a device
	}
	data, err := json.MarshalIndent(about, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path+metaSuffix, append(data, '\n'))
}

// CSV has every column of a table.
const CSV Format = "csv"

func init() {
	register(Declaration{
		Format: CSV, Order: 50, Output: "export.csv", Whole: true, Comments: true,
		About: "headprof's own table as text",
		Write: func(path string, t *scoring.Table, _ []scoring.Head, o Options) error {
			if err := writeCSV(path, t, o.CSVMeta == "comment"); err != nil || o.CSVMeta != "beside" {
				return err
			}
			return writeMetaBeside(path, aboutOf(t))
		},
	})
}

// writeCSV writes a table. comments puts its metadata above the header line.
func writeCSV(path string, t *scoring.Table, comments bool) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		if comments {
			if err := writeComment(w, aboutOf(t)); err != nil {
				return err
			}
		}
		c := csv.NewWriter(w)
		c.Write(scoreColumns)
		for _, h := range t.Heads {
			r := toRow(h, t)
			i := func(v int32) string { return strconv.Itoa(int(v)) }
			c.Write([]string{
				i(r.Layer), optionalInt(r.Head), optionalInt(r.KVHead), r.Method, optional(r.Mean), optional(r.StdErr), optionalInt(r.N), optionalInt(r.Rank),
				optional(r.Low), optional(r.High), optionalInt(r.RankLow), optionalInt(r.RankHigh), optional(r.Share), optionalInt(r.Window), optionalText(r.Decode), optionalBool(r.Fast),
			})
		}
		c.Flush()
		return c.Error()
	})
}
