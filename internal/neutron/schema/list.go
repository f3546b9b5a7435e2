package schema

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// ListOf takes lists without duplicates of what each validator takes.
func ListOf(each Validator) Validator {
	return func(v any) error {
		list, ok := v.([]any)
		if !ok {
			return reasonf("'%s' is not a list", Text(v))
		}
		if duplicates := duplicatesOf(list); len(duplicates) > 0 {
			return reasonf("Duplicate items in the list: '%s'", strings.Join(duplicates, ", "))
		}
		for _, item := range list {
			if err := each(item); err != nil {
				return err
			}
		}
		return nil
	}
}

// duplicatesOf are the items that come more than once, each once.
func duplicatesOf(list []any) []string {
	seen := make(map[string]int, len(list))
	var out []string
	for _, item := range list {
		key := repr(item)
		if seen[key]++; seen[key] == 2 {
			out = append(out, Text(item))
		}
	}
	return out
}

// UUIDList takes lists of UUIDs without duplicates.
func UUIDList(v any) error { return ListOf(UUID)(v) }

// UniqueStrings takes lists without duplicates of strings of at most so many characters; 0 means no bound.
func UniqueStrings(maxLen int) Validator { return ListOf(String(maxLen)) }

// ZoneHints takes lists of names of availability zones that Neutron's column would hold
// (neutron_lib/api/validators/availability_zone.py).
func ZoneHints(v any) error {
	if err := UniqueStrings(0)(v); err != nil {
		return err
	}
	text, err := json.Marshal(v)
	const blanks = 1 // Python writes one behind each comma
	if list := v.([]any); err != nil || utf8.RuneCount(text)+blanks*max(0, len(list)-1) > 255 {
		return InvalidInput("Too many availability_zone_hints specified")
	}
	return nil
}

// Key is a member of a Dict.
type Key struct {
	Required bool
	Convert  Converter // nil: as it is
	Validate Validator // nil: anything
}

// Dict takes maps of such members, and of no others; without keys, of any. Members are converted in place.
func Dict(keys map[string]Key) Validator {
	var required []string
	for name, k := range keys {
		if k.Required {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	return func(v any) error {
		dict, ok := v.(map[string]any)
		if !ok {
			return reasonf("'%s' is not a dictionary", Text(v))
		}
		if len(keys) == 0 {
			return nil
		}
		if slices.ContainsFunc(required, func(name string) bool { _, ok := dict[name]; return !ok }) {
			return keysFailed(required, dict)
		}
		var unexpected []string
		for _, name := range sortedKeys(dict) {
			if _, ok := keys[name]; !ok {
				unexpected = append(unexpected, name)
			}
		}
		if unexpected != nil {
			return reasonf("Unexpected keys supplied: %s", strings.Join(unexpected, ", "))
		}
		return members(dict, keys)
	}
}

// members converts and validates what a map has of the keys.
func members(dict map[string]any, keys map[string]Key) error {
	for _, name := range sortedKeys(dict) {
		k := keys[name]
		if k.Convert != nil {
			v, err := k.Convert(dict[name])
			if err != nil {
				return err
			}
			dict[name] = v
		}
		if k.Validate != nil {
			if err := k.Validate(dict[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

func sortedKeys(dict map[string]any) []string {
	names := make([]string, 0, len(dict))
	for name := range dict {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func keysFailed(expected []string, dict map[string]any) error {
	return reasonf("Validation of dictionary's keys failed. Expected keys: %s Provided keys: %s", set(expected), set(sortedKeys(dict)))
}

// exactly refuses what is not a map of just these keys, which are in order of the alphabet but for how the text lists them.
func exactly(v any, listed ...string) (map[string]any, error) {
	dict, ok := v.(map[string]any)
	if !ok {
		return nil, reasonf("Invalid input. '%s' must be a dictionary with keys: %s", Text(v), List(listed))
	}
	expected := slices.Sorted(slices.Values(listed))
	if !slices.Equal(expected, sortedKeys(dict)) {
		return nil, keysFailed(expected, dict)
	}
	return dict, nil
}

// AnyOf takes lists without duplicates whose items each suit one of the validators.
func AnyOf(alternatives ...Validator) Validator {
	return ListOf(func(v any) error {
		for _, validate := range alternatives {
			if validate(v) == nil {
				return nil
			}
		}
		return InvalidInput("No valid key specs matched for: %s", Text(v))
	})
}
