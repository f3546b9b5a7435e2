package simcloud

import (
	"encoding/binary"
	"encoding/hex"
	"time"
)

// series is a sequence of resources that are a pure function of a seed and an index. Index 0 is the newest.
type series struct {
	seed uint64
	n    int
	end  int64 // seconds since the epoch; all are older
	step int64 // seconds between neighbours, at least 1
}

// span is the past over which a series is spread.
const span = 3 * 365 * 24 * time.Hour

// newSeries spreads n resources evenly, with jitter, over the three years before now, so that the lists of several pods
// interleave.
func newSeries(seed uint64, n int, now time.Time) series {
	s := series{seed: mix(seed), n: n, end: now.UTC().Truncate(24 * time.Hour).Unix(), step: 1}
	if n > 0 {
		s.step = max(1, int64(span/time.Second)/int64(n))
	}
	return s
}

// created is strictly decreasing with i.
func (s series) created(i int) int64 {
	jitter := int64(mix(s.seed^uint64(i)<<1) % uint64(s.step))
	return s.end - int64(i)*s.step - jitter - 1
}

// The id of member i is a version 4 UUID: its first 32 bits are the index, scrambled by a bijection, the rest is a hash
// of seed and index. So an id leads back to its index without any table, and a foreign id is recognized.
func (s series) id(i int) string {
	var raw [16]byte
	binary.BigEndian.PutUint32(raw[0:], scramble(uint32(i)^uint32(s.seed)))
	a, b := mix(s.seed+uint64(i)*2+1), mix(s.seed+uint64(i)*2+2)
	binary.BigEndian.PutUint32(raw[4:], uint32(a))
	binary.BigEndian.PutUint64(raw[8:], b)
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	return formatUUID(raw)
}

// find is the inverse of id.
func (s series) find(id string) (int, bool) {
	if s.n == 0 || len(id) != 36 {
		return 0, false
	}
	var head [4]byte
	if _, err := hex.Decode(head[:], []byte(id[:8])); err != nil {
		return 0, false
	}
	i := int(unscramble(binary.BigEndian.Uint32(head[:])) ^ uint32(s.seed))
	return i, i < s.n && s.id(i) == id
}

func formatUUID(raw [16]byte) string {
	var b [36]byte
	hex.Encode(b[0:8], raw[0:4])
	hex.Encode(b[9:13], raw[4:6])
	hex.Encode(b[14:18], raw[6:8])
	hex.Encode(b[19:23], raw[8:10])
	hex.Encode(b[24:], raw[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// scramble is the finalizer of MurmurHash3, a bijection on 32 bits; unscramble undoes it.
func scramble(h uint32) uint32 {
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}

func unscramble(h uint32) uint32 {
	h = (h ^ h>>16) * 0x7ed1b41d
	h = (h ^ h>>13 ^ h>>26) * 0xa5cb9243
	return h ^ h>>16
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// seedOf makes a seed of a name (FNV-1a).
func seedOf(name string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 0x100000001b3
	}
	return h
}

// stableUUID and stableHex name what every simulation has, so that ids are the same in each run: images, users, shared
// networks.
func stableUUID(name string) string { return series{seed: mix(seedOf(name)), n: 1}.id(0) }

func stableHex(name string) string { return compactID(stableUUID(name)) }

// compactID is a UUID as Keystone writes it.
func compactID(id string) string {
	out := make([]byte, 0, 32)
	for i := range len(id) {
		if id[i] != '-' {
			out = append(out, id[i])
		}
	}
	return string(out)
}
