package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// page is how many rows the lists of table b have.
const page = 1000

// lists makes table b: a merged list against what the pods need for their parts of it.
func (b *bench) lists(ctx context.Context) ([]table, error) {
	out := table{title: fmt.Sprintf("A merged list of %d servers", page), head: []string{"pods", "each waits", "merged ms", "slowest pod's share ms", "more ms",
		"slowest pod's page of 1000 ms", "shares one after another ms", "speed-up"}}
	out.about = fmt.Sprintf("`GET /servers/detail?limit=%d` of one client, medians of %d; all processes share the machine, so pods that do not wait compete with each other for "+
		"its cores, which real ones do not. A pod's share is what is asked of it first; its times are those of the pod alone. Over 10 pods the list may take 25 ms more "+
		"than the slowest pod.", page, 2*b.rounds+1)
	for _, pods := range []int{10, 100} {
		if err := b.listsOver(ctx, pods, &out); err != nil {
			return nil, err
		}
	}
	return []table{out}, nil
}

func (b *bench) listsOver(ctx context.Context, pods int, out *table) error {
	s, err := b.startSim(ctx, "", pods, 100_000)
	if err != nil {
		return err
	}
	defer s.stop()
	t, err := b.startTop(ctx, "", s)
	if err != nil {
		return err
	}
	defer t.stop()
	if err := t.register(s); err != nil {
		return err
	}
	for _, latency := range []string{"0s 0s", "20ms 100ms"} {
		if _, err := s.tell("latency " + latency); err != nil {
			return err
		}
		merged, err := b.listTime(t.nova, page, s)
		if err != nil {
			return err
		}
		var shares, whole []time.Duration
		for _, p := range s.Pods {
			share, err := b.listTime(p.Compute, min(page, max(20, (page*11+10*pods-1)/(10*pods))), s)
			if err != nil {
				return err
			}
			shares = append(shares, share)
		}
		if err := b.profileUnder(ctx, t, fmt.Sprintf("list-%d", pods), repeat(1, t.nova, listRequest(page, s.Tokens[0]), 200)); err != nil {
			return err
		}
		for _, p := range []simPod{s.Pods[0], s.Pods[len(s.Pods)-1]} {
			one, err := b.listTime(p.Compute, page, s)
			if err != nil {
				return err
			}
			whole = append(whole, one)
		}
		var sum time.Duration
		for _, share := range shares {
			sum += share
		}
		slowest := slices.Max(shares)
		out.add(fmt.Sprint(pods), latency, millis(merged), millis(slowest), millis(merged-slowest), millis(slices.Max(whole)),
			millis(sum), ratio(sum.Seconds(), merged.Seconds()))
	}
	return nil
}

// listTime is the median time of a list.
func (b *bench) listTime(address string, limit int, s *sim) (time.Duration, error) {
	c := conn{address: address}
	defer c.close()
	var times []time.Duration
	for range 2*b.rounds + 1 {
		begin := time.Now()
		a, err := c.do(listRequest(limit, s.Tokens[0]), false)
		if err == nil && a.status != 200 {
			err = fmt.Errorf("a list of %d at %s: status %d", limit, address, a.status)
		}
		if err != nil {
			return 0, err
		}
		times = append(times, time.Since(begin))
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

func listRequest(limit int, token string) []byte {
	return request("GET", fmt.Sprintf("/v2.1/servers/detail?limit=%d", limit), token, "")
}
