package safetensors

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// addChatTemplate stores the model's chat template, if it has one, under
// GGUF's key: from chat_template.jinja, else from tokenizer_config.json, where
// it is a string or a list of named ones.
func (f *Folder) addChatTemplate() error {
	const key = "tokenizer.chat_template"
	path := filepath.Join(f.dir, "chat_template.jinja")
	template, err := readFile(path, maxConfig)
	if err == nil {
		return f.Set(key, string(template))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	path = filepath.Join(f.dir, "tokenizer_config.json")
	data, err := readFile(path, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	s, err := parseSettings(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	raw, ok := s.values["chat_template"]
	if !ok {
		return nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return f.Set(key, text)
	}
	var named []struct{ Name, Template string }
	if err := json.Unmarshal(raw, &named); err != nil {
		return fmt.Errorf("%s: \"chat_template\" is neither a string nor a list of named ones; fetch the file again", path)
	}
	for _, t := range named {
		if t.Name == "default" {
			return f.Set(key, t.Template)
		}
	}
	return nil
}
