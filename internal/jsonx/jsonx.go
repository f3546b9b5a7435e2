// Package jsonx works on JSON as text: it looks into documents, and edits them, without decoding what it only forwards.
//
// An edit is spliced into the document. Everything else survives byte for byte: unknown members, their order, the
// spelling of numbers, white space. Whatever this package returns is well-formed, and so is whatever it took it from: a
// malformed document is always an error, even when the flaw lies behind the part that was asked for.
//
// It is as lenient as Python's json module, with which the services read and write: of members with the same name the
// last counts, and a lone surrogate such as "\ud800" passes. Bytes that are not UTF-8 pass as well; the pod they are
// forwarded to judges them. Unlike Python it refuses NaN and Infinity. Nesting is bounded by 10000 levels.
//
// It imports nothing of ours, and it is the only package that imports jsontext, which is still experimental.
package jsonx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrTooLarge says that a part of a streamed document exceeds the bound that the caller set.
var ErrTooLarge = errors.New("JSON value too large")

// SyntaxError says that a document is malformed, cut short, or not of the shape that was asked for.
type SyntaxError struct {
	Offset int64 // bytes before the place where it was noticed
	Err    error
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %v", e.Offset, e.Err)
}

func (e *SyntaxError) Unwrap() error { return e.Err }

// misshapen makes the SyntaxError of a document that is well-formed but not what it should be.
func misshapen(offset int64, format string, args ...any) error {
	return &SyntaxError{Offset: offset, Err: fmt.Errorf(format, args...)}
}

// syntaxError hides the error types of jsontext. offset is where reading had come to. Failures of the underlying
// reader keep their identity.
func syntaxError(offset int64, err error) error {
	if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return &SyntaxError{Offset: s.ByteOffset, Err: s.Err}
	}
	if errors.Is(err, io.EOF) { // jsontext says so between documents only, where ours had to begin
		return &SyntaxError{Offset: offset, Err: io.ErrUnexpectedEOF}
	}
	return fmt.Errorf("read JSON: %w", err)
}

// scanner reads one document that is held in memory.
type scanner struct {
	src []byte
	buf bytes.Buffer
	dec jsontext.Decoder
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

func scan(src []byte) *scanner {
	s := scanners.Get().(*scanner)
	s.src = src
	s.buf = *bytes.NewBuffer(src) // of a bytes.Buffer jsontext reads the bytes in place
	s.dec.Reset(&s.buf, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return s
}

// release must be called once, after the last use of s. The slices that s gave out stay valid: they are parts of src.
func (s *scanner) release() {
	s.src, s.buf = nil, bytes.Buffer{}
	scanners.Put(s)
}

func (s *scanner) offset() int { return int(s.dec.InputOffset()) }

// value reads the next value whole, or in the place of a member's name that name, and says where it lies in src.
func (s *scanner) value() (raw []byte, start, end int, err error) {
	raw, err = s.dec.ReadValue()
	if err != nil {
		return nil, 0, 0, syntaxError(s.dec.InputOffset(), err)
	}
	end = s.offset()
	return raw, end - len(raw), end, nil
}

// token reads the opening or closing delimiter that is known to be next.
func (s *scanner) token() error {
	if _, err := s.dec.ReadToken(); err != nil {
		return syntaxError(s.dec.InputOffset(), err)
	}
	return nil
}

// finish checks that nothing but white space follows the document.
func (s *scanner) finish() error {
	switch _, err := s.dec.ReadToken(); {
	case err == nil:
		return misshapen(s.dec.InputOffset(), "data after the document")
	case errors.Is(err, io.EOF):
		return nil
	default:
		return syntaxError(s.dec.InputOffset(), err)
	}
}

// Valid reports whether src is one well-formed JSON value.
func Valid(src []byte) bool {
	return jsontext.Value(src).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// Quote appends s to dst as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func Quote(dst []byte, s string) []byte {
	if isASCII(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	dst, _ = jsontext.AppendQuote(dst, s) // the only error is the one about UTF-8, after the replacement
	return dst
}

// isASCII tells whether s is of printable ASCII that stands for itself, as nearly all that is quoted.
func isASCII(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// text returns the string that a JSON string stands for, with U+FFFD for what is not UTF-8.
func text(quoted []byte) string {
	if content, ok := plain(quoted); ok {
		return string(content)
	}
	unquoted, _ := jsontext.AppendUnquote(nil, quoted) // it is well-formed; otherwise as in Quote
	return string(unquoted)
}

// is reports whether a quoted name spells name.
func is(quoted []byte, name string) bool {
	if content, ok := literal(quoted); ok {
		return string(content) == name
	}
	return text(quoted) == name
}

// plain returns what is between the quotes, and whether it stands for itself.
func plain(quoted []byte) ([]byte, bool) {
	content := quoted[1 : len(quoted)-1]
	return content, bytes.IndexByte(content, '\\') < 0 && utf8.Valid(content)
}
