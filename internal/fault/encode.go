package fault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// encode writes v as the services do, with Python's json.dumps: a blank behind each colon and comma, only ASCII.
func encode(v any) []byte {
	var compact bytes.Buffer
	encoder := json.NewEncoder(&compact)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic("fault: " + err.Error()) // only this package's structs of strings and numbers come here
	}
	var out bytes.Buffer
	inString, escaped := false, false
	for rest := bytes.TrimSpace(compact.Bytes()); len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		rest = rest[size:]
		switch {
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		case r > 0x7f:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
		if !inString && (r == ':' || r == ',') {
			out.WriteByte(' ')
		}
		if r == '"' && !escaped {
			inString = !inString
		}
		escaped = inString && r == '\\' && !escaped
	}
	return out.Bytes()
}
