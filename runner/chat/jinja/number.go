package jinja

import (
	"cmp"
	"math"
	"math/big"
	"strings"
)

// maxDigits is how long an int may be that Python writes or reads as text.
const maxDigits = 4300

// maxBits bounds an int; the largest that can be written has 14,285 bits.
const maxBits = 1 << 16

// integer gives an int in its one form: int64 where it fits.
func integer(v *big.Int) Value {
	if v.IsInt64() {
		return v.Int64()
	}
	if v.BitLen() > maxBits {
		fail(0, "an int of %d bits is too large", v.BitLen())
	}
	return v
}

// number gives the int of a bool.
func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func isNumber(v Value) bool {
	switch v.(type) {
	case bool, int64, *big.Int, float64:
		return true
	}
	return false
}

// toInt gives an int or a bool as a big int.
func toInt(v Value) (*big.Int, bool) {
	switch v := v.(type) {
	case bool:
		return big.NewInt(number(v)), true
	case int64:
		return big.NewInt(v), true
	case *big.Int:
		return v, true
	}
	return nil, false
}

// index gives an int as Python's __index__ does; it fails for other values.
func index(v Value, what string) int64 {
	i, ok := toInt(v)
	if !ok {
		fail(0, "%s must be an int, not %s", what, typeName(v))
	}
	if !i.IsInt64() {
		fail(0, "%s is too large", what)
	}
	return i.Int64()
}

// finite refuses infinity and NaN: jinja2 itself has no literal for them and
// fails on many templates that would make one.
func finite(f float64) float64 {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		fail(0, "a float that is infinite or no number is not supported")
	}
	return f
}

func toFloat(v Value) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case int64:
		return float64(v)
	case bool:
		return float64(number(v))
	}
	f, _ := new(big.Float).SetInt(v.(*big.Int)).Float64()
	return finite(f)
}

func compareNumbers(a, b Value) int {
	if x, ok := a.(int64); ok {
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y)
		}
	}
	if x, ok := a.(float64); ok {
		if y, ok := b.(float64); ok {
			return cmp.Compare(x, y)
		}
	}
	x, okX := toInt(a)
	y, okY := toInt(b)
	if okX && okY {
		return x.Cmp(y)
	}
	return exact(a).Cmp(exact(b))
}

// exact gives a number without rounding.
func exact(v Value) *big.Rat {
	if i, ok := toInt(v); ok {
		return new(big.Rat).SetInt(i)
	}
	return new(big.Rat).SetFloat64(v.(float64))
}

func negative(v Value) bool { return isNumber(v) && exact(v).Sign() < 0 }

func unary(op string, v Value) Value {
	if !isNumber(v) {
		fail(0, "%s has no sign", typeName(v))
	}
	if f, ok := v.(float64); ok {
		if op == "-" {
			return -f
		}
		return f
	}
	i, _ := toInt(v)
	if op == "-" {
		i = new(big.Int).Neg(i)
	}
	return integer(i)
}

// arithmetic runs + - * / // % **.
func (s *state) arithmetic(op string, a, b Value) Value {
	if x, ok := a.(int64); ok {
		if y, ok := b.(int64); ok {
			if v, ok := small(op, x, y); ok {
				return v
			}
		}
	}
	if isNumber(a) && isNumber(b) {
		x, okX := toInt(a)
		y, okY := toInt(b)
		if okX && okY {
			return s.ints(op, x, y)
		}
		return floats(op, toFloat(a), toFloat(b))
	}
	if v, ok := s.safely(op, a, b); ok {
		return v
	}
	switch op {
	case "+":
		switch x := a.(type) {
		case string:
			if y, ok := b.(string); ok {
				s.scan(len(x) + len(y))
				s.take(32 + int64(len(x)+len(y)))
				return x + y
			}
		case *list:
			if y, ok := b.(*list); ok {
				return &list{s.chain(x.items, y.items)}
			}
		default:
			if x, ok := tupleOf(a); ok {
				if y, ok := tupleOf(b); ok {
					return tuple(s.chain(x, y))
				}
			}
		}
	case "*":
		if _, ok := toInt(a); ok {
			a, b = b, a
		}
		if n, ok := toInt(b); ok {
			switch x := a.(type) {
			case string:
				return s.repeat(x, n)
			case *list:
				return &list{s.repeatItems(x.items, n)}
			default:
				if x, ok := tupleOf(a); ok {
					return tuple(s.repeatItems(x, n))
				}
			}
		}
	case "%":
		if x, ok := a.(string); ok {
			return s.printf(x, b)
		}
	}
	fail(0, "%s and %s cannot be combined with %s", typeName(a), typeName(b), op)
	return nil
}

// safely runs + and * where a string is marked as safe: the other is escaped,
// and the result is marked, too.
func (s *state) safely(op string, a, b Value) (Value, bool) {
	x, okX := a.(markup)
	y, okY := b.(markup)
	if !okX && !okY {
		return nil, false
	}
	switch op {
	case "+":
		if t, ok := a.(string); ok {
			x, okX = escaped(s, t), true
		}
		if t, ok := b.(string); ok {
			y, okY = escaped(s, t), true
		}
		if okX && okY {
			return markup(s.arithmetic("+", string(x), string(y)).(string)), true
		}
	case "*":
		if okX != okY {
			if okX {
				a = string(x)
			} else {
				b = string(y)
			}
			return markup(s.arithmetic("*", a, b).(string)), true
		}
	case "%":
		if okX {
			fail(0, "%% on a string marked as safe is not supported")
		}
	}
	return nil, false
}

// small runs + - // % on ints whose result is sure to fit.
func small(op string, x, y int64) (int64, bool) {
	const limit = 1 << 31
	if x > limit || x < -limit || y > limit || y < -limit {
		return 0, false
	}
	switch op {
	case "+":
		return x + y, true
	case "-":
		return x - y, true
	case "*":
		return x * y, true
	case "//", "%":
		if y == 0 {
			return 0, false
		}
		q, m := x/y, x%y
		if m != 0 && (m < 0) != (y < 0) { // towards minus infinity
			q--
			m += y
		}
		if op == "%" {
			return m, true
		}
		return q, true
	}
	return 0, false
}

func (s *state) chain(x, y []Value) []Value {
	n := len(x) + len(y)
	s.work(int64(n))
	s.take(48 + 16*int64(n))
	return append(append(make([]Value, 0, n), x...), y...)
}

// times checks how often something of a size may be repeated.
func (s *state) times(n *big.Int, size int) int {
	if n.Sign() <= 0 || size == 0 {
		return 0
	}
	if !n.IsInt64() || n.Int64() > math.MaxInt32 {
		fail(0, "the template asks for more than %d MB of memory", s.limits.Memory>>20)
	}
	s.take(48 + n.Int64()*int64(size))
	s.work(n.Int64() * int64(size) / 16)
	return int(n.Int64())
}

func (s *state) repeat(text string, n *big.Int) string {
	return strings.Repeat(text, s.times(n, len(text)))
}

func (s *state) repeatItems(items []Value, n *big.Int) []Value {
	count := s.times(n, 16*len(items))
	out := make([]Value, 0, count*len(items))
	for range count {
		out = append(out, items...)
	}
	return out
}

func (s *state) ints(op string, x, y *big.Int) Value {
	bits := x.BitLen() + y.BitLen()
	s.scan(bits)
	s.take(int64(bits)/8 + 32)
	z := new(big.Int)
	switch op {
	case "+":
		return integer(z.Add(x, y))
	case "-":
		return integer(z.Sub(x, y))
	case "*":
		s.work(int64(x.BitLen()) * int64(y.BitLen()) / (64 * 64 * 8))
		return integer(z.Mul(x, y))
	case "**":
		return s.power(x, y)
	}
	if y.Sign() == 0 {
		fail(0, "division by zero")
	}
	if op == "/" {
		if x.Sign() == 0 && y.Sign() < 0 {
			return math.Copysign(0, -1)
		}
		f, _ := new(big.Rat).SetFrac(x, y).Float64()
		return finite(f)
	}
	s.work(int64(bits) * int64(bits) / (64 * 64 * 8))
	m := new(big.Int)
	z.QuoRem(x, y, m)
	if m.Sign() != 0 && m.Sign() != y.Sign() { // towards minus infinity
		z.Sub(z, big.NewInt(1))
		m.Add(m, y)
	}
	if op == "%" {
		return integer(m)
	}
	return integer(z)
}

func (s *state) power(x, y *big.Int) Value {
	if y.Sign() < 0 {
		if x.Sign() == 0 {
			fail(0, "0 to a negative power")
		}
		return floats("**", toFloat(x), toFloat(y))
	}
	if x.CmpAbs(big.NewInt(1)) > 0 {
		if !y.IsInt64() || y.Int64() > maxBits || int64(x.BitLen()-1)*y.Int64() > maxBits {
			fail(0, "a power is too large")
		}
	}
	s.work(int64(x.BitLen()) * 16)
	if x.CmpAbs(big.NewInt(1)) <= 0 && y.BitLen() > 8 {
		y = new(big.Int).And(y, big.NewInt(1)) // 0, 1 and -1
		if x.Sign() == 0 {
			return int64(0)
		}
	}
	return integer(new(big.Int).Exp(x, y, nil))
}

func floats(op string, x, y float64) Value {
	switch op {
	case "+":
		return finite(x + y)
	case "-":
		return finite(x - y)
	case "*":
		return finite(x * y)
	case "**":
		return finite(floatPower(x, y))
	}
	if y == 0 {
		fail(0, "division by zero")
	}
	if op == "/" {
		return finite(x / y)
	}
	// Python's float_divmod.
	m := math.Mod(x, y)
	div := (x - m) / y
	if m != 0 {
		if (y < 0) != (m < 0) {
			m += y
			div--
		}
	} else {
		m = math.Copysign(0, y)
	}
	if op == "%" {
		return finite(m)
	}
	if div == 0 {
		return math.Copysign(0, x/y)
	}
	floor := math.Floor(div)
	if div-floor > 0.5 {
		floor++
	}
	return finite(floor)
}

// floatPower gives x to the power y, correctly rounded for whole y and for a half.
func floatPower(x, y float64) float64 {
	switch {
	case y == 0 || x == 1:
		return 1
	case x == 0 && y < 0:
		fail(0, "0 to a negative power")
	case x == 0 || y == 1:
		return math.Pow(x, y)
	case y == 0.5 && x > 0:
		return math.Sqrt(x)
	case y != math.Trunc(y) || math.Abs(y) > 4096:
		fail(0, "a float to this power is not supported")
	}
	const precision = 512
	p := new(big.Float).SetPrec(precision).SetInt64(1)
	base := new(big.Float).SetPrec(precision).SetFloat64(x)
	for n := int(math.Abs(y)); n > 0; n >>= 1 {
		if n&1 == 1 {
			p.Mul(p, base)
		}
		base.Mul(base, base)
	}
	if y < 0 {
		p.Quo(new(big.Float).SetPrec(precision).SetInt64(1), p)
	}
	f, _ := p.Float64()
	return f
}
