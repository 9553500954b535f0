// Package tokenizer turns text into a model's token ids and back, with the
// bytes every token covers.
//
// Three models cover the families in use: byte-pair encoding over an ordered
// list of merges ("gpt2"; Sennrich et al., arXiv 1508.07909), SentencePiece's
// score-ordered merges ("llama"; arXiv 1808.06226) and the Unigram model
// ("t5"; arXiv 1804.10959). A vocabulary comes in as a [Spec], whatever file it
// stood in: [FromMetadata] fills one from GGUF keys, [FromSentencePiece] from a
// tokenizer.model; [FromJSON] reads the pipeline that a tokenizer.json states.
//
// Encode takes plain text: control tokens written in it stay text, so nothing
// a user pastes can act as a chat turn. EncodeSpecial recognises them.
//
// Text that is not valid UTF-8 is never refused: an invalid byte counts as one
// symbol character when text is cut into words, and keeps its value in the
// tokens wherever the vocabulary has bytes, so decoding gives it back.
//
// A Tokenizer is immutable and safe for concurrent use.
package tokenizer
