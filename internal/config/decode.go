package config

import (
	"encoding"
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// URL is an http or https URL without query, or empty.
type URL string

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *URL) UnmarshalText(text []byte) error {
	s := strings.TrimRight(string(text), "/")
	if s == "" {
		*u = ""
		return nil
	}
	p, err := url.Parse(s)
	if err != nil || p.Scheme != "http" && p.Scheme != "https" || p.Host == "" || p.RawQuery != "" || p.Fragment != "" {
		return errors.New("is not a URL like http://host:port/path")
	}
	*u = URL(s)
	return nil
}

// Address is host:port; the host may be empty for all interfaces.
type Address string

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Address) UnmarshalText(text []byte) error {
	_, port, err := net.SplitHostPort(string(text))
	if err != nil {
		return errors.New("is not an address like host:port")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("has no port between 0 and 65535")
	}
	*a = Address(text)
	return nil
}

// decode sets the field to what text says. Its errors complete the sentence "<name> <text> ...".
func (f field) decode(text string) error {
	if list, ok := f.value.Addr().Interface().(*[]string); ok {
		return f.decodeList(list, text)
	}
	if err := f.choose(text); err != nil {
		return err
	}
	switch v := f.value.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		return v.UnmarshalText([]byte(text))
	case *time.Duration:
		d, err := parseDuration(text)
		if err != nil {
			return err
		}
		if least, err := parseDuration(f.min); err == nil && d < least {
			return fmt.Errorf("is less than %s", f.min)
		}
		*v = d
	case *bool:
		b, ok := booleans[strings.ToLower(text)]
		if !ok {
			return errors.New("is not true or false")
		}
		*v = b
	default:
		return f.decodeKind(text)
	}
	return nil
}

// booleans are those of oslo.config (oslo_config/types.py, Boolean).
var booleans = map[string]bool{
	"true": true, "1": true, "on": true, "yes": true, "false": false, "0": false, "off": false, "no": false,
}

func (f field) decodeList(v *[]string, text string) error {
	*v = nil
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		if err := f.choose(item); err != nil {
			return err
		}
		*v = append(*v, item)
	}
	if len(*v) == 0 && f.def != "" {
		return errors.New("names nothing")
	}
	return nil
}

func (f field) decodeKind(text string) error {
	switch f.value.Kind() {
	case reflect.String:
		f.value.SetString(text)
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(text, 10, f.value.Type().Bits())
		if err != nil {
			return errors.New("is not a whole number, or too large")
		}
		if least, err := strconv.ParseInt(f.min, 10, 64); err == nil && i < least {
			return fmt.Errorf("is less than %s", f.min)
		}
		f.value.SetInt(i)
	default:
		return fmt.Errorf("cannot be set: its type %s is unknown to the loader", f.value.Type())
	}
	return nil
}

func (f field) choose(word string) error {
	if f.choices == nil || slices.Contains(f.choices, word) {
		return nil
	}
	return fmt.Errorf("is none of %s", strings.Join(f.choices, ", ")+didYouMean(word, f.choices, strconv.Quote))
}

// parseDuration takes Go's form (90s, 1m30s), and as OpenStack's files have it a bare number of seconds.
func parseDuration(text string) (time.Duration, error) {
	if _, err := strconv.ParseUint(text, 10, 32); err == nil {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errors.New("is not a duration like 90s, 1m30s, or a number of seconds")
	}
	return d, nil
}
