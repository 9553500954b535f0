package kvcache

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of declared policies into docs/evaluation.md")

// The tables of the documentation are what the policies declare.
func TestDocsListWhatIsDeclared(t *testing.T) {
	var b strings.Builder
	b.WriteString("| policy | each KV head keeps | source |\n|---|---|---|\n")
	for _, d := range Declarations() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", d.Name, d.Keeps, d.Source)
	}
	b.WriteString("\n| flag | default | limits | unit | of | meaning |\n|---|---|---|---|---|---|\n")
	set := Parameters()
	for _, p := range set.Params() {
		value := p.Default
		if p.Absent != "" {
			value = p.Absent
		}
		owners := strings.Join(set.Owners(p.Name), ", ")
		if owners == "" {
			owners = "all"
		}
		fmt.Fprintf(&b, "| `--%s` | %s | %s | %s | %s | %s |\n", p.Name, value, p.Limits(), p.Unit, owners, p.Help)
	}
	const path, begin, end = "../../docs/evaluation.md", " -update -->\n", "<!-- end -->"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(data), begin)
	old, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no place for the tables", path)
	}
	if old == b.String() {
		return
	}
	if !*update {
		t.Fatalf("%s does not list what the policies declare; run go test ./runner/kvcache -run TestDocs -update", path)
	}
	if err := os.WriteFile(path, []byte(head+begin+b.String()+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
