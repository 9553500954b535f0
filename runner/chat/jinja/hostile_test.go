package jinja_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"headprof/runner/chat/jinja"
)

// hostile templates ask for more than any machine has. Each must end in an
// error; what they may take is in the test's child.
var hostile = []string{
	`{{ 'x' * 10000000000 }}`,
	`{{ ['x'] * 10000000000 }}`,
	`{{ ('x' * 60000000)|length }}{{ ('x' * 60000000)|length }}`,
	`{{ '1'.zfill(10000000000) }}`,
	`{{ 'x'.center(10000000000) }}{{ 'x'.ljust(99999999999) }}`,
	`{{ 'x'|center(10000000000) }}`,
	`{{ 'x'.rjust(999999999999999) }}`,
	`{{ ('a\n' * 100000)|indent(1000000) }}`,
	`{{ 'a'|indent('y' * 30000000, true) }}`,
	`{{ '%10000000000d' % 1 }}`,
	`{{ '%*d' % (2000000000, 1) }}`,
	`{{ '%.2000000000d' % 1 }}`,
	`{{ '%.2000000000f' % 1 }}`,
	`{{ '{:2000000000}'.format(1) }}`,
	`{{ '{:{}}'.format(1, 2000000000) }}`,
	`{{ '{0:1000000}{0:1000000}'.format(1) * 1000 }}`,
	`{{ [1]|batch(2000000000, 'x')|list }}`,
	`{{ [1]|slice(2000000000)|list }}`,
	`{{ ('x' * 1000000).replace('', 'y' * 1000) }}`,
	`{{ ('x' * 1000000)|replace('x', 'y' * 1000) }}`,
	`{{ ('y' * 100000).join('x' * 100000) }}`,
	`{{ range(100000)|join('y' * 100000) }}`,
	`{{ 'a\t'.expandtabs(10000000000) }}`,
	`{{ ('\t' * 1000000).expandtabs(1000) }}`,
	`{{ range(10000000000) }}{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}`,
	`{% for i in range(100000) %}{% for j in range(100000) %}{{ j }}{% endfor %}{% endfor %}`,
	`{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}`,
	`{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}`,
	`{% set ns = namespace(s=['x']) %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}`,
	`{% set ns = namespace(s=('x',)) %}{% for i in range(100) %}{% set ns.s = (ns.s, ns.s) %}{% endfor %}{{ ns.s }}`,
	`{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s == ns.s|list }}{{ ns.s|tojson }}`,
	`{% set ns = namespace(s={}) %}{% for i in range(60) %}{% set ns.s = {'a': ns.s, 'b': ns.s} %}{% endfor %}{{ ns.s|tojson }}`,
	`{% set ns = namespace(s=1) %}{% for i in range(60) %}{% set ns.s = (ns.s, ns.s) %}{% endfor %}{{ {ns.s: 1} }}`,
	`{% set ns = namespace(s=[]) %}{% for i in range(100000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}`,
	`{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}`,
	`{% set ns = namespace(s=7) %}{% for i in range(100) %}{% set ns.s = ns.s * ns.s %}{% endfor %}`,
	`{{ 10 ** (10 ** 10) }}`,
	`{{ 2 ** 99999999999999999999 }}`,
	`{{ 9 ** 60000 }}`,
	`{% set ns = namespace(s=3 ** 30000) %}{% for i in range(100000) %}{% set x = ns.s * ns.s // ns.s % 7 %}{% endfor %}`,
	`{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}`,
	`{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}`,
	`{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}`,
	`{% macro f(n) %}{% if n < 60 %}{{ f(n + 1) }}{{ f(n + 1) }}{% endif %}{% endmacro %}{{ f(0) }}`,
	`{% for a in range(1000) %}{% set x %}{{ 'y' * 1000000 }}{% endset %}{% endfor %}`,
	`{% for a in range(100000) %}{{ 'y' * 1000 }}{% endfor %}`,
	`{{ ('x' * 10000000)|list|length }}`,
	`{{ ('x ' * 10000000).split()|length }}`,
	`{{ ('x\n' * 10000000).splitlines()|length }}`,
	`{{ ('x' * 30000000)|upper|lower|title|escape|forceescape|tojson }}`,
	`{% for i in range(100000) %}{% if 'b' in 'a' * 100000 %}{% endif %}{% endfor %}`,
	`{% set s = 'a' * 1000000 %}{% for i in range(100000) %}{% set x = s.find('b') %}{% endfor %}`,
	`{% set s = 'a' * 1000000 %}{% for i in range(100000) %}{% set x = s[500000] %}{% endfor %}`,
	`{% set s = 'é' * 1000000 %}{% for i in range(100000) %}{% set x = s[i:i + 1] %}{% endfor %}`,
	`{% set s = 'a' * 1000000 %}{% for i in range(100000) %}{% set x = s == s ~ '' %}{% endfor %}`,
	`{% set s = 'a' * 1000000 %}{% for i in range(100000) %}{% set x = {s: 1}[s] %}{% endfor %}`,
	`{% set s = 'ab' * 100000 %}{{ s.strip(s) }}{% for i in range(1000) %}{{ s.strip('ab') }}{% endfor %}`,
	`{% set l = range(100000)|list %}{% for i in l %}{% set x = -1 in l %}{% endfor %}`,
	`{% set l = range(100000)|list %}{% for i in l %}{% set x = l|sort|unique|list %}{% endfor %}`,
	`{% set l = range(100000)|list %}{% for i in l %}{% set x = l[1:] %}{% endfor %}`,
	`{{ dict(range(100000)|map('string')|batch(2)) }}{% for i in range(1000) %}{% set x = dict(range(100000)|batch(2)) %}{% endfor %}`,
	`{{ range(100000)|map('string')|map('length')|map('string')|list|map('center', 1000000)|list }}`,
	`{% for i in range(100000) %}{% set x = range(100000)|select('odd')|list|length %}{% endfor %}`,
	`{% set s = '{0[' * 100000 %}{{ s.format(1) }}`,
	`{{ [[1]]|sum(start=[1] * 1000000) }}{{ ([[1] * 1000000] * 1000000)|sum(start=[]) }}`,
	`{{ loop_is_not_there * 3 }}`,
	`{{ ('a,' * 1000000)|groupby(0) }}`,
	`{% for i in range(10000) %}{% macro f(a, b, c) %}{{ i }}{% endmacro %}{% for j in range(10000) %}{{ f(1, 2, 3) }}{% endfor %}{% endfor %}`,
	`{{ ` + strings.Repeat("(", 5000) + `1` + strings.Repeat(")", 5000) + ` }}`,
	`{{ ` + strings.Repeat("[", 5000) + ` }}`,
	`{{ ` + strings.Repeat("-", 5000) + `1 }}`,
	`{{ ` + strings.Repeat("not ", 5000) + `1 }}`,
	`{{ 1` + strings.Repeat(" if 1 else 1", 5000) + ` }}`,
	`{{ x` + strings.Repeat(".y", 50000) + ` }}`,
	`{{ 1` + strings.Repeat(" + 1", 50000) + ` }}`,
	`{{ 1` + strings.Repeat("|string", 30000) + ` }}`,
	strings.Repeat("{% if 1 %}", 5000),
	strings.Repeat("{% for x in y %}", 5000),
	strings.Repeat("{% macro f() %}", 5000),
	`{{ ` + strings.Repeat("9", 200000) + ` }}`,
	`{{ '` + strings.Repeat("9", 200000) + `'|int }}`,
	strings.Repeat("x", 300<<10),
	strings.Repeat("{% set "+strings.Repeat("a", 3)+"{{", 10000),
	names(5000) + strings.Repeat("{% if x %}{% endif %}", 9000),
}

// names reads so many names.
func names(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{{a%d}}", i)
	}
	return b.String()
}

// The bound on memory holds for the whole process, so it is measured in one of
// its own, which renders all the templates one after the other.
func TestHostileTemplatesStayBelowTheirBounds(t *testing.T) {
	c := exec.Command(os.Args[0], "-test.run=^TestHostileChild$", "-test.v")
	c.Env = append(os.Environ(), "HEADPROF_HOSTILE_CHILD=1")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestHostileChild(t *testing.T) {
	if os.Getenv("HEADPROF_HOSTILE_CHILD") == "" {
		t.Skip("TestHostileTemplatesStayBelowTheirBounds runs this")
	}
	for _, template := range hostile {
		short := template[:min(len(template), 120)]
		begin := time.Now()
		text, err := render(template, map[string]jinja.Value{"y": jinja.List(), "x": int64(1)})
		if err == nil {
			t.Errorf("%s gives %d bytes, want an error", short, len(text))
			continue
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.Sys >= 256<<20 {
			t.Fatalf("%s takes the process to %d MB", short, m.Sys>>20)
		}
		t.Logf("%4d MB %.1fs %s: %v", m.Sys>>20, time.Since(begin).Seconds(), short, err)
	}
}
