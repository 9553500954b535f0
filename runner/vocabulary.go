package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"headprof/export/textfile"
	"headprof/runner/safetensors"
	"headprof/runner/tokenizer"
)

// maxVocabulary bounds the files that hold a folder's tokenizer; the largest
// known are near 40 MiB.
const maxVocabulary = 256 << 20

// LoadTokenizer gives the tokenizer of an opened model: from a GGUF file's
// metadata, or from the files in a Hugging Face folder. pre names a
// pre-tokenizer in place of the one that a GGUF file names ("": none).
func LoadTokenizer(s Source, pre string) (*tokenizer.Tokenizer, error) {
	f, ok := s.(*safetensors.Folder)
	if !ok {
		t, err := tokenizer.FromMetadata(s, tokenizer.Options{Override: pre})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name(), err)
		}
		return t, nil
	}
	if pre != "" {
		return nil, fmt.Errorf("%s: a pre-tokenizer can be chosen for GGUF files only; a Hugging Face folder's tokenizer.json states its own", f.Name())
	}
	t, err := folderTokenizer(f.Name())
	if err != nil {
		return nil, err
	}
	ends, _, err := f.Ints("headprof.eos_token_ids")
	if err != nil {
		return nil, err
	}
	more, err := generationEnds(filepath.Join(f.Name(), "generation_config.json"))
	if err != nil {
		return nil, err
	}
	var ids []int32
	for _, id := range append(ends, more...) {
		if id >= 0 && id < int64(t.Size()) {
			ids = append(ids, int32(id))
		}
	}
	return t.WithEnds(ids...), nil
}

// folderTokenizer reads tokenizer.json, else tokenizer.model.
func folderTokenizer(dir string) (*tokenizer.Tokenizer, error) {
	config, err := readSmall(filepath.Join(dir, "tokenizer_config.json"))
	if err != nil {
		return nil, err
	}
	for _, form := range []struct {
		file string
		from func(data, config []byte) (*tokenizer.Tokenizer, error)
	}{
		{"tokenizer.json", tokenizer.FromJSON},
		{"tokenizer.model", tokenizer.FromSentencePiece},
	} {
		path := filepath.Join(dir, form.file)
		data, err := readSmall(path)
		if err != nil {
			return nil, err
		}
		if data == nil {
			continue
		}
		t, err := form.from(data, config)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return t, nil
	}
	return nil, fmt.Errorf("%s: there is neither tokenizer.json nor tokenizer.model in it; fetch one into the folder, or save the tokenizer there with transformers' save_pretrained", dir)
}

// generationEnds gives the tokens at which a model's generation settings stop.
func generationEnds(path string) ([]int64, error) {
	data, err := readSmall(path)
	if data == nil {
		return nil, err
	}
	var settings struct {
		EOS json.RawMessage `json:"eos_token_id"`
	}
	if err := json.Unmarshal(data, &settings); err != nil {
		return nil, fmt.Errorf("%s: the file is damaged: %w; fetch it again", path, err)
	}
	if len(settings.EOS) == 0 {
		return nil, nil
	}
	var ids []int64
	if settings.EOS[0] == '[' {
		err = json.Unmarshal(settings.EOS, &ids)
	} else {
		id := int64(-1) // null stays this
		err = json.Unmarshal(settings.EOS, &id)
		ids = []int64{id}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: \"eos_token_id\" is neither a token id nor a list of them; fetch it again", path)
	}
	return ids, nil
}

// readSmall reads a regular file of bounded size; nil when there is none.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxVocabulary {
		return nil, fmt.Errorf("%s: this is no regular file of at most %d MiB; fetch it again", path, maxVocabulary>>20)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return textfile.Clean(path, data)
}
