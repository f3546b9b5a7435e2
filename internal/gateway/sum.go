package gateway

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/maypok86/otter/v2"

	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
)

// Sum says how the answers of all pods to a GET become one: that of the first pod that takes new work, with the numbers of the
// others added. So its form is a pod's own, of whatever microversion, and what is not named here, such as limits, is that pod's.
// Places are patterns of path.Match over member names below Member, such as "absolute/total*Used".
type Sum struct {
	Member string   // the one member of the answer, an object
	Add    []string // numbers that are added
	Unite  []string // arrays of which all elements are wanted, each once; members to be taken over where the first pod lacks them
	// Adapt makes what a pod has in Member the top's, where links and names do not suffice; may be nil.
	Adapt func(p *pod.Pod, object []byte) ([]byte, error)
	// Finish recomputes what follows from the sums; may be nil.
	Finish func(object []byte) ([]byte, error)
	// LastKnown lets a pod that does not answer take part with its last answer to this process, or not at all if there is none;
	// a header names it. Otherwise the sum fails, for a number cannot say that something is missing from it.
	LastKnown bool
}

// Sum executes fan-out-sum.
func (c *Call) Sum(s *Sum) error {
	parts := c.AskAll(c.Path, c.R.URL.RawQuery)
	for _, part := range parts {
		if part.Err == nil {
			part.Doc, part.Err = c.summand(s, part)
		}
	}
	if err := c.Complete(parts, s.LastKnown); err != nil {
		return err
	}
	c.firstFirst(parts)
	if s.LastKnown {
		c.recall(parts)
	}
	var sum []byte
	for _, part := range parts {
		var err error
		if sum == nil {
			sum = part.Doc
		} else if part.Doc != nil {
			sum, err = s.Combine(sum, part.Doc)
		}
		if err != nil {
			return err
		}
	}
	if s.Finish != nil {
		var err error
		if sum, err = s.Finish(sum); err != nil {
			return err
		}
	}
	c.ReplyJSON(fmt.Appendf(nil, `{%s: %s}`, jsonx.Quote(nil, s.Member), sum))
	return nil
}

// summand returns what a pod's document contributes.
func (c *Call) summand(s *Sum, part *Part) ([]byte, error) {
	object, _, err := jsonx.Get(part.Doc, s.Member)
	switch {
	case err == nil && !bytes.HasPrefix(object, []byte("{")):
		err = fmt.Errorf("no object %q", s.Member)
	case err == nil && s.Adapt != nil:
		object, err = s.Adapt(part.Pod, object)
	}
	if err != nil {
		return nil, c.Absent(part.Pod, err)
	}
	return object, nil
}

// Complete returns the error that stands for the whole answer when too many parts are missing; with partial one part is enough.
// Refusals of some pods only are as in merged lists (docs/api/merge.md section 6), but where no part may be missing.
func (c *Call) Complete(parts []*Part, partial bool) error {
	var failure error
	var refusal *Refusal
	answered := 0
	for _, part := range parts {
		r, refused := errors.AsType[*Refusal](part.Err)
		switch {
		case part.Err == nil:
			answered++
		case errors.Is(part.Err, errStop):
			return part.Err
		case !refused:
			failure = part.Err
		case refusal == nil || r.Answer.Status < refusal.Answer.Status:
			refusal = r
		}
	}
	switch {
	case refusal != nil && (answered == 0 || refusal.Answer.Status == http.StatusBadRequest):
		return refusal
	case failure != nil && (answered == 0 || !partial):
		return failure
	case refusal != nil && !partial:
		return refusal
	case refusal != nil:
		c.Log.WarnContext(c.Context(), "some pods refuse what others answer; their policies differ", "path", c.Path)
	case answered == 0:
		return errNoPods()
	}
	return nil
}

// firstFirst sorts parts: what was answered before what was not, and by the order in which pods are asked for what is the same in
// all of them.
func (c *Call) firstFirst(parts []*Part) {
	eligible := c.Eligible()
	rank := map[*pod.Pod]int{} // others: 0
	for i, p := range eligible {
		rank[p] = i - len(eligible)
	}
	missing := func(part *Part) int {
		if part.Err != nil {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(parts, func(a, b *Part) int {
		return cmp.Or(missing(a)-missing(b), rank[a.Pod]-rank[b.Pod])
	})
}

// Combine adds the object b to a.
func (s *Sum) Combine(a, b []byte) ([]byte, error) {
	return jsonx.Combine(a, b, func(at []string, a, b []byte) []byte {
		switch {
		case a != nil && matches(s.Add, at):
			return addNumbers(a, b)
		case !matches(s.Unite, at):
			return nil
		case a == nil:
			return b
		default:
			return unite(a, b)
		}
	})
}

// separators make a path of names that may have slashes themselves, which count as any other character.
var separators = strings.NewReplacer("/", "_", "\x00", "/")

func matches(patterns, at []string) bool {
	name := separators.Replace(strings.Join(at, "\x00"))
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return ok && err == nil
	})
}

// addNumbers returns the sum of two JSON numbers, exact if both are integers, else spelled as Python does; nil if one is no number.
func addNumbers(a, b []byte) []byte {
	i, isInt := new(big.Int).SetString(string(a), 10)
	j, isIntToo := new(big.Int).SetString(string(b), 10)
	if isInt && isIntToo {
		return i.Add(i, j).Append(nil, 10)
	}
	x, errX := strconv.ParseFloat(string(a), 64)
	y, errY := strconv.ParseFloat(string(b), 64)
	sum := x + y
	if errX != nil || errY != nil || math.IsInf(sum, 0) {
		return nil
	}
	format := byte('f')
	if size := math.Abs(sum); sum != 0 && (size < 1e-4 || size >= 1e16) {
		format = 'e'
	}
	text := strconv.AppendFloat(nil, sum, format, -1, 64)
	if format == 'f' && !bytes.ContainsRune(text, '.') {
		text = append(text, ".0"...)
	}
	return text
}

// unite returns the array a with those elements of b behind that it lacks; nil if one is no array.
func unite(a, b []byte) []byte {
	mine, ok := jsonx.Elements(a)
	theirs, okToo := jsonx.Elements(b)
	if !ok || !okToo {
		return nil
	}
	has := make(map[string]bool, len(mine)+len(theirs))
	all := slices.DeleteFunc(append(mine, theirs...), func(e []byte) bool {
		again := has[string(e)]
		has[string(e)] = true
		return again
	})
	return slices.Concat([]byte("["), bytes.Join(all, []byte(", ")), []byte("]"))
}

// lastKnown remembers what pods said last in sums that must not fail, in memory that is bounded. A top that has just started
// knows nothing.
type lastKnown struct {
	cache *otter.Cache[usageKey, []byte]
}

type usageKey struct {
	pod     int32
	project string
	target  string // path and query
}

// maxLastKnown bounds the memory for last known usage, in bytes. An answer has about 500.
const maxLastKnown = 16 << 20

func newLastKnown() *lastKnown {
	return &lastKnown{cache: otter.Must(&otter.Options[usageKey, []byte]{
		MaximumWeight: maxLastKnown,
		Weigher:       func(k usageKey, doc []byte) uint32 { return uint32(100 + len(k.project) + len(k.target) + len(doc)) },
	})}
}

// recall remembers the parts that were answered, fills in the last known ones for pods that did not answer, and names those in the
// header of missing pods. A part that a pod refuses is neither.
func (c *Call) recall(parts []*Part) {
	var missing []string
	for _, part := range parts {
		key := usageKey{part.Pod.Num, c.Caller.ProjectID, c.Path + "?" + c.R.URL.RawQuery}
		_, refused := errors.AsType[*Refusal](part.Err)
		switch {
		case part.Err == nil:
			c.usage.cache.Set(key, bytes.Clone(part.Doc))
		case !refused:
			part.Doc, _ = c.usage.cache.GetIfPresent(key)
			missing = append(missing, part.Pod.Name())
		}
	}
	if missing != nil {
		c.W.Header().Set(missingHeader, strings.Join(missing, ", "))
	}
}
