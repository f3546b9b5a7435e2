package jsonx

import (
	"bytes"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Rows reads the answer to a list call, such as {"servers": [...], "servers_links": [...], "count": 3}, row by row from
// a stream. It holds about one row at a time, whatever the length of the list.
type Rows struct {
	collection string
	in         *bounded
	dec        *jsontext.Decoder
	rest       map[string][]byte
	restSize   int64
	begun      bool
	err        error // what every further call of Next returns
}

// NewRows returns the reader of the array that is the member named collection. No row may be larger than maxRow bytes,
// with the white space before it, and neither may all other members together.
func NewRows(r io.Reader, collection string, maxRow int64) *Rows {
	in := &bounded{r: r, max: maxRow}
	return &Rows{
		collection: collection,
		in:         in,
		dec:        jsontext.NewDecoder(in, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)),
		rest:       map[string][]byte{},
	}
}

// Next returns the next row, which is valid, and must not be changed, until the next call of a method. After the last
// row it returns io.EOF, and that only if the document was complete and well-formed to its very end. Otherwise the
// error is a *SyntaxError (malformed, cut short, no such collection, not JSON at all), wraps ErrTooLarge, or wraps the
// error of the stream.
func (rows *Rows) Next() ([]byte, error) {
	if rows.err != nil {
		return nil, rows.err
	}
	row, err := rows.next()
	rows.err = err
	return row, err
}

// Rest returns the other members of the document, raw, by name. It first skips the rows that were not read.
func (rows *Rows) Rest() (map[string][]byte, error) {
	for {
		switch _, err := rows.Next(); err {
		case nil:
		case io.EOF:
			return rows.rest, nil
		default:
			return nil, err
		}
	}
}

func (rows *Rows) next() ([]byte, error) {
	if !rows.begun {
		if err := rows.begin(); err != nil {
			return nil, err
		}
		rows.begun = true
	}
	rows.in.from = rows.dec.InputOffset()
	if rows.dec.PeekKind() == ']' {
		return nil, rows.finish()
	}
	return rows.value()
}

// begin reads up to and into the collection.
func (rows *Rows) begin() error {
	if kind := rows.dec.PeekKind(); kind != '{' && kind != jsontext.KindInvalid {
		return misshapen(0, "want an object with %q, got %s", rows.collection, kind)
	}
	if err := rows.token(); err != nil {
		return err
	}
	found, err := rows.members()
	if err != nil {
		return err
	}
	if !found {
		return misshapen(rows.dec.InputOffset(), "no member %q", rows.collection)
	}
	if kind := rows.dec.PeekKind(); kind != '[' && kind != jsontext.KindInvalid {
		return misshapen(rows.dec.InputOffset(), "want an array as %q, got %s", rows.collection, kind)
	}
	return rows.token()
}

// finish reads from the end of the array to the end of the stream, and returns io.EOF when that is all well.
func (rows *Rows) finish() error {
	if err := rows.token(); err != nil { // ]
		return err
	}
	found, err := rows.members()
	if err != nil {
		return err
	}
	if found { // that the last one counts cannot be had from a stream
		return misshapen(rows.dec.InputOffset(), "second member %q", rows.collection)
	}
	if err := rows.token(); err != nil { // }
		return err
	}
	switch _, err := rows.dec.ReadToken(); err {
	case nil:
		return misshapen(rows.dec.InputOffset(), "data after the document")
	case io.EOF:
		return io.EOF
	default:
		return syntaxError(rows.dec.InputOffset(), err)
	}
}

// members keeps the members up to the end of the object, or up to the collection, of which it has read only the name.
func (rows *Rows) members() (found bool, err error) {
	for {
		rows.in.from = rows.dec.InputOffset() - rows.restSize
		if rows.dec.PeekKind() == '}' {
			return false, nil
		}
		raw, err := rows.value()
		if err != nil {
			return false, err
		}
		if is(raw, rows.collection) {
			return true, nil
		}
		name := text(raw)
		value, err := rows.value()
		if err != nil {
			return false, err
		}
		rows.rest[name] = bytes.Clone(value)
		rows.restSize = rows.dec.InputOffset() - rows.in.from
	}
}

func (rows *Rows) value() ([]byte, error) {
	raw, err := rows.dec.ReadValue()
	if err != nil {
		return nil, syntaxError(rows.dec.InputOffset(), err)
	}
	if rows.dec.InputOffset()-rows.in.from > rows.in.max {
		return nil, syntaxError(0, ErrTooLarge)
	}
	return raw, nil
}

func (rows *Rows) token() error {
	if _, err := rows.dec.ReadToken(); err != nil {
		return syntaxError(rows.dec.InputOffset(), err)
	}
	return nil
}

// bounded refuses to read on when the value that began at offset from is already longer than max. A decoder reads only
// what it needs to complete a value, so the bound is on memory too.
type bounded struct {
	r    io.Reader
	read int64 // bytes read so far
	from int64
	max  int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.read-b.from > b.max {
		return 0, ErrTooLarge
	}
	n, err := b.r.Read(p)
	b.read += int64(n)
	return n, err
}
