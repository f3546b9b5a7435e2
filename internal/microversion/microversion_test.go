package microversion

import "testing"

func TestParse(t *testing.T) {
	for s, want := range map[string]string{
		"2.1": "2.1", "2.93": "2.93", "3.0": "3.0",
		"": "", "2": "", "2.": "", ".1": "", "2.01": "", "02.1": "", "2.x": "", "0.1": "", "2.1.1": "", "2.99999": "2.99999", "2.9999999999999999999": "", "-2.1": "", "latest": "",
	} {
		v, err := Parse(s)
		if (err == nil) != (want != "") || v.String() != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", s, v, err, want)
		}
	}
}

func TestWithin_ZeroBoundIsOpen(t *testing.T) {
	v := MustParse("2.36")
	for _, c := range []struct {
		min, max Version
		want     bool
	}{
		{Version{}, Version{}, true},
		{MustParse("2.36"), Version{}, true},
		{MustParse("2.37"), Version{}, false},
		{Version{}, MustParse("2.35"), false},
		{MustParse("2.9"), MustParse("2.100"), true},
	} {
		if got := v.Within(c.min, c.max); got != c.want {
			t.Errorf("%s within %s-%s: %v", v, c.min, c.max, got)
		}
	}
}
