package evaluate

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"headprof/runner/shape"
	"headprof/scoring"
)

// Choice says which heads a mask takes.
type Choice string

// Choices of heads. Random ones come from the layers of the top ones, so that
// what differs is the head and not the layer.
const (
	None   Choice = "none"
	Top    Choice = "top"
	Random Choice = "random"
	Bottom Choice = "bottom"
	// Permuted are the top heads of the same scores shuffled within layers.
	Permuted Choice = "permuted"
	// Restored masks the most top heads asked for and gives the best of them
	// their clean outputs back; RestoredRandom gives them to as many random ones
	// of the others, or where these are fewer, of all.
	Restored       Choice = "restored"
	RestoredRandom Choice = "restored-random"
)

// Ablation says what a masked head gives in place of its output. Zero is the
// usual one and takes a model off what it knows; the others stay closer to it
// (arXiv 2402.15390, section 2).
type Ablation string

// Ablations.
const (
	Zero     Ablation = "zero"     // nothing
	Mean     Ablation = "mean"     // its mean over the tokens of the run's prompts
	Resample Ablation = "resample" // what it gives in another prompt at the same distance from the prompt's end
)

// Ablations lists all of them.
func Ablations() []Ablation { return []Ablation{Zero, Mean, Resample} }

// Control is what top heads are compared with.
type Control string

// Controls.
const (
	ControlRandom    Control = "random"
	ControlBottom    Control = "bottom"
	ControlPermuted  Control = "permuted"
	ControlPatchBack Control = "patch-back" // Restored and RestoredRandom
)

// Controls lists all of them.
func Controls() []Control {
	return []Control{ControlRandom, ControlBottom, ControlPermuted, ControlPatchBack}
}

// HeadID names a query head.
type HeadID struct{ Layer, Head int }

func (h HeadID) String() string { return fmt.Sprintf("%d-%d", h.Layer, h.Head) }

// Mask is a set of heads whose output is another one, in the prefill and after.
type Mask struct {
	Choice   Choice
	Ablation Ablation // "": Zero
	Heads    []HeadID // by layer, then head
	Restored []HeadID // of Heads, those that give what they give without a mask
	Seed     int      // of random choices, from 1
	// Elsewhere counts random heads from other layers: the top heads' own
	// layers had no more.
	Elsewhere int
}

// ablation is what the masked heads give.
func (m Mask) ablation() Ablation {
	if m.Ablation == "" {
		return Zero
	}
	return m.Ablation
}

// Name tells masks of one ablation apart, as in "top-4", "mean:random-4-1" and
// "restored-2-of-8".
func (m Mask) Name() string {
	name := string(m.Choice)
	switch m.Choice {
	case None:
		return name
	case Restored, RestoredRandom:
		name += fmt.Sprintf("-%d-of-%d", len(m.Restored), len(m.Heads))
	default:
		name += fmt.Sprintf("-%d", len(m.Heads))
	}
	if m.Seed > 0 {
		name += fmt.Sprintf("-%d", m.Seed)
	}
	if a := m.ablation(); a != Zero {
		name = string(a) + ":" + name
	}
	return name
}

var maskName = regexp.MustCompile(`^(?:(mean|resample):)?(none|top|random|bottom|permuted|restored-random|restored)(?:-\d+-of)?(?:-\d+)?(?:-(\d+))?$`)

// parseMask reads a mask's name and its list of heads.
func parseMask(name, list string) (Mask, error) {
	part := maskName.FindStringSubmatch(name)
	if part == nil {
		return Mask{}, fmt.Errorf("mask %s is none that this version knows", name)
	}
	k := Mask{Ablation: Ablation(part[1]), Choice: Choice(part[2])}
	if k.Ablation == "" && k.Choice != None {
		k.Ablation = Zero
	}
	k.Seed, _ = strconv.Atoi(part[3])
	for _, head := range strings.Fields(list) {
		bare, restored := strings.CutPrefix(head, "+")
		var h HeadID
		if _, err := fmt.Sscanf(bare, "%d-%d", &h.Layer, &h.Head); err != nil {
			return Mask{}, fmt.Errorf("mask %s: %q is no head", name, head)
		}
		k.Heads = append(k.Heads, h)
		if restored {
			k.Restored = append(k.Restored, h)
		}
	}
	if k.Name() != name {
		return Mask{}, fmt.Errorf("mask %s has %d heads in the manifest", name, len(k.Heads))
	}
	return k, nil
}

// list names the heads, those restored with a plus sign.
func (m Mask) list() string {
	var names []string
	for _, h := range m.Heads {
		name := h.String()
		if slices.Contains(m.Restored, h) {
			name = "+" + name
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// grid lays heads out as the engine takes them; nil for none.
func grid(heads []HeadID, layers shape.Model) [][]bool {
	if len(heads) == 0 {
		return nil
	}
	out := make([][]bool, len(layers))
	for l := range layers {
		out[l] = make([]bool, layers[l].Heads)
	}
	for _, h := range heads {
		out[h.Layer][h.Head] = true
	}
	return out
}

// MaskPlan says what to try.
type MaskPlan struct {
	Counts    []int // how many heads
	Seeds     int   // draws of random heads for each number
	Seed      uint64
	Ablations []Ablation // nil: zero
	Controls  []Control  // nil: random and bottom
}

// Masks lists what to try: nothing, and for each ablation and count the top
// heads and the controls asked for; then patch-back, under the first ablation.
// rows are one method's. Heads of equal score rank by layer, then head.
func Masks(rows []scoring.Head, p MaskPlan) ([]Mask, error) {
	if p.Ablations == nil {
		p.Ablations = []Ablation{Zero}
	}
	if p.Controls == nil {
		p.Controls = []Control{ControlRandom, ControlBottom}
	}
	ranked := ranked(rows)
	out := []Mask{{Choice: None}}
	var counts []int
	for _, n := range p.Counts {
		if n < 0 || 2*n > len(ranked) {
			return nil, fmt.Errorf("%d heads cannot be masked against as many others: the model has %d", n, len(ranked))
		}
		if n > 0 && !slices.Contains(counts, n) {
			counts = append(counts, n)
		}
	}
	wants := func(c Control) bool { return slices.Contains(p.Controls, c) }
	for _, a := range p.Ablations {
		for _, n := range counts {
			out = append(out, Mask{Choice: Top, Ablation: a, Heads: ids(ranked[:n])})
			for s := 1; s <= p.Seeds && wants(ControlRandom); s++ {
				m := Mask{Choice: Random, Ablation: a, Seed: s}
				m.Heads, m.Elsewhere = randomHeads(ranked, n, rand.New(rand.NewPCG(p.Seed, uint64(n)<<32+uint64(s))))
				out = append(out, m)
			}
			for s := 1; s <= p.Seeds && wants(ControlPermuted); s++ {
				out = append(out, Mask{Choice: Permuted, Ablation: a, Seed: s, Heads: ids(permuted(rows, p.Seed+uint64(s))[:n])})
			}
			if wants(ControlBottom) {
				out = append(out, Mask{Choice: Bottom, Ablation: a, Heads: ids(ranked[len(ranked)-n:])})
			}
		}
	}
	if wants(ControlPatchBack) && len(counts) > 0 {
		out = append(out, patchBack(ranked, counts, p)...)
	}
	return out, nil
}

// patchBack masks the most heads asked for and restores fewer of them: the
// smaller numbers asked for, or half where there is none.
func patchBack(ranked []scoring.Head, counts []int, p MaskPlan) (out []Mask) {
	most := slices.Max(counts)
	var some []int
	for _, n := range counts {
		if n < most {
			some = append(some, n)
		}
	}
	if some == nil && most > 1 {
		some = []int{most / 2}
	}
	listed := ids(ranked[:most])
	for _, n := range some {
		from := listed
		if most-n >= n {
			from = ids(ranked[n:most])
		}
		out = append(out, Mask{Choice: Restored, Ablation: p.Ablations[0], Heads: listed, Restored: ids(ranked[:n])})
		for s := 1; s <= p.Seeds; s++ {
			rng := rand.New(rand.NewPCG(p.Seed, 1<<63+uint64(n)<<32+uint64(s)))
			var drawn []HeadID
			for _, i := range rng.Perm(len(from))[:n] {
				drawn = append(drawn, from[i])
			}
			sortHeads(drawn)
			out = append(out, Mask{Choice: RestoredRandom, Ablation: p.Ablations[0], Heads: listed, Restored: drawn, Seed: s})
		}
	}
	return out
}

// ranked orders rows by score, best first.
func ranked(rows []scoring.Head) []scoring.Head {
	out := slices.Clone(rows)
	slices.SortStableFunc(out, func(a, b scoring.Head) int { return cmp.Compare(b.Mean, a.Mean) })
	return out
}

func permuted(rows []scoring.Head, seed uint64) []scoring.Head {
	return ranked(scoring.Permuted(rows, false, seed))
}

func ids(rows []scoring.Head) []HeadID {
	out := make([]HeadID, len(rows))
	for i, r := range rows {
		out[i] = HeadID{r.Layer, r.Head}
	}
	sortHeads(out)
	return out
}

func sortHeads(h []HeadID) {
	slices.SortFunc(h, func(a, b HeadID) int { return cmp.Or(cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.Head, b.Head)) })
}

// randomHeads draws, for each of the n top heads, another head of its layer
// that is not among them; where a layer has none left, one of any layer.
func randomHeads(ranked []scoring.Head, n int, rng *rand.Rand) (heads []HeadID, elsewhere int) {
	free := map[int][]HeadID{} // by layer
	var layers []int
	for _, r := range ranked[n:] {
		if free[r.Layer] == nil {
			layers = append(layers, r.Layer)
		}
		free[r.Layer] = append(free[r.Layer], HeadID{r.Layer, r.Head})
	}
	slices.Sort(layers)
	for _, l := range layers {
		sortHeads(free[l])
	}
	draw := func(layer int) HeadID {
		of := free[layer]
		i := rng.IntN(len(of))
		h := of[i]
		free[layer] = slices.Delete(slices.Clone(of), i, i+1)
		return h
	}
	for _, t := range ids(ranked[:n]) {
		if len(free[t.Layer]) > 0 {
			heads = append(heads, draw(t.Layer))
		} else {
			elsewhere++
		}
	}
	for range elsewhere {
		var left []int // a layer for each of its free heads: all heads are equally likely
		for _, l := range layers {
			for range free[l] {
				left = append(left, l)
			}
		}
		heads = append(heads, draw(left[rng.IntN(len(left))]))
	}
	sortHeads(heads)
	return heads, elsewhere
}
