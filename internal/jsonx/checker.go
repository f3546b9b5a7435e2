package jsonx

import (
	"encoding/binary"
	"math/bits"
)

// maxNesting is jsontext's.
const maxNesting = 10000

// checker goes through a document that may be malformed, byte by byte. Nearly every answer passes here, and jsontext, which says
// where and why a document is malformed, takes several times as long to find that it is not. What is well-formed must be the same
// for both, which tests compare.
type checker struct {
	src []byte
	at  int // where reading has come to
}

// peek returns the byte at c.at; 0, which is none of a document, at the end.
func (c *checker) peek() byte {
	if c.at < len(c.src) {
		return c.src[c.at]
	}
	return 0
}

func (c *checker) space() {
	for c.at < len(c.src) {
		switch c.src[c.at] {
		case ' ', '\n', '\t', '\r':
			c.at++
		default:
			return
		}
	}
}

// name returns the name of the member at c.at with its quotes, whether there are escapes in it, and goes to its value.
func (c *checker) name() (quoted []byte, escaped, ok bool) {
	start := c.at
	if c.peek() != '"' {
		return nil, false, false
	}
	if escaped, ok = c.quoted(); !ok {
		return nil, false, false
	}
	quoted = c.src[start:c.at]
	c.space()
	if c.peek() != ':' {
		return nil, false, false
	}
	c.at++
	c.space()
	return quoted, escaped, true
}

// quoted goes behind the string that begins at c.at.
func (c *checker) quoted() (escaped, ok bool) {
	c.at++
	for {
		c.at += plainRun(c.src[c.at:])
		switch c.peek() {
		case '"':
			c.at++
			return escaped, true
		case '\\':
			if escaped = true; !c.escape() {
				return true, false
			}
		default: // a control character, or the end
			return escaped, false
		}
	}
}

// plainRun returns how many bytes at the beginning of s are neither a quote, nor a backslash, nor a control character: eight at once,
// by the usual arithmetic, in which the lowest bit that is set is right.
func plainRun(s []byte) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(s)-n >= 8; n += 8 {
		word := binary.LittleEndian.Uint64(s[n:])
		quote, backslash := word^(ones*'"'), word^(ones*'\\')
		special := ((word-ones*' ')&^word | (quote-ones)&^quote | (backslash-ones)&^backslash) & high
		if special != 0 {
			return n + bits.TrailingZeros64(special)/8
		}
	}
	for n < len(s) && s[n] >= ' ' && s[n] != '"' && s[n] != '\\' {
		n++
	}
	return n
}

// escape goes behind the escape sequence at c.at.
func (c *checker) escape() bool {
	c.at++
	switch c.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		c.at++
		return true
	case 'u':
		for range 4 {
			c.at++
			if b := c.peek(); (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'f') {
				return false
			}
		}
		c.at++
		return true
	}
	return false
}

// scalar goes behind a number, true, false or null.
func (c *checker) scalar() bool {
	switch c.peek() {
	case 't':
		return c.word("true")
	case 'f':
		return c.word("false")
	case 'n':
		return c.word("null")
	}
	return c.number()
}

func (c *checker) word(w string) bool {
	if len(c.src)-c.at < len(w) || string(c.src[c.at:c.at+len(w)]) != w {
		return false
	}
	c.at += len(w)
	return true
}

func (c *checker) number() bool {
	if c.peek() == '-' {
		c.at++
	}
	if c.peek() == '0' {
		c.at++
	} else if !c.digits() {
		return false
	}
	if c.peek() == '.' {
		if c.at++; !c.digits() {
			return false
		}
	}
	if c.peek()|0x20 == 'e' {
		if c.at++; c.peek() == '+' || c.peek() == '-' {
			c.at++
		}
		return c.digits()
	}
	return true
}

// digits goes behind the digits at c.at; false if there are none.
func (c *checker) digits() bool {
	start := c.at
	for '0' <= c.peek() && c.peek() <= '9' {
		c.at++
	}
	return c.at > start
}
