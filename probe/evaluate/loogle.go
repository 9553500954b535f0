package evaluate

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// qaPair is one question of LooGLE; long-dependency ones have a type.
type qaPair struct {
	Q, A string
	Type string `json:"type"`
}

// qaPairs reads LooGLE's list of questions: a JSON list, or a text that holds
// the list in JSON or as Python writes it ([{'Q': "…", 'A': '…'}]).
func qaPairs(raw json.RawMessage) ([]qaPair, error) {
	var pairs []qaPair
	if err := json.Unmarshal(raw, &pairs); err != nil {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return nil, errors.New("must be a list of objects with Q and A")
		}
		if json.Unmarshal([]byte(text), &pairs) != nil {
			if pairs, err = pythonPairs(text); err != nil {
				return nil, err
			}
		}
	}
	for i, p := range pairs {
		if strings.TrimSpace(p.Q) == "" || strings.TrimSpace(p.A) == "" {
			return nil, fmt.Errorf("question %d lacks Q or A", i+1)
		}
	}
	return pairs, nil
}

// pythonPairs reads the part of Python's notation that such lists use.
func pythonPairs(text string) ([]qaPair, error) {
	p := &pythonReader{text: text}
	v, err := p.value(0)
	if err == nil {
		if p.space(); p.at < len(text) {
			err = p.errorf("something follows the list")
		}
	}
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		return nil, errors.New("must be a list of objects with Q and A")
	}
	var pairs []qaPair
	for i, e := range list {
		o, ok := e.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("entry %d is no object with Q and A", i+1)
		}
		q, _ := o["Q"].(string)
		a, _ := o["A"].(string)
		kind, _ := o["type"].(string)
		pairs = append(pairs, qaPair{q, a, kind})
	}
	return pairs, nil
}

// pythonReader reads literals of lists, dictionaries, texts, numbers and names.
type pythonReader struct {
	text string
	at   int
}

const maxNesting = 16

func (p *pythonReader) errorf(format string, args ...any) error {
	return fmt.Errorf("character %d of the list: "+format, append([]any{p.at + 1}, args...)...)
}

func (p *pythonReader) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// next is the next byte after white space, 0 at the end.
func (p *pythonReader) next() byte {
	p.space()
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

func (p *pythonReader) value(depth int) (any, error) {
	if depth > maxNesting {
		return nil, p.errorf("it is nested deeper than %d", maxNesting)
	}
	switch c := p.next(); {
	case c == '[':
		p.at++
		list := []any{}
		for p.next() != ']' {
			v, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
			if p.next() == ',' {
				p.at++
			} else if p.next() != ']' {
				return nil, p.errorf("a comma or ] is missing")
			}
		}
		p.at++
		return list, nil
	case c == '{':
		p.at++
		object := map[string]any{}
		for p.next() != '}' {
			key, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			name, ok := key.(string)
			if !ok || p.next() != ':' {
				return nil, p.errorf("a key and a colon are missing")
			}
			p.at++
			if object[name], err = p.value(depth + 1); err != nil {
				return nil, err
			}
			if p.next() == ',' {
				p.at++
			} else if p.next() != '}' {
				return nil, p.errorf("a comma or } is missing")
			}
		}
		p.at++
		return object, nil
	case c == '\'' || c == '"':
		return p.quoted(c)
	default:
		start := p.at
		for p.at < len(p.text) && strings.IndexByte(",]}: \t\r\n", p.text[p.at]) < 0 {
			p.at++
		}
		if p.at == start {
			return nil, p.errorf("a value is missing")
		}
		return nil, nil // a number or None: of no interest
	}
}

var pythonEscapes = map[byte]string{'n': "\n", 't': "\t", 'r': "\r", '\\': "\\", '\'': "'", '"': "\"", 'a': "\a", 'b': "\b", 'f': "\f", 'v': "\v", '\n': "", '0': "\x00"}

// quoted reads a text in quotes.
func (p *pythonReader) quoted(quote byte) (string, error) {
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		c := p.text[p.at]
		switch {
		case c == quote:
			p.at++
			return b.String(), nil
		case c != '\\':
			b.WriteByte(c)
			continue
		}
		if p.at++; p.at == len(p.text) {
			break
		}
		c = p.text[p.at]
		if s, ok := pythonEscapes[c]; ok {
			b.WriteString(s)
			continue
		}
		if n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]; n > 0 && p.at+n < len(p.text) {
			if v, err := strconv.ParseUint(p.text[p.at+1:p.at+1+n], 16, 32); err == nil && v <= utf8.MaxRune {
				b.WriteRune(rune(v))
				p.at += n
				continue
			}
		}
		b.WriteByte('\\') // Python keeps what it does not know
		b.WriteByte(c)
	}
	return "", p.errorf("a text has no closing quote")
}
