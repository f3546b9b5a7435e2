package config

import (
	"bytes"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

// write makes a file below dir, with its directories, and returns its path.
func write(t *testing.T, dir, file, text string) string {
	t.Helper()
	path := filepath.Join(dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, s Sources) *Config {
	t.Helper()
	c, err := Load(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSample_Golden(t *testing.T) {
	var got bytes.Buffer
	if err := Sample(&got); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/tricircle.conf.sample"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("-want +got (go test -update writes it):\n%s", diff)
	}
}

func TestSample_Uncommented_IsTheDefaults(t *testing.T) {
	var sample, printed, defaults bytes.Buffer
	if err := Sample(&sample); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(sample.String()) {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") {
			line = line[1:]
		}
		lines = append(lines, line)
	}
	c := load(t, Sources{Files: []string{write(t, t.TempDir(), "f", strings.Join(lines, ""))}})
	c.origins = nil
	if err := c.Print(&printed); err != nil {
		t.Fatal(err)
	}
	if err := load(t, Sources{}).Print(&defaults); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaults.String(), printed.String()); diff != "" {
		t.Error(diff)
	}
}

func TestLoad_Defaults(t *testing.T) {
	c := load(t, Sources{})
	got := []any{c.Default.RegionName, c.Default.LogLevel, c.Default.MaxBodySize, c.NovaGW.Listen, c.CinderGW.Listen,
		c.AdminAPI.Listen, c.Pod.Timeout, c.Keystone.WWWAuthenticateURI, c.Serves(RoleNovaGW)}
	want := []any{"RegionOne", slog.LevelInfo, int64(114688), Address("0.0.0.0:8774"), Address("0.0.0.0:8776"),
		Address("0.0.0.0:19999"), time.Minute, URL("http://127.0.0.1:5000/v3"), true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoad_Precedence_DefaultsFilesDirectoryEnvironmentFlags(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "t.conf", "region_name = top\n[pod]\ntimeout=1\nlist_timeout=1\nconnect_timeout=1\nprobe_interval=1\n")
	write(t, dir, "t.conf.d/20.conf", "[pod]\nconnect_timeout=2m\nlist_timeout = 2m\nprobe_interval=2m\n")
	write(t, dir, "t.conf.d/10.conf", "[pod]\nconnect_timeout=9m\n")
	write(t, dir, "t.conf.d/30.conf.rpmsave", "[nonsense]\na=b\n")
	c := load(t, Sources{
		Files: []string{file},
		Env:   []string{"HOME=/x", "TRICIRCLE_POD_LIST_TIMEOUT=3s", "TRICIRCLE_POD_PROBE_INTERVAL=3s", "TRICIRCLE_NOVA_GW_LISTEN=:1"},
		Set:   []string{"pod.probe_interval=4s", "DEFAULT.roles=nova-gw, admin-api", "keystone.password=a=b#c"},
	})
	got := []any{c.Default.RegionName, c.Pod.Timeout, c.Pod.ConnectTimeout, c.Pod.ListTimeout, c.Pod.ProbeInterval,
		c.NovaGW.Listen, c.Default.Roles, string(c.Keystone.Password), c.Serves(RoleNovaGW), c.Serves(RoleCinderGW)}
	want := []any{"top", time.Second, 2 * time.Minute, 3 * time.Second, 4 * time.Second,
		Address(":1"), []string{"nova-gw", "admin-api"}, "a=b#c", true, false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoad_Values_AreTakenAsWritten(t *testing.T) {
	c := load(t, Sources{Files: []string{write(t, t.TempDir(), "f",
		"[keystone]\npassword = p#a;s %(x)s \\\nproject_name = \"with blank \"\n[pod]\ninsecure = Yes\n")}})
	got := []any{string(c.Keystone.Password), c.Keystone.ProjectName, c.Pod.Insecure}
	if diff := cmp.Diff([]any{`p#a;s %(x)s \`, "with blank ", true}, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoad_SecretFile_StrongerSourceWins(t *testing.T) {
	dir := t.TempDir()
	secret := write(t, dir, "secret", "from file\n")
	file := write(t, dir, "f", "[keystone]\npassword_file = "+secret+"\n")
	if got := load(t, Sources{Files: []string{file}}).Keystone.Password; string(got) != "from file" {
		t.Errorf("file: got %q", string(got))
	}
	stronger := load(t, Sources{Files: []string{file}, Env: []string{"TRICIRCLE_KEYSTONE_PASSWORD=from env"}})
	if got := string(stronger.Keystone.Password); got != "from env" {
		t.Errorf("file below environment: got %q", got)
	}
	above := load(t, Sources{Files: []string{write(t, dir, "g", "[keystone]\npassword = x\n")},
		Env: []string{"TRICIRCLE_KEYSTONE_PASSWORD_FILE=" + secret}})
	if got := string(above.Keystone.Password); got != "from file" {
		t.Errorf("file above file: got %q", got)
	}
}

func TestLoad_Failures_AllAtOnceEachNamingItsPlace(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "t.conf", `# comment
[DEFAULT]
log_level = warning
roles = nova-gv
log_format = xml
max_body_size = -1
drain_timeout = soon
enable_proxy_headers_parsing = perhaps
regionname = x
[nova_gw]
listen = :1
[zzzzzzzzzz]
[ops]
listen = 19998
[admin-api]
listen = host:99999
public_endpoint = ftp://x
[keystone]
password = p
password_file = q
timeout = 0
roles = x
[database]
connection_file = /nonexistent/c
[pod]
max_concurrent = many
`)
	broken := write(t, dir, "broken.conf", "[pod]\nno delimiter\n")
	_, err := Load(Sources{Files: []string{file, broken, filepath.Join(dir, "absent.conf")}, Env: []string{"TRICIRCLE_LIST_PARTIAL=alow"},
		Set: []string{"pod.timeut=1s", "timeout=1s", "pod.timeout"}})
	if err == nil {
		t.Fatal("no error")
	}
	want := `DIR/t.conf:9: unknown key "regionname" in [DEFAULT]; did you mean "region_name"?
DIR/t.conf:11: unknown section [nova_gw]; did you mean [nova-gw]?
DIR/t.conf:12: unknown section [zzzzzzzzzz]
DIR/t.conf:22: unknown key "roles" in [keystone]
DIR/broken.conf:2: is neither [section] nor key = value
configuration: open DIR/absent.conf: no such file or directory
--set pod.timeut: unknown key "timeut" in [pod]; did you mean "timeout"?
--set timeout: is not section.key=value
--set pod.timeout: is not section.key=value
DIR/t.conf:4: [DEFAULT] roles: "nova-gv" is none of all, admin-api, nova-gw, cinder-gw, neutron, xjob; did you mean "nova-gw"?
DIR/t.conf:3: [DEFAULT] log_level: "warning" is none of debug, info, warn, error; did you mean "warn"?
DIR/t.conf:5: [DEFAULT] log_format: "xml" is none of auto, json, text
DIR/t.conf:7: [DEFAULT] drain_timeout: "soon" is not a duration like 90s, 1m30s, or a number of seconds
DIR/t.conf:6: [DEFAULT] max_body_size: "-1" is less than 0
DIR/t.conf:8: [DEFAULT] enable_proxy_headers_parsing: "perhaps" is not true or false
DIR/t.conf:24: [database] connection_file: open /nonexistent/c: no such file or directory
DIR/t.conf:19: [keystone] password and password_file are both set; keep one
DIR/t.conf:21: [keystone] timeout: "0" is less than 1ms
DIR/t.conf:14: [ops] listen: "19998" is not an address like host:port
DIR/t.conf:16: [admin-api] listen: "host:99999" has no port between 0 and 65535
DIR/t.conf:17: [admin-api] public_endpoint: "ftp://x" is not a URL like http://host:port/path
DIR/t.conf:26: [pod] max_concurrent: "many" is not a whole number, or too large
environment TRICIRCLE_LIST_PARTIAL: [list] partial: "alow" is none of allow, fail; did you mean "allow"?`
	if diff := cmp.Diff(want, strings.ReplaceAll(err.Error(), dir, "DIR")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestLoad_UnknownVariable_IsOnlyAWarning(t *testing.T) {
	c := load(t, Sources{Env: []string{"TRICIRCLE_POD_TIMEUT=1s", "TRICIRCLE_SERVICE_HOST=10.0.0.1"}, Set: []string{
		"keystone.username=u", "keystone.password=p"}})
	var got []string
	for _, p := range c.Check() {
		got = append(got, p.String())
	}
	want := []string{"warning: environment TRICIRCLE_POD_TIMEUT: sets nothing; did you mean TRICIRCLE_POD_TIMEOUT?",
		"warning: environment TRICIRCLE_SERVICE_HOST: sets nothing"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoad_MalformedLine_IsNamedNotQuoted(t *testing.T) {
	for _, line := range []string{"password hunter2", "= hunter2", "[hunter2", "password = `hunter2", `password = """hunter2`} {
		file := write(t, t.TempDir(), "f", "; comment\n\n[keystone]\n"+line+"\n")
		_, err := Load(Sources{Files: []string{file}})
		if err == nil || !strings.HasPrefix(err.Error(), file+":4: ") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", line, err)
		}
	}
}

func TestLoad_BadSecret_IsNotQuoted(t *testing.T) {
	_, err := Load(Sources{Set: []string{"keystone.pasword=hunter2"}})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestCheck_Problems(t *testing.T) {
	sound := []string{"keystone.username=u", "keystone.password=p"}
	for _, c := range []struct {
		name string
		set  []string
		want []Problem
	}{
		{"sound", sound, nil},
		{"nothing set", nil, []Problem{
			{Error, "[keystone] username", "is missing; without the service user no token can be validated"},
			{Error, "[keystone] password", "is missing; without the service user no token can be validated"}}},
		{"roles split", append(sound, "DEFAULT.roles=nova-gw"), []Problem{{Warning, "[database] connection",
			"[DEFAULT] roles splits the roles, but an SQLite file serves one machine and one writer at a time; use PostgreSQL"}}},
		{"roles split on PostgreSQL", append(sound, "DEFAULT.roles=nova-gw", "database.connection=postgres://u:p@h/d"), []Problem{{Warning, "[bus] driver",
			"inproc tells nobody else of jobs, which then begin after [xjob] poll_interval; use nats or embedded"}}},
		{"roles split with a bus", append(sound, "DEFAULT.roles=nova-gw", "database.connection=postgres://u:p@h/d", "bus.driver=embedded",
			"bus.cluster_peers=h1:6222", "bus.cluster_password=p"), nil},
		{"bus without servers", append(sound, "bus.driver=nats"),
			[]Problem{{Error, "[bus] servers", "is missing; the driver nats needs to know where the servers are"}}},
		{"bus without peers", append(sound, "bus.driver=embedded", "bus.cluster_password=p"),
			[]Problem{{Warning, "[bus] cluster_peers", "is empty: this process joins no other, unless one of those joins it"}}},
		{"bus without password", append(sound, "bus.driver=embedded", "bus.cluster_peers=h1:6222"), []Problem{{Warning,
			"[bus] cluster_password", "is empty: whoever reaches cluster_listen may send messages, and so make work, if no harm"}}},
		{"pauses", append(sound, "xjob.retry_first=2m"),
			[]Problem{{Warning, "[xjob] retry_first", "is longer than retry_max, which goes before it"}}},
		{"other database", append(sound, "database.connection=mysql://u:p@h/d"),
			[]Problem{{Error, "[database] connection", "begins with neither sqlite:// nor postgres://"}}},
		{"relative path", append(sound, "database.connection=sqlite://t.db"),
			[]Problem{{Error, "[database] connection", "sqlite needs an absolute path after three slashes: sqlite:///path"}}},
		{"password that is no URL", append(sound, "database.connection=postgres://u:%zz@h/d"),
			[]Problem{{Error, "[database] connection", "is not a URL"}}},
		{"version 2", append(sound, "keystone.auth_url=http://k:5000/v2.0/"),
			[]Problem{{Warning, "[keystone] auth_url", "does not end with /v3, the only version of the API that is spoken"}}},
		{"same address", append(sound, "nova-gw.listen=0.0.0.0:8776"),
			[]Problem{{Error, "[cinder-gw] listen", "is the address of [nova-gw] too"}}},
		{"same address as a role that is not served", append(sound, "nova-gw.listen=0.0.0.0:8776", "DEFAULT.roles=cinder-gw",
			"database.connection=postgres://h/d", "bus.driver=nats", "bus.servers=nats://h"), nil},
		{"certificate without key", append(sound, "nova-gw.cert_file=/nonexistent"), []Problem{
			{Error, "[nova-gw] cert_file", "TLS needs both cert_file and key_file"},
			{Error, "[nova-gw] cert_file", "open /nonexistent: no such file or directory"}}},
		{"open to all", append(sound, "ops.listen=:1", "pod.insecure=1"), []Problem{
			{Warning, "[ops] listen", "is open to other machines, and /debug/pprof asks for no token; keep others out by a firewall"},
			{Warning, "[pod] insecure", "the users' tokens go to whoever answers in a pod's place"}}},
		{"deadlines", append(sound, "pod.timeout=1s"), []Problem{
			{Warning, "[pod] connect_timeout", "is longer than [pod] timeout, which ends the call first"},
			{Warning, "[pod] list_timeout", "is longer than [pod] timeout, which ends each call first"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, []Problem(load(t, Sources{Set: c.set}).Check())); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestPrint_Effective_WithOriginsWithoutSecrets(t *testing.T) {
	file := write(t, t.TempDir(), "f", "[DEFAULT]\nlog_level=warn\n[keystone]\nusername=u\npassword=hunter2\nauth_url=http://k/v3/\n")
	var out bytes.Buffer
	c := load(t, Sources{Files: []string{file}, Env: []string{"TRICIRCLE_DATABASE_CONNECTION=postgres://u:hunter2@h/d"}})
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"[DEFAULT]\nregion_name = RegionOne\n", "# from " + file + ":2\nlog_level = warn\n", "max_body_size = 114688\n",
		"[database]\n# from environment TRICIRCLE_DATABASE_CONNECTION\nconnection = ***\n", "password = ***\n",
		"www_authenticate_uri = http://k/v3\n", "[ops]\nlisten = 127.0.0.1:19998\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("leaked:\n%s", &out)
	}
}

func TestDistance_IsAMetric(t *testing.T) {
	word := rapid.StringMatching(`[a-c]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := word.Draw(t, "a"), word.Draw(t, "b"), word.Draw(t, "c")
		if (distance(a, b) == 0) != (a == b) || distance(a, b) != distance(b, a) || distance(a, c) > distance(a, b)+distance(b, c) {
			t.Fatalf("%d %d %d", distance(a, b), distance(b, a), distance(a, c))
		}
	})
	if got := distance("kitten", "sitting"); got != 3 {
		t.Errorf("kitten, sitting: got %d", got)
	}
}
