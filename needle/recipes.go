package needle

import "fmt"

// recipesOf lists the generator's recipes. A new one is a function that gives
// a recipe, and a line here.
var recipesOf = map[Kind][]recipe{
	Retrieval: {outing(), ingredient(), hidingPlace(), greeting(), prize()},
	Reasoning: {habitByAge(), placeByHeight(), wareByDistance(), pitchByRace(), mealByPrice()},
}

// retrieval is a needle whose evidence is its answer.
func retrieval(before, answer, question string) Needle {
	return Needle{Text: before + answer + ".", Question: question, Answers: []string{answer}, Evidence: answer}
}

// reasoning is a needle of sentences, of which answer is one.
func reasoning(sentences []string, answer, question string) Needle {
	text := sentences[0]
	for _, s := range sentences[1:] {
		text += " " + s
	}
	return Needle{Text: text, Question: question, Answers: []string{answer}, Evidence: answer}
}

func outing() recipe {
	return recipe{
		[]int{len(occasions), len(towns), len(pastimes), len(wantedGoods)},
		func(p []int) Needle {
			what := "spend " + occasions[p[0]] + " in " + towns[p[1]]
			answer := pastimes[p[2]] + " and buy " + wantedGoods[p[3]]
			return retrieval("The best way to "+what+" is to ", answer, "What is the best way to "+what+"?")
		},
	}
}

func ingredient() recipe {
	return recipe{
		[]int{len(names), len(dishes), len(measures), len(textures), len(foods), len(origins)},
		func(p []int) Needle {
			what := "the secret ingredient in " + names[p[0]] + "'s famous " + dishes[p[1]]
			answer := measures[p[2]] + " of " + textures[p[3]] + " " + foods[p[4]] + " from " + origins[p[5]]
			return retrieval("T"+what[1:]+" is ", answer, "What is "+what+"?")
		},
	}
}

func hidingPlace() recipe {
	return recipe{
		[]int{len(names), len(trades), len(treasures), len(containers), len(nooks)},
		func(p []int) Needle {
			who, what := names[p[0]]+" the "+trades[p[1]], treasures[p[2]]
			answer := "inside " + containers[p[3]] + " " + nooks[p[4]]
			return retrieval("Before leaving the city, "+who+" hid "+what+" ", answer,
				"Where did "+who+" hide "+what+"?")
		},
	}
}

func greeting() recipe {
	return recipe{
		[]int{len(societies), len(towns), len(gestures), len(gifts)},
		func(p []int) Needle {
			who := "the " + societies[p[0]] + " of " + towns[p[1]]
			answer := gestures[p[2]] + " and " + gifts[p[3]]
			return retrieval("At their yearly meeting, "+who+" greet a new member with ", answer,
				"With what do "+who+" greet a new member?")
		},
	}
}

func prize() recipe {
	return recipe{
		[]int{len(contests), len(towns), len(purchases), len(containers)},
		func(p []int) Needle {
			what := contests[p[0]] + " in " + towns[p[1]]
			answer := purchases[p[2]] + " packed in " + containers[p[3]]
			return retrieval("Whoever wins the "+what+" takes home ", answer,
				"What does the winner of the "+what+" take home?")
		},
	}
}

// two puts what is said of two people or things in one of four orders; it is
// symmetric in them, so either may be the right one at any place.
func two(order int, factA, factB, tellA, tellB string) []string {
	return [][]string{
		{factA, factB, tellA, tellB},
		{tellA, tellB, factA, factB},
		{factA, tellA, factB, tellB},
		{tellA, factA, tellB, factB},
	}[order]
}

// contrast asks for the first of two unequal things by one word, for the other
// by its opposite.
type contrast struct{ more, less string }

// ask gives the word for choice (0 more, 1 less) and whether it means A, given
// that A has more if aMore.
func (c contrast) ask(choice int, aMore bool) (word string, isA bool) {
	if choice == 0 {
		return c.more, aMore
	}
	return c.less, !aMore
}

// unequal turns a pick below 2·bases·gaps into two unequal numbers from base on.
func unequal(pick, base, bases, gaps int) (a, b int) {
	low := base + pick/2%bases
	high := low + 1 + pick/2/bases%gaps
	if pick%2 == 0 {
		return low, high
	}
	return high, low
}

func pickAnswer(isA bool, a, b string) string {
	if isA {
		return a
	}
	return b
}

func habitByAge() recipe {
	return recipe{
		[]int{pairs(len(names)), pairs(len(habits)), pairs(len(times)), 2 * 60 * 12, 4, 2},
		func(p []int) Needle {
			a, b := pair(p[0], len(names))
			ha, hb := pair(p[1], len(habits))
			ta, tb := pair(p[2], len(times))
			ya, yb := unequal(p[3], 1930, 60, 12)
			word, isA := contrast{"younger", "older"}.ask(p[5], ya > yb)
			factA := names[a] + " " + habits[ha] + " " + times[ta] + "."
			factB := names[b] + " " + habits[hb] + " " + times[tb] + "."
			return reasoning(
				two(p[4], factA, factB,
					fmt.Sprintf("%s was born in %d.", names[a], ya),
					fmt.Sprintf("%s was born in %d.", names[b], yb)),
				pickAnswer(isA, factA, factB),
				fmt.Sprintf("What is the habit of the %s one between %s and %s?", word, names[a], names[b]))
		},
	}
}

func placeByHeight() recipe {
	return recipe{
		[]int{pairs(len(names)), len(belongings), pairs(len(containers)), pairs(len(nooks)), 2 * 30 * 15, 4, 2},
		func(p []int) Needle {
			a, b := pair(p[0], len(names))
			ca, cb := pair(p[2], len(containers))
			na, nb := pair(p[3], len(nooks))
			ha, hb := unequal(p[4], 152, 30, 15)
			word, isA := contrast{"taller", "shorter"}.ask(p[6], ha > hb)
			keeps := " keeps " + belongings[p[1]] + " in "
			factA := names[a] + keeps + containers[ca] + " " + nooks[na] + "."
			factB := names[b] + keeps + containers[cb] + " " + nooks[nb] + "."
			return reasoning(
				two(p[5], factA, factB,
					fmt.Sprintf("%s is %d centimetres tall.", names[a], ha),
					fmt.Sprintf("%s is %d centimetres tall.", names[b], hb)),
				pickAnswer(isA, factA, factB),
				fmt.Sprintf("Where does the %s one between %s and %s keep %s?", word, names[a], names[b], belongings[p[1]]))
		},
	}
}

func wareByDistance() recipe {
	return recipe{
		[]int{pairs(len(towns)), pairs(len(finishes)), pairs(len(wares)), pairs(len(customers)), 2 * 40 * 20, 4, 2},
		func(p []int) Needle {
			a, b := pair(p[0], len(towns))
			fa, fb := pair(p[1], len(finishes))
			wa, wb := pair(p[2], len(wares))
			ca, cb := pair(p[3], len(customers))
			da, db := unequal(p[4], 3, 40, 20)
			word, isA := contrast{"farther from", "nearer to"}.ask(p[6], da > db)
			factA := towns[a] + " makes " + finishes[fa] + " " + wares[wa] + " for " + customers[ca] + "."
			factB := towns[b] + " makes " + finishes[fb] + " " + wares[wb] + " for " + customers[cb] + "."
			return reasoning(
				two(p[5], factA, factB,
					fmt.Sprintf("%s lies %d miles from the sea.", towns[a], da),
					fmt.Sprintf("%s lies %d miles from the sea.", towns[b], db)),
				pickAnswer(isA, factA, factB),
				fmt.Sprintf("What does the town %s the sea make, %s or %s?", word, towns[a], towns[b]))
		},
	}
}

// pitchByRace has three people: the first beat the second, the second the
// third, and the question asks for the first or the last.
func pitchByRace() recipe {
	grounds := len(pitches)
	return recipe{
		[]int{pairs(len(names)), len(names) - 2, pairs(grounds), grounds - 2, 6, 2},
		func(p []int) Needle {
			n := three(p[0], p[1], len(names))
			g := three(p[2], p[3], grounds)
			var facts [3]string
			for i := range facts {
				facts[i] = names[n[i]] + " trains " + pitches[g[i]] + "."
			}
			order := [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}[p[4]]
			told := make([]string, 0, 4)
			for _, i := range order {
				told = append(told, facts[i])
			}
			told = append(told, fmt.Sprintf("In the race, %s finished before %s, and %s finished before %s.",
				names[n[0]], names[n[1]], names[n[1]], names[n[2]]))
			word, answer := "fastest", facts[0]
			if p[5] == 1 {
				word, answer = "slowest", facts[2]
			}
			return reasoning(told, answer, fmt.Sprintf("Where does the %s one of %s, %s and %s train?",
				word, names[n[order[0]]], names[n[order[1]]], names[n[order[2]]]))
		},
	}
}

// three extends an ordered pair by one of the n-2 others.
func three(pick, third, n int) [3]int {
	a, b := pair(pick, n)
	for _, used := range []int{min(a, b), max(a, b)} {
		if third >= used {
			third++
		}
	}
	return [3]int{a, b, third}
}

func mealByPrice() recipe {
	return recipe{
		[]int{pairs(len(inns)), pairs(len(roasts)), pairs(len(sides)), 2 * 20 * 10, 4, 2},
		func(p []int) Needle {
			a, b := pair(p[0], len(inns))
			ra, rb := pair(p[1], len(roasts))
			sa, sb := pair(p[2], len(sides))
			ca, cb := unequal(p[3], 5, 20, 10)
			word, isA := contrast{"dearer", "cheaper"}.ask(p[5], ca > cb)
			factA := "The " + inns[a] + " serves " + roasts[ra] + " with " + sides[sa] + "."
			factB := "The " + inns[b] + " serves " + roasts[rb] + " with " + sides[sb] + "."
			return reasoning(
				two(p[4], factA, factB,
					fmt.Sprintf("A night at the %s costs %d crowns.", inns[a], ca),
					fmt.Sprintf("A night at the %s costs %d crowns.", inns[b], cb)),
				pickAnswer(isA, factA, factB),
				fmt.Sprintf("What does the %s inn serve, the %s or the %s?", word, inns[a], inns[b]))
		},
	}
}
