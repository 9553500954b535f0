package scoring

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Unknown stands in for a KV head or a window that a table does not tell.
const Unknown = -1

// ErrKVHeads says that a table must know which KV head each query head reads.
var ErrKVHeads = errors.New("the scores do not say which KV head each head reads")

// ErrListShape says that a list of heads does not tell its model's shape, which
// decides what KV head a listed head reads.
var ErrListShape = errors.New("the list does not say how many heads its model has, so which KV head a listed head reads is not known")

// ErrQueryHeads says that a table of KV heads must be spread over query heads,
// whose number it does not tell.
var ErrQueryHeads = errors.New("the scores are of KV heads and do not say how many query heads share one")

// LayerShape is what a table must know of a layer.
type LayerShape struct {
	Heads   int
	KVHeads int // Unknown where it is not
	Window  int // keys the layer sees; 0: all; Unknown
}

// Shape is what a table must know of a model, layer by layer.
type Shape []LayerShape

// ParseShape reads "LAYERSxHEADS" or "LAYERSxHEADS/KVHEADS", as in "32x32/8".
func ParseShape(s string) (Shape, error) {
	wrong := fmt.Errorf("%q is not of the form LAYERSxHEADS/KVHEADS, as in 32x32/8", s)
	size, kv, hasKV := strings.Cut(s, "/")
	l, h, ok := strings.Cut(size, "x")
	layers, err1 := strconv.Atoi(l)
	heads, err2 := strconv.Atoi(h)
	if !ok || err1 != nil || err2 != nil || layers < 1 || heads < 1 || layers > 4096 || heads > 16384 {
		return nil, wrong
	}
	kvHeads := Unknown
	if hasKV {
		var err error
		if kvHeads, err = strconv.Atoi(kv); err != nil || kvHeads < 1 {
			return nil, wrong
		}
		if heads%kvHeads != 0 {
			return nil, fmt.Errorf("%q: %d heads cannot share %d KV heads evenly", s, heads, kvHeads)
		}
	}
	shape := make(Shape, layers)
	for i := range shape {
		shape[i] = LayerShape{heads, kvHeads, Unknown}
	}
	return shape, nil
}

// String writes a shape as ParseShape reads it; "" where layers differ.
func (s Shape) String() string {
	for _, l := range s {
		if l.Heads != s[0].Heads || l.KVHeads != s[0].KVHeads {
			return ""
		}
	}
	if len(s) == 0 {
		return ""
	}
	text := fmt.Sprintf("%dx%d", len(s), s[0].Heads)
	if s[0].KVHeads > 0 {
		text += fmt.Sprintf("/%d", s[0].KVHeads)
	}
	return text
}

// Heads counts the query heads of all layers.
func (s Shape) Heads() int {
	n := 0
	for _, l := range s {
		n += l.Heads
	}
	return n
}

// scored is the number of layers up to the last one that has heads.
func (s Shape) scored() int {
	n := len(s)
	for n > 0 && s[n-1].Heads == 0 {
		n--
	}
	return n
}

// Shape is what the rows of one method tell of the model. Of KV heads without
// their query heads it is nil.
func (t *Table) Shape(method string) Shape {
	if t.Quantity(method).PerKVHead {
		return nil
	}
	var s Shape
	for _, h := range t.Of(method) {
		for len(s) <= h.Layer {
			s = append(s, LayerShape{0, Unknown, Unknown})
		}
		l := &s[h.Layer]
		l.Heads = max(l.Heads, h.Head+1)
		l.KVHeads = max(l.KVHeads, h.KVHead+1)
		if h.KVHead == Unknown {
			l.KVHeads = Unknown
		}
		l.Window = h.Window
	}
	return s
}

// SetShape tells a table its model's shape: KV heads and windows that it does
// not know are filled in; what it knows otherwise is an error. Columns of a
// pattern that number the model's query heads become query heads.
func (t *Table) SetShape(s Shape) error {
	for _, method := range t.Methods() {
		rows, q := t.Of(method), t.Quantity(method)
		if n := rows[len(rows)-1].Layer + 1; n != s.scored() {
			return fmt.Errorf("the scores are of %d layers, the model has %d", n, len(s))
		}
		perLayer := make([]int, len(s))
		for _, h := range rows {
			perLayer[h.Layer] = max(perLayer[h.Layer], h.Head+1)
		}
		ofKV := q.PerKVHead
		if ofKV {
			ofKV = false
			for l, n := range perLayer {
				ofKV = ofKV || n != s[l].Heads
			}
		}
		for l, n := range perLayer {
			switch {
			case n == 0 && s[l].Heads == 0: // a layer without attention
			case ofKV && s[l].KVHeads == Unknown:
				return fmt.Errorf("layer %d: the scores are of %d KV heads, and how many the model has is not known; give the shape with them, as in 32x32/8", l, n)
			case ofKV && n != s[l].KVHeads:
				return fmt.Errorf("layer %d: the scores are of %d KV heads, the model has %d (and %d query heads)", l, n, s[l].KVHeads, s[l].Heads)
			case !ofKV && n != s[l].Heads:
				return fmt.Errorf("layer %d: the scores are of %d heads, the model has %d", l, n, s[l].Heads)
			}
		}
		for i := range rows {
			h, l := &rows[i], s[rows[i].Layer]
			if !ofKV && q.PerKVHead {
				h.KVHead = Unknown
			}
			if !ofKV && l.KVHeads > 0 {
				kv := h.Head / (l.Heads / l.KVHeads)
				if h.KVHead != Unknown && h.KVHead != kv {
					return fmt.Errorf("layer %d, head %d reads KV head %d by the scores, %d by the model", h.Layer, h.Head, h.KVHead, kv)
				}
				h.KVHead = kv
			}
			if l.Window != Unknown {
				if h.Window != Unknown && h.Window != l.Window {
					return fmt.Errorf("layer %d has a window of %d by the scores, %d by the model", h.Layer, h.Window, l.Window)
				}
				h.Window = l.Window
			}
		}
		if q.PerKVHead && !ofKV {
			q.PerKVHead = false
			t.SetQuantity(q)
		}
	}
	return nil
}

// SpreadKVHeads gives every query head of a shape its KV head's row, for
// methods that score KV heads. Without such a method it changes nothing.
func (t *Table) SpreadKVHeads(s Shape) error {
	var heads []Head
	for _, method := range t.Methods() {
		rows, q := t.Of(method), t.Quantity(method)
		if !q.PerKVHead {
			heads = append(heads, rows...)
			continue
		}
		from := len(heads)
		for _, kv := range rows {
			if kv.Layer >= len(s) || s[kv.Layer].KVHeads < 1 || kv.KVHead >= s[kv.Layer].KVHeads {
				return ErrQueryHeads
			}
			group := s[kv.Layer].Heads / s[kv.Layer].KVHeads
			for i := range group {
				h := kv
				h.Head = kv.KVHead*group + i
				h.RankLow, h.RankHigh = 0, 0 // they were ranks among KV heads
				heads = append(heads, h)
			}
		}
		Rerank(heads[from:])
		q.PerKVHead = false
		if len(Scored(rows)) == q.Listed { // groups may differ between layers
			q.Listed = len(Scored(heads[from:]))
		} else if i := slices.IndexFunc(s, func(l LayerShape) bool { return l.KVHeads > 0 }); i >= 0 {
			q.Listed *= s[i].Heads / s[i].KVHeads
		}
		t.SetQuantity(q)
	}
	t.Heads = heads
	return nil
}

// KnowsKVHeads reports whether every row tells its KV head.
func KnowsKVHeads(heads []Head) bool {
	for _, h := range heads {
		if h.KVHead == Unknown {
			return false
		}
	}
	return true
}

// ShapeOr is the given shape, or where that is nil what the table's rows of
// query heads tell.
func (t *Table) ShapeOr(given Shape) Shape {
	if given != nil {
		return given
	}
	for _, m := range t.Methods() {
		if s := t.Shape(m); s != nil {
			return s
		}
	}
	return nil
}
