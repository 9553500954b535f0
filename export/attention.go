package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"headprof/export/atomicfile"
)

const attentionFormat = "attention/1"

// Attention says what a file of attention rows holds besides the rows: in a
// Parquet footer, or in NAME.npy.json beside an array.
type Attention struct {
	Format   string   `json:"format"`
	Model    string   `json:"model"`
	ModelSHA string   `json:"model_sha256"`
	Fast     bool     `json:"fast"`
	Axes     []string `json:"axes,omitempty"` // of the array
	Layers   []int    `json:"layers"`
	// Heads are those of every layer; null: all that each layer has.
	Heads   []int             `json:"heads"`
	Prompts []AttentionPrompt `json:"prompts"`

	KVHead func(layer, head int) int `json:"-"` // which KV head a head reads
	Keys   int                       `json:"-"` // of the longest row
	Rows   int64                     `json:"-"` // of all prompts, layers and heads
}

// AttentionPrompt is a prompt's tokens and the positions whose rows are there.
type AttentionPrompt struct {
	ID    string   `json:"id"`
	IDs   []int32  `json:"ids"`
	Texts []string `json:"texts"`
	Rows  []int    `json:"rows"`
}

// AttentionRow is one row; First is the position of Weights[0].
type AttentionRow struct {
	Prompt, Position, Layer, Head, First int
	Weights                              []float32
}

// AttentionBytes is the size of a file of n rows with so many visible weights
// in all, to within a percent for Parquet.
func AttentionBytes(format string, rows, weights int64, keys int) int64 {
	if format == "npy" {
		return rows*int64(keys)*4 + 256
	}
	return weights*4 + rows*16 + 4096
}

// WriteAttention writes the rows that each yields, in the order prompt,
// position, layer, head, as "parquet" (a row each, with a list of weights) or
// "npy" (float32, [position][layer][head][key], 0 where a row does not see; its
// metadata go into path.json). The file appears whole or not at all.
func WriteAttention(path, format string, a Attention, each func(yield func(AttentionRow) error) error) error {
	a.Format = "headprof-" + attentionFormat
	switch format {
	case "parquet":
		return atomicfile.Write(path, func(w io.Writer) error { return a.writeParquet(w, each) })
	case "npy":
		a.Axes = []string{"row", "layer", "head", "key"}
		if a.Heads == nil {
			return errors.New("an array needs the same heads in every layer, and this model's layers differ; name heads that all of the layers have, or write Parquet")
		}
		about, err := json.Marshal(a)
		if err != nil {
			return err
		}
		if err := atomicfile.Write(path, func(w io.Writer) error { return a.writeNPY(w, each) }); err != nil {
			return err
		}
		return atomicfile.WriteBytes(path+".json", append(about, '\n'))
	}
	return fmt.Errorf("attention rows cannot be written to %s: its name must end in .parquet or .npy", path)
}

func (a *Attention) writeNPY(w io.Writer, each func(yield func(AttentionRow) error) error) error {
	perRow := len(a.Layers) * len(a.Heads)
	if err := npyHeader(w, int(a.Rows)/perRow, len(a.Layers), len(a.Heads), a.Keys); err != nil {
		return err
	}
	line := make([]float32, a.Keys)
	data := make([]byte, 4*a.Keys)
	return each(func(r AttentionRow) error {
		clear(line)
		copy(line[r.First:], r.Weights)
		_, err := w.Write(littleEndian(data, line))
		return err
	})
}

// attentionRow is a row of the Parquet file.
type attentionRow struct {
	Prompt   string    `parquet:"prompt,dict"`
	Position int32     `parquet:"position,dict"`
	Token    int32     `parquet:"token,dict"`
	Text     string    `parquet:"text,dict"`
	Layer    int32     `parquet:"layer,dict"`
	Head     int32     `parquet:"head,dict"`
	KVHead   *int32    `parquet:"kv_head,optional,dict"`
	First    int32     `parquet:"first,dict"`
	Weights  []float32 `parquet:"weights,list"`
}

// groupBytes is about how many bytes of weights make a row group, which is held
// until it is whole.
const groupBytes = 64 << 20

func (a *Attention) writeParquet(w io.Writer, each func(yield func(AttentionRow) error) error) error {
	about, err := json.Marshal(a)
	if err != nil {
		return err
	}
	p := parquet.NewGenericWriter[attentionRow](w,
		createdBy("headprof version "+Version), parquet.Compression(&parquet.Uncompressed),
		parquet.KeyValueMetadata(formatKey, attentionFormat), parquet.KeyValueMetadata("headprof.attention", string(about)))
	held := 0
	err = each(func(r AttentionRow) error {
		q := a.Prompts[r.Prompt]
		row := attentionRow{
			Prompt: q.ID, Position: int32(r.Position), Token: q.IDs[r.Position], Text: q.Texts[r.Position],
			Layer: int32(r.Layer), Head: int32(r.Head), KVHead: from(a.KVHead(r.Layer, r.Head), 0), First: int32(r.First), Weights: r.Weights,
		}
		if _, err := p.Write([]attentionRow{row}); err != nil {
			return err
		}
		if held += 4 * len(r.Weights); held >= groupBytes {
			held = 0
			return p.Flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.Close()
}
