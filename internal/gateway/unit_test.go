package gateway

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

func TestNegotiate(t *testing.T) {
	v := microversion.MustParse
	nova := Negotiation{Name: "compute", Legacy: "X-OpenStack-Nova-API-Version", Min: v("2.1"), Known: v("2.104")}
	cinder := Negotiation{Name: "volume", Loose: true, Min: v("3.0"), Known: v("3.71")}
	const header, legacy = "OpenStack-API-Version: ", "X-OpenStack-Nova-API-Version: "
	const noVersion = "400 The server could not comply with the request since it is either malformed or otherwise incorrect."
	for _, c := range []struct {
		service *Negotiation
		ceiling string
		headers []string
		want    string // a version, or status and text
	}{
		{&nova, "2.93", nil, "2.1"},
		{&nova, "2.93", []string{header + "compute 2.60"}, "2.60"},
		{&nova, "2.93", []string{header + "COMPUTE 2.60"}, "2.60"},
		{&nova, "2.93", []string{header + "compute 2.60, compute 2.70"}, "2.70"},
		{&nova, "2.93", []string{header + "compute 2.60,volume 3.1"}, "2.60"},
		{&nova, "2.93", []string{header + "compute 2.60", header + "compute 2.61"}, "2.61"},
		{&nova, "2.93", []string{header + "volume 3.60"}, "2.1"},
		{&nova, "2.93", []string{legacy + "2.60"}, "2.60"},
		{&nova, "2.93", []string{legacy + "2.60, 2.61"}, "2.61"},
		{&nova, "2.93", []string{header + "compute 2.60", legacy + "2.10"}, "2.60"},
		{&nova, "2.93", []string{header + "volume 3.60", legacy + "2.10"}, "2.10"},
		{&nova, "2.93", []string{header + "compute latest"}, "2.93"},
		{&nova, "2.93", []string{legacy + "latest"}, "2.93"},
		{&nova, "", []string{header + "compute latest"}, "2.104"},
		{&nova, "2.999", []string{header + "compute latest"}, "2.104"},
		{&nova, "2.93", []string{header + "compute 2.93"}, "2.93"},
		{&nova, "2.93", []string{header + "compute 2.94"}, "406 Version 2.94 is not supported by the API. Minimum is 2.1 and maximum is 2.93."},
		{&nova, "2.93", []string{header + "compute 2.0"}, "406 Version 2.0 is not supported by the API. Minimum is 2.1 and maximum is 2.93."},
		{&nova, "2.93", []string{header + "compute abc"}, "400 API Version String abc is of invalid format. Must be of format MajorNum.MinorNum."},
		{&nova, "2.93", []string{header + "compute 2.01"}, "400 API Version String 2.01 is of invalid format. Must be of format MajorNum.MinorNum."},
		{&cinder, "3.70", nil, "3.0"},
		{&cinder, "3.70", []string{header + "volume 3.60"}, "3.60"},
		{&cinder, "3.70", []string{header + "compute 2.1, volume 3.60, volume 3.61"}, "3.60"},
		{&cinder, "3.70", []string{header + "volume latest"}, "3.70"},
		{&nova, "2.93", []string{header + "compute\t2.60"}, "2.60"},
		{&nova, "2.93", []string{header + "compute"}, "2.1"},
		{&nova, "2.93", []string{header + "compute=2.60"}, "2.1"},
		{&nova, "2.93", []string{header + "latest"}, "2.1"},
		{&nova, "2.93", []string{header + "compute 2.5 x"}, "400 API Version String 2.5 x is of invalid format. Must be of format MajorNum.MinorNum."},
		{&nova, "2.93", []string{header + "compute LATEST"}, "400 API Version String LATEST is of invalid format. Must be of format MajorNum.MinorNum."},
		{&nova, "2.93", []string{legacy}, "400 API Version String  is of invalid format. Must be of format MajorNum.MinorNum."},
		{&nova, "2.93", []string{header + "compute 2.10000"}, "406 Version 2.10000 is not supported by the API. Minimum is 2.1 and maximum is 2.93."},
		{&cinder, "3.70", []string{header + "volume\t3.60"}, "3.60"},
		{&cinder, "3.70", []string{header + "volumev3 3.60"}, "3.60"},
		{&cinder, "3.70", []string{header + "compute 2.1"}, noVersion},
		{&cinder, "3.70", []string{header}, noVersion},
		{&cinder, "3.70", []string{header + "Volume 3.60"}, noVersion},
		{&cinder, "3.70", []string{header + "block-storage 3.60"}, noVersion},
		{&cinder, "3.70", []string{header + "volume"}, noVersion},
		{&cinder, "3.70", []string{header + "volume 3.60 x, volume 3.60"}, noVersion},
		{&cinder, "3.70", []string{header + "volume Latest"}, "400 API Version String Latest is of invalid format. Must be of format MajorNum.MinorNum."},
		{&cinder, "3.70", []string{header + "volume 3.71"}, "406 Version 3.71 is not supported by the API. Minimum is 3.0 and maximum is 3.70."},
		{&cinder, "3.70", []string{"X-OpenStack-Volume-API-Version: 3.60"}, "3.0"},
	} {
		h := http.Header{}
		for _, line := range c.headers {
			name, value, _ := strings.Cut(line, ": ")
			h.Add(name, value)
		}
		var ceiling microversion.Version
		if c.ceiling != "" {
			ceiling = v(c.ceiling)
		}
		got, err := c.service.negotiate(h, ceiling)
		text := got.String()
		if err != nil {
			text = fault.From(err).Error()
		}
		if text != c.want {
			t.Errorf("%q: got %s, want %s", c.headers, text, c.want)
		}
	}
}

func TestAnnounce_NamesTheVersionAndWhatItVariesBy(t *testing.T) {
	h := http.Header{}
	(&Negotiation{Name: "compute", Legacy: "X-OpenStack-Nova-API-Version"}).announce(h, microversion.MustParse("2.60"))
	want := http.Header{"Openstack-Api-Version": {"compute 2.60"}, "X-Openstack-Nova-Api-Version": {"2.60"},
		"Vary": {"OpenStack-API-Version", "X-OpenStack-Nova-API-Version"}}
	if diff := gocmp.Diff(want, h); diff != "" {
		t.Error(diff)
	}
}

func TestAnnounce_NothingOfTheServicesPast(t *testing.T) {
	n := Negotiation{Name: "volume", Unannounced: []microversion.Version{{Major: 2}}}
	for version, want := range map[string]string{"2.0": "", "3.0": "volume 3.0", "2.1": "volume 2.1"} {
		h := http.Header{}
		if n.announce(h, microversion.MustParse(version)); h.Get("OpenStack-API-Version") != want {
			t.Errorf("%s: announced %q, want %q", version, h.Get("OpenStack-API-Version"), want)
		}
	}
}

func TestSplitProject(t *testing.T) {
	const own, other = "0123456789abcdef0123456789abcdef", "ffffffffffffffffffffffffffffffff"
	for _, c := range []struct {
		path, project string
		want          string
		inPath, err   bool
	}{
		{"/servers", own, "/servers", false, false},
		{"/" + own + "/servers", own, "/servers", true, false},
		{"/" + own + "/servers/" + other, own, "/servers/" + other, true, false},
		{"/" + own, own, "/", true, false},
		{"/" + own + "/", own, "/", true, false},
		{"/" + other + "/servers", own, "/servers", false, true},
		{"/servers/" + own, own, "/servers/" + own, false, false},
		{"/short/servers", "short", "/servers", true, false},
		{"/short/servers", own, "/short/servers", false, false},
		{"/servers", "", "/servers", false, false},
		{"//servers", "", "//servers", false, false},
		{"/", "", "/", false, false},
		{"", own, "", false, false},
	} {
		call := &Call{Path: c.path, Caller: &identity.Caller{ProjectID: c.project}, Gateway: &Gateway{Options: Options{Service: &Service{
			ForeignProject: func(string, string) *fault.Error { return fault.BadRequest("foreign") }}}}}
		err := call.splitProject()
		if call.Path != c.want || call.projectInPath != c.inPath || (err != nil) != c.err {
			t.Errorf("%s of %q: got %s, %t, %v", c.path, c.project, call.Path, call.projectInPath, err)
		}
	}
}

func TestValues_Compare(t *testing.T) {
	text, moment, num := SortKey{Kind: Text}, SortKey{Kind: Time}, SortKey{Kind: Number}
	for _, c := range []struct {
		key  SortKey
		a, b string
		want int
	}{
		{text, `"a"`, `"b"`, -1},
		{text, `"B"`, `"a"`, 1},
		{text, `"A"`, `"a"`, 0},
		{text, `null`, `"a"`, -1},
		{text, `""`, `null`, 1},
		{text, `null`, `null`, 0},
		{moment, `"2026-11-22T06:40:01Z"`, `"2026-11-22T06:40:01.000000"`, 0},
		{moment, `"2026-11-22T06:40:01Z"`, `"2026-11-22T06:40:01.5"`, -1},
		{moment, `null`, `"2026-11-22T06:40:01Z"`, -1},
		{moment, `"never"`, `null`, 1},
		{num, `9`, `10`, -1},
		{num, `false`, `true`, -1},
		{num, `true`, `1`, 0},
		{num, `-1`, `null`, 1},
	} {
		a, b := c.key.parse([]byte(c.a), nullFirst), c.key.parse([]byte(c.b), nullFirst)
		got, back := a.compare(b), b.compare(a)
		if got != c.want || back != -c.want {
			t.Errorf("%s to %s: %d and back %d, want %d", c.a, c.b, got, back, c.want)
		}
	}
	if null, last := text.parse([]byte("null"), nullFirst), text.parse([]byte("null"), nullLast); null.compare(value{}) != -1 ||
		last.compare(value{text: "z"}) != 1 || null.compare(last) != -1 || num.parse(nil, nullLast).compare(value{}) != 0 {
		t.Error("nulls are not where they were put, or what a row does not show is null")
	}
}

func TestNullOrders_Observe_LearnsFromNeighboursThatDifferByANull(t *testing.T) {
	null, a, b := value{null: nullFirst}, value{text: "a"}, value{text: "b"}
	shown, desc, hidden := SortKey{Path: []string{"x"}}, SortKey{Path: []string{"x"}, Desc: true}, SortKey{}
	for name, c := range map[string]struct {
		keys           []SortKey
		earlier, later []value
		want           nulls
	}{
		"null before a value":            {[]SortKey{shown}, []value{null}, []value{a}, nullFirst},
		"null behind a value":            {[]SortKey{shown}, []value{a}, []value{null}, nullLast},
		"descending, behind a value":     {[]SortKey{desc}, []value{a}, []value{null}, nullFirst},
		"descending, before a value":     {[]SortKey{desc}, []value{null}, []value{a}, nullLast},
		"two nulls":                      {[]SortKey{shown}, []value{null}, []value{null}, nullFirst},
		"behind equal keys":              {[]SortKey{shown, shown}, []value{a, a}, []value{a, null}, nullLast},
		"behind keys that differ":        {[]SortKey{shown, shown}, []value{a, a}, []value{b, null}, nullFirst},
		"behind a key that is not shown": {[]SortKey{hidden, shown}, []value{{}, a}, []value{{}, null}, nullFirst},
		"of a value that is not shown":   {[]SortKey{shown}, []value{a}, []value{{}}, nullFirst},
	} {
		var n nullOrders
		p, later := &pod.Pod{Pod: store.Pod{Num: 3}}, &row{keys: c.later}
		n.observe(p, c.keys, &row{keys: c.earlier}, later)
		if got := n.of(p); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
		for _, k := range later.keys {
			if k.null != notNull && k.null != c.want {
				t.Errorf("%s: the row itself has a null at %d", name, k.null)
			}
		}
	}
}

func TestMerger_Compare_ByKeysThenByPod(t *testing.T) {
	at := func(order int, keys ...string) *row {
		r := &row{order: order}
		for _, k := range keys {
			r.keys = append(r.keys, value{text: k})
		}
		return r
	}
	shown, hidden := SortKey{Path: []string{"x"}}, SortKey{}
	desc := SortKey{Path: []string{"x"}, Desc: true}
	for name, c := range map[string]struct {
		keys []SortKey
		a, b *row
		want int
	}{
		"ascending":               {[]SortKey{shown}, at(2, "a"), at(1, "b"), -1},
		"descending":              {[]SortKey{desc}, at(1, "a"), at(2, "b"), 1},
		"second key":              {[]SortKey{shown, desc}, at(1, "a", "a"), at(2, "a", "b"), 1},
		"equal":                   {[]SortKey{shown}, at(1, "a"), at(2, "a"), -1},
		"same pod":                {[]SortKey{shown}, at(1, "a"), at(1, "a"), 0},
		"hidden key":              {[]SortKey{hidden, shown}, at(1, "", "b"), at(2, "", "a"), -1},
		"before a hidden key":     {[]SortKey{shown, hidden}, at(2, "a", ""), at(1, "b", ""), -1},
		"behind a hidden key too": {[]SortKey{shown, hidden, desc}, at(2, "a", "", "z"), at(1, "a", "", "a"), 1},
	} {
		m := &merger{q: &ListQuery{Keys: c.keys}}
		if got := m.compare(c.a, c.b); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestHeap_GivesTheSmallestFirst(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var want, got []int
		h := &heap{less: func(a, b *stream) bool { return a.got < b.got }}
		left := map[*stream][]int{}
		for range random.IntN(8) {
			var own []int
			for range 1 + random.IntN(5) {
				own = append(own, random.IntN(20))
			}
			slices.Sort(own)
			want = append(want, own...)
			s := &stream{got: own[0]}
			left[s] = own[1:]
			h.push(s)
		}
		slices.Sort(want)
		for h.len() > 0 {
			s := h.top()
			got = append(got, s.got)
			rest := left[s]
			if len(rest) > 0 {
				s.got, left[s] = rest[0], rest[1:]
			}
			h.fixTop(len(rest) == 0)
		}
		if !slices.Equal(want, got) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func TestCursor_RoundTrip(t *testing.T) {
	want := &cursor{
		Pods: map[int32]spot{1: {ID: []byte("0123456789abcdef")}, 2: {Place: 1, Search: true}, 7: {}},
		Places: []place{{Keys: []keyValue{{Number: 1795243201123456}, {Text: "näme"}, {Null: nullLast}}, Pod: 7},
			{Keys: []keyValue{{}, {Null: nullFirst}, {Text: "x"}}, Pod: 1}},
	}
	query := url.Values{"limit": {"1"}, cursorParam: {want.String()}}
	if diff := gocmp.Diff(want, takeCursor(query)); diff != "" {
		t.Error(diff)
	}
	if query.Has(cursorParam) || query.Get("limit") != "1" {
		t.Errorf("left: %v", query)
	}
	if takeCursor(query) != nil {
		t.Error("a cursor where none is")
	}
}

func FuzzTakeCursor(f *testing.F) {
	f.Add((&cursor{Pods: map[int32]spot{1: {Search: true}}, Places: []place{{Keys: []keyValue{{Text: "x"}}}}}).String())
	f.Add((&cursor{Pods: map[int32]spot{1: {Place: 1}}, Places: []place{{}}}).String())
	f.Add("e30")
	f.Add("bnVsbA")
	f.Add("%%%")
	f.Fuzz(func(t *testing.T, text string) {
		query := url.Values{cursorParam: {text}}
		cur := takeCursor(query)
		if query.Has(cursorParam) {
			t.Error("the parameter is still there")
		}
		if cur == nil {
			return
		}
		m := &merger{q: &ListQuery{Keys: make([]SortKey, len(cur.Places[0].Keys)), Marker: "x"}}
		m.streams = []*stream{{merger: m, pod: &pod.Pod{Pod: store.Pod{Num: 1}}}, {merger: m, pod: &pod.Pod{Pod: store.Pod{Num: 2}}}}
		if cur.fits(len(m.q.Keys)) {
			m.seekCursor(cur)
			for _, s := range m.streams {
				if s.after != nil && m.compare(s.after, s.after) != 0 {
					t.Error("a place that is not where it is")
				}
			}
		}
		if again := takeCursor(url.Values{cursorParam: {cur.String()}}); again == nil || len(again.Places) != len(cur.Places) {
			t.Errorf("%+v does not survive", cur)
		}
	})
}

func TestActionOf(t *testing.T) {
	for body, want := range map[string]string{
		`{"os-start": null}`: "os-start",
		`{"a": 1, "b": 2}`:   "a",
		`{}`:                 "400 There is no such action: {}",
		`[1]`:                "400 There is no such action: [1]",
		`{"os-start"`:        "400 Malformed request body",
		``:                   "400 Malformed request body",
		"<reboot/>":          "400 Malformed request body",
	} {
		got, err := actionOf([]byte(body))
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
}

func TestReadBody_CutShort_Is400(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{"))
	r.Body = http.MaxBytesReader(httptest.NewRecorder(), r.Body, 0)
	if _, err := readBody(r); err == nil || fault.From(err).Status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %v", err)
	}
	r = httptest.NewRequest(http.MethodPost, "/", &cut{})
	if _, err := readBody(r); err == nil || fault.From(err).Status != http.StatusBadRequest {
		t.Errorf("cut short: %v", err)
	}
}

type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, http.ErrBodyReadAfterClose }
