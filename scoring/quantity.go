package scoring

// Quantity says what a method's numbers mean. It travels with the table, so
// that figures and files name what is there and nothing else.
type Quantity struct {
	Method string `json:"method"`
	// Label names the number on an axis, such as "attention on the evidence".
	// "": "score".
	Label string `json:"label,omitempty"`
	// Unit of the number; "": it has none.
	Unit string `json:"unit,omitempty"`
	// Mean says over what Head.Mean is a mean, such as "counted trials"; "": it
	// is no mean that is known of.
	Mean string `json:"mean,omitempty"`
	// Interval says what Low and High are; "": there is none.
	Interval string `json:"interval,omitempty"`
	// PerKVHead: a row is a KV head; Head and KVHead both hold its number.
	PerKVHead bool `json:"per_kv_head,omitempty"`
	// Listed is how many heads the source lists; the others have no score (NaN).
	// 0: it scores all.
	Listed int `json:"listed,omitempty"`
}

// Texts that quantities share.
const (
	OverTrials        = "counted trials"
	OverCases         = "cases"
	BootstrapInterval = "95 % bootstrap interval"
)

// QuantityOf describes the numbers that this program computes under a method;
// of a method that it does not know it says the name alone.
func QuantityOf(method string) Quantity {
	d, err := Lookup(curveOwner(method))
	if err != nil {
		return Quantity{Method: method}
	}
	q := Quantity{Method: method, Label: d.Label, Mean: OverTrials, Interval: BootstrapInterval}
	if d.Probe != Needles {
		q.Mean = OverCases
	}
	return q
}

// Quantity says what a method's numbers in this table mean.
func (t *Table) Quantity(method string) Quantity {
	for _, q := range t.Quantities {
		if q.Method == method {
			return q
		}
	}
	return QuantityOf(method)
}

// SetQuantity replaces what the table says about a method's numbers.
func (t *Table) SetQuantity(q Quantity) {
	for i := range t.Quantities {
		if t.Quantities[i].Method == q.Method {
			t.Quantities[i] = q
			return
		}
	}
	t.Quantities = append(t.Quantities, q)
}
