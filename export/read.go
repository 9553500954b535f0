package export

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"headprof/export/textfile"
	"headprof/scoring"
)

// Read reads a score table from a file or folder of any format that Write
// makes, from a run's folder, or from what others publish: score files of
// HeadKV and Retrieval-Head, attention patterns of DuoAttention, head lists of
// QRHead. It goes by the content, not by the name.
func Read(path string) (*scoring.Table, error) {
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
	t, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("reading scores from %s: %w", path, err)
	}
	if t.Meta.Model == "" {
		t.Meta.Model = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	return t, nil
}

// parse finds out what data is and reads it.
func parse(data []byte) (*scoring.Table, error) {
	text := bytes.TrimLeft(data, " \t\r\n")
	firstLine, _, _ := bytes.Cut(text, []byte("\n"))
	switch {
	case bytes.HasPrefix(data, []byte("PAR1")):
		return readParquet(data)
	case len(text) == 0:
		return nil, fmt.Errorf("it is empty")
	case text[0] == '{':
		return readHeadKV(data, "published")
	case bytes.Contains(firstLine, []byte("layer")) && bytes.Contains(firstLine, []byte(",")):
		return readCSV(bytes.NewReader(data))
	case bytes.Contains(data[:min(len(data), 1<<16)], []byte("attn_head_set")):
		return readQRHead(data)
	case strings.IndexByte("0123456789+-.#", text[0]) >= 0:
		return readTSV(data)
	}
	return nil, fmt.Errorf("it is none of the known formats (Parquet, CSV with a header line, {\"layer-head\": [scores]} JSON, DuoAttention's TSV, QRHead's YAML)")
}

// readFolder reads a run's folder or a DuoAttention folder.
func readFolder(dir string) (*scoring.Table, error) {
	for _, name := range []string{"scores.parquet", "scores.csv", duoScores, "headkv.json"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		t, err := Read(path)
		if err != nil {
			return nil, err
		}
		if name == duoScores {
			t.Meta.Model = ""
			if err := readDuoSettings(dir, t); err != nil {
				return nil, err
			}
			if t.Meta.Model == "" {
				t.Meta.Model = filepath.Base(dir)
			}
		}
		return t, nil
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
