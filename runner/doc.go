// Package runner drives a built-in transformer and captures attention.
//
// A Model holds what is immutable (weights, tokenizer, hyper-parameters); a
// Session holds one sequence's KV cache. Extend runs tokens and delivers the
// attention rows of watched positions layer by layer; Truncate forgets; Fork
// shares a prefix.
package runner
