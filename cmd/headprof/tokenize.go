package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"headprof/export/textfile"
	"headprof/runner"
	"headprof/runner/tokenizer"
)

func newTokenize() *cobra.Command {
	var model, pre string
	var lines, special bool
	c := &cobra.Command{
		Use:   "tokenize --model FILE [--jsonl] [FILE|-]",
		Short: "Print a text's token ids as JSON",
		Long: `Print the token ids of a text file (or of standard input) as one JSON list.
With --jsonl each input line is a JSON string and each output line its ids.
The text is plain text: no BOS is added and special tokens in it stay text.`,
		Args: atMost("a text file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if model == "" {
				return usagef("missing --model FILE")
			}
			s, err := runner.OpenSource(model)
			if err != nil {
				return err
			}
			defer s.Close()
			t, err := runner.LoadTokenizer(s, pre)
			if err != nil {
				return err
			}
			in, name := cmd.InOrStdin(), "standard input"
			if len(args) == 1 && args[0] != "-" {
				f, err := textfile.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				in, name = f, args[0]
			}
			if in, _, err = textfile.NewReader(name, in); err != nil {
				return err
			}
			encode := t.Encode
			if special {
				encode = t.EncodeSpecial
			}
			out := bufio.NewWriter(cmd.OutOrStdout())
			if lines {
				err = tokenizeLines(out, in, name, encode)
			} else {
				err = tokenizeAll(out, in, name, encode)
			}
			if err != nil {
				return err
			}
			if err := t.Problem(); err != nil {
				return fmt.Errorf("%s: %w", model, err)
			}
			return out.Flush()
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVarP(&model, "model", "m", "", "model `file` (GGUF) or Hugging Face folder")
	f.StringVar(&pre, "pre", "", "pre-tokenizer in place of the one the file names")
	f.BoolVar(&lines, "jsonl", false, "each input line is a JSON string")
	f.BoolVar(&special, "special", false, "recognise special tokens such as <|im_end|> in the text")
	return c
}

func printIDs(w io.Writer, tokens []tokenizer.Token) error {
	ids := make([]int32, len(tokens))
	for i, t := range tokens {
		ids[i] = t.ID
	}
	return json.NewEncoder(w).Encode(ids)
}

func tokenizeAll(w io.Writer, r io.Reader, name string, encode func(string) []tokenizer.Token) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !utf8.Valid(text) {
		return fmt.Errorf("%s is not valid UTF-8; convert it first, for instance with iconv", name)
	}
	return printIDs(w, encode(string(text)))
}

func tokenizeLines(w io.Writer, r io.Reader, name string, encode func(string) []tokenizer.Token) error {
	d := json.NewDecoder(r)
	for n := 1; ; n++ {
		var text string
		switch err := d.Decode(&text); {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("%s, string %d: every line must be one JSON string: %w", name, n, err)
		}
		if err := printIDs(w, encode(text)); err != nil {
			return err
		}
	}
}
