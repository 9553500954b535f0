package main

import "fmt"

// unpack emits func(dst *float32, src *byte, stride, count int): count blocks
// of four weight rows, dequantised and transposed into a panel. Instructions
// are recorded with as many registers as they like; flush then gives each
// value a real one from its definition to its last use.
type unpack struct {
	code   []instruction
	values int
	pinned map[uint32]value // constants, which live through the loop
	kind   string           // "unpack" or "codes"
}

type value int

type instruction struct {
	text    string // of an instruction that Go's assembler knows; %s stands for the registers
	enc     uint32
	name    string
	d, n, m value // −1: none
	update  bool  // d is read too
}

const panelBytes = 32 * 4

func (u *unpack) value() value { u.values++; return value(u.values - 1) }

func (u *unpack) op(name string, enc uint32, n, m value) value {
	d := u.value()
	u.code = append(u.code, instruction{enc: enc, name: name, d: d, n: n, m: m})
	return d
}

func (u *unpack) and(a, b value) value { return u.op("and.16b", 0x4e201c00, a, b) }
func (u *unpack) or(a, b value) value  { return u.op("orr.16b", 0x4ea01c00, a, b) }
func (u *unpack) sub(a, b value) value { return u.op("sub.4s", 0x6ea08400, a, b) }
func (u *unpack) mul(a, b value) value { return u.op("fmul.4s", 0x6e20dc00, a, b) }
func (u *unpack) float(a value) value  { return u.op("scvtf.4s", 0x4e21d800, a, -1) }
func (u *unpack) neg(a value) value    { return u.op("fneg.4s", 0x6ea0f800, a, -1) }
func (u *unpack) right(a value, by int) value {
	return u.op(fmt.Sprintf("ushr.4s %d", by), 0x6f000400|uint32(64-by)<<16, a, -1)
}
func (u *unpack) signedRight(a value, by int) value {
	return u.op(fmt.Sprintf("sshr.4s %d", by), 0x4f000400|uint32(64-by)<<16, a, -1)
}
func (u *unpack) left(a value, by int) value {
	return u.op(fmt.Sprintf("shl.4s %d", by), 0x4f005400|uint32(32+by)<<16, a, -1)
}

// fma is a·b + c, rounded once.
func (u *unpack) fma(a, b, c value) value {
	d := u.or(c, c)
	u.code = append(u.code, instruction{enc: 0x4e20cc00, name: "fmla.4s", d: d, n: a, m: b, update: true})
	return d
}

// constant is b in every lane.
func (u *unpack) constant(b uint32) value {
	if v, ok := u.pinned[b]; ok {
		return v
	}
	u.pinned[b] = u.value()
	return u.pinned[b]
}

// load reads 16 bytes of row r.
func (u *unpack) load(r, disp int) value {
	d := u.value()
	text := fmt.Sprintf("VLD1 (R%d), [V%%s.B16]", 2+r)
	if disp > 0 {
		text = fmt.Sprintf("ADD $%d, R%d, R9\n\tVLD1 (R9), [V%%s.B16]", disp, 2+r)
	}
	u.code = append(u.code, instruction{text: text, d: d, n: -1, m: -1})
	return d
}

// columns gives the four 32-bit words at disp of every row as vectors over the rows.
func (u *unpack) columns(disp int) []value {
	zip := func(name string, enc uint32) func(a, b value) value {
		return func(a, b value) value { return u.op(name, enc, a, b) }
	}
	low, high := zip("zip1.4s", 0x4e803800), zip("zip2.4s", 0x4e807800)
	lows, highs := zip("zip1.2d", 0x4ec03800), zip("zip2.2d", 0x4ec07800)
	a, b, c, d := u.load(0, disp), u.load(1, disp), u.load(2, disp), u.load(3, disp)
	ab, cd, ab2, cd2 := low(a, b), low(c, d), high(a, b), high(c, d)
	return []value{lows(ab, cd), highs(ab, cd), lows(ab2, cd2), highs(ab2, cd2)}
}

// word32 gives the 32-bit word at disp of every row.
func (u *unpack) word32(disp int) value {
	d := u.value()
	for r := range 4 {
		text := fmt.Sprintf("ADD $%d, R%d, R9\n\tMOVWU (R9), R9\n\tVMOV R9, V%%s.S[%d]", disp, 2+r, r)
		u.code = append(u.code, instruction{text: text, d: d, n: -1, m: -1, update: r > 0})
	}
	return d
}

// half converts bits [shift, shift+16) of each word from binary16.
func (u *unpack) half(w value, shift int) value {
	if shift > 0 {
		w = u.right(w, shift)
	}
	return u.op("fcvtl.4s.4h", 0x0e217800, u.op("xtn.4h.4s", 0x0e612800, w, -1), -1)
}

// place moves n bits of each word from one bit to another; the others are zero.
func (u *unpack) place(w value, from, n, to int) value {
	switch {
	case from > to:
		w = u.right(w, from-to)
	case from < to:
		w = u.left(w, to-from)
	}
	if from+n == 32 && to == 0 {
		return w
	}
	return u.and(w, u.constant((1<<n-1)<<to))
}

func (u *unpack) field(w value, from, n int) value { return u.place(w, from, n, 0) }

// signed gives byte b of each word as float32.
func (u *unpack) signed(w value, b int) value {
	if b < 3 {
		w = u.left(w, 24-8*b)
	}
	return u.float(u.signedRight(w, 24))
}

// store writes element e of the four rows.
func (u *unpack) store(e int, v value) {
	u.code = append(u.code, instruction{text: fmt.Sprintf("FMOVQ F%%s, %d(R0)", e*panelBytes), d: -1, n: v, m: -1})
}

// flush allocates registers and writes the function.
func (u *unpack) flush(name string, step, elements, bytes int) {
	text(u.kind+name+"NEON", "32")
	for i, arg := range []string{"dst", "src", "stride", "count"} {
		p("MOVD %s+%d(FP), R%d", arg, 8*i, []int{0, 2, 1, 6}[i])
	}
	for r := 3; r < 6; r++ {
		p("ADD R1, R%d, R%d", r-1, r)
	}
	free := []int{}
	for r := 31; r >= 0; r-- {
		free = append(free, r)
	}
	take := func() int {
		if len(free) == 0 {
			panic("neon: " + name + " needs too many registers")
		}
		r := free[len(free)-1]
		free = free[:len(free)-1]
		return r
	}
	at := map[value]int{}
	last := map[value]int{}
	for i, c := range u.code {
		for _, v := range []value{c.d, c.n, c.m} {
			last[v] = i
		}
	}
	order := []uint32{}
	for b := range u.pinned {
		order = append(order, b)
	}
	for i := range order { // a map has no order, committed code has
		for j := i + 1; j < len(order); j++ {
			if order[j] < order[i] {
				order[i], order[j] = order[j], order[i]
			}
		}
	}
	for _, b := range order {
		v := u.pinned[b]
		at[v], last[v] = take(), len(u.code)
		bits(at[v], b)
	}
	label("block")
	for i, c := range u.code {
		for _, v := range []value{c.n, c.m} {
			if v >= 0 && last[v] == i {
				free = append(free, at[v])
				last[v] = -1 // once, where n and m are the same
			}
		}
		if c.d >= 0 && !c.update {
			at[c.d] = take()
		}
		switch {
		case c.text != "" && c.d >= 0:
			p(c.text, fmt.Sprint(at[c.d]))
		case c.text != "":
			p(c.text, fmt.Sprint(at[c.n]))
		default:
			enc, m := c.enc|uint32(at[c.n])<<5|uint32(at[c.d]), ""
			if c.m >= 0 {
				enc |= uint32(at[c.m]) << 16
				m = fmt.Sprintf(", v%d", at[c.m])
			}
			word(enc, "%s v%d, v%d%s", c.name, at[c.d], at[c.n], m)
		}
	}
	for r := 2; r < 6; r++ {
		p("ADD $%d, R%d", bytes*step, r)
	}
	p("ADD $%d, R0", elements*step*panelBytes)
	p("SUBS $%d, R6", step)
	p("BGT block")
	p("RET")
}

func unpackers() {
	block := func(name string, elements, bytes int, body func(u *unpack)) {
		u := &unpack{pinned: map[uint32]value{}, kind: "unpack"}
		step := 1
		if bytes <= 4 {
			step = 16 / bytes
		}
		body(u)
		u.flush(name, step, elements, bytes)
	}
	// each calls f for the bytes of a 16-byte column in order.
	each := func(w []value, f func(i int, w value, shift int)) {
		for i := range 16 {
			f(i, w[i/4], 8*(i%4))
		}
	}
	block("F32", 1, 4, func(u *unpack) {
		for j, w := range u.columns(0) {
			u.store(j, w)
		}
	})
	block("BF16", 1, 2, func(u *unpack) {
		for j, w := range u.columns(0) {
			u.store(2*j, u.left(w, 16))
			u.store(2*j+1, u.and(w, u.constant(0xffff0000)))
		}
	})
	block("F16", 1, 2, func(u *unpack) {
		for j, w := range u.columns(0) {
			u.store(2*j, u.half(w, 0))
			u.store(2*j+1, u.half(w, 16))
		}
	})
	block("Q4_0", 32, 18, func(u *unpack) {
		d := u.half(u.word32(0), 0)
		each(u.columns(2), func(i int, w value, shift int) {
			for h := range 2 {
				u.store(16*h+i, u.mul(u.float(u.sub(u.field(w, shift+4*h, 4), u.constant(8))), d))
			}
		})
	})
	block("Q4_1", 32, 20, func(u *unpack) {
		w := u.word32(0)
		d, m := u.half(w, 0), u.half(w, 16)
		each(u.columns(4), func(i int, w value, shift int) {
			for h := range 2 {
				u.store(16*h+i, u.fma(u.float(u.field(w, shift+4*h, 4)), d, m))
			}
		})
	})
	block("Q5_0", 32, 22, func(u *unpack) {
		d, qh := u.half(u.word32(0), 0), u.word32(2)
		each(u.columns(6), func(i int, w value, shift int) {
			for h := range 2 {
				q := u.or(u.field(w, shift+4*h, 4), u.place(qh, 16*h+i, 1, 4))
				u.store(16*h+i, u.mul(u.float(u.sub(q, u.constant(16))), d))
			}
		})
	})
	block("Q5_1", 32, 24, func(u *unpack) {
		w := u.word32(0)
		d, m, qh := u.half(w, 0), u.half(w, 16), u.word32(4)
		each(u.columns(8), func(i int, w value, shift int) {
			for h := range 2 {
				q := u.or(u.field(w, shift+4*h, 4), u.place(qh, 16*h+i, 1, 4))
				u.store(16*h+i, u.fma(u.float(q), d, m))
			}
		})
	})
	block("Q8_0", 32, 34, func(u *unpack) {
		d := u.half(u.word32(0), 0)
		for c := range 2 {
			each(u.columns(2+16*c), func(i int, w value, shift int) {
				u.store(16*c+i, u.mul(u.signed(w, shift/8), d))
			})
		}
	})
	block("Q4_K", 256, 144, func(u *unpack) {
		s := u.scales()
		for g := range 4 {
			d0, m0 := s.pair(2 * g)
			d1, m1 := s.pair(2*g + 1)
			for h := range 2 {
				each(u.columns(16+32*g+16*h), func(i int, w value, shift int) {
					u.store(64*g+16*h+i, u.fma(u.float(u.field(w, shift, 4)), d0, m0))
					u.store(64*g+32+16*h+i, u.fma(u.float(u.field(w, shift+4, 4)), d1, m1))
				})
			}
		}
	})
	block("Q5_K", 256, 176, func(u *unpack) {
		s := u.scales()
		for h := range 2 {
			high := u.columns(16 + 16*h)
			for g := range 4 {
				d0, m0 := s.pair(2 * g)
				d1, m1 := s.pair(2*g + 1)
				each(u.columns(48+32*g+16*h), func(i int, w value, shift int) {
					q := u.or(u.field(w, shift, 4), u.place(high[i/4], shift+2*g, 1, 4))
					u.store(64*g+16*h+i, u.fma(u.float(q), d0, m0))
					q = u.or(u.field(w, shift+4, 4), u.place(high[i/4], shift+2*g+1, 1, 4))
					u.store(64*g+32+16*h+i, u.fma(u.float(q), d1, m1))
				})
			}
		}
	})
	block("Q6_K", 256, 210, func(u *unpack) {
		d, sc := u.half(u.word32(206), 16), u.columns(192)
		scale := func(k int) value { return u.mul(u.signed(sc[k/4], k%4), d) }
		emit := func(e int, q, high, s value) {
			u.store(e, u.mul(u.float(u.sub(u.or(q, high), u.constant(32))), s))
		}
		for n := range 2 {
			for h := range 2 {
				high := u.columns(128 + 32*n + 16*h)
				for part := range 2 {
					a, b := scale(8*n+h+2*part), scale(8*n+h+2*part+4)
					each(u.columns(64*n+16*h+32*part), func(i int, w value, shift int) {
						e := 128*n + 16*h + 32*part + i
						emit(e, u.field(w, shift, 4), u.place(high[i/4], shift+2*part, 2, 4), a)
						emit(e+64, u.field(w, shift+4, 4), u.place(high[i/4], shift+2*part+4, 2, 4), b)
					})
				}
			}
		}
	})
}

// scales are a block's two halves and three words of packed 6-bit pairs.
type scales struct {
	u          *unpack
	d, m       value
	a, b, both value
}

func (u *unpack) scales() scales {
	head := u.columns(0)
	return scales{u, u.half(head[0], 0), u.half(head[0], 16), head[1], head[2], head[3]}
}

// pair gives the scale of sub-block i, and its minimum with the sign turned.
func (s scales) pair(i int) (d, m value) {
	u := s.u
	if i < 4 {
		d, m = u.field(s.a, 8*i, 6), u.field(s.b, 8*i, 6)
	} else {
		d = u.or(u.field(s.both, 8*(i-4), 4), u.place(s.a, 8*(i-4)+6, 2, 4))
		m = u.or(u.field(s.both, 8*(i-4)+4, 4), u.place(s.b, 8*(i-4)+6, 2, 4))
	}
	return u.mul(u.float(d), s.d), u.neg(u.mul(u.float(m), s.m))
}
