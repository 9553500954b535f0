package cases

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"headprof/fixtures"
	"headprof/scoring"
)

// Expected values: testdata/truth.py. A decision so near 0 that the engine's
// float32 may turn it is left out.
func TestTruthEqualsPyTorch(t *testing.T) {
	data, err := os.ReadFile("testdata/truth.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Folds      int
		Statements []json.RawMessage
		Decision   [][][]float64
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, s := range want.Statements {
		lines = append(lines, string(s))
	}
	list, err := Read("truth.json", strings.NewReader(strings.Join(lines, "\n")), scoring.Statements)
	if err != nil {
		t.Fatal(err)
	}
	_, e := engine(t)
	compared, right := 0, 0
	for i, c := range list {
		got, err := Run(t.Context(), e, c, []scoring.Named{&scoring.Truth{Folds: want.Folds, L2: 1}})
		if err != nil {
			t.Fatal(err)
		}
		for l, row := range want.Decision[i] {
			for h, f := range row {
				if math.Abs(f) < 5e-3 {
					continue
				}
				value := 0.0
				if (f > 0) == *c.(*statement).Label {
					value = 1
				}
				compared++
				right += int(value)
				if got["truth"][l][h] != value {
					t.Errorf("%s, L%d.H%d: %v, want %v (the probe says %g)", c.Name(), l, h, got["truth"][l][h], value, f)
				}
			}
		}
	}
	if compared < 550 || right == compared || right == 0 {
		t.Errorf("%d values compared, %d of them 1", compared, right)
	}
}

// Twins stay in one fold, given groups and found ones alike.
func TestNegatedTwinsStayTogether(t *testing.T) {
	s := source(t, 128)
	list, err := ReadStatements("f", strings.NewReader(`{"statement": "The sea is green.", "label": true}
{"statement": "The sea is not green.", "label": 0}
{"statement": "A hill isn't a pond.", "label": 1, "group": "hill"}

{"statement": "A hill is a pond.", "label": false, "group": "hill", "id": "last"}
{"statement": "the sea is NOT green.", "label": false}
{"statement": "The sea is Green.", "label": true}
`), s)
	if err != nil {
		t.Fatal(err)
	}
	set := list[0].(*statement).set
	if got := set.folds(2); !slices.Equal(got, []int{0, 0, 1, 1, 0, 0}) {
		t.Errorf("folds %v", got)
	}
	if list[0].Name() != "statement-001" || list[3].Name() != "last" || list[2].(*statement).Group() != "hill" {
		t.Errorf("names %s, %s", list[0].Name(), list[3].Name())
	}
	if ids := list[0].ids()[0]; ids[0] != 1 || read(t, ids[1:]) != "The sea is green." {
		t.Errorf("the statement is %q", read(t, ids))
	}
}

// The set of headprof's own: each fact true and false, plain and negated.
func TestOwnStatements(t *testing.T) {
	s := source(t, 128)
	list, err := ReadStatements("own", strings.NewReader(string(fixtures.Statements())), s)
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string][2]int{}
	for _, c := range list {
		st := c.(*statement)
		n := groups[st.Topic]
		negated := strings.Contains(read(t, st.IDs[1:]), " is not ")
		if *st.Label {
			n[0]++
		}
		if negated == *st.Label {
			n[1]++ // negated and true, or plain and false
		}
		groups[st.Topic] = n
	}
	if len(list) != 128 || len(groups) != 32 {
		t.Errorf("%d statements of %d facts", len(list), len(groups))
	}
	for g, n := range groups {
		if n != [2]int{2, 2} {
			t.Errorf("%s: %v", g, n)
		}
	}
}

func TestStatementsThatMakeNoSense(t *testing.T) {
	s := source(t, 128)
	for line, want := range map[string]string{
		`{"label": true}`:                   `f:1: "statement" is missing`,
		`{"statement": "a"}`:                `f:1: "label" must be true or false, or 1 or 0`,
		`{"statement": "a", "label": 2}`:    `f:1: "label" is 2; it must be true or false, or 1 or 0`,
		`[1]`:                               `f:1: the line is no JSON object of a statement`,
		`{"statement": "a", "label": true}`: `f: 1 true and 0 false statements in 1 groups are too few`,
		`{"id": "x", "statement": "a", "label": true}` + "\n" + `{"id": "x", "statement": "b", "label": true}`: `f:2: id "x" was used on line 1 already`,
		``: `f: 0 true and 0 false statements`,
	} {
		if _, err := ReadStatements("f", strings.NewReader(line), s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	// All true statements in one group: a probe without its fold sees none.
	list, err := ReadStatements("f", strings.NewReader(`{"statement": "a", "label": true, "group": "t"}
{"statement": "b", "label": true, "group": "t"}
{"statement": "c", "label": false, "group": "f"}
{"statement": "d", "label": false, "group": "f"}`), s)
	if err != nil {
		t.Fatal(err)
	}
	_, e := engine(t)
	if _, err := Run(t.Context(), e, list[0], scoring.MethodsOf(scoring.Statements)); err == nil || !strings.Contains(err.Error(), "without fold 1 all statements are true, or all false") {
		t.Errorf("folds of one label: %v", err)
	}
}
