package tokenizer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
)

// FromSentencePiece builds the tokenizer of a tokenizer.model (SentencePiece's
// ModelProto), with the settings of the tokenizer_config.json beside it (nil
// where there is none). Without one, a text begins with BOS where the model has
// one, as Llama and Gemma do.
func FromSentencePiece(model, configJSON []byte) (*Tokenizer, error) {
	conf, err := readConfig(configJSON)
	if err != nil {
		return nil, err
	}
	sp, err := readModelProto(model)
	if err != nil {
		return nil, fmt.Errorf("tokenizer.model: %w", err)
	}
	for _, key := range sortedIDs(conf) {
		id, err := strconv.ParseInt(key, 10, 32)
		if err != nil || id < 0 || id >= maxTokens {
			return nil, fmt.Errorf("tokenizer_config.json: added_tokens_decoder has id %q, outside 0 to %d", key, maxTokens)
		}
		a := conf.Added[key]
		for int64(len(sp.Tokens)) <= id {
			sp.Tokens = append(sp.Tokens, "")
			sp.Scores = append(sp.Scores, 0)
			sp.Types = append(sp.Types, Unused)
		}
		sp.Tokens[id], sp.Types[id] = a.Content, UserDefined
		if a.Special {
			sp.Types[id] = Control
		}
	}
	named := func(n tokenName, or int32) int32 {
		if n != "" {
			for i, s := range sp.Tokens {
				if s == string(n) {
					return int32(i)
				}
			}
		}
		return or
	}
	sp.BOS, sp.EOS = named(conf.BOS, sp.BOS), named(conf.EOS, sp.EOS)
	sp.AddBOS = sp.BOS != None && (conf.AddBOS == nil || *conf.AddBOS)
	sp.AddEOS = sp.EOS != None && conf.AddEOS != nil && *conf.AddEOS
	t, err := New(*sp)
	if err != nil {
		return nil, fmt.Errorf("tokenizer.model: %w", err)
	}
	return t, nil
}

func sortedIDs(c *config) []string {
	keys := make([]string, 0, len(c.Added))
	for k := range c.Added {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		if len(keys[i]) != len(keys[j]) {
			return len(keys[i]) < len(keys[j])
		}
		return keys[i] < keys[j]
	})
	return keys
}

// readModelProto reads the fields of sentencepiece_model.proto that matter:
// pieces 1 {piece 1, score 2, type 3}, trainer_spec 2 {model_type 3, unk_id 40,
// bos_id 41, eos_id 42}, normalizer_spec 3 {precompiled_charsmap 2,
// add_dummy_prefix 3, remove_extra_whitespaces 4}.
func readModelProto(b []byte) (*Spec, error) {
	sp := &Spec{Model: "t5", BOS: 1, EOS: 2, UNK: 0, AddSpacePrefix: true, PrefixOnce: true, TrimSpaces: true}
	err := fields(b, func(n int, v field) error {
		switch n {
		case 1:
			piece, score, kind := "", 0.0, Normal
			if err := fields(v.bytes, func(n int, v field) error {
				switch n {
				case 1:
					piece = string(v.bytes)
				case 2:
					score = float64(math.Float32frombits(uint32(v.number)))
				case 3:
					kind = Type(v.number)
				}
				return nil
			}); err != nil {
				return err
			}
			if len(sp.Tokens) == maxTokens {
				return fmt.Errorf("more than %d pieces", maxTokens)
			}
			sp.Tokens = append(sp.Tokens, piece)
			sp.Scores = append(sp.Scores, score)
			sp.Types = append(sp.Types, kind)
		case 2:
			return fields(v.bytes, func(n int, v field) error {
				switch n {
				case 3:
					switch v.number {
					case 1:
						sp.Model = "t5"
					case 2:
						sp.Model = "llama"
					default:
						return fmt.Errorf("model type %d is not supported; supported are Unigram (1) and BPE (2)", v.number)
					}
				case 40:
					sp.UNK = int32(v.number)
				case 41:
					sp.BOS = int32(v.number)
				case 42:
					sp.EOS = int32(v.number)
				}
				return nil
			})
		case 3:
			return fields(v.bytes, func(n int, v field) error {
				switch n {
				case 2:
					sp.PrecompiledMap = append([]byte(nil), v.bytes...)
				case 3:
					sp.AddSpacePrefix = v.number != 0
				case 4:
					sp.TrimSpaces = v.number != 0
				}
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, id := range []*int32{&sp.BOS, &sp.EOS, &sp.UNK} {
		if *id < 0 {
			*id = None
		}
	}
	return sp, nil
}

// field is a protobuf field's value: bytes of a length-delimited one, else number.
type field struct {
	number uint64
	bytes  []byte
}

// fields walks the fields of a protobuf message.
func fields(b []byte, each func(n int, v field) error) error {
	cut := errors.New("the file is cut short or is no SentencePiece model")
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29 {
			return cut
		}
		b = b[n:]
		var v field
		switch tag & 7 {
		case 0:
			v.number, n = binary.Uvarint(b)
			if n <= 0 {
				return cut
			}
		case 1:
			if n = 8; len(b) < n {
				return cut
			}
			v.number = binary.LittleEndian.Uint64(b)
		case 2:
			size, m := binary.Uvarint(b)
			if m <= 0 || size > uint64(len(b)-m) {
				return cut
			}
			n = m + int(size)
			v.bytes = b[m:n]
		case 5:
			if n = 4; len(b) < n {
				return cut
			}
			v.number = uint64(binary.LittleEndian.Uint32(b))
		default:
			return cut
		}
		b = b[n:]
		if err := each(int(tag>>3), v); err != nil {
			return err
		}
	}
	return nil
}
