package plots

import (
	"math"
	"strings"
	"testing"
)

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{percent(0.935), "94 %"}, {percent(1), "100 %"}, {percent(0.999), "99.9 %"}, {percent(0.031), "3.1 %"}, {percent(0.0025), "0.25 %"}, {percent(0), "0 %"},
		{thousands(1234567), "1,234,567"}, {thousands(-1000), "-1,000"}, {thousands(999), "999"},
		{value(0.12345), "0.123"}, {value(0.012345), "0.0123"}, {value(0), "0"}, {value(1e-7), "1.0e-07"}, {value(123456), "123456"},
		{sizeOf(3 << 20), "3.00 MiB"}, {sizeOf(512), "512 B"},
		{shorten("short", 10), "short"}, {shorten("abcdefghijklmnop", 10), "abcdef…nop"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestTicks(t *testing.T) {
	text := func(ts []tick) string {
		var s []string
		for _, t := range ts {
			s = append(s, t.label)
		}
		return strings.Join(s, " ")
	}
	for _, c := range []struct{ got, want string }{
		{text(niceTicks(0, 0.45, 5)), "0 0.1 0.2 0.3 0.4"},
		{text(niceTicks(0, 1, 4)), "0 0.25 0.50 0.75 1.00"},
		{text(niceTicks(-18, 1, 5)), "-15 -10 -5 0"},
		{text(niceTicks(0, 5120, 6)), "0 1,000 2,000 3,000 4,000 5,000"},
		{text(niceTicks(3, 3, 5)), "3.00"},
		{text(indexTicks(32, 13, 14)), "0 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30"},
		{text(indexTicks(30, 5, 14)), "0 5 10 15 20 25"},
		{text(logTicks(0.015, 0.5, func(v float64) string { return value(100 * v) })), "2.00 5.00 10.0 20.0 50.0"},
	} {
		if c.got != c.want {
			t.Errorf("ticks %q, want %q", c.got, c.want)
		}
	}
	if n := len(niceTicks(math.NaN(), 1, 5)); n != 1 {
		t.Errorf("%d ticks on an axis without a start", n)
	}
}
