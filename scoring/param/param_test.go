package param

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

type shape string

type shared struct {
	Window int `param:"window" default:"8" min:"1" unit:"tokens" help:"last tokens"`
}

type example struct {
	shared
	Kernel int     `param:"kernel" default:"7" min:"1" odd:"true" help:"width"`
	Floor  float64 `param:"floor" default:"0.2" min:"0" max:"1" help:"share"`
	Beta   float64 `param:"beta" default:"1.2" above:"1" help:"divisor"`
	Part   float64 `param:"part" default:"0.5" above:"0" below:"1" help:"part"`
	Any    float64 `param:"any" default:"0" help:"any number"`
	Fit    bool    `param:"fit" default:"false" help:"fit"`
	Level  shape   `param:"level" default:"a" oneof:"a b c" help:"level"`
	Sinks  *int    `param:"sinks" min:"0" absent:"by capacity" help:"first tokens"`
	Free   int     `param:"-"`

	state int
}

func TestDefaultsAndValues(t *testing.T) {
	e := Default[example]()
	if e.Window != 8 || e.Kernel != 7 || e.Floor != 0.2 || e.Beta != 1.2 || e.Fit || e.Level != "a" || e.Sinks != nil {
		t.Errorf("%+v", e)
	}
	zero := 0
	e.Sinks, e.Floor, e.state, e.Free = &zero, 0, 5, 6
	want := "window=8 kernel=7 floor=0 beta=1.2 part=0.5 any=0 fit=false level=a sinks=0"
	var got []string
	for _, v := range Values(e) {
		got = append(got, v.Name+"="+v.Text)
	}
	if text := strings.Join(got, " "); text != want {
		t.Errorf("values %s, want %s", text, want)
	}
	e.Sinks = nil
	if v := Values(&e)[8]; v.Text != "by capacity" {
		t.Errorf("what is left out is %q", v.Text)
	}
}

func TestEveryLimitIsChecked(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       any    // nil: refused
		must       string // what the refusal says
	}{
		{"window", "1", 1, ""}, {"window", "010", 10, ""}, {"window", "+3", 3, ""},
		{"window", "0", nil, "it must be at least 1"}, {"window", "0x8", nil, "it must be a whole decimal number"},
		{"window", "8.0", nil, "it must be a whole decimal number"}, {"window", "1_0", nil, "it must be a whole decimal number"},
		{"window", "268435456", 268435456, ""}, {"window", "268435457", nil, "it must be at most 268435456"},
		{"kernel", "1", 1, ""}, {"kernel", "4", nil, "it must be odd, at least 1"}, {"kernel", "-1", nil, "it must be odd, at least 1"},
		{"floor", "0", 0., ""}, {"floor", "1", 1., ""}, {"floor", "1.0000001", nil, "it must be 0 to 1"}, {"floor", "-0.1", nil, "it must be 0 to 1"},
		{"floor", "NaN", nil, "it must be 0 to 1"}, {"floor", "0x1p-1", nil, "it must be a number"}, {"floor", "-0", 0., ""},
		{"beta", "1", nil, "it must be above 1"}, {"beta", "1.005", 1.005, ""}, {"beta", "Inf", nil, "it must be above 1"},
		{"part", "0", nil, "it must be above 0, below 1"}, {"part", "1", nil, "it must be above 0, below 1"}, {"part", "0.999", 0.999, ""},
		{"any", "-1e30", -1e30, ""}, {"any", "nan", nil, "it must be finite"},
		{"fit", "true", true, ""}, {"fit", "yes", nil, "it must be true or false"},
		{"level", "b", "b", ""}, {"level", "d", nil, "it must be a, b or c"}, {"level", "", nil, "it must be a, b or c"},
		{"sinks", "0", 0, ""}, {"sinks", "-1", nil, "it must be at least 0"},
	} {
		for _, p := range MustOf(example{}) {
			if p.Name != c.name {
				continue
			}
			got, err := p.Parse(c.text)
			switch {
			case c.want != nil && (err != nil || got != c.want || Text(got) == "-0"):
				t.Errorf("%s %q: %v, %v; want %v", c.name, c.text, got, err, c.want)
			case c.want == nil && (err == nil || err.Error() != c.must):
				t.Errorf("%s %q: %v, want %q", c.name, c.text, err, c.must)
			}
		}
	}
}

// Structs made in code are held against the same limits as flags: their zero
// values are no defaults.
func TestCheckHoldsStructsAgainstTheLimits(t *testing.T) {
	minus := -1
	for _, c := range []struct {
		change func(*example)
		want   string
	}{
		{func(e *example) {}, ""},
		{func(e *example) { e.Window = 0 }, "window 0: it must be at least 1"},
		{func(e *example) { e.Floor = math.NaN() }, "floor NaN: it must be 0 to 1"},
		{func(e *example) { e.Beta = 0 }, "beta 0: it must be above 1"},
		{func(e *example) { e.Level = "" }, "level : it must be a, b or c"},
		{func(e *example) { e.Sinks = &minus }, "sinks -1: it must be at least 0"},
	} {
		e := Default[example]()
		c.change(&e)
		err := Check(&e)
		if got := ""; err != nil && err.Error() != c.want || err == nil && c.want != got {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// A field that nobody declared would be missing from manifests.
func TestDeclarationsAreComplete(t *testing.T) {
	for _, c := range []struct {
		of   any
		want string
	}{
		{struct{ Sinks int }{}, "needs the tags param and help"},
		{struct {
			A int `param:"a" default:"1"`
		}{}, "needs the tags param and help"},
		{struct {
			A int `param:"a" help:"x"`
		}{}, "either a default or a tag absent"},
		{struct {
			A int `param:"a" help:"x" default:"0" min:"1"`
		}{}, "outside its own limits"},
		{struct {
			A int `param:"a" help:"x" default:"0" min:"x"`
		}{}, "the tag min is no number"},
		{struct {
			A *int `param:"a" help:"x"`
		}{}, "absent belongs to pointers"},
		{struct {
			A int `param:"a" help:"x" absent:"y"`
		}{}, "absent belongs to pointers"},
		{struct {
			A []int `param:"a" help:"x" default:""`
		}{}, "cannot be of type []int"},
		{struct {
			A int `param:"a" help:"x" default:"1"`
			B int `param:"a" help:"x" default:"1"`
		}{}, "declared twice"},
		{7, "no struct"}, {nil, "no struct"},
	} {
		if _, err := Of(c.of); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.of, err, c.want)
		}
	}
}

func TestSetFillsWhatWasGivenAndDefaultsElse(t *testing.T) {
	s := NewSet()
	s.Declare("one", new(example))
	s.Declare("two", new(shared))
	if got := s.Owners("window"); !reflect.DeepEqual(got, []string{"one", "two"}) {
		t.Errorf("the window belongs to %v", got)
	}
	if n := len(s.Params()); n != 9 {
		t.Errorf("%d parameters, want 9: the shared one once", n)
	}
	for _, v := range [][2]string{{"window", "016"}, {"sinks", "0"}, {"fit", "1"}, {"level", "c"}} {
		if err := s.Put(v[0], v[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put("kernel", "2"); err == nil {
		t.Error("an even kernel was taken")
	}
	if err := s.Put("nothing", "2"); err == nil {
		t.Error("an unknown parameter was taken")
	}
	var e example
	if err := s.Fill(&e); err != nil {
		t.Fatal(err)
	}
	if e.Window != 16 || e.Kernel != 7 || *e.Sinks != 0 || !e.Fit || e.Level != "c" || e.Floor != 0.2 {
		t.Errorf("%+v", e)
	}
	defer func() {
		if recover() == nil {
			t.Error("two meanings of one flag were taken")
		}
	}()
	s.Declare("three", &struct {
		Window int `param:"window" default:"9" min:"1" unit:"tokens" help:"last tokens"`
	}{})
}
