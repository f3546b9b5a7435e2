// Package microversion holds the two-part version numbers of Nova's and Cinder's APIs, such as 2.90.
//
// It imports nothing of ours. How versions are negotiated with clients is the gateway's business.
package microversion

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Version is a microversion. The zero value stands for none: as a bound it is open.
type Version struct{ Major, Minor int }

// Parse reads "major.minor", in the form that Nova and Cinder accept: both numbers decimal, the first without leading
// zeros, the second at most that.
func Parse(s string) (Version, error) {
	major, minor, ok := strings.Cut(s, ".")
	v := Version{number(major), number(minor)}
	if !ok || v.Major <= 0 || v.Minor < 0 {
		return Version{}, fmt.Errorf("%q is not a microversion: want MajorNum.MinorNum", s)
	}
	return v, nil
}

// MustParse is Parse for constants in tables.
func MustParse(s string) Version {
	v, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return v
}

// number returns -1 for what is no plain decimal number, or none that fits an int.
func number(s string) int {
	if s == "" || len(s) > 18 || s[0] == '0' && len(s) > 1 || strings.Trim(s, "0123456789") != "" {
		return -1
	}
	n, _ := strconv.Atoi(s)
	return n
}

// String is the inverse of Parse; the zero version is "".
func (v Version) String() string {
	if v.IsZero() {
		return ""
	}
	return strconv.Itoa(v.Major) + "." + strconv.Itoa(v.Minor)
}

// IsZero reports whether v stands for no version.
func (v Version) IsZero() bool { return v == Version{} }

// Compare orders versions.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor))
}

// Less reports whether v is before w.
func (v Version) Less(w Version) bool { return v.Compare(w) < 0 }

// Within reports whether v is in the closed range; a zero bound is open.
func (v Version) Within(lowest, highest Version) bool {
	return (lowest.IsZero() || !v.Less(lowest)) && (highest.IsZero() || !highest.Less(v))
}

// Range is what a service supports, both ends included.
type Range struct{ Min, Max Version }

// String is "2.1-2.93", or "" when nothing is known.
func (r Range) String() string {
	if r.Max.IsZero() {
		return ""
	}
	return r.Min.String() + "-" + r.Max.String()
}
