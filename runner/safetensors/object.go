package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// eachMember decodes one JSON object member by member, so that a name that
// occurs twice is seen and nothing is built for what is skipped. decode is
// called with the decoder before the member's value, which it must consume.
func eachMember(d *json.Decoder, decode func(name string, d *json.Decoder) error) error {
	t, err := d.Token()
	if err != nil {
		return jsonError(err)
	}
	if t != json.Delim('{') {
		return fmt.Errorf("a JSON object is needed, not %v", t)
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return jsonError(err)
		}
		name, _ := t.(string) // the decoder accepts nothing else here
		if seen[name] {
			return fmt.Errorf("%q is there twice", name)
		}
		seen[name] = true
		if err := decode(name, d); err != nil {
			return jsonError(err)
		}
	}
	_, err = d.Token()
	return jsonError(err)
}

// readObject decodes data, which must hold one object and nothing else.
func readObject(data []byte, decode func(name string, d *json.Decoder) error) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if err := eachMember(d, decode); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("something follows the JSON object")
	}
	return nil
}

func jsonError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON ends too early")
	}
	return err
}
