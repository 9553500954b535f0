package parquetfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// Small files are built by hand here, field by field of the format's
// parquet.thrift, so that each claim of a file can be made wrong on its own.

// s is a struct by field ids in order: int (i64), string, s, or []any (a list of
// one of these). A field that is nil is left out.
type s []any

// pack writes a struct in Thrift's compact protocol.
func pack(fields s) (b []byte) {
	last := 0
	for i, v := range fields {
		if v == nil {
			continue
		}
		kind, body := packValue(v)
		if step := i - last; step < 16 {
			b = append(b, byte(step<<4)|kind)
		} else {
			b = binary.AppendUvarint(append(b, kind), uint64(2*i))
		}
		b, last = append(b, body...), i
	}
	return append(b, typeStop)
}

func packValue(v any) (kind byte, b []byte) {
	switch v := v.(type) {
	case int:
		return typeI64, binary.AppendVarint(nil, int64(v))
	case string:
		return typeBinary, append(binary.AppendUvarint(nil, uint64(len(v))), v...)
	case s:
		return typeStruct, pack(v)
	case []any:
		kind := byte(typeI64)
		var items []byte
		for _, x := range v {
			k, item := packValue(x)
			kind, items = k, append(items, item...)
		}
		head := []byte{byte(len(v))<<4 | kind}
		if len(v) >= 15 {
			head = binary.AppendUvarint([]byte{15<<4 | kind}, uint64(len(v)))
		}
		return typeList, append(head, items...)
	}
	panic(fmt.Sprintf("%T", v))
}

// made is a file of one column "x" of two values, 7 and -1, whose parts can be
// changed before it is written.
type made struct {
	page, dataPage s // PageHeader and DataPageHeader
	body           []byte
	element        s   // SchemaElement
	chunk          s   // ColumnMetaData
	group          s   // RowGroup, its columns aside
	rows           any // of the file
	footer         func([]byte) []byte
	between        []byte // behind the page
}

// The ids of parquet.thrift that the tests name.
const (
	pageType, pageFull, pageSize                                                         = 1, 2, 3
	dataCount, dataEncoding                                                              = 1, 2
	elementType, elementLength, elementRepetition, elementName                           = 1, 2, 3, 4
	elementChildren, elementConverted, elementScale                                      = 5, 6, 7
	chunkPath, chunkCodec, chunkCount, chunkSize, chunkData, chunkIndex, chunkDictionary = 3, 4, 5, 7, 9, 10, 11
	groupRows                                                                            = 3
)

func ints(values ...int32) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return b
}

// write gives the file; sizes and offsets that were not set are right.
func write(change func(m *made)) []byte {
	m := &made{
		page: s{nil, 0, nil, nil}, dataPage: s{nil, 2, 0}, body: ints(7, -1),
		element: s{nil, int(Int32), nil, 0, "x", nil, nil, nil, nil, nil, nil},
		chunk:   s{nil, nil, nil, []any{"x"}, 0, 2, nil, nil, nil, 4, nil, nil}, group: s{nil, nil, nil, 2}, rows: 2,
	}
	const auto = math.MinInt32
	m.page[pageSize], m.page[pageFull], m.chunk[chunkSize] = auto, auto, auto
	change(m)
	for _, at := range []int{pageSize, pageFull} {
		if m.page[at] == auto {
			m.page[at] = len(m.body)
		}
	}
	if len(m.page) == 4 {
		m.page = append(m.page, nil, m.dataPage)
	}
	out := []byte("PAR1")
	out = append(append(append(out, pack(m.page)...), m.body...), m.between...)
	if m.chunk[chunkSize] == auto {
		m.chunk[chunkSize] = len(out) - 4
	}
	m.group[1] = []any{s{nil, nil, nil, m.chunk}}
	footer := pack(s{nil, 1, []any{s{nil, nil, nil, nil, "root", 1}, m.element}, m.rows, []any{m.group}})
	if m.footer != nil {
		footer = m.footer(footer)
	}
	out = append(out, footer...)
	return append(binary.LittleEndian.AppendUint32(out, uint32(len(footer))), "PAR1"...)
}

func columnX(data []byte) (*Values, error) {
	f, err := Open(data, 1000)
	if err != nil {
		return nil, err
	}
	return f.Column("x")
}

func TestEachClaimOfAFileIsChecked(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(m *made)
		want   string // of the error; "": 7 and -1
	}{
		{"as it is", func(m *made) {}, ""},
		{"no rows claimed", func(m *made) { m.rows = nil }, "claims -1 rows"},
		{"negative rows", func(m *made) { m.rows = -1 }, "claims -1 rows"},
		{"more rows than the limit", func(m *made) { m.rows = 1001 }, "claims 1001 rows; at most 1000"},
		{"more rows than the groups have", func(m *made) { m.rows = 3 }, `column "x" has 2 rows, the table 3`},
		{"fewer", func(m *made) { m.rows = 1 }, "a row group claims 2 rows of 1"},
		{"a group of no stated size", func(m *made) { m.group[groupRows] = nil }, "a row group claims -1 rows"},
		{"a negative group", func(m *made) { m.group[groupRows] = -1 }, "a row group claims -1 rows"},
		{"a chunk of no stated count", func(m *made) { m.chunk[chunkCount] = nil }, `column "x" has -1 values in a row group of 2 rows`},
		{"a chunk of another count", func(m *made) { m.chunk[chunkCount] = 3 }, `column "x" has 3 values in a row group of 2 rows`},
		{"a chunk without a place", func(m *made) { m.chunk[chunkData] = nil }, "lies outside the file"},
		{"a chunk at the mark", func(m *made) { m.chunk[chunkData] = 3 }, "lies outside the file"},
		{"a chunk behind the file", func(m *made) { m.chunk[chunkData] = 1 << 20 }, "lies outside the file"},
		{"a chunk without a size", func(m *made) { m.chunk[chunkSize] = nil }, "lies outside the file"},
		{"a chunk of no bytes", func(m *made) { m.chunk[chunkSize] = 0 }, "ends within a structure"},
		{"a chunk larger than the file", func(m *made) { m.chunk[chunkSize] = 1 << 20 }, "lies outside the file"},
		{"a codec that nobody knows", func(m *made) { m.chunk[chunkCodec] = 9 }, "codec 9"},
		{"no codec stated: stored", func(m *made) { m.chunk[chunkCodec] = nil }, ""},
		{"a page of no stated size", func(m *made) { m.page[pageSize] = nil }, "claims -1 bytes"},
		{"a page larger than the chunk", func(m *made) { m.page[pageSize] = 9 }, "claims 9 bytes"},
		{"a page smaller than its values", func(m *made) { m.page[pageSize], m.page[pageFull] = 7, 7 }, "a page is damaged"},
		{"a page of no stated full size", func(m *made) { m.page[pageFull] = nil }, "-1 decompressed"},
		{"a page that grows beyond reason", func(m *made) { m.page[pageFull] = 1 << 30 }, "1073741824 decompressed"},
		{"a stored page of two sizes", func(m *made) { m.page[pageFull] = 9 }, "8 bytes instead of 9"},
		{"a page of no type", func(m *made) { m.page[pageType] = nil }, "its type is -1"},
		{"a page of an unknown type", func(m *made) { m.page[pageType] = 4 }, "its type is 4"},
		{"a page of no stated count", func(m *made) { m.dataPage[dataCount] = nil }, "claims -1 of 2 values"},
		{"an empty page", func(m *made) { m.dataPage[dataCount] = 0 }, "claims 0 of 2 values"},
		{"a page of more values than are left", func(m *made) { m.dataPage[dataCount] = 3 }, "claims 3 of 2 values"},
		{"an encoding that is not stated", func(m *made) { m.dataPage[dataEncoding] = nil }, "its encoding -1"},
		{"an unknown encoding", func(m *made) { m.dataPage[dataEncoding] = 4 }, "its encoding 4"},
		{"lengths of integers", func(m *made) { m.dataPage[dataEncoding] = encDeltaLengths }, "lengths of something else"},
		{"prefixes of integers", func(m *made) { m.dataPage[dataEncoding] = encDeltaBytes }, "lengths of something else"},
		{"run lengths of integers", func(m *made) { m.dataPage[dataEncoding] = encRLE }, "run lengths of something else"},
		{"deltas of floats", func(m *made) { m.dataPage[dataEncoding], m.element[elementType] = encDelta, int(Float) }, "deltas of something else"},
		{"a missing dictionary", func(m *made) { m.dataPage[dataEncoding] = encRLEDictionary }, "its dictionary is missing"},
		{"a column of no type", func(m *made) { m.element[elementType] = nil }, "its physical type -1"},
		{"INT96", func(m *made) { m.element[elementType] = 3 }, "its physical type 3"},
		{"fixed values of no width", func(m *made) { m.element[elementType] = int(Fixed) }, "has values of 0 bytes"},
		{"fixed values too wide", func(m *made) { m.element[elementType], m.element[elementLength] = int(Fixed), 1<<16+1 }, "has values of 65537 bytes"},
		{"more fixed bytes than are there", func(m *made) { m.element[elementType], m.element[elementLength] = int(Fixed), 5 }, "a page is damaged"},
		{"a decimal of a negative scale", func(m *made) { m.element[elementConverted], m.element[elementScale] = 5, -1 }, "a page is damaged"},
		{"a decimal of an absurd scale", func(m *made) { m.element[elementConverted], m.element[elementScale] = 5, 309 }, "a page is damaged"},
		{"a name that is not asked for", func(m *made) { m.element[elementName] = "y" }, `no column "x"`},
		{"a list", func(m *made) { m.element[elementRepetition] = 2 }, `no column "x"`},
		{"a footer that is cut", func(m *made) { m.footer = func(b []byte) []byte { return b[:len(b)-1] } }, "its footer is damaged"},
		{"one row of no stated count", func(m *made) {
			m.rows, m.group[groupRows], m.chunk[chunkCount], m.dataPage[dataCount], m.body = 1, 1, nil, 1, ints(7)
		}, `column "x" has -1 values in a row group of 1 rows`},
		{"an index page before the data", func(m *made) {
			data := append(pack(s{nil, 0, len(m.body), len(m.body), nil, m.dataPage}), m.body...)
			m.page, m.body = s{nil, pageIndex, 3, 3, nil, nil}, []byte("any")
			m.between = data
		}, ""},
	} {
		got, err := columnX(write(c.change))
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", c.name, err, c.want)
			}
			continue
		}
		if err != nil || !slices.Equal(got.Ints, []int64{7, -1}) || got.Null != nil {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	// As many rows as the limit are read, and a row group may be empty.
	if _, err := Open(write(func(*made) {}), 2); err != nil {
		t.Error(err)
	}
	if v, err := columnX(write(func(m *made) { m.rows, m.group[groupRows], m.chunk[chunkCount] = 0, 0, 0 })); err != nil || len(v.Ints) != 0 {
		t.Errorf("an empty row group: %+v, %v", v, err)
	}
	// A chunk may claim all bytes up to the file's end, and not one more.
	n := len(write(func(m *made) { m.chunk[chunkSize] = 100 }))
	if _, err := columnX(write(func(m *made) { m.chunk[chunkSize] = n - 4 })); err != nil {
		t.Error(err)
	}
	if _, err := columnX(write(func(m *made) { m.chunk[chunkSize] = n - 3 })); err == nil || !strings.Contains(err.Error(), "lies outside the file") {
		t.Errorf("a chunk of one byte too many: %v", err)
	}
	// A table of no rows needs no row group.
	empty := append([]byte("PAR1"), pack(s{nil, 1, []any{s{nil, nil, nil, nil, "root", 1}, s{nil, 1, nil, 0, "x"}}, 0})...)
	empty = append(binary.LittleEndian.AppendUint32(empty, uint32(len(empty)-4)), "PAR1"...)
	if v, err := columnX(empty); err != nil || len(v.Ints) != 0 {
		t.Errorf("no rows: %+v, %v", v, err)
	}
	none := append([]byte("PAR1"), pack(s{nil, 1, nil, 0})...)
	none = append(binary.LittleEndian.AppendUint32(none, uint32(len(none)-4)), "PAR1"...)
	if _, err := columnX(none); err == nil || !strings.Contains(err.Error(), "names no columns") {
		t.Errorf("no schema: %v", err)
	}
	for _, data := range []string{"PAR1\x00\x00\x00PAR1", "PAR2" + string(empty[4:]), string(empty[:len(empty)-1]) + "2"} {
		if _, err := Open([]byte(data), 10); err == nil || !strings.Contains(err.Error(), "cut short") {
			t.Errorf("%q: %v", data, err)
		}
	}
	if _, err := Open([]byte("PAR1\x01\x00\x00\x00PAR1"), 10); err == nil || !strings.Contains(err.Error(), "claims 1 bytes of the file's 12") {
		t.Errorf("a footer larger than the file: %v", err)
	}
	if _, err := Open([]byte("PAR1\x00\x00\x00\x00PAR1"), 10); err == nil || !strings.Contains(err.Error(), "its footer is damaged") {
		t.Errorf("a footer of no bytes: %v", err)
	}
}

// Meanings that a schema gives its values: by hand.
func TestAnnotatedColumns(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(m *made)
		want   Values
	}{
		{"unsigned", func(m *made) { m.element[elementConverted] = 13 }, Values{Ints: []int64{7, 1<<32 - 1}}},
		{"decimal", func(m *made) { m.element[elementConverted], m.element[elementScale] = 5, 2 }, Values{Floats: []float64{.07, -.01}}},
		{"decimal without a point", func(m *made) { m.element[elementConverted] = 5 }, Values{Floats: []float64{7, -1}}},
		{"decimal of the smallest steps", func(m *made) { m.element[elementConverted], m.element[elementScale] = 5, 308 }, Values{Floats: []float64{7 / math.Pow10(308), -1 / math.Pow10(308)}}},
		{"decimal bytes", func(m *made) {
			m.element[elementType], m.element[elementLength] = int(Fixed), 2
			m.element[elementConverted], m.element[elementScale] = 5, 1
			m.body = []byte{0x01, 0x00, 0xff, 0x80} // 256 and -128
		}, Values{Floats: []float64{25.6, -12.8}}},
		{"decimal bytes from the highest bit on", func(m *made) {
			m.element[elementType], m.element[elementLength] = int(Fixed), 1
			m.element[elementConverted] = 5
			m.body = []byte{0x7f, 0x80}
		}, Values{Floats: []float64{127, -128}}},
		{"the widest fixed values", func(m *made) {
			m.element[elementType], m.element[elementLength] = int(Fixed), 1<<16
			m.body = make([]byte, 2<<16)
		}, Values{Strings: []string{string(make([]byte, 1<<16)), string(make([]byte, 1<<16))}}},
		{"optional", func(m *made) {
			m.element[elementRepetition] = 1
			m.body = append([]byte{2, 0, 0, 0, 3, 0b10}, ints(5)...) // levels 0 and 1 in a group of eight
		}, Values{Ints: []int64{0, 5}, Null: []bool{true, false}}},
		{"booleans by run lengths", func(m *made) {
			m.element[elementType], m.dataPage[dataEncoding] = int(Boolean), encRLE
			m.body = []byte{2, 0, 0, 0, 2 << 1, 1}
		}, Values{Bools: []bool{true, true}}},
		{"strings", func(m *made) {
			m.element[elementType] = int(ByteArray)
			m.body = []byte("\x01\x00\x00\x00a\x00\x00\x00\x00")
		}, Values{Strings: []string{"a", ""}}},
		{"strings by their lengths", func(m *made) {
			m.element[elementType], m.dataPage[dataEncoding] = int(ByteArray), encDeltaLengths
			m.body = append([]byte{128, 1, 4, 2, 4, 2, 0, 0, 0, 0}, "ababc"...) // 2 bytes, then one more
		}, Values{Strings: []string{"ab", "abc"}}},
	} {
		got, err := columnX(write(c.change))
		if err != nil || !slices.Equal(got.Ints, c.want.Ints) || !slices.Equal(got.Floats, c.want.Floats) || !slices.Equal(got.Strings, c.want.Strings) || !slices.Equal(got.Bools, c.want.Bools) || !slices.Equal(got.Null, c.want.Null) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

// Pages of version 2 carry their levels' size apart from the values.
func TestPagesOfVersion2(t *testing.T) {
	levels := []byte{3, 0b10}
	for _, c := range []struct {
		name       string
		header     s // DataPageHeaderV2: values, nulls, rows, encoding, definition and repetition levels' bytes, compressed
		codec      int
		full, size int
		want       string
	}{
		{"stored", s{nil, 2, 1, 2, 0, 2, 0, nil}, 0, 6, 6, ""},
		{"not compressed under a codec", s{nil, 2, 1, 2, 0, 2, 0, 0}, codecSnappy, 6, 6, ""},
		{"said to be compressed", s{nil, 2, 1, 2, 0, 2, 0, 1}, codecSnappy, 6, 6, "a page is damaged"},
		{"levels of a negative size", s{nil, 2, 1, 2, 0, -1, 0, nil}, 0, 6, 6, "its levels do not fit"},
		{"levels beyond the page", s{nil, 2, 1, 2, 0, 7, 0, nil}, 0, 6, 6, "its levels do not fit"},
		{"levels beyond the full size", s{nil, 2, 1, 2, 0, 2, 0, nil}, 0, 1, 6, "its levels do not fit"},
		{"repetition levels", s{nil, 2, 1, 2, 0, 2, 1, nil}, 0, 6, 6, "its levels do not fit"},
		{"no levels", s{nil, 2, 1, 2, 0, nil, 0, nil}, 0, 6, 6, "a page is damaged"},
	} {
		got, err := columnX(write(func(m *made) {
			m.element[elementRepetition], m.chunk[chunkCodec] = 1, c.codec
			m.body = append(slices.Clone(levels), ints(5)...)
			m.page = s{nil, pageDataV2, c.full, c.size, nil, nil, nil, nil, c.header}
		}))
		if c.want == "" && (err != nil || !slices.Equal(got.Ints, []int64{0, 5})) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %+v, %v, want %q", c.name, got, err, c.want)
		}
	}
	// A column without missing values has no levels.
	if got, err := columnX(write(func(m *made) {
		m.page = s{nil, pageDataV2, 8, 8, nil, nil, nil, nil, s{nil, 2, 0, 2, 0, 0, 0, nil}}
	})); err != nil || !slices.Equal(got.Ints, []int64{7, -1}) {
		t.Errorf("required: %+v, %v", got, err)
	}
	// All values missing: nothing is compressed.
	got, err := columnX(write(func(m *made) {
		m.element[elementRepetition], m.chunk[chunkCodec] = 1, codecSnappy
		m.body = []byte{3, 0}
		m.page = s{nil, pageDataV2, 2, 2, nil, nil, nil, nil, s{nil, 2, 2, 2, 0, 2, 0, nil}}
	}))
	if err != nil || !slices.Equal(got.Null, []bool{true, true}) {
		t.Errorf("all missing: %+v, %v", got, err)
	}
}

// A dictionary of two values, 7 and -1, and the indexes 0 and 1.
func TestDictionaryPages(t *testing.T) {
	file := func(count, kind any, indexes []byte, twice bool) []byte {
		return write(func(m *made) {
			m.dataPage[dataEncoding] = encRLEDictionary
			values := append(pack(s{nil, 0, len(indexes), len(indexes), nil, m.dataPage}), indexes...)
			m.page = s{nil, pageDictionary, 8, 8, nil, nil, nil, s{nil, count, 0}}
			if twice {
				values = append(append(pack(m.page), m.body...), values...)
			}
			m.between = values
			m.chunk[chunkDictionary], m.chunk[chunkData] = 4, 20
		})
	}
	for _, c := range []struct {
		name    string
		count   any
		indexes []byte
		twice   bool
		want    string
	}{
		{"packed", 2, []byte{1, 3, 0b10}, false, ""},
		{"in runs", 2, []byte{1, 2, 0, 2, 1}, false, ""},
		{"behind the dictionary", 2, []byte{2, 3, 0b1000, 0}, false, "points outside its dictionary"},
		{"no width", 2, nil, false, "a page is damaged"},
		{"too wide", 2, []byte{33, 3, 0, 0, 0, 0, 0}, false, "a page is damaged"},
		{"as wide as can be", 2, append(append([]byte{32, 2}, ints(0)...), append([]byte{2}, ints(1)...)...), false, ""},
		{"a dictionary of no stated size", nil, []byte{1, 3, 0b10}, false, "its dictionary claims -1 values"},
		{"a dictionary larger than its page", 65, []byte{1, 3, 0b10}, false, "its dictionary claims 65 values"},
		{"two dictionaries", 2, []byte{1, 3, 0b10}, true, "its dictionary claims 2 values"},
		{"fewer values than the page's", 3, []byte{1, 3, 0b10}, false, "a page is damaged"},
	} {
		got, err := columnX(file(c.count, nil, c.indexes, c.twice))
		if c.want == "" && (err != nil || !slices.Equal(got.Ints, []int64{7, -1})) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %+v, %v, want %q", c.name, got, err, c.want)
		}
	}
}

// Nested columns are left out with all that belongs to them.
func TestNestedColumnsAreLeftOut(t *testing.T) {
	leaf := func(name string) s { return s{nil, 1, nil, 0, name} }
	group := func(name string, children int) s { return s{nil, nil, nil, 0, name, children} }
	for _, c := range []struct {
		elements []any
		want     string
	}{
		{[]any{group("root", 2), leaf("a"), leaf("b")}, "a b"},
		{[]any{group("root", 3), leaf("a"), group("g", 2), leaf("x"), leaf("y"), leaf("b")}, "a b"},
		{[]any{group("root", 3), group("g", 1), group("h", 2), leaf("x"), leaf("y"), leaf("b")}, "b"},
		{[]any{group("root", 2), leaf("a"), group("g", 1), leaf("x")}, "a"},
		{[]any{group("root", 2), leaf("a"), group("g", 9), leaf("x")}, "a"},
	} {
		data := append([]byte("PAR1"), pack(s{nil, 1, c.elements, 0})...)
		data = append(binary.LittleEndian.AppendUint32(data, uint32(len(data)-4)), "PAR1"...)
		f, err := Open(data, 10)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for name := range f.columns {
			names = append(names, name)
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("columns %q, want %q", got, c.want)
		}
	}
}

// Bytes of Thrift's compact protocol (its specification, "Struct encoding").
func TestThrift(t *testing.T) {
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"two fields", []byte{0x16, 6, 0x25, 5, 0}, "1:3 3:-3"},
		{"an id far away", []byte{0x06, 200, 1, 14, 0}, "100:7"},
		{"booleans", []byte{0x11, 0x12, 0}, "1:1 2:0"},
		{"a byte", []byte{0x13, 0xff, 0}, "1:-1"},
		{"a double is passed over", []byte{0x17, 1, 2, 3, 4, 5, 6, 7, 8, 0x16, 2, 0}, "1:0 2:1"},
		{"bytes", []byte{0x18, 2, 'a', 'b', 0}, "1:ab"},
		{"a list", []byte{0x19, 0x26, 2, 3, 0}, "1:[1 -2]"},
		{"a long list", append(append([]byte{0x19, 0xf6, 15}, make([]byte, 15)...), 0), "1:[0 0 0 0 0 0 0 0 0 0 0 0 0 0 0]"},
		{"a map", []byte{0x1b, 1, 0x86, 1, 'k', 4, 0}, "1:[k 2]"},
		{"an empty map", []byte{0x1b, 0, 0x16, 2, 0}, "1:0 2:1"},
		{"no end", []byte{0x16, 6}, "it ends within a structure"},
		{"no id", []byte{0x06}, "it ends within a structure"},
		{"half a double", []byte{0x17, 1, 2, 3, 4, 5, 6, 7}, "it ends within a structure"},
		{"half of some bytes", []byte{0x18, 3, 'a', 'b'}, "it ends within a structure"},
		{"half a list", []byte{0x19, 0x36, 2, 3}, "it ends within a structure"},
		{"a list without its head", []byte{0x19}, "it ends within a structure"},
		{"a long list without its size", []byte{0x19, 0xf6}, "it ends within a structure"},
		{"a map without its size", []byte{0x1b}, "it ends within a structure"},
		{"a map without its kinds", []byte{0x1b, 1}, "it ends within a structure"},
		{"a number too long", append([]byte{0x16}, slices.Repeat([]byte{0xff}, 11)...), "it ends within a structure"},
		{"an unknown type", []byte{0x1d, 0}, "a field of an unknown type"},
		{"16 structs deep", append(slices.Repeat([]byte{0x1c}, 16), make([]byte, 17)...), "1:0"},
		{"17 structs deep", append(slices.Repeat([]byte{0x1c}, 17), make([]byte, 18)...), "nested too deeply"},
		{"lists in lists", append(append([]byte{0x19}, slices.Repeat([]byte{0x19}, 16)...), 0x06, 0), "1:[0]"},
		{"too many lists in lists", append(append([]byte{0x19}, slices.Repeat([]byte{0x19}, 17)...), 0x06, 0), "nested too deeply"},
	} {
		r := thrift{data: c.data}
		n, err := r.structure(0)
		got := ""
		for _, f := range n.fields {
			switch {
			case f.list != nil:
				var items []string
				for _, x := range f.list {
					if x.bytes != nil {
						items = append(items, string(x.bytes))
					} else {
						items = append(items, fmt.Sprint(x.integer))
					}
				}
				got += fmt.Sprintf(" %d:%v", f.id, items)
			case f.bytes != nil:
				got += fmt.Sprintf(" %d:%s", f.id, f.bytes)
			default:
				got += fmt.Sprintf(" %d:%d", f.id, f.integer)
			}
		}
		if err != nil {
			got = " " + err.Error()
		}
		if !strings.Contains(got, c.want) || err == nil && (got[1:] != c.want || r.at != len(c.data)) {
			t.Errorf("%s: %s, %d of %d bytes, want %s", c.name, got, r.at, len(c.data), c.want)
		}
	}
}

// A value may end with the bytes, and not behind them.
func TestValuesAtTheEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		kind byte
		data []byte
		at   int
		ok   bool
	}{
		{"a double", typeDouble, make([]byte, 8), 0, true},
		{"half a double", typeDouble, make([]byte, 8), 1, false},
		{"bytes", typeBinary, []byte{2, 'a', 'b'}, 0, true},
		{"a list", typeList, []byte{0x23, 1, 1}, 0, true},
		{"a number", typeI64, []byte{2}, 0, true},
		{"no number", typeI64, []byte{2}, 1, false},
	} {
		r := thrift{data: c.data, at: c.at}
		if _, err := r.value(c.kind, 0); (err == nil) != c.ok || c.ok && r.at != len(c.data) {
			t.Errorf("%s: at %d of %d, %v", c.name, r.at, len(c.data), err)
		}
	}
	if head, rest, err := prefixed([]byte{2, 0, 0, 0, 1, 2}); err != nil || len(head) != 2 || len(rest) != 0 {
		t.Errorf("all bytes behind a length: %v, %v, %v", head, rest, err)
	}
	for _, b := range [][]byte{{3, 0, 0, 0, 1, 2}, {1, 0, 0}} {
		if _, _, err := prefixed(slices.Clip(b)); err == nil {
			t.Errorf("%v", b)
		}
	}
}

// Parquet's hybrid of run lengths and bit packing (Encodings.md). The packed
// example is the specification's: 0 to 7 in three bits each.
func TestRunLengths(t *testing.T) {
	counting := []byte{3, 0b10001000, 0b11000110, 0b11111010}
	for _, c := range []struct {
		name     string
		b        []byte
		width, n int
		want     []uint32
	}{
		{"packed", counting, 3, 8, []uint32{0, 1, 2, 3, 4, 5, 6, 7}},
		{"part of a group", counting, 3, 5, []uint32{0, 1, 2, 3, 4}},
		{"its unused bytes left out", counting[:3], 3, 5, []uint32{0, 1, 2, 3, 4}},
		{"a byte too few", counting[:3], 3, 6, nil},
		{"a run", []byte{3 << 1, 5}, 3, 3, []uint32{5, 5, 5}},
		{"a run longer than needed", []byte{9 << 1, 5}, 3, 2, []uint32{5, 5}},
		{"a run of two bytes", []byte{1 << 1, 1, 1}, 9, 1, []uint32{257}},
		{"a run without its value", []byte{1 << 1, 1}, 9, 1, nil},
		{"a run, then packed", append([]byte{1 << 1, 5}, counting...), 3, 4, []uint32{5, 0, 1, 2}},
		{"packed, then a run", append(slices.Clone(counting), 1<<1, 5), 3, 9, []uint32{0, 1, 2, 3, 4, 5, 6, 7, 5}},
		{"packed zeros, then a run", []byte{3, 0, 0, 0, 1 << 1, 5}, 3, 9, []uint32{0, 0, 0, 0, 0, 0, 0, 0, 5}},
		{"two groups, then a run", append(append([]byte{5}, append(slices.Clone(counting[1:]), counting[1:]...)...), 1<<1, 5), 3, 17, []uint32{0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 5}},
		{"a run of nothing", []byte{0, 5}, 3, 1, nil},
		{"no groups", []byte{1}, 3, 1, nil},
		{"a value wider than the width", []byte{1 << 1, 8}, 3, 1, nil},
		{"a run, then a longer one than needed", []byte{1 << 1, 5, 9 << 1, 6}, 3, 3, []uint32{5, 6, 6}},
		{"width 0", []byte{4 << 1}, 0, 4, []uint32{0, 0, 0, 0}},
		{"nothing", nil, 3, 1, nil},
		{"too many groups", append(binary.AppendUvarint(nil, (1<<24+1)<<1|1), counting[1:]...), 3, 2, nil},
		{"as many groups as can be", append(binary.AppendUvarint(nil, 1<<24<<1|1), counting[1:]...), 3, 2, []uint32{0, 1}},
	} {
		got, err := runLengths(c.b, c.width, c.n)
		if (err != nil) != (c.want == nil) || err == nil && !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.name, got, err, c.want)
		}
	}
}

// Blocks and miniblocks that the specification does not allow, and those at its limits.
func TestDeltaHeaders(t *testing.T) {
	make := func(block, minis, n uint64, rest ...byte) []byte {
		b := binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(nil, block), minis), n)
		return append(append(b, 2), rest...) // the first value is 1
	}
	zeros := func(n int) []byte { return append([]byte{4}, slices.Repeat([]byte{0}, n)...) } // minimal delta 2, widths 0
	for _, c := range []struct {
		name string
		b    []byte
		want []int64
	}{
		{"as usual", make(128, 4, 2, zeros(4)...), []int64{1, 3}},
		{"one miniblock", make(128, 1, 2, zeros(1)...), []int64{1, 3}},
		{"the largest block", make(1<<20, 4, 2, zeros(4)...), []int64{1, 3}},
		{"64 bits", make(128, 4, 2, append([]byte{0, 64, 0, 0, 0}, append([]byte{5}, slices.Repeat([]byte{0}, 255)...)...)...), []int64{1, 6}},
		{"65 bits", make(128, 4, 2, append([]byte{0, 65, 0, 0, 0}, slices.Repeat([]byte{0}, 300)...)...), nil},
		{"64 bits cut short", make(128, 4, 2, append([]byte{0, 64, 0, 0, 0}, slices.Repeat([]byte{0}, 255)...)...), nil},
		{"no block", make(0, 4, 2, zeros(4)...), nil},
		{"a larger block", make(1<<20+128, 1, 2, zeros(1)...), nil},
		{"a block of 64", make(64, 2, 2, zeros(2)...), nil},
		{"no miniblock", make(128, 0, 2, zeros(4)...), nil},
		{"three miniblocks", make(128, 3, 2, zeros(3)...), nil},
		{"miniblocks of 16", make(128, 8, 2, zeros(8)...), nil},
		{"more miniblocks than values", make(128, 256, 2, zeros(256)...), nil},
		{"another number of values", make(128, 4, 3, zeros(4)...), nil},
		{"no widths", make(128, 4, 2, zeros(3)...), nil},
		{"no header", []byte{128, 1, 4}, nil},
	} {
		got, _, err := deltas(c.b, 2, false)
		if (err != nil) != (c.want == nil) || err == nil && !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.name, got, err, c.want)
		}
	}
	if _, _, err := deltas([]byte{128, 1, 4}, 0, false); err == nil {
		t.Error("a header that is cut, of no values")
	}
	if got, err := deltaLengths([]byte{128, 1, 4, 1, 0}, 1); err != nil || !slices.Equal(got, []string{""}) {
		t.Errorf("an empty string: %q, %v", got, err)
	}
	// A string may take all bytes that are left, and none may take more.
	lengths := func(delta byte, text string) []byte {
		return append([]byte{128, 1, 4, 2, 4, delta, 0, 0, 0, 0}, text...)
	}
	if got, err := deltaLengths(lengths(2, "ababc"), 2); err != nil || !slices.Equal(got, []string{"ab", "abc"}) {
		t.Errorf("%q, %v", got, err)
	}
	for _, b := range [][]byte{lengths(2, "abab"), lengths(5, "ababc")} { // 3 of 2 bytes, and 2 - 3
		if got, err := deltaLengths(b, 2); err == nil {
			t.Errorf("%q", got)
		}
	}
}
