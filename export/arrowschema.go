package export

import (
	"encoding/base64"
	"encoding/binary"
	"maps"
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/parquet-go/parquet-go"
)

// Column says what a column holds and in which unit; a unit of "" is none.
type Column struct{ Description, Unit string }

// arrowKey is the footer's key under which Arrow's readers look for a schema.
// Parquet's own schema has no room for descriptions; Arrow's has, and PyArrow,
// pandas and Polars keep them.
const arrowKey = "ARROW:schema"

// Numbers of Arrow's flatbuffers (format/Schema.fbs and Message.fbs).
const (
	arrowV5            = 4
	arrowHeaderSchema  = 1
	arrowInt           = 2
	arrowFloatingPoint = 3
	arrowUtf8          = 5
	arrowBool          = 6
	arrowDouble        = 2
)

// arrowSchema encodes a flat schema, its fields' texts and the table's metadata
// as Arrow's IPC format wants it, in base64. PyArrow takes a table's metadata
// from here where this schema exists, and not from the footer.
func arrowSchema(schema *parquet.Schema, texts map[string]Column, meta map[string]string) string {
	b := flatbuffers.NewBuilder(4096)
	vector := func(items []flatbuffers.UOffsetT) flatbuffers.UOffsetT {
		b.StartVector(4, len(items), 4)
		for _, item := range slices.Backward(items) {
			b.PrependUOffsetT(item)
		}
		return b.EndVector(len(items))
	}
	pair := func(k, v string) flatbuffers.UOffsetT {
		key, value := b.CreateString(k), b.CreateString(v)
		b.StartObject(2)
		b.PrependUOffsetTSlot(0, key, 0)
		b.PrependUOffsetTSlot(1, value, 0)
		return b.EndObject()
	}
	var fields []flatbuffers.UOffsetT
	for _, f := range schema.Fields() {
		var pairs []flatbuffers.UOffsetT
		for _, kv := range [][2]string{{"description", texts[f.Name()].Description}, {"unit", texts[f.Name()].Unit}} {
			if kv[1] != "" {
				pairs = append(pairs, pair(kv[0], kv[1]))
			}
		}
		metadata, children, name := vector(pairs), vector(nil), b.CreateString(f.Name())
		var kind byte
		switch f.Type().Kind() {
		case parquet.Int32:
			kind = arrowInt
			b.StartObject(2)
			b.PrependInt32Slot(0, 32, 0)
			b.PrependBoolSlot(1, true, false)
		case parquet.Double:
			kind = arrowFloatingPoint
			b.StartObject(1)
			b.PrependInt16Slot(0, arrowDouble, 0)
		case parquet.Boolean:
			kind = arrowBool
			b.StartObject(0)
		default:
			kind = arrowUtf8
			b.StartObject(0)
		}
		of := b.EndObject()
		b.StartObject(7)
		b.PrependUOffsetTSlot(0, name, 0)
		b.PrependBoolSlot(1, f.Optional(), false)
		b.PrependByteSlot(2, kind, 0)
		b.PrependUOffsetTSlot(3, of, 0)
		b.PrependUOffsetTSlot(5, children, 0)
		b.PrependUOffsetTSlot(6, metadata, 0)
		fields = append(fields, b.EndObject())
	}
	var table []flatbuffers.UOffsetT
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		table = append(table, pair(k, meta[k]))
	}
	all, custom := vector(fields), vector(table)
	b.StartObject(4)
	b.PrependUOffsetTSlot(1, all, 0)
	b.PrependUOffsetTSlot(2, custom, 0)
	header := b.EndObject()
	b.StartObject(5)
	b.PrependInt16Slot(0, arrowV5, 0)
	b.PrependByteSlot(1, arrowHeaderSchema, 0)
	b.PrependUOffsetTSlot(2, header, 0)
	b.Finish(b.EndObject())

	message := b.FinishedBytes()
	padded := (len(message) + 7) / 8 * 8
	out := binary.LittleEndian.AppendUint32(nil, 0xffffffff)
	out = binary.LittleEndian.AppendUint32(out, uint32(padded))
	out = append(out, message...)
	out = append(out, make([]byte, padded-len(message))...)
	return base64.StdEncoding.EncodeToString(out)
}
