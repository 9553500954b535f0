package export

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"headprof/export/textfile"
	"headprof/scoring"
)

// Profile is what a score file holds: a table of a whole model, or a list of
// some heads. One of the two is set.
type Profile struct {
	Table *scoring.Table
	List  *scoring.HeadList
}

// Rows is the table, or the listed heads as a table without the others.
func (p *Profile) Rows() *scoring.Table {
	if p.Table != nil {
		return p.Table
	}
	return &p.List.Table
}

// Read reads a profile from a file or folder of any format that Write makes,
// from a run's folder, or from what others publish: score files of HeadKV and
// Retrieval-Head, attention patterns of DuoAttention, head lists and detection
// scores of QRHead. It goes by the content, not by the name.
func Read(path string) (*Profile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return readFolder(path)
	}
	data, err := readLimited(path)
	if err != nil {
		return nil, err
	}
	var beside []byte
	if b, err := readLimited(path + metaSuffix); err == nil {
		beside = b
	}
	p, err := parse(data, beside)
	if err != nil {
		return nil, fmt.Errorf("reading scores from %s: %w", path, err)
	}
	if m := &p.Rows().Meta; m.Model == "" {
		m.Model = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	return p, nil
}

// parse finds out what data is and reads it. beside is the metadata that lies
// beside a CSV file, if any.
func parse(data, beside []byte) (*Profile, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	text := bytes.TrimLeft(data, " \t\r\n")
	header := text
	for len(header) > 0 && header[0] == commentMark {
		_, header, _ = bytes.Cut(header, []byte("\n"))
		header = bytes.TrimLeft(header, " \t\r\n")
	}
	firstLine, _, _ := bytes.Cut(header, []byte("\n"))
	firstLine = bytes.ToLower(firstLine)
	switch {
	case bytes.HasPrefix(data, []byte("PAR1")):
		return readParquet(data)
	case bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")):
		return nil, fmt.Errorf("it is UTF-16 text; save it as UTF-8")
	case len(text) == 0:
		return nil, fmt.Errorf("it is empty")
	case text[0] == '{':
		return readHeadKV(data, "published")
	case text[0] == '[':
		return readScoreList(data)
	case bytes.Contains(firstLine, []byte("layer")) && bytes.ContainsAny(firstLine, ",;\t"):
		return readCSV(data, beside)
	case bytes.Contains(data[:min(len(data), 1<<16)], []byte("attn_head_set")):
		return readQRHead(data)
	case strings.IndexByte("0123456789+-.#", text[0]) >= 0:
		return readTSV(data)
	}
	return nil, fmt.Errorf("it is none of the known formats (Parquet, CSV with a header line, {\"layer-head\": [scores]} JSON, [[\"layer-head\", score]] JSON, DuoAttention's TSV, QRHead's YAML)")
}

// readCSV reads scores.csv, or any CSV with the columns layer, head and mean (or
// score).
func readCSV(data, beside []byte) (*Profile, error) {
	f, comment, err := csvFrame(data, "layer")
	if err != nil {
		return nil, err
	}
	if !f.has("head") && !f.has("kv_head") {
		return nil, fmt.Errorf("the header line has no column \"head\"")
	}
	if comment == nil {
		comment = beside
	}
	a, err := parseAbout(comment)
	if err != nil {
		return nil, err
	}
	return scoresOf(f, a)
}

// scoreFiles are what a folder's profile is read from: the first that is there.
var scoreFiles = []string{"scores.parquet", "scores.csv", duoScores, "headkv.json"}

// HoldsScores tells whether a folder holds a profile that Read reads.
func HoldsScores(dir string) bool {
	return slices.ContainsFunc(scoreFiles, func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	})
}

// readFolder reads a run's folder or a DuoAttention folder.
func readFolder(dir string) (*Profile, error) {
	for _, name := range scoreFiles {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		p, err := Read(path)
		if err != nil {
			return nil, err
		}
		if name == duoScores && p.Table != nil {
			t := p.Table
			t.Meta.Model = ""
			if err := readDuoSettings(dir, t); err != nil {
				return nil, err
			}
			if t.Meta.Model == "" {
				t.Meta.Model = filepath.Base(dir)
			}
		}
		return p, nil
	}
	return nil, fmt.Errorf("%s holds no scores: neither scores.parquet, scores.csv, %s nor headkv.json; a run writes the first when it ends", dir, duoScores)
}

func readLimited(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	if info.Size() > maxBytes {
		return nil, fmt.Errorf("%s has %d bytes; a table of more than %d is not read", path, info.Size(), maxBytes)
	}
	data, err := os.ReadFile(path)
	if err != nil || bytes.HasPrefix(data, []byte("PAR1")) {
		return data, err
	}
	return textfile.Clean(path, data)
}
