package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dots emits, per format, the product of one row x with 16 weight rows that
// never leave registers: y[i] = Σ_k x[k]·w[i][k], one chain per lane in
// ascending k like every product's. next is where to prefetch from: the
// weights that are needed after these, as long.
//
// Elements come in the order of k, so the 16-byte columns they are cut from
// are held, or read again where there are too many to hold.
func dots(s isa) {
	block := func(name string, elements, bytes int, table func(i int) float32, super bool, body func(d *dotter)) {
		TEXT("dot"+name+s.name, NOSPLIT, "func(y *float32, src *byte, stride, count int, x *float32, next uintptr)")
		Pragma("noescape")
		count := Load(Param("count"), GP64()).(reg.GPVirtual)
		src := Load(Param("src"), GP64()).(reg.GPVirtual)
		stride := Load(Param("stride"), GP64()).(reg.GPVirtual)
		next := Load(Param("next"), GP64()).(reg.GPVirtual)
		d := &dotter{unpacker: &unpacker{s: s}, x: Load(Param("x"), GP64()).(reg.GPVirtual), acc: s.vec(), most: 4}
		d.rows = newRows(s, src, stride)
		VXORPS(d.acc, d.acc, d.acc)
		if table != nil {
			d.table(name, table)
		}
		if super {
			d.frame = AllocLocal(5 * s.bytes())
		}
		step := 1
		if bytes <= 4 {
			step = 16 / bytes
		}
		loop("block", count, step, func() {
			for at := 0; at < 16*bytes*step; at += 64 {
				PREFETCHT1(mem(next, at))
			}
			d.held = nil
			body(d)
			d.rows.advance(bytes * step)
			ADDQ(imm32(uint64(16*bytes*step)), next)
			ADDQ(imm32(uint64(4*elements*step)), d.x)
		})
		y := Load(Param("y"), GP64()).(reg.GPVirtual)
		VMOVUPS(d.acc, mem(y, 0))
		VZEROUPPER()
		RET()
	}

	block("F32", 1, 4, nil, false, func(d *dotter) {
		for j := range 4 {
			d.add(j, d.word(0, j))
		}
	})
	block("BF16", 1, 2, nil, false, func(d *dotter) {
		high := s.bits(0xffff0000)
		for j := range 4 {
			t, u := s.vec(), s.vec()
			VPSLLD(operand.Imm(16), d.word(0, j), t)
			d.add(2*j, t)
			d.and(high, d.word(0, j), u)
			d.add(2*j+1, u)
		}
	})
	block("F16", 1, 2, nil, false, func(d *dotter) {
		for j := range 4 {
			d.add(2*j, d.half(d.word(0, j), 0))
			d.add(2*j+1, d.half(d.word(0, j), 16))
		}
	})
	// each calls f for the bytes of a 16-byte column in order.
	each := func(f func(i, j, shift int)) {
		for i := range 16 {
			f(i, i/4, 8*(i%4))
		}
	}
	scaledNibbles := func(d *dotter) {
		scale := d.half(d.rows.word32(0), 0)
		for h := range 2 {
			each(func(i, j, shift int) {
				q := d.nibble(d.word(2, j), shift+4*h, 0)
				VMULPS(scale, q, q)
				d.add(16*h+i, q)
			})
		}
	}
	block("Q4_0", 32, 18, func(i int) float32 { return float32(i - 8) }, false, scaledNibbles)
	block("IQ4_NL", 32, 18, iq4, false, scaledNibbles)
	block("Q4_1", 32, 20, float, false, func(d *dotter) {
		w := d.rows.word32(0)
		scale, m := d.half(w, 0), d.half(w, 16)
		for h := range 2 {
			each(func(i, j, shift int) {
				q := d.nibble(d.word(4, j), shift+4*h, 0)
				VFMADD213PS(m, scale, q)
				d.add(16*h+i, q)
			})
		}
	})
	block("Q5_0", 32, 22, nil, false, func(d *dotter) {
		scale, qh, off := d.half(d.rows.word32(0), 0), d.rows.word32(2), s.bits(16)
		for h := range 2 {
			each(func(i, j, shift int) {
				q := d.field(d.word(6, j), shift+4*h, 4)
				d.or(d.place(qh, 16*h+i, 1, 4), q)
				VPSUBD(off, q, q)
				VCVTDQ2PS(q, q)
				VMULPS(scale, q, q)
				d.add(16*h+i, q)
			})
		}
	})
	block("Q5_1", 32, 24, nil, false, func(d *dotter) {
		w := d.rows.word32(0)
		scale, m, qh := d.half(w, 0), d.half(w, 16), d.rows.word32(4)
		for h := range 2 {
			each(func(i, j, shift int) {
				q := d.field(d.word(8, j), shift+4*h, 4)
				d.or(d.place(qh, 16*h+i, 1, 4), q)
				VCVTDQ2PS(q, q)
				VFMADD213PS(m, scale, q)
				d.add(16*h+i, q)
			})
		}
	})
	block("Q8_0", 32, 34, nil, false, func(d *dotter) {
		scale := d.half(d.rows.word32(0), 0)
		for c := range 2 {
			each(func(i, j, shift int) {
				q := d.signed(d.word(2+16*c, j), shift/8)
				VMULPS(scale, q, q)
				d.add(16*c+i, q)
			})
		}
	})
	block("Q4_K", 256, 144, float, true, func(d *dotter) {
		d.open(d.slot)
		for k := range 8 {
			scale, m := d.scaleMin(d.slot, k)
			for h := range 2 {
				each(func(i, j, shift int) {
					q := d.nibble(d.word(16+32*(k/2)+16*h, j), shift+4*(k%2), 0)
					VFMSUB213PS(m, scale, q)
					d.add(32*k+16*h+i, q)
				})
			}
		}
	})
	block("Q5_K", 256, 176, nil, true, func(d *dotter) {
		d.open(d.slot)
		for k := range 8 {
			scale, m := d.scaleMin(d.slot, k)
			for h := range 2 {
				each(func(i, j, shift int) {
					q := d.field(d.word(48+32*(k/2)+16*h, j), shift+4*(k%2), 4)
					d.or(d.place(d.word(16+16*h, j), shift+k, 1, 4), q)
					VCVTDQ2PS(q, q)
					VFMSUB213PS(m, scale, q)
					d.add(32*k+16*h+i, q)
				})
			}
		}
	})
	block("Q6_K", 256, 210, nil, true, func(d *dotter) {
		VMOVUPS(d.half(d.rows.word32(206), 16), d.slot(0))
		for i, v := range d.rows.columns(192) {
			VMOVUPS(v, d.slot(1+i))
		}
		off := s.bits(32)
		for n := range 2 {
			for part := range 4 { // 32 elements each
				for h := range 2 {
					k := 8*n + 2*part + h
					sc := s.vec()
					VMOVUPS(d.slot(1+k/4), sc)
					scale := d.signed(sc, k%4)
					VMULPS(d.slot(0), scale, scale)
					each(func(i, j, shift int) {
						q := d.field(d.word(64*n+32*(part%2)+16*h, j), shift+4*(part/2), 4)
						d.or(d.place(d.word(128+32*n+16*h, j), shift+2*part, 2, 4), q)
						VPSUBD(off, q, q)
						VCVTDQ2PS(q, q)
						VMULPS(scale, q, q)
						d.add(128*n+32*part+16*h+i, q)
					})
				}
			}
		}
	})
}

func float(i int) float32 { return float32(i) }

// iq4 gives the values of IQ4's codes.
func iq4(i int) float32 {
	return [...]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}[i]
}

type dotter struct {
	*unpacker
	x     reg.GPVirtual
	acc   reg.VecVirtual
	frame operand.Mem
	held  []column // the columns in registers, least lately used first
	most  int
}

type column struct {
	disp  int
	words []reg.VecVirtual
}

// word gives 32-bit word j of the 16 bytes at disp.
func (d *dotter) word(disp, j int) reg.VecVirtual {
	for i, c := range d.held {
		if c.disp == disp {
			d.held = append(append(d.held[:i:i], d.held[i+1:]...), c)
			return c.words[j]
		}
	}
	c := column{disp, d.rows.columns(disp)}
	if d.held = append(d.held, c); len(d.held) > d.most {
		d.held = d.held[1:]
	}
	return c.words[j]
}

// add is acc += x[e]·w.
func (d *dotter) add(e int, w reg.VecVirtual) { VFMADD231PS_BCST(mem(d.x, 4*e), w, d.acc) }

func (d *dotter) slot(i int) operand.Mem { return d.frame.Offset(i * d.s.bytes()) }
