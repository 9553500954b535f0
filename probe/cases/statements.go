package cases

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"

	"headprof/export/textfile"
	"headprof/scoring"
	"headprof/scoring/stats"
)

// statement is a true or false statement among others: truth.
type statement struct {
	set *statementSet
	at  int // in the set

	ID    string  `json:"id"`
	IDs   []int32 `json:"ids"`
	Label *bool   `json:"label"`
	Topic string  `json:"group"` // statements of one group stay in one fold
}

func (c *statement) Group() string       { return c.Topic }
func (c *statement) Name() string        { return c.ID }
func (c *statement) Kind() scoring.Probe { return scoring.Statements }
func (c *statement) Tokens() int         { return len(c.IDs) }
func (c *statement) ids() [][]int32      { return [][]int32{c.IDs} }

// longest is that of all statements: a run of one needs the outputs of all.
func (c *statement) longest() int {
	n := len(c.IDs)
	if c.set != nil {
		for _, s := range c.set.list {
			n = max(n, len(s.IDs))
		}
	}
	return n
}

func (c *statement) check() error {
	switch {
	case len(c.IDs) == 0:
		return errors.New(`"ids" is missing or empty; it holds the statement`)
	case c.Label == nil:
		return errors.New(`"label" is missing; it says whether the statement is true`)
	}
	return nil
}

func (c *statement) run(ctx context.Context, r *pass, methods []scoring.Named) (map[string]Values, error) {
	out := map[string]Values{}
	for _, m := range methods {
		t, ok := m.(*scoring.Truth)
		if !ok {
			continue
		}
		right, err := c.set.told(ctx, r, *t)
		if err != nil {
			return nil, err
		}
		out[m.Name()] = right[c.at]
	}
	return out, nil
}

// statementSet are the statements of a run, whose probes are fitted once.
type statementSet struct {
	list []*statement

	mu    sync.Mutex
	of    scoring.Truth
	right []Values // of each statement: whether the probes tell it; nil: not yet
}

// linked makes one set of all statements.
func linked(list []Case) ([]Case, error) {
	set := &statementSet{}
	groups := map[string]bool{}
	var labels [2]int
	for i, c := range list {
		s := c.(*statement)
		s.set, s.at = set, i
		if s.Topic == "" {
			s.Topic = s.ID
		}
		groups[s.Topic] = true
		if *s.Label {
			labels[1]++
		} else {
			labels[0]++
		}
		set.list = append(set.list, s)
	}
	if labels[0] < 2 || labels[1] < 2 || len(groups) < 2 {
		return nil, fmt.Errorf("%d true and %d false statements in %d groups are too few; at least two of each kind in two groups are needed", labels[1], labels[0], len(groups))
	}
	return list, nil
}

// folds gives each statement's fold: groups in the order in which they come,
// in turn.
func (s *statementSet) folds(n int) []int {
	fold := map[string]int{}
	out := make([]int, len(s.list))
	for i, c := range s.list {
		k, ok := fold[c.Topic]
		if !ok {
			k = len(fold) % n
			fold[c.Topic] = k
		}
		out[i] = k
	}
	return out
}

// told gives for each statement and head 1 where the probe that was fitted
// without the statement's fold is right.
func (s *statementSet) told(ctx context.Context, r *pass, t scoring.Truth) ([]Values, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.right != nil && s.of == t {
		return s.right, nil
	}
	outputs := make([][][][]float32, len(s.list)) // [statement][layer][head][ValueDim]
	for i, c := range s.list {
		var err error
		if outputs[i], err = r.outputs(ctx, c.IDs, len(c.IDs)-1); err != nil {
			return nil, err
		}
	}
	type place struct{ layer, head int }
	var heads []place
	for l, layer := range r.layers {
		for h := range layer.Heads {
			heads = append(heads, place{l, h})
		}
	}
	right := make([]Values, len(s.list))
	for i := range right {
		right[i] = r.grid()
	}
	folds := s.folds(t.Folds)
	problems := make([]error, len(heads))
	stats.Parallel(len(heads), func(k int) {
		p := heads[k]
		rows := make([][]float32, len(outputs))
		for i := range outputs {
			if p.head < len(outputs[i][p.layer]) {
				rows[i] = outputs[i][p.layer][p.head]
			}
		}
		if rows[0] == nil || ctx.Err() != nil {
			problems[k] = ctx.Err()
			return // a layer whose heads give no outputs
		}
		problems[k] = s.probe(rows, folds, t, func(i int) { right[i][p.layer][p.head] = 1 })
	})
	for _, err := range problems {
		if err != nil {
			return nil, err
		}
	}
	s.right, s.of = right, t
	return right, nil
}

// probe fits one head's probes, a fold left out of each, and names the
// statements of that fold that the probe tells.
func (s *statementSet) probe(rows [][]float32, folds []int, t scoring.Truth, right func(i int)) error {
	for fold := range t.Folds {
		var x [][]float32
		var labels []bool
		var tested []int
		for i, row := range rows {
			if folds[i] == fold {
				tested = append(tested, i)
				continue
			}
			x, labels = append(x, row), append(labels, *s.list[i].Label)
		}
		if len(tested) == 0 {
			continue // fewer groups than folds
		}
		m, err := stats.FitLogistic(x, labels, t.L2)
		if err != nil {
			return fmt.Errorf("without fold %d all statements are true, or all false: %w; give more groups or other --truth-folds", fold+1, err)
		}
		for _, i := range tested {
			if (m.Decision(rows[i]) > 0) == *s.list[i].Label {
				right(i)
			}
		}
	}
	return nil
}

// Limits of a file of statements.
const (
	maxStatementLine = 1 << 20 // bytes
	maxStatements    = 100_000
)

// negation is what a statement and its negated twin differ in.
var negation = regexp.MustCompile(`(?i)\s+not\b|n't\b`)

// ReadStatements reads a file of statements, one JSON object a line: statement
// (a text), label (true or false, or 1 or 0), and optionally group and id.
// Statements of one group stay in one fold; one without a group shares that of
// the statements that equal it but for a "not". Errors name file and line.
func ReadStatements(file string, in io.Reader, s Source) ([]Case, error) {
	r, _, err := textfile.NewReader(file, in)
	if err != nil {
		return nil, err
	}
	m := &maker{Source: s, inside: s.Tokenizer.Encode}
	var list []Case
	seen := map[string]int{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxStatementLine)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		c, err := m.statement(lines.Bytes(), n)
		if err == nil && seen[c.ID] > 0 {
			err = fmt.Errorf("id %q was used on line %d already; ids must differ", c.ID, seen[c.ID])
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		seen[c.ID] = n
		if list = append(list, c); len(list) > maxStatements {
			return nil, fmt.Errorf("%s holds more than %d statements", file, maxStatements)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if list, err = linked(list); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return list, nil
}

// statement makes a case of a line.
func (m *maker) statement(line []byte, n int) (*statement, error) {
	var row struct {
		ID, Statement, Group string
		Label                any
	}
	if err := json.Unmarshal(line, &row); err != nil {
		return nil, fmt.Errorf("the line is no JSON object of a statement: %w", err)
	}
	if strings.TrimSpace(row.Statement) == "" {
		return nil, errors.New(`"statement" is missing; it holds the text`)
	}
	var label bool
	switch v := row.Label.(type) {
	case bool:
		label = v
	case float64:
		if label = v == 1; v != 0 && v != 1 {
			return nil, fmt.Errorf(`"label" is %v; it must be true or false, or 1 or 0`, v)
		}
	default:
		return nil, errors.New(`"label" must be true or false, or 1 or 0`)
	}
	if row.ID == "" {
		row.ID = fmt.Sprintf("statement-%03d", n)
	}
	if row.Group == "" {
		row.Group = strings.ToLower(strings.TrimSpace(negation.ReplaceAllString(row.Statement, "")))
	}
	p := &prompt{m: m}
	p.addTokens(m.BOS)
	for _, t := range m.Tokenizer.Encode(row.Statement) {
		p.ids = append(p.ids, t.ID)
	}
	c := &statement{ID: row.ID, IDs: p.ids, Label: &label, Topic: row.Group}
	return c, c.check()
}
