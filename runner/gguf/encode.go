package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// encode gives a Go value the form it has in a file. int and []int become
// int32 where that holds them, as most writers do, else int64.
func encode(v any) (value, error) {
	switch v := v.(type) {
	case string:
		return value{kind: String, raw: []byte(v)}, nil
	case []string:
		raw := []byte{}
		for _, s := range v {
			raw = append(binary.LittleEndian.AppendUint64(raw, uint64(len(s))), s...)
		}
		return value{kind: Array, elem: String, n: len(v), raw: raw}, nil
	case int:
		if int64(v) == int64(int32(v)) {
			return encode(int32(v))
		}
		return encode(int64(v))
	case []int:
		wide := make([]int64, len(v))
		narrow := make([]int32, len(v))
		fits := true
		for i, x := range v {
			wide[i], narrow[i] = int64(x), int32(x)
			fits = fits && wide[i] == int64(narrow[i])
		}
		if fits {
			return encode(narrow)
		}
		return encode(wide)
	case []bool:
		return list(v)
	case []int32:
		return list(v)
	case []int64:
		return list(v)
	case []uint32:
		return list(v)
	case []float32:
		return list(v)
	case []float64:
		return list(v)
	}
	return scalar(v)
}

func list[T any](v []T) (value, error) {
	var zero T
	one, err := scalar(zero)
	if err != nil {
		return one, err
	}
	a := value{kind: Array, elem: one.kind, n: len(v), raw: []byte{}}
	for _, x := range v {
		one, _ = scalar(x)
		a.raw = append(a.raw, one.raw...)
	}
	return a, nil
}

func scalar(v any) (value, error) {
	le := binary.LittleEndian
	switch v := v.(type) {
	case bool:
		raw := []byte{0}
		if v {
			raw[0] = 1
		}
		return value{kind: Bool, raw: raw}, nil
	case uint8:
		return value{kind: Uint8, raw: []byte{v}}, nil
	case int8:
		return value{kind: Int8, raw: []byte{byte(v)}}, nil
	case uint16:
		return value{kind: Uint16, raw: le.AppendUint16(nil, v)}, nil
	case int16:
		return value{kind: Int16, raw: le.AppendUint16(nil, uint16(v))}, nil
	case uint32:
		return value{kind: Uint32, raw: le.AppendUint32(nil, v)}, nil
	case int32:
		return value{kind: Int32, raw: le.AppendUint32(nil, uint32(v))}, nil
	case uint64:
		return value{kind: Uint64, raw: le.AppendUint64(nil, v)}, nil
	case int64:
		return value{kind: Int64, raw: le.AppendUint64(nil, uint64(v))}, nil
	case float32:
		return value{kind: Float32, raw: le.AppendUint32(nil, math.Float32bits(v))}, nil
	case float64:
		return value{kind: Float64, raw: le.AppendUint64(nil, math.Float64bits(v))}, nil
	}
	return value{}, fmt.Errorf("a %T cannot be stored", v)
}
