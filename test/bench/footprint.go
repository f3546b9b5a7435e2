package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// footprint makes table d: what the top costs before anybody uses it.
func (b *bench) footprint(ctx context.Context) ([]table, error) {
	out := table{title: "Footprint", about: "From the start of the process to its first answer on `/readyz`, which needs the database and Keystone; " +
		"the median of starts. Memory is resident.", head: []string{"pods", "start ms", "memory at rest", "binary"}}
	info, err := os.Stat(b.binary)
	if err != nil {
		return nil, err
	}
	for _, pods := range []int{2, manyPods} {
		s, err := b.startSim(ctx, "", pods, 0)
		if err != nil {
			return nil, err
		}
		defer s.stop()
		var times []time.Duration
		var memory int64
		for range b.rounds {
			t, err := b.startTop(ctx, "", s)
			if err != nil {
				return nil, err
			}
			times = append(times, t.ready)
			if err := t.register(s); err != nil {
				t.stop()
				return nil, err
			}
			memory = t.memory("VmRSS")
			t.stop()
		}
		slices.Sort(times)
		out.add(fmt.Sprint(pods), millis(times[len(times)/2]), mib(memory), mib(info.Size()))
	}
	return []table{out}, nil
}
