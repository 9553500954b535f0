package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dots emits, per format, the product of one row x with the 32 weight rows of
// a panel, which never leave registers: y[i] = Σ_k x[k]·w[i][k], one chain per
// lane in ascending k like every product's. next is where to prefetch from: the
// weights that are needed after these, as long. frame has room for what the
// formats of 256 elements keep: 64 vectors.
//
// A chain of multiply-adds waits for its own results, so the 32 rows are two
// vectors whose instructions alternate. Blocks of 32 elements are taken in
// pairs: their bytes then fill whole 16-byte columns, scales included. Formats
// without blocks count elements and take one vector after the other: rows whose
// lengths are powers of two share a set of the cache, which holds no 32 of them.
func dots(s isa) {
	for _, f := range dotFormats(s) {
		f.emit(s)
	}
}

// dotFormat is a format's loop over size bytes, which hold so many elements.
type dotFormat struct {
	name           string
	elements, size int
	columns        []int // where the 16-byte columns begin that bytes are cut from; nil: every 16 bytes
	table          func(i int) float32
	entries        int // of the table: 16 or 32
	slots          int // vectors of each half in the frame
	shared         func() []reg.VecVirtual
	body           func(d *dotter)
}

func (f dotFormat) emit(s isa) {
	TEXT("dot"+f.name+s.name, NOSPLIT, "func(y *float32, src *byte, stride, count int, x *float32, next uintptr, frame *float32)")
	Pragma("noescape")
	count := Load(Param("count"), GP64()).(reg.GPVirtual)
	src := Load(Param("src"), GP64()).(reg.GPVirtual)
	stride := Load(Param("stride"), GP64()).(reg.GPVirtual)
	next := Load(Param("next"), GP64()).(reg.GPVirtual)
	x := Load(Param("x"), GP64()).(reg.GPVirtual)
	var frame reg.GPVirtual // more than a stack holds without growing
	if f.slots > 0 {
		frame = Load(Param("frame"), GP64()).(reg.GPVirtual)
	}
	var tables []reg.VecVirtual
	if f.table != nil {
		tables = tableOf(s, f.name, f.entries, f.table)
	}
	var shared []reg.VecVirtual
	if f.shared != nil {
		shared = f.shared()
	}
	first := newRows(s, src, stride)
	after := GP64()
	LEAQ(indexed(first.groups[len(first.groups)-1], stride, 4, 0), after)
	second := rows{s: s, one: first.one, three: first.three, groups: []reg.GPVirtual{after}}
	for i := 1; i < len(first.groups); i++ {
		g := GP64()
		LEAQ(indexed(second.groups[i-1], stride, 4, 0), g)
		second.groups = append(second.groups, g)
	}
	var halves [2]*dotter
	for i, r := range []rows{first, second} {
		d := &dotter{unpacker: &unpacker{s: s, rows: r, tab: tables}, x: x, acc: s.vec(), format: f, shared: shared}
		if f.slots > 0 {
			d.frame = mem(frame, i*f.slots*s.bytes())
		}
		VXORPS(d.acc, d.acc, d.acc)
		halves[i] = d
	}
	if f.size == 16 {
		f.loop("first", count, next, x, halves[0])
		Load(Param("count"), count)
		Load(Param("x"), x)
		f.loop("second", count, next, x, halves[1])
	} else {
		f.loop("block", count, next, x, halves[:]...)
	}
	y := Load(Param("y"), GP64()).(reg.GPVirtual)
	for i, d := range halves {
		VMOVUPS(d.acc, mem(y, i*s.bytes()))
	}
	VZEROUPPER()
	RET()
}

// loop emits the rounds of these halves, in turn.
func (f dotFormat) loop(label string, count, next, x reg.GPVirtual, halves ...*dotter) {
	loop(label, count, f.perLoop(), func() {
		bytes := 16 * len(halves) * f.size
		for at := 0; at < bytes; at += 64 {
			PREFETCHT1(mem(next, at))
		}
		for _, d := range halves {
			d.held, d.steps = nil, nil
			f.body(d)
		}
		for i := range halves[0].steps {
			for _, d := range halves {
				d.steps[i]()
			}
		}
		for _, d := range halves {
			d.rows.advance(f.size)
		}
		ADDQ(imm32(uint64(bytes)), next)
		ADDQ(imm32(uint64(4*f.elements)), x)
	})
}

// perLoop is how many of the format's blocks a round of the loop takes.
func (f dotFormat) perLoop() int {
	switch f.elements {
	case 64:
		return 2
	case 256:
		return 1
	}
	return f.elements
}

func dotFormats(s isa) []dotFormat {
	// each calls f for the 16 elements of a run.
	each := func(d *dotter, f func(i int)) {
		for i := range 16 {
			d.step(func() { f(i) })
		}
	}
	// nibbles: blocks of size bytes with codes from byte codes on.
	nibbles := func(size, codes int, open func(d *dotter, at int) (finish func(q reg.VecVirtual))) func(d *dotter) {
		return func(d *dotter) {
			for b := range 2 {
				var finish func(q reg.VecVirtual)
				d.step(func() { finish = open(d, b*size) })
				for h := range 2 {
					each(d, func(i int) {
						w, shift := d.byte(b*size + codes + i)
						q := d.nibble(w, shift+4*h, 0)
						finish(q)
						d.add(32*b+16*h+i, q)
					})
				}
			}
		}
	}
	scaled := func(d *dotter, at int) func(q reg.VecVirtual) {
		scale := d.halfAt(at)
		return func(q reg.VecVirtual) { VMULPS(scale, q, q) }
	}
	shifted := func(d *dotter, at int) func(q reg.VecVirtual) {
		scale, m := d.halfAt(at), d.halfAt(at+2)
		return func(q reg.VecVirtual) { VFMADD213PS(m, scale, q) }
	}
	// fives: a word of fifth bits at byte high of a block.
	fives := func(size, high int, open func(d *dotter, at int) func(q reg.VecVirtual)) func(d *dotter) {
		return func(d *dotter) {
			for b := range 2 {
				var finish func(q reg.VecVirtual)
				var qh reg.VecVirtual
				d.step(func() { finish, qh = open(d, b*size), d.word32At(b*size+high) })
				for h := range 2 {
					each(d, func(i int) {
						w, shift := d.byte(b*size + high + 4 + i)
						q := d.looked5(w, shift+4*h, qh, 16*h+i)
						finish(q)
						d.add(32*b+16*h+i, q)
					})
				}
			}
		}
	}
	low4 := func() []reg.VecVirtual { return []reg.VecVirtual{s.bits(15)} }
	return []dotFormat{
		{name: "F32", elements: 4, size: 16, body: func(d *dotter) {
			for j := range 4 {
				d.step(func() { d.add(j, d.word(0, j)) })
			}
		}},
		{name: "BF16", elements: 8, size: 16, shared: func() []reg.VecVirtual { return []reg.VecVirtual{s.bits(0xffff0000)} }, body: func(d *dotter) {
			for j := range 4 {
				d.step(func() {
					d.add(2*j, d.moved(d.word(0, j), 0, 16))
					high := s.vec()
					d.and(d.shared[0], d.word(0, j), high)
					d.add(2*j+1, high)
				})
			}
		}},
		{name: "F16", elements: 8, size: 16, body: func(d *dotter) {
			for i := range 8 {
				d.step(func() { d.add(i, d.half(d.word(0, i/2), i%2*16)) })
			}
		}},
		{name: "Q4_0", elements: 64, size: 36, columns: []int{0, 4, 20}, table: func(i int) float32 { return float32(i - 8) }, entries: 16, body: nibbles(18, 2, scaled)},
		{name: "IQ4_NL", elements: 64, size: 36, columns: []int{0, 4, 20}, table: iq4, entries: 16, body: nibbles(18, 2, scaled)},
		{name: "Q4_1", elements: 64, size: 40, columns: []int{0, 8, 24}, table: float, entries: 16, body: nibbles(20, 4, shifted)},
		{name: "Q5_0", elements: 64, size: 44, columns: []int{0, 12, 28}, table: func(i int) float32 { return float32(i - 16) }, entries: 32, shared: low4, body: fives(22, 2, scaled)},
		{name: "Q5_1", elements: 64, size: 48, table: float, entries: 32, shared: low4, body: fives(24, 4, shifted)},
		// A code q in bits 8 to 15, its sign bit turned, under the exponent of
		// 2¹⁵ is the float M = 2¹⁵ + 128 + q, and d·M − d·(2¹⁵ + 128) is exactly d·q.
		{name: "Q8_0", elements: 64, size: 68, columns: []int{0, 16, 32, 48, 52}, shared: func() []reg.VecVirtual {
			return []reg.VecVirtual{s.bits(0xff00), s.bits(math.Float32bits(1<<15) ^ 0x8000), s.float(-(1<<15 + 128))}
		}, body: func(d *dotter) {
			for b := range 2 {
				var scale, c reg.VecVirtual
				d.step(func() {
					scale, c = d.halfAt(34*b), s.vec()
					VMULPS(d.shared[2], scale, c)
				})
				for i := range 32 {
					d.step(func() {
						w, shift := d.byte(34*b + 2 + i)
						q := d.moved(w, shift, 8)
						VPTERNLOGD(operand.U8(0x6a), d.shared[1], d.shared[0], q) // (q ∧ mask) ⊕ exponent
						VFMADD213PS(c, scale, q)
						d.add(32*b+i, q)
					})
				}
			}
		}},
		{name: "Q4_K", elements: 256, size: 144, table: float, entries: 16, slots: 5, body: func(d *dotter) {
			d.step(func() { d.open(d.slot) })
			for k := range 8 {
				var scale, m reg.VecVirtual
				d.step(func() { scale, m = d.scaleMin(d.slot, k) })
				for h := range 2 {
					each(d, func(i int) {
						w, shift := d.byte(16 + 32*(k/2) + 16*h + i)
						q := d.nibble(w, shift+4*(k%2), 0)
						VFMSUB213PS(m, scale, q)
						d.add(32*k+16*h+i, q)
					})
				}
			}
		}},
		// The fifth bits are needed by every group: they stay in the frame.
		{name: "Q5_K", elements: 256, size: 176, table: float, entries: 32, slots: 5 + 8, shared: low4, body: func(d *dotter) {
			d.step(func() {
				d.open(d.slot)
				d.keep(16, 5)
				d.keep(32, 9)
			})
			for k := range 8 {
				var scale, m reg.VecVirtual
				d.step(func() { scale, m = d.scaleMin(d.slot, k) })
				for h := range 2 {
					each(d, func(i int) {
						w, shift := d.byte(48 + 32*(k/2) + 16*h + i)
						q := d.looked5(w, shift+4*(k%2), d.slot(5+4*h+i/4), i%4*8+k)
						VFMSUB213PS(m, scale, q)
						d.add(32*k+16*h+i, q)
					})
				}
			}
		}},
		// A code q of 6 bits in bits 16 to 21 under the exponent of 2⁷ is the
		// float M = 2⁷ + q, and d·M − 160·d is exactly d·(q − 32).
		{name: "Q6_K", elements: 256, size: 210, slots: 5 + 24, shared: func() []reg.VecVirtual {
			return []reg.VecVirtual{s.bits(0xf << 16), s.bits(63 << 16), s.float(1 << 7), s.float(-160)}
		}, body: func(d *dotter) {
			d.step(func() {
				VMOVUPS(d.half(d.rows.word32(206), 16), d.slot(0))
				d.keep(192, 1)
			})
			const low, high = 5, 5 + 16 // 4 columns of low and 2 of high bits
			for n := range 2 {
				for c := range 4 {
					d.step(func() { d.keep(64*n+16*c, low+4*c) })
				}
				for c := range 2 {
					d.step(func() { d.keep(128+32*n+16*c, high+4*c) })
				}
				for part := range 4 { // 32 elements each
					for h := range 2 {
						var scale, c reg.VecVirtual
						k := 8*n + 2*part + h
						d.step(func() {
							v := s.vec()
							VMOVUPS(d.slot(1+k/4), v)
							scale, c = d.signed(v, k%4), s.vec()
							VMULPS(d.slot(0), scale, scale)
							VMULPS(d.shared[3], scale, c)
						})
						each(d, func(i int) {
							q := d.moved(d.slot(low+4*(2*(part%2)+h)+i/4), i%4*8+4*(part/2), 16)
							two := d.moved(d.slot(high+4*h+i/4), i%4*8+2*part, 20)
							VPTERNLOGD(operand.U8(0xe4), d.shared[0], two, q)         // the mask's bits of q, the others of two
							VPTERNLOGD(operand.U8(0xea), d.shared[2], d.shared[1], q) // (q ∧ mask) ∨ exponent
							VFMADD213PS(c, scale, q)
							d.add(128*n+32*part+16*h+i, q)
						})
					}
				}
			}
		}},
	}
}

func float(i int) float32 { return float32(i) }

// iq4 gives the values of IQ4's codes.
func iq4(i int) float32 {
	return [...]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}[i]
}

// dotter is 16 of the rows.
type dotter struct {
	*unpacker
	format dotFormat
	x      reg.GPVirtual
	acc    reg.VecVirtual
	frame  operand.Mem
	shared []reg.VecVirtual // constants
	held   []column         // the columns in registers, least lately used first
	steps  []func()         // what to emit, in turn with the other half's
}

type column struct {
	disp  int
	words []reg.VecVirtual
}

func (d *dotter) step(emit func()) { d.steps = append(d.steps, emit) }

// word gives 32-bit word j of the 16 bytes at disp.
func (d *dotter) word(disp, j int) reg.VecVirtual {
	for i, c := range d.held {
		if c.disp == disp {
			d.held = append(append(d.held[:i:i], d.held[i+1:]...), c)
			return c.words[j]
		}
	}
	c := column{disp, d.rows.columns(disp)}
	if d.held = append(d.held, c); len(d.held) > 2 {
		d.held = d.held[1:]
	}
	return c.words[j]
}

// byte gives the word that holds a byte of every row, and where in the word.
func (d *dotter) byte(at int) (w reg.VecVirtual, shift int) {
	start := at / 16 * 16
	for i, c := range d.format.columns {
		if i == 0 || c <= at {
			start = c
		}
	}
	return d.word(start, (at-start)/4), (at - start) % 4 * 8
}

// halfAt converts the binary16 number at a byte of every row.
func (d *dotter) halfAt(at int) reg.VecVirtual {
	w, shift := d.byte(at)
	return d.half(w, shift)
}

// word32At gives the 32-bit word at an even byte of every row.
func (d *dotter) word32At(at int) reg.VecVirtual {
	low, shift := d.byte(at)
	if shift == 0 {
		return low
	}
	high, _ := d.byte(at + 2)
	v, t := d.s.vec(), d.s.vec()
	VPSRLD(operand.Imm(16), low, v)
	VPSLLD(operand.Imm(16), high, t)
	d.or(t, v)
	return v
}

// keep holds the four words of the column at disp in the frame.
func (d *dotter) keep(disp, slot int) {
	for j, v := range d.rows.columns(disp) {
		VMOVUPS(v, d.slot(slot+j))
	}
}

// moved gives w, a register or memory, with bit from at bit to; what else the word holds stays or goes.
func (d *dotter) moved(w operand.Op, from, to int) reg.VecVirtual {
	v := d.s.vec()
	switch {
	case from > to:
		VPSRLD(operand.Imm(uint64(from-to)), w, v)
	case from < to:
		VPSLLD(operand.Imm(uint64(to-from)), w, v)
	default:
		VMOVUPS(w, v)
	}
	return v
}

// looked5 gives the table's value of bits [shift, shift+4) of w and a fifth, bit from of high.
func (d *dotter) looked5(w reg.VecVirtual, shift int, high operand.Op, from int) reg.VecVirtual {
	q := d.moved(w, shift, 0)
	VPTERNLOGD(operand.U8(0xe4), d.shared[0], d.moved(high, from, 4), q) // the mask's bits of q, the others of high
	VPERMI2PS(d.tab[1], d.tab[0], q)
	return q
}

// add is acc += x[e]·w.
func (d *dotter) add(e int, w reg.VecVirtual) { VFMADD231PS_BCST(mem(d.x, 4*e), w, d.acc) }

func (d *dotter) slot(i int) operand.Mem { return d.frame.Offset(i * d.s.bytes()) }
