package policy

import (
	"errors"
	"strings"
	"testing"
)

func targetOf(attrs map[string]any) Target {
	return func(name string) (any, bool, error) {
		v, ok := attrs[name]
		return v, ok, nil
	}
}

func TestEnforcer_Expressions_MeanWhatOsloSays(t *testing.T) {
	who := &Credentials{UserID: "u", ProjectID: "p", Roles: []string{"Member", "reader"}}
	target := targetOf(map[string]any{
		"project_id": "p", "other": "q", "shared": true, "device_owner": "network:dhcp", "none": nil, "role": "member",
		"network:project_id": "p", "router:external": false,
	})
	for _, c := range []struct {
		expression string
		want       bool
	}{
		{"", true}, {"@", true}, {"!", false}, {"not !", true}, {"not not @", true},
		{"role:member", true}, {"role:MEMBER", true}, {"role:admin", false}, {"role:%(role)s", true}, {"role:%(nix)s", false},
		{"project_id:%(project_id)s", true}, {"tenant_id:%(project_id)s", true}, {"project_id:%(other)s", false},
		{"project_id:%(nix)s", false}, {"project_id:p", true}, {"user_id:u", true}, {"project_id:%(network:project_id)s", true},
		{"domain_id:%(none)s", false}, {"is_admin:True", false}, {"is_admin:False", true},
		{"@ or ! and !", true}, {"! and ! or @", true}, {"(@ or !) and !", false}, {"not ! and @", true}, {"not (! or @)", false},
		{"! or @ and @", true}, {"@ AND @ Or !", true}, {"(role:member and project_id:%(project_id)s)", true},
		{"(role:admin) or (role:reader and (project_id:%(project_id)s))", true},
		{"field:networks:shared=True", true}, {"field:networks:shared=False", false}, {"field:networks:router:external=False", true},
		{"field:networks:router:external=True", false}, {"field:networks:none=None", false}, {"field:networks:nix=1", false},
		{"field:port:device_owner=~^network:", true}, {"field:port:device_owner=~dhcp", false}, {"field:port:device_owner=network:dhcp", true},
		{"'member':%(role)s", true}, {"True:%(shared)s", true}, {"7:%(role)s", false},
		{"rule:yes", true}, {"not rule:yes", false},
	} {
		e, err := New([]Rule{{"it", c.expression}, {"yes", "@"}}, nil)
		if err != nil {
			t.Errorf("%q: %v", c.expression, err)
			continue
		}
		if got, err := e.Allows("it", who, target); got != c.want || err != nil {
			t.Errorf("%q: got %v, %v; want %v", c.expression, got, err, c.want)
		}
	}
}

func TestEnforcer_FieldShared_IsTheNetworksWhereTheObjectHasNone(t *testing.T) {
	e, err := New([]Rule{{"it", "field:networks:shared=True"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []bool{true, false} {
		if got, _ := e.Allows("it", &Credentials{}, targetOf(map[string]any{"network:shared": network})); got != network {
			t.Errorf("network shared %v: got %v", network, got)
		}
	}
}

func TestEnforcer_EmptyCredentials_MatchNothing(t *testing.T) {
	e, err := New([]Rule{{"it", "project_id:%(project_id)s"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := e.Allows("it", &Credentials{UserID: "u"}, targetOf(map[string]any{"project_id": ""})); got {
		t.Error("a caller without a project owns what belongs to no project")
	}
}

func TestEnforcer_UnknownRule_IsDecidedByDefault(t *testing.T) {
	e, _ := New([]Rule{{"default", "role:admin"}}, nil)
	for role, want := range map[string]bool{"admin": true, "member": false} {
		if got, _ := e.Allows("nix", &Credentials{Roles: []string{role}}, NoTarget); got != want {
			t.Errorf("%s: got %v", role, got)
		}
	}
	if e.Has("nix") || !e.Has("default") {
		t.Error("Has is wrong")
	}
	without, _ := New(nil, nil)
	if got, _ := without.Allows("nix", &Credentials{Roles: []string{"admin"}}, NoTarget); got {
		t.Error("no rule and no default allows")
	}
}

func TestEnforcer_TargetFails_IsAnErrorAndNoPermission(t *testing.T) {
	broken := errors.New("broken")
	fails := func(string) (any, bool, error) { return nil, false, broken }
	for _, expression := range []string{
		"project_id:%(x)s", "not project_id:%(x)s", "role:%(x)s", "field:networks:shared=True", "True:%(x)s",
		"@ and project_id:%(x)s", "project_id:%(x)s or @",
	} {
		e, err := New([]Rule{{"it", expression}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := e.Allows("it", &Credentials{ProjectID: "p"}, fails); ok || !errors.Is(err, broken) {
			t.Errorf("%q: got %v, %v", expression, ok, err)
		}
	}
}

func TestNew_BadRules_AreRefusedByName(t *testing.T) {
	for expression, want := range map[string]string{
		"admin":                 "not of the form",
		"role:a role:b":         "not expected",
		"(role:a":               "not closed",
		"role:a)":               "not expected",
		"role:a or":             "a check is missing",
		"and role:a":            "a check is missing",
		"not":                   "a check is missing",
		"()":                    "a check is missing",
		"rule:nix":              `rule "nix", which does not exist`,
		"rule:it":               "refers to itself: it -> it",
		"rule:a":                "refers to itself",
		"colour:red":            `credentials have no "colour"`,
		"project_id:%(x":        "is written %(name)s",
		"project_id:%s":         "is written %(name)s",
		"field:x":               "not of the form",
		"field:networks:shared": "not of the form",
		"field:p:x=~(":          "missing closing",
		"http://host/x":         "not supported",
		strings.Repeat("(", 200) + "@" + strings.Repeat(")", 200): "too deep",
	} {
		_, err := New([]Rule{{"it", expression}, {"a", "rule:b"}, {"b", "rule:a"}}[:rulesFor(expression)], nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "policy rule") {
			t.Errorf("%.40q: got %v, want %q", expression, err, want)
		}
	}
}

// rulesFor is how many of the test's rules there are: all, or without those that refer to each other.
func rulesFor(expression string) int {
	if expression == "rule:a" {
		return 3
	}
	return 1
}

func TestEnforcer_AsksTarget_FollowsReferences(t *testing.T) {
	e, err := New([]Rule{{"admin", "role:admin"}, {"owner", "project_id:%(project_id)s"}, {"a", "rule:admin"},
		{"b", "rule:admin or (not rule:owner)"}, {"default", "rule:owner"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for rule, want := range map[string]bool{"admin": false, "a": false, "owner": true, "b": true, "nix": true} {
		if got := e.AsksTarget(rule); got != want {
			t.Errorf("%s: got %v", rule, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("rule:a and (not role:b or project_id:%(project_id)s)")
	f.Add("field:networks:shared=~(x")
	f.Fuzz(func(t *testing.T, expression string) {
		if c, err := parse(expression); (c == nil) == (err == nil) {
			t.Errorf("%q: %v, %v", expression, c, err)
		}
	})
}
