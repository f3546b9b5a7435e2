package adminapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
)

// errNoBody is what decode returns for an empty body.
var errNoBody = fault.BadRequest("The request has no body.")

// decode reads the body of r, one JSON object, into a pointer to a struct. A member that the struct does not have is
// refused: a misspelled one would else be ignored in silence.
func decode(r *http.Request, into any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fault.BadRequest("The body of the request could not be read.")
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return errNoBody
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return malformed(err)
	}
	if decoder.More() {
		return fault.BadRequest("The body of the request is malformed: something follows the object.")
	}
	return nil
}

func malformed(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return fault.BadRequest("Member %s of the body may not be a JSON %s.", wrong.Field, wrong.Value)
	}
	if member, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok { // the error has no type
		return fault.BadRequest("Member %s of the body is unknown.", member)
	}
	return fault.BadRequest("The body of the request is malformed: it is not the JSON object that is expected.")
}

// set replaces what a member of the body names, if it is there and not null.
func set[T any](field *T, member *T) {
	if member != nil {
		*field = *member
	}
}
