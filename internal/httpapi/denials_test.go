package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
)

// strangersOf has so many sources ask once each without a key.
func strangersOf(d *denials, n int, now time.Time) {
	for i := range n {
		d.note(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), "", "state", domain.CodeUnauthenticated, now)
	}
}

// "A bound on denials recorded per minute and per day for all strangers together (the
// rest counted in one event), so that a day costs at most some hundred KB", and every
// refusal counts.
func TestADayOfStrangersIsBounded(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const minutes, sources = 24 * 60, 1_100
	for range minutes {
		strangersOf(r.api.denials, sources, now)
		for i := range 3 { // a key that is refused from everywhere has its own bound
			r.api.denials.note(fmt.Sprintf("192.0.2.%d", i), "k7", "state", domain.CodeDenied, now)
		}
		now = now.Add(time.Minute)
		r.api.denials.flush(context.Background(), now, false)
	}
	r.api.denials.flush(context.Background(), now, true)
	counts, events, bytes := map[string]int{}, map[string]int{}, 0
	for _, rec := range r.records(commands.SystemStream) {
		if rec.Type != domain.AccessDeniedType {
			continue
		}
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(t, err)
		denied, ok := e.(*domain.AccessDenied)
		require.True(t, ok)
		require.False(t, denied.To.Before(denied.From))
		counts[denied.Key] += denied.Count
		events[denied.Key]++
		if denied.Key == "" {
			bytes += len(rec.Data) + len(rec.Metadata)
		}
	}
	require.Equal(t, map[string]int{"": minutes * sources, "k7": 3 * minutes}, counts)
	require.LessOrEqual(t, events[""], denialsBurst+denialsPerDay+2)
	require.LessOrEqual(t, events["k7"], denialsBurst+denialsPerDay+2)
	require.Greater(t, events[""], denialsPerDay, "it goes on being told, now and then")
	require.Less(t, bytes, 400<<10)
	t.Logf("a day of strangers: %d events, %d bytes", events[""], bytes)
}

// The most active sources keep their names; what could not be recorded is not lost.
func TestTheBusiestSourcesAreNamed(t *testing.T) {
	now := time.Now()
	var recorded []domain.AccessDenied
	failing := errors.New("the store does not take it")
	d := newDenials(func(_ context.Context, all []domain.AccessDenied) error {
		recorded = all
		return failing
	})
	for range 50 {
		d.note("192.0.2.1", "", "state", domain.CodeUnauthenticated, now)
	}
	strangersOf(d, 3*denialsBurst, now)
	d.flush(context.Background(), now, false)
	failing = nil
	d.flush(context.Background(), now.Add(time.Minute), false)
	named, total := map[string]int{}, 0
	for _, e := range recorded {
		named[e.Source] = e.Count
		total += e.Count
	}
	require.Equal(t, 50, named["192.0.2.1"])
	require.Equal(t, 50+3*denialsBurst, total)
	require.Positive(t, named[otherSources])
}

// "Sources by /64 for IPv6": a customer of a provider has as many addresses as he likes.
func TestASourceIsACustomer(t *testing.T) {
	for address, source := range map[string]string{
		"192.0.2.1:7":             "192.0.2.1",
		"[2001:db8:1:2:3::4]:7":   "2001:db8:1:2::/64",
		"[2001:db8:1:2:ff::1]:80": "2001:db8:1:2::/64",
		"[::ffff:192.0.2.1]:7":    "192.0.2.1",
		"@":                       "unknown",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = address
		require.Equal(t, source, sourceOf(r))
	}
}
