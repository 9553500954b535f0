package parquetfile

import (
	"encoding/binary"
	"errors"
)

// Thrift's compact protocol, as much of it as Parquet's footer and page headers
// use: varints, zigzag integers, field ids as differences.
const (
	typeStop = iota
	typeTrue
	typeFalse
	typeByte
	typeI16
	typeI32
	typeI64
	typeDouble
	typeBinary
	typeList
	typeSet
	typeMap
	typeStruct
)

// node is a parsed value: a number, bytes, a list, or a struct's fields.
type node struct {
	integer int64
	bytes   []byte
	list    []node
	fields  []field
}

type field struct {
	id int64
	node
}

// field gives a struct's field, or nil.
func (n *node) field(id int64) *node {
	if n == nil {
		return nil
	}
	for i := range n.fields {
		if n.fields[i].id == id {
			return &n.fields[i].node
		}
	}
	return nil
}

// int gives an integer field, or def where it is absent.
func (n *node) int(id, def int64) int64 {
	if f := n.field(id); f != nil {
		return f.integer
	}
	return def
}

func (n *node) has(id int64) bool { return n.field(id) != nil }

func (n *node) elements(id int64) []node {
	if f := n.field(id); f != nil {
		return f.list
	}
	return nil
}

func (n *node) text(id int64) string {
	if f := n.field(id); f != nil {
		return string(f.bytes)
	}
	return ""
}

var (
	errShort = errors.New("it ends within a structure")
	errDeep  = errors.New("structures are nested too deeply")
	errType  = errors.New("a structure has a field of an unknown type")
)

const maxDepth = 16

// thrift reads structs off data. Every element takes at least one byte, so what
// it builds is bounded by the bytes it is given.
type thrift struct {
	data []byte
	at   int
}

func (t *thrift) byte() (byte, error) {
	if t.at >= len(t.data) {
		return 0, errShort
	}
	t.at++
	return t.data[t.at-1], nil
}

func (t *thrift) varint() (uint64, error) {
	v, n := binary.Uvarint(t.data[t.at:])
	if n <= 0 {
		return 0, errShort
	}
	t.at += n
	return v, nil
}

func (t *thrift) zigzag() (int64, error) {
	v, err := t.varint()
	return int64(v>>1) ^ -int64(v&1), err
}

func (t *thrift) structure(depth int) (n node, err error) {
	if depth > maxDepth {
		return n, errDeep
	}
	var id int64
	for {
		head, err := t.byte()
		if err != nil {
			return n, err
		}
		if head == typeStop {
			return n, nil
		}
		if step := head >> 4; step != 0 {
			id += int64(step)
		} else if id, err = t.zigzag(); err != nil {
			return n, err
		}
		var v node
		switch kind := head & 15; kind {
		case typeTrue:
			v.integer = 1
		case typeFalse:
		default:
			if v, err = t.value(kind, depth); err != nil {
				return n, err
			}
		}
		n.fields = append(n.fields, field{id, v})
	}
}

func (t *thrift) value(kind byte, depth int) (n node, err error) {
	switch kind {
	case typeTrue, typeFalse, typeByte: // a list's booleans are a byte each
		b, err := t.byte()
		n.integer = int64(int8(b))
		return n, err
	case typeI16, typeI32, typeI64:
		n.integer, err = t.zigzag()
		return n, err
	case typeDouble:
		if len(t.data)-t.at < 8 {
			return n, errShort
		}
		t.at += 8
		return n, nil
	case typeBinary:
		size, err := t.varint()
		if err != nil {
			return n, err
		}
		if size > uint64(len(t.data)-t.at) {
			return n, errShort
		}
		n.bytes = t.data[t.at : t.at+int(size)]
		t.at += int(size)
		return n, nil
	case typeList, typeSet:
		head, err := t.byte()
		if err != nil {
			return n, err
		}
		size := uint64(head >> 4)
		if size == 15 {
			if size, err = t.varint(); err != nil {
				return n, err
			}
		}
		return t.elements(size, []byte{head & 15}, depth)
	case typeMap:
		size, err := t.varint()
		if err != nil || size == 0 {
			return n, err
		}
		kinds, err := t.byte()
		if err != nil {
			return n, err
		}
		return t.elements(size, []byte{kinds >> 4, kinds & 15}, depth)
	case typeStruct:
		return t.structure(depth + 1)
	}
	return n, errType
}

// elements reads size groups of one value per kind.
func (t *thrift) elements(size uint64, kinds []byte, depth int) (n node, err error) {
	if depth > maxDepth {
		return n, errDeep
	}
	if size > uint64(len(t.data)-t.at) {
		return n, errShort
	}
	for range size {
		for _, kind := range kinds {
			v, err := t.value(kind, depth+1)
			if err != nil {
				return n, err
			}
			n.list = append(n.list, v)
		}
	}
	return n, nil
}
