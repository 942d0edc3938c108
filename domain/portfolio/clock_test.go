package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// Time never goes back behind the last record; more than 2 s is a clock that is behind.
func TestClockAt(t *testing.T) {
	s := New()
	s.Time = noon
	for _, tt := range []struct {
		wall, offset  time.Duration // of the wall clock after noon, and agreed upon
		after, behind time.Duration
	}{
		{0, 0, 0, 0},
		{time.Second, 0, time.Second, 0},
		{-2 * time.Second, 0, 0, 0},
		{-2*time.Second - 1, 0, 0, 2*time.Second + 1},
		{-time.Hour, time.Hour, 0, 0},
		{-time.Hour + time.Second, time.Hour, time.Second, 0},
		{-2 * time.Hour, time.Hour, 0, time.Hour},
	} {
		s.ClockOffset = domain.Duration(tt.offset)
		now, behind := s.ClockAt(noon.Add(tt.wall).In(time.FixedZone("x", 3600)))
		require.Equal(t, noon.Add(tt.after), now, "%+v", tt)
		require.Equal(t, tt.behind, behind, "%+v", tt)
	}
}

// "It refuses … signatures of orders that open": one under a permit that only closes is
// made, and the expiry of its order is kept by the clock of the stream.
func TestSignaturesUnderAWrongClock(t *testing.T) {
	h := signing(t)
	opens, closes := h.allowed(buy, "100", "0.5", "1"), h.allowed(sell, "50", "0.5", "0")
	still := Standstill{Behind: time.Hour}
	begin := func() *Decision {
		d := h.s.Begin(h.now, domain.Caller{User: "a", Role: domain.RoleBot, Bot: "a"})
		d.Behind(still)
		return d
	}
	require.Equal(t, domain.CodeClock, domain.CodeOf(begin().SignatureRefusedByClock(opens)))
	require.NoError(t, begin().SignatureRefusedByClock(closes))
	require.NoError(t, begin().SignatureRefusedByClock("p999"), "the decision says that there is none")
	expiry := h.now.Add(-50 * time.Minute) // ten minutes from now by the venue's clock
	o := h.typed(sell, "50", "25")
	o.ExpiresAt = &expiry
	h.as(domain.RoleBot, "a").must(func(d *Decision) error {
		d.Behind(still)
		return d.SignOrder(SignRequest{Permit: closes, Order: o})
	})
	require.Equal(t, h.now.Add(10*time.Minute), h.s.Permits[closes].ExpiresAt)
}

// A gate is at most 7 days old, by two portfolios' clocks: one that runs ahead of the
// world makes no gate young for a year.
func TestAGateOfAnotherClock(t *testing.T) {
	for age, ok := range map[time.Duration]bool{0: true, 7 * 24 * time.Hour: true, 8 * 24 * time.Hour: false, -8 * 24 * time.Hour: false} {
		e := &domain.PortfolioOpened{Portfolio: "real", Mode: domain.ModeLive, Policy: domain.DefaultPolicy(domain.ModeLive), Gate: &domain.Gate{Portfolio: "paper"}}
		err := New().Begin(noon, domain.Caller{User: "olga", Role: domain.RoleOperator}).checkGate(e, &Evidence{
			Event: &domain.OverrideRecorded{Kind: domain.OverrideGoLive, Portfolio: "real"}, Time: noon.Add(-age), Mode: domain.ModePaper, Clock: domain.ClockWall,
		})
		if ok {
			require.NoError(t, err, age)
		} else {
			require.Equal(t, domain.CodeDenied, domain.CodeOf(err), age)
		}
	}
}
