package export

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"headprof/scoring"
	"headprof/scoring/stats"
)

// three is an agreement of three rankings, numbers by hand.
func three() *scoring.Agreement {
	e := func(v float64) stats.Estimate { return stats.Estimate{Value: v, Low: v - .125, High: v + .125} }
	one := stats.Estimate{Value: 1, Low: 1, High: 1}
	unknown := stats.Estimate{Value: .5, Low: math.NaN(), High: math.NaN()}
	a := &scoring.Agreement{
		Names: []string{"a", "b", "c"}, Heads: 8, K: 2,
		Spearman: [][]stats.Estimate{{one, e(.5), e(-.25)}, {e(.5), one, unknown}, {e(-.25), unknown, one}},
		Overlap:  [][]stats.Estimate{{one, e(.5), e(0)}, {e(.5), one, unknown}, {e(0), unknown, one}},
		Shared:   [][]int{{2, 1, 0}, {1, 2, 1}, {0, 1, 2}},
	}
	for i := range 3 {
		a.Resampled = append(a.Resampled, []scoring.Resampling{scoring.Jointly, scoring.OneSide, scoring.HeadsDrawn})
		a.Resampled[i][i] = scoring.Itself
	}
	a.Resampled[1][0], a.Resampled[2][0], a.Resampled[2][1] = a.Resampled[0][1], a.Resampled[0][2], a.Resampled[1][2]
	return a
}

// A file holds each pair once, and reading it gives both halves of the matrix.
func TestAgreementReadsBack(t *testing.T) {
	want := three()
	f := NewAgreement(want, nil, []string{"the seeds differ"})
	var pairs []string
	for _, p := range f.Pairs {
		pairs = append(pairs, p.A+p.B)
	}
	if strings.Join(pairs, " ") != "ab ac bc" || f.Consensus != nil || f.Pairs[2].SpearmanLow != nil || *f.Pairs[1].Spearman != -.25 {
		t.Errorf("%+v", f)
	}
	path := filepath.Join(t.TempDir(), "a.json")
	if err := f.Write(path, "json"); err != nil {
		t.Fatal(err)
	}
	got, err := ReadAgreement(path)
	if err != nil || got.K != 2 || got.Heads != 8 || !reflect.DeepEqual(got.Names, want.Names) {
		t.Fatalf("%+v, %v", got, err)
	}
	for i := range 3 {
		for j := range 3 {
			if i == j {
				continue // nothing is said of a ranking and itself
			}
			g, w := got.Spearman[i][j], want.Spearman[i][j]
			if g.Value != w.Value || g.Low != w.Low && !math.IsNaN(g.Low+w.Low) || got.Overlap[i][j].Value != want.Overlap[i][j].Value ||
				got.Shared[i][j] != want.Shared[i][j] || got.Resampled[i][j] != want.Resampled[i][j] {
				t.Errorf("%d and %d: %+v, %+v, %d, %q", i, j, g, got.Overlap[i][j], got.Shared[i][j], got.Resampled[i][j])
			}
		}
	}
	// The same with a byte order mark, as an editor may save it.
	data, _ := os.ReadFile(path)
	os.WriteFile(path, append([]byte("\xef\xbb\xbf"), data...), 0o600)
	if _, err := ReadAgreement(path); err != nil {
		t.Error(err)
	}
	if err := f.Write(path, "yaml"); err == nil || !strings.Contains(err.Error(), ".json, .csv or .parquet") {
		t.Errorf("another format: %v", err)
	}
}

func TestDamagedAgreements(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.json")
	pair := func(a, b string) AgreementPair { return AgreementPair{A: a, B: b} }
	for name, c := range map[string]struct {
		f    Agreement
		want string
	}{
		"two rankings":         {Agreement{Format: agreementFormat, Rankings: []string{"a", "b"}, Pairs: []AgreementPair{pair("a", "b")}}, ""},
		"another file":         {Agreement{Format: "scores/1"}, "is no agreement file"},
		"one ranking":          {Agreement{Format: agreementFormat, Rankings: []string{"a"}}, "0 pairs of 1 rankings"},
		"a pair is missing":    {Agreement{Format: agreementFormat, Rankings: []string{"a", "b", "c"}, Pairs: []AgreementPair{pair("a", "b")}}, "1 pairs of 3 rankings"},
		"two of one name":      {Agreement{Format: agreementFormat, Rankings: []string{"a", "a"}, Pairs: []AgreementPair{pair("a", "a")}}, "1 pairs of 2"},
		"a ranking and itself": {Agreement{Format: agreementFormat, Rankings: []string{"a", "b"}, Pairs: []AgreementPair{pair("a", "a")}}, `the pair "a" and "a"`},
		"unknown names":        {Agreement{Format: agreementFormat, Rankings: []string{"a", "b"}, Pairs: []AgreementPair{pair("a", "c")}}, `the pair "a" and "c"`},
		"unknown first":        {Agreement{Format: agreementFormat, Rankings: []string{"a", "b"}, Pairs: []AgreementPair{pair("c", "b")}}, `the pair "c" and "b"`},
		"a pair twice":         {Agreement{Format: agreementFormat, Rankings: []string{"a", "b", "c"}, Pairs: []AgreementPair{pair("a", "b"), pair("b", "a"), pair("a", "c")}}, `the pair "b" and "a"`},
	} {
		if err := c.f.Write(path, "json"); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadAgreement(path); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	os.WriteFile(path, []byte("{"), 0o600)
	if _, err := ReadAgreement(path); err == nil || !strings.Contains(err.Error(), "is no agreement file") {
		t.Errorf("cut JSON: %v", err)
	}
	if _, err := ReadAgreement(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no file")
	}
}

// Of a consensus the file has the heads that anybody votes for; of KV heads it
// names no query head, and what is not known is null.
func TestConsensusInAFile(t *testing.T) {
	for _, kv := range []bool{false, true} {
		c := &scoring.Consensus{Names: []string{"a", "b", "c"}, K: 1, AtLeast: 2, KVHeads: kv, Heads: []scoring.ConsensusHead{
			{Layer: 1, Head: 3, KVHead: 1, Votes: 2, VotedBy: []bool{true, false, true}, MeanRank: 1.5, Score: 2. / 3, Stability: .75},
			{Layer: 0, Head: 2, KVHead: scoring.Unknown, Votes: 1, VotedBy: []bool{false, true, false}, MeanRank: 2.5, Stability: math.NaN()},
			{Layer: 0, Head: 1, KVHead: 0, VotedBy: make([]bool, 3), MeanRank: 4, Stability: 0},
		}}
		data, err := json.Marshal(NewAgreement(three(), c, nil).Consensus)
		want := `{"at_least":2,"heads":[{"layer":1,"head":3,"kv_head":1,"votes":2,"voted_by":["a","c"],"mean_rank":1.5,"member":true,"stability":0.75},` +
			`{"layer":0,"head":2,"kv_head":null,"votes":1,"voted_by":["b"],"mean_rank":2.5,"member":false,"stability":null}]}`
		if kv {
			want = strings.NewReplacer(`"head":3`, `"head":null`, `"head":2`, `"head":null`).Replace(want)
		}
		if err != nil || string(data) != want {
			t.Errorf("%s, %v, want %s", data, err, want)
		}
	}
}

// The pairs as a table, for spreadsheets and data frames.
func TestAgreementTables(t *testing.T) {
	f := NewAgreement(three(), nil, nil)
	path := filepath.Join(t.TempDir(), "a.csv")
	if err := f.Write(path, "csv"); err != nil {
		t.Fatal(err)
	}
	want := "a,b,heads,k,spearman,spearman_low,spearman_high,shared,overlap,overlap_low,overlap_high,resampled\n" +
		"a,b,8,2,0.5,0.375,0.625,1,0.5,0.375,0.625,trials of one\n" +
		"a,c,8,2,-0.25,-0.375,-0.125,0,0,-0.125,0.125,heads\n" +
		"b,c,8,2,0.5,,,1,0.5,,,heads\n"
	if got, _ := os.ReadFile(path); string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
	if err := f.Write(path, "parquet"); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(path)
	table, _, err := parquetFrame(data, maxRows, "a", "b", "heads", "k", "shared", "resampled")
	if err != nil {
		t.Fatal(err)
	}
	low := table.floats("spearman_low")
	if table.rows != 3 || table.floats("spearman")[1] != -.25 || low[0] != .375 || !math.IsNaN(low[2]) || table.ints("shared", -1)[2] != 1 || table.texts("b")[2] != "c" {
		t.Errorf("%+v", table)
	}
}
