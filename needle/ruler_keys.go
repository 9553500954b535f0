package needle

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

var (
	keyAdjectives = strings.Fields(`amber brazen brisk candid copper crooked
		dusty eager faded fervent gentle gilded hollow humble icy jagged lively
		lunar marble meek mossy narrow nimble oaken pale placid quaint rapid
		restless rustic sandy silent silver solemn spare stormy sturdy sunken
		tame tidy velvet verdant vivid wandering wary wicker winding zealous`)
	keyNouns = strings.Fields(`anchor anvil bellows beacon bucket cabinet canal
		candle chimney cistern compass cradle cupboard ferry fiddle fountain
		gable garland hammock harbour hinge kettle ladder lantern loom mallet
		meadow millstone orchard paddle parcel pasture pebble pillar quarry
		rafter saddle sail satchel spindle steeple thimble trellis tunnel
		valley wagon wharf whistle`)
)

// depthPoints is how many evenly spaced depths RULER draws from.
const depthPoints = 40

// keysAndValues are RULER's needles: sentences that give a key's value, in a text.
type keysAndValues struct{ keys, values, queries int }

func (k keysAndValues) make(r *ruler) (*RulerTask, error) {
	var keys []string
	for _, i := range r.random.Perm(len(keyAdjectives) * len(keyNouns))[:k.keys] {
		keys = append(keys, keyAdjectives[i/len(keyNouns)]+"-"+keyNouns[i%len(keyNouns)])
	}
	asked := keys[:k.queries]
	answers, needles, total := []string(nil), [][]int32(nil), 0
	for i, key := range keys {
		for range k.values {
			value := fmt.Sprint(1_000_000 + r.random.IntN(9_000_000))
			for slices.Contains(answers, value) {
				value = fmt.Sprint(1_000_000 + r.random.IntN(9_000_000))
			}
			if i < k.queries {
				answers = append(answers, value)
			}
			n := idsOf(r.inside(fmt.Sprintf(" One of the secret codes of %s is: %s.", key, value)))
			needles, total = append(needles, n), total+len(n)
		}
	}
	r.random.Shuffle(len(needles), func(i, j int) { needles[i], needles[j] = needles[j], needles[i] })
	depths := r.random.Perm(depthPoints)[:len(needles)]
	slices.Sort(depths)

	text := enumerated(asked)
	f := rulerFrame{
		intro:    "Somewhere in the text below secret codes are written. Keep them in mind: you will be asked for them at the end.\n",
		question: "\nWhat are all the secret codes of " + text + " that the text gives?\n",
		lead:     "By the text above the secret codes of " + text + " are:",
	}
	if len(answers) == 1 {
		f.intro = "Somewhere in the text below a secret code is written. Keep it in mind: you will be asked for it at the end.\n"
		f.question = "\nWhat is the secret code of " + text + " that the text gives?\n"
		f.lead = "By the text above the secret code of " + text + " is:"
	}
	room, put := r.room(f)
	if room < total {
		return nil, r.tooShort(f, total)
	}
	all := r.Haystack.Tokens(r.tok)
	n := room - total
	if n > len(all) {
		return nil, fmt.Errorf("haystack %s has %d tokens, and %d are needed; add text (more files) or use a shorter --lengths value", r.Haystack.id, len(all), n)
	}
	for n > 0 && !r.Haystack.character(all[n-1].End) {
		n--
	}
	hay := all[:n]
	task := &RulerTask{Answers: answers}
	var body []int32
	from := 0
	for i, d := range depths {
		depth := math.Round(100 * float64(d) / (depthPoints - 1))
		at, _ := place(r.tok, r.Haystack, hay, depth, 0)
		at = max(at, from)
		body = append(append(body, idsOf(hay[from:at])...), needles[i]...)
		from, task.Depths = at, append(task.Depths, depth)
	}
	task.IDs = put(append(body, idsOf(hay[from:])...))
	return task, nil
}

// enumerated writes a list as English does.
func enumerated(words []string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return words[0]
}
