package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tricircle/tricircle/internal/fault"
)

// observed is what a function of neutron_lib (Zed) said of a value, with sets in order, which Python leaves to chance.
type observed struct {
	Function string  `json:"f"`
	In       any     `json:"in"`
	Reason   *string `json:"reason"` // of a validator; nil is content
	Out      any     `json:"out"`    // of a converter
	Error    string  `json:"error"`  // raised
	Type     string  `json:"type"`
}

func observations(t *testing.T) []observed {
	t.Helper()
	data, err := os.ReadFile("testdata/neutron_lib.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var out []observed
	for line := range bytes.Lines(data) {
		var o observed
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.UseNumber()
		if err := decoder.Decode(&o); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		o.In, o.Out = plain(o.In), plain(o.Out)
		out = append(out, o)
	}
	return out
}

// plain turns numbers into what the engine makes of them.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

var validators = map[string]Validator{
	"validate_ip_address": IPAddress, "validate_subnet": Subnet, "validate_route_cidr": RouteCIDR, "validate_mac_address": MACAddress,
	"validate_uuid": UUID, "validate_uuid_list": UUIDList, "validate_ip_pools": IPPools, "validate_fixed_ips": FixedIPs,
	"validate_nameservers": Nameservers, "validate_hostroutes": HostRoutes, "validate_boolean": Boolean, "validate_integer": Integer,
	"validate_non_negative": NonNegative, "validate_not_empty_string": NotEmptyString(0),
	"validate_list_of_unique_strings": UniqueStrings(0), "validate_subnet_list": SubnetList,
	"validate_dns_name": DNSName("openstacklocal"), "dns_name_top_example": DNSName("top.example"), "dns_name_no_domain": DNSName(""),
	"validate_dns_domain": DNSDomain,
	"string3":             String(3), "values_ab": Values("a", "b"), "range_0_10": Range(0, 10),
	"dict_a_b": Dict(map[string]Key{"a": {Required: true, Validate: String(0)}, "b": {Validate: Integer}}),
}

func TestValidators_Values_AreJudgedAsNeutronDoes(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range observations(t) {
		validate, ok := validators[o.Function]
		if !ok {
			continue
		}
		seen[o.Function] = true
		got := ""
		if err := validate(o.In); err != nil {
			got = err.Error()
		}
		want := ""
		if o.Reason != nil {
			want = *o.Reason
		}
		if got != want {
			t.Errorf("%s(%v):\n got %s\nwant %s", o.Function, o.In, got, want)
		}
	}
	if len(seen) != len(validators) {
		t.Errorf("observations for %d of %d validators", len(seen), len(validators))
	}
}

var converters = map[string]Converter{
	"convert_to_boolean": ToBool, "convert_to_int": ToInt, "convert_ip_to_canonical_format": ToIP,
	"convert_cidr_to_canonical_format": ToCIDR, "convert_to_sanitized_mac_address": ToMAC,
	"convert_string_to_case_insensitive": ToLower,
}

func TestConverters_Values_BecomeWhatNeutronMakesOfThem(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range observations(t) {
		convert, ok := converters[o.Function]
		// What raises a TypeError is a 500 of Neutron, and a number is no MAC address, whatever netaddr thinks.
		if !ok || o.Type == "TypeError" || o.Function == "convert_to_sanitized_mac_address" && o.In == int64(5) {
			continue
		}
		seen[o.Function] = true
		got, err := convert(o.In)
		if o.Error != "" {
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || f.Message != o.Error || f.Type != o.Type || f.Status != 400 {
				t.Errorf("%s(%v): got %v; want %s %s", o.Function, o.In, err, o.Type, o.Error)
			}
			continue
		}
		if diff := cmp.Diff(o.Out, got); err != nil || diff != "" {
			t.Errorf("%s(%v): %v\n%s", o.Function, o.In, err, diff)
		}
	}
	if len(seen) != len(converters) {
		t.Errorf("observations for %d of %d converters", len(seen), len(converters))
	}
}

func TestConverters_OfNil_LeaveOrReplaceIt(t *testing.T) {
	for name, c := range map[string]struct {
		convert Converter
		want    any
	}{
		"list": {NilToList, []any{}}, "dict": {NilToDict, map[string]any{}}, "string": {NilToString, ""},
		"int": {IfNotNil(ToInt), nil}, "ip": {ToIP, nil}, "mac": {ToMAC, nil},
	} {
		if got, err := c.convert(nil); err != nil || !cmp.Equal(got, c.want) {
			t.Errorf("%s: got %#v, %v", name, got, err)
		}
	}
	if _, err := ToCIDR(nil); err == nil {
		t.Error("no CIDR is a CIDR")
	}
}

func TestAddressPairs_BadOnes_AreRefusedWithTheirOwnErrors(t *testing.T) {
	pair := func(kv ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i].(string)] = kv[i+1]
		}
		return m
	}
	ok := pair("ip_address", "10.0.0.1")
	for want, v := range map[string]any{
		"": []any{ok, pair("ip_address", "10.0.0.0/24", "mac_address", "fa:16:3e:00:00:01")},
		"HTTPBadRequest Allowed address pairs must be a list.":                                  ok,
		"AllowedAddressPairExhausted The number of allowed address pair exceeds the maximum 2.": []any{ok, ok, ok},
		"AllowedAddressPairsMissingIP AllowedAddressPair must contain ip_address":               []any{pair()},
		"HTTPBadRequest Unrecognized attribute(s) 'x'":                                          []any{pair("ip_address", "10.0.0.1", "x", "y")},
		"HTTPBadRequest 'x' is not a valid IP address":                                          []any{pair("ip_address", "x")},
		"HTTPBadRequest 'x/' is not a valid IP subnet":                                          []any{pair("ip_address", "x/")},
		"HTTPBadRequest 'x' is not a valid MAC address":                                         []any{pair("mac_address", "x")},
	} {
		got := ""
		if err := AddressPairs(2)(v); err != nil {
			f, _ := errors.AsType[*fault.Error](err)
			got = f.Type + " " + f.Message
		}
		if got != want {
			t.Errorf("%v:\n got %s\nwant %s", v, got, want)
		}
	}
	err := AddressPairs(2)([]any{ok, ok})
	if f, is := errors.AsType[*fault.Error](err); !is || f.Type != "DuplicateAddressPairInRequest" ||
		f.Message != "Request contains duplicate address pair: mac_address None ip_address 10.0.0.1." {
		t.Errorf("got %v", err)
	}
	if err := AddressPairs(2)([]any{"x"}); err == nil || err.Error() != "'x' is not a dictionary" {
		t.Errorf("got %v", err)
	}
}

func TestZoneHints_LongerThanTheColumn_AreRefused(t *testing.T) {
	if err := ZoneHints([]any{"az1", "az2"}); err != nil {
		t.Error(err)
	}
	if err := ZoneHints([]any{strings.Repeat("a", 251)}); err != nil {
		t.Error(err)
	}
	if err := ZoneHints([]any{strings.Repeat("a", 252)}); err == nil || !strings.Contains(err.Error(), "Too many availability_zone_hints") {
		t.Errorf("got %v", err)
	}
	if err := ZoneHints("az1"); err == nil || err.Error() != "'az1' is not a list" {
		t.Errorf("got %v", err)
	}
}

func TestServiceTypes_OwnersOfDevices_AreTaken(t *testing.T) {
	for _, v := range []any{nil, []any{}, []any{"compute:nova", "network:dhcp"}} {
		if err := ServiceTypes(v); err != nil {
			t.Errorf("%v: %v", v, err)
		}
	}
	for want, v := range map[string]any{
		"must be a list": "x", "5 is not a string": []any{int64(5)}, "does not correspond": []any{"nova"},
	} {
		if err := ServiceTypes(v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v", v, err)
		}
	}
}

func TestAnyOf_ItemsThatSuitNone_AreRefused(t *testing.T) {
	validate := AnyOf(Dict(map[string]Key{"a": {Required: true}}), Dict(map[string]Key{"b": {Required: true}}))
	if err := validate([]any{map[string]any{"a": "x"}, map[string]any{"b": "x"}}); err != nil {
		t.Error(err)
	}
	err := validate([]any{map[string]any{"c": "it's"}})
	if f, ok := errors.AsType[*fault.Error](err); !ok || f.Message !=
		`Invalid input for operation: No valid key specs matched for: {'c': "it's"}.` {
		t.Errorf("got %v", err)
	}
}

func TestCombinations_OfValidators_TakeWhatTheyShould(t *testing.T) {
	if err := OrNil(UUID)(nil); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"'x' is not a valid UUID":            OrNil(UUID)("x"),
		"'abcd' exceeds maximum length of 3": All(String(0), String(3), UUID)("abcd"),
	} {
		if err == nil || err.Error() != name {
			t.Errorf("got %v, want %s", err, name)
		}
	}
}

func TestText_Values_AreWrittenAsInPython(t *testing.T) {
	for want, v := range map[string]any{
		"None": nil, "True": true, "x'y": "x'y", "7": int64(7), "1.5": 1.5, "2.0": 2.0, "['a', None]": []any{"a", nil},
		`{'a': "it's"}`: map[string]any{"a": "it's"}, `['\'"']`: []any{`'"`}, `['a\n']`: []any{"a\n"},
	} {
		if got := Text(v); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzParseNetwork(f *testing.F) {
	f.Add("10.0.0.0/24")
	f.Add("2001:db8::/64")
	f.Add("010.0/8")
	f.Fuzz(func(t *testing.T, s string) {
		if Subnet(s) == nil {
			once, err := ToCIDR(s)
			if err != nil {
				t.Fatalf("%q is valid, and not converted: %v", s, err)
			}
			if twice, err := ToCIDR(once); err != nil || twice != once || Subnet(once) != nil {
				t.Errorf("%q: %v, then %v, %v", s, once, twice, err)
			}
		}
	})
}
