package safetensors

import (
	"fmt"
	"slices"
	"strings"

	"headprof/runner/tensor"
)

// merged is a stack of experts as gpt-oss stores it: one tensor
// [experts × in × out], or blocks [experts × out × in/32 × 16] and scales
// [experts × out × in/32] of MXFP4. Of out it takes every step-th from the
// from-th on; the result is [experts × out/step × in].
func merged(from, step int) reshape {
	return reshape{
		parts: 2,
		check: func(parts []tensor.Tensor, _ *builder) error {
			blocks, scales, packed := packedParts(parts)
			switch {
			case packed && (len(blocks.Shape) != 4 || blocks.Shape[3] != 16 || !slices.Equal(scales.Shape, blocks.Shape[:3]) || blocks.Shape[1]%step != 0):
				return fmt.Errorf("blocks of shape %v and scales of %v are no MXFP4", blocks.Shape, scales.Shape)
			case !packed && len(parts) > 1:
				return fmt.Errorf("%q and %q are not blocks and scales", parts[0].Name, parts[1].Name)
			case !packed && strings.HasSuffix(parts[0].Name, "_blocks"), !packed && strings.HasSuffix(parts[0].Name, "_scales"):
				return fmt.Errorf("%q has no counterpart", parts[0].Name)
			case !packed && (len(parts[0].Shape) != 3 || parts[0].Shape[2]%step != 0):
				return fmt.Errorf("its shape is %v, where experts × in × out is needed", parts[0].Shape)
			}
			return nil
		},
		build: func(parts []tensor.Tensor, _ *builder) tensor.Tensor {
			if blocks, scales, packed := packedParts(parts); packed {
				return repack(blocks, scales, from, step)
			}
			p := parts[0]
			experts, in, out := p.Shape[0], p.Shape[1], p.Shape[2]
			_, size := p.Type.Block()
			t := tensor.Tensor{Type: p.Type, Shape: []int{experts, out / step, in}, Data: make([]byte, len(p.Data)/step)}
			to := t.Data
			for e := range experts {
				for c := from; c < out; c += step {
					for r := range in {
						copy(to[:size], p.Data[((e*in+r)*out+c)*size:])
						to = to[size:]
					}
				}
			}
			return t
		},
	}
}

func packedParts(parts []tensor.Tensor) (blocks, scales tensor.Tensor, ok bool) {
	for _, p := range parts {
		switch {
		case strings.HasSuffix(p.Name, "_blocks"):
			blocks = p
		case strings.HasSuffix(p.Name, "_scales"):
			scales = p
		}
	}
	return blocks, scales, blocks.Data != nil && scales.Data != nil
}

// repack gives MXFP4 as GGML lays it out: a block's scale, then 16 bytes, each of
// an element of the first half (low nibble) and of the second. The folder's
// bytes hold neighbours.
func repack(blocks, scales tensor.Tensor, from, step int) tensor.Tensor {
	experts, out, groups := blocks.Shape[0], blocks.Shape[1], blocks.Shape[2]
	t := tensor.Tensor{Type: tensor.MXFP4, Shape: []int{experts, out / step, 32 * groups}}
	t.Data = make([]byte, 0, experts*(out/step)*groups*17)
	code := func(b []byte, i int) byte { return b[i/2] >> (i % 2 * 4) & 15 }
	for e := range experts {
		for r := from; r < out; r += step {
			for g := range groups {
				at := (e*out+r)*groups + g
				b := blocks.Data[at*16:][:16]
				t.Data = append(t.Data, scales.Data[at])
				for i := range 16 {
					t.Data = append(t.Data, code(b, i)|code(b, i+16)<<4)
				}
			}
		}
	}
	return t
}

// everySecond takes every second element of rows, from the from-th on.
func everySecond(from int) reshape {
	return reshape{
		check: func(parts []tensor.Tensor, _ *builder) error {
			if s := parts[0].Shape; len(s) != 2 || s[1]%2 != 0 {
				return fmt.Errorf("its shape is %v, where experts × an even number is needed", s)
			}
			return nil
		},
		build: func(parts []tensor.Tensor, _ *builder) tensor.Tensor {
			p := parts[0]
			_, size := p.Type.Block()
			t := tensor.Tensor{Type: p.Type, Shape: []int{p.Shape[0], p.Shape[1] / 2}}
			for at := from * size; at < len(p.Data); at += 2 * size {
				t.Data = append(t.Data, p.Data[at:at+size]...)
			}
			return t
		},
	}
}

// half takes the first or the second half of the rows of a matrix, or of each of
// a stack.
func half(which int) reshape {
	return reshape{
		check: func(parts []tensor.Tensor, _ *builder) error {
			if s := parts[0].Shape; len(s) < 2 || len(s) > 3 || s[len(s)-2]%2 != 0 {
				return fmt.Errorf("its shape is %v, where an even number of rows is needed", s)
			}
			return nil
		},
		build: func(parts []tensor.Tensor, _ *builder) tensor.Tensor {
			p := parts[0]
			shape := slices.Clone(p.Shape)
			rows := shape[len(shape)-2]
			shape[len(shape)-2] = rows / 2
			t := tensor.Tensor{Type: p.Type, Shape: shape}
			size := rows / 2 * p.RowBytes()
			for at := which * size; at < len(p.Data); at += 2 * size {
				t.Data = append(t.Data, p.Data[at:at+size]...)
			}
			return t
		},
	}
}

// mergedHalf is the first or the second half of a stack [experts × in × 2·out],
// as [experts × out × in].
func mergedHalf(which int) reshape {
	whole := merged(0, 1)
	return reshape{
		check: func(parts []tensor.Tensor, b *builder) error {
			if s := parts[0].Shape; len(s) != 3 || s[2]%2 != 0 {
				return fmt.Errorf("its shape is %v, where experts × in × an even number is needed", s)
			}
			return nil
		},
		build: func(parts []tensor.Tensor, b *builder) tensor.Tensor {
			return half(which).build([]tensor.Tensor{whole.build(parts, b)}, b)
		},
	}
}
