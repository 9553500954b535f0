package export

import (
	"errors"
	"fmt"
	"io"

	"headprof/export/atomicfile"
	"headprof/runner/shape"
	"headprof/scoring"
	"headprof/scoring/allocate"
)

// LUKV is the budget curve of kvpress's LUKVPress.
const LUKV Format = "lukv"

func init() {
	register(Declaration{
		Format: LUKV, Order: 46, Output: "lukv.npy", Whole: true,
		About: "kvpress's LUKVPress: the share that each KV head drops at 1 to 99 %, by curves of cache-cut",
		Write: writeLUKV,
	})
}

// lukvRatios is the number of compression ratios of the array: 1 to 99 %.
const lukvRatios = 99

// writeLUKV writes a float32 array [99][layer][KV head]: at t−1 the share of
// its entries that a KV head drops where t % of all are dropped (kvpress,
// lukv_press.py; LU-KV, arXiv 2602.08585, which solves the same problem by
// curves of a predicted utility). Budgets are those of allocate.Marginal on
// prompts of the length at which the curves end, without a window of their own:
// the press protects sinks and the last tokens itself.
func writeLUKV(path string, t *scoring.Table, _ []scoring.Head, o Options) error {
	curves, err := t.Curves()
	if err != nil {
		return err
	}
	model, err := lukvModel(t, curves, o.Layers)
	if err != nil {
		return err
	}
	kvHeads := model.Layers[0].KVHeads
	kept := curves[0].Kept
	context := kept[len(kept)-1]
	var all []float32
	for ratio := 1; ratio <= lukvRatios; ratio++ {
		kept, whole, err := allocate.Marginal{Curves: curves}.Share(model, context, float64(100-ratio)/100)
		if err != nil {
			return err
		}
		for i, n := range kept {
			all = append(all, float32(1-float64(n)/float64(whole[i])))
		}
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		if err := npyHeader(w, lukvRatios, len(model.Layers), kvHeads); err != nil {
			return err
		}
		_, err := w.Write(littleEndian(make([]byte, 4*len(all)), all))
		return err
	})
}

// lukvModel is the model that curves are of: layers of as many KV heads each.
func lukvModel(t *scoring.Table, curves []scoring.Curve, sizes shape.Model) (allocate.Model, error) {
	m := allocate.ModelOf(t.Of(scoring.PointName(curves[0].Kept[0])))
	m.ElementBytes = servedBytes
	for l := range m.Layers {
		if m.Layers[l].KVHeads != m.Layers[0].KVHeads {
			return m, fmt.Errorf("LUKVPress's array has as many KV heads in every layer; layer 0 has %d, layer %d %d", m.Layers[0].KVHeads, l, m.Layers[l].KVHeads)
		}
		if len(sizes) == len(m.Layers) {
			m.Layers[l].KeyDim, m.Layers[l].ValueDim = sizes[l].KeyDim, sizes[l].ValueDim
		}
	}
	if len(curves) != len(m.Layers)*m.Layers[0].KVHeads {
		return m, errors.New("the curves are not of every KV head")
	}
	return m, nil
}
