// Package schema says which values attributes of the networking API may have, and what is their canonical form: neutron_lib's
// validators and converters (neutron_lib/api/validators, neutron_lib/api/converters.py, Zed), to the letter of their texts.
//
// Values are those of JSON: nil, bool, string, int64, float64, []any, map[string]any. It knows nothing of resources, requests
// or the store.
package schema

import (
	"fmt"

	"github.com/tricircle/tricircle/internal/fault"
)

// A Validator refuses a value, with a Reason, or with a *fault.Error where Neutron has one of its own.
type Validator = func(v any) error

// A Converter makes a value canonical, or refuses it with a *fault.Error.
type Converter = func(v any) (any, error)

// Reason is why a value is refused, to be put into "Invalid input for name. Reason: ...".
type Reason string

func (r Reason) Error() string { return string(r) }

func reasonf(format string, args ...any) error { return Reason(fmt.Sprintf(format, args...)) }

// InvalidInput is Neutron's error of that name: 400 "Invalid input for operation: ...".
func InvalidInput(format string, args ...any) *fault.Error {
	e := fault.BadRequest("Invalid input for operation: %s.", fmt.Sprintf(format, args...))
	e.Type = "InvalidInput"
	return e
}

// badRequest is webob's error of that name.
func badRequest(format string, args ...any) *fault.Error {
	e := fault.BadRequest(format, args...)
	e.Type = "HTTPBadRequest"
	return e
}

// OrNil lets nil pass, and asks the validator about all else.
func OrNil(validate Validator) Validator {
	return func(v any) error {
		if v == nil {
			return nil
		}
		return validate(v)
	}
}

// All takes what all of the validators take, and otherwise returns the error of the first that does not.
func All(validators ...Validator) Validator {
	return func(v any) error {
		for _, validate := range validators {
			if err := validate(v); err != nil {
				return err
			}
		}
		return nil
	}
}
