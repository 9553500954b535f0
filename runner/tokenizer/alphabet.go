package tokenizer

// GPT-2 writes each byte as one printable character, so that vocabularies can
// be text: bytes that print stand for themselves, the others take U+0100 and on
// in order (Radford et al. 2019, bytes_to_unicode).

var runeToByte = func() map[rune]byte {
	from := make(map[rune]byte, 256)
	next := rune(0x100)
	for b := range 256 {
		r := rune(b)
		if !(0x21 <= b && b <= 0x7E || 0xA1 <= b && b <= 0xAC || 0xAE <= b && b <= 0xFF) {
			r = next
			next++
		}
		from[r] = byte(b)
	}
	return from
}()

// fromAlphabet turns a token written in the byte alphabet into its bytes; ok is
// false where it holds a character outside the alphabet.
func fromAlphabet(s string) (string, bool) {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		b, ok := runeToByte[r]
		if !ok {
			return s, false
		}
		out = append(out, b)
	}
	return string(out), true
}

// byteToken reads <0x41>, the way SentencePiece writes a byte.
func byteToken(s string) (byte, bool) {
	if len(s) != 6 || s[:3] != "<0x" || s[5] != '>' {
		return 0, false
	}
	hi, ok1 := hexDigit(s[3])
	lo, ok2 := hexDigit(s[4])
	return hi<<4 | lo, ok1 && ok2
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}
