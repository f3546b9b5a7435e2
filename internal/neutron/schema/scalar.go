package schema

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// String takes strings of at most so many characters; 0 means no bound.
func String(maxLen int) Validator {
	return func(v any) error {
		s, ok := v.(string)
		if !ok {
			return reasonf("'%s' is not a valid string", Text(v))
		}
		if maxLen > 0 && utf8.RuneCountInString(s) > maxLen {
			return reasonf("'%s' exceeds maximum length of %d", s, maxLen)
		}
		return nil
	}
}

// NotEmptyString is String without those that are only blanks.
func NotEmptyString(maxLen int) Validator {
	isString := String(maxLen)
	return func(v any) error {
		if err := isString(v); err != nil {
			return err
		}
		if strings.TrimSpace(v.(string)) == "" {
			return reasonf("'%s' Blank strings are not permitted", v)
		}
		return nil
	}
}

// Values takes one of the values. Neutron does not tell which they are.
func Values(values ...any) Validator {
	return func(v any) error {
		for _, each := range values {
			if equal(v, each) {
				return nil
			}
		}
		return reasonf("%s is not in valid_values", Text(v))
	}
}

// Boolean takes what ToBool can convert.
func Boolean(v any) error {
	if _, ok := boolean(v); !ok {
		return reasonf("'%s' is not a valid boolean value", Text(v))
	}
	return nil
}

// boolean reads a value as oslo_utils does (strutils.bool_from_string with strict=True).
func boolean(v any) (value, ok bool) {
	if b, is := v.(bool); is {
		return b, true
	}
	switch strings.ToLower(strings.TrimSpace(Text(v))) {
	case "1", "t", "true", "on", "y", "yes":
		return true, true
	case "0", "f", "false", "off", "n", "no":
		return false, true
	}
	return false, false
}

// Range takes integers, also in strings, from least to most.
func Range(least, most int64) Validator {
	return func(v any) error {
		i, ok := integer(v)
		switch {
		case !ok:
			return reasonf("'%s' is not an integer", Text(v))
		case i < least:
			return reasonf("'%d' is too small - must be at least '%d'", i, least)
		case i > most:
			return reasonf("'%d' is too large - must be no larger than '%d'", i, most)
		}
		return nil
	}
}

// NonNegative takes integers, also in strings, from 0.
func NonNegative(v any) error {
	i, ok := integer(v)
	switch {
	case !ok:
		return reasonf("'%s' is not an integer", Text(v))
	case i < 0:
		return reasonf("'%d' should be non-negative", i)
	}
	return nil
}

// Integer takes integers, also in strings, and numbers without a fraction.
func Integer(v any) error {
	if _, is := v.(bool); is {
		return reasonf("'%s' is not an integer:boolean", Text(v))
	}
	if f, is := v.(float64); is && f != float64(int64(f)) {
		return reasonf("'%s' is not an integer", Text(v))
	}
	if _, ok := integer(v); !ok {
		return reasonf("'%s' is not an integer", Text(v))
	}
	return nil
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{32}$`)

// UUID takes what oslo_utils finds to be like a UUID, whatever its dashes, braces and case (uuidutils.is_uuid_like).
func UUID(v any) error {
	s, ok := v.(string)
	if ok {
		plain := strings.NewReplacer("urn:", "", "uuid:", "").Replace(s)
		plain = strings.ToLower(strings.ReplaceAll(strings.Trim(plain, "{}"), "-", ""))
		ok = uuidForm.MatchString(plain)
	}
	if !ok {
		return reasonf("'%s' is not a valid UUID", Text(v))
	}
	return nil
}
