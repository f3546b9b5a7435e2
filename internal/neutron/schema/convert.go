package schema

import "strings"

// ToBool reads true, 1, t, on, y, yes and their opposites in whatever case.
func ToBool(v any) (any, error) {
	b, ok := boolean(v)
	if !ok {
		return nil, InvalidInput("'%s' cannot be converted to boolean", Text(v))
	}
	return b, nil
}

// ToInt reads integers, also in strings; fractions are cut off.
func ToInt(v any) (any, error) {
	i, ok := integer(v)
	if !ok {
		return nil, InvalidInput("'%s' is not an integer", Text(v))
	}
	return i, nil
}

// IfNotNil lets nil pass, and converts all else.
func IfNotNil(convert Converter) Converter {
	return func(v any) (any, error) {
		if v == nil {
			return nil, nil
		}
		return convert(v)
	}
}

// NilTo puts a value in the place of nil.
func NilTo(instead func() any) Converter {
	return func(v any) (any, error) {
		if v == nil {
			return instead(), nil
		}
		return v, nil
	}
}

// NilToList puts an empty list in the place of nil.
func NilToList(v any) (any, error) { return NilTo(func() any { return []any{} })(v) }

// NilToDict puts an empty map in the place of nil.
func NilToDict(v any) (any, error) { return NilTo(func() any { return map[string]any{} })(v) }

// NilToString puts an empty string in the place of nil.
func NilToString(v any) (any, error) { return NilTo(func() any { return "" })(v) }

// ToLower makes a string lower case.
func ToLower(v any) (any, error) {
	s, ok := v.(string)
	if !ok {
		return nil, InvalidInput("Input value %s must be string type", Text(v))
	}
	return strings.ToLower(s), nil
}

// ToIP brings IPv6 addresses into canonical form, and leaves all else for a validator.
func ToIP(v any) (any, error) {
	s, _ := v.(string)
	if addr, err := parseAddr(s); err == nil && addr.Is6() {
		return addr.String(), nil
	}
	return v, nil
}

// ToCIDR brings networks into canonical form; bits behind the prefix stay.
func ToCIDR(v any) (any, error) {
	s, _ := v.(string)
	network, err := parseNetwork(s)
	if err != nil {
		return nil, InvalidInput("%s is not in a CIDR format", Text(v))
	}
	return network.String(), nil
}

// ToMAC brings MAC addresses into the form fa:16:3e:00:00:01, and leaves all else for a validator.
func ToMAC(v any) (any, error) {
	s, _ := v.(string)
	if mac, ok := parseMAC(s); ok {
		return mac, nil
	}
	return v, nil
}
