package needle

// Text is the whole text.
func (h *Haystack) Text() string { return h.text }
