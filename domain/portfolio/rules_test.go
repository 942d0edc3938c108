package portfolio

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/risk"
)

// A stream of a newer build may hold the trip of a breaker that this one does not know.
// “An unknown breaker cannot fall through anywhere”: it halts, it is never judged by the
// number of another, and nobody takes it back who cannot judge it.
func TestUnknownBreakerOfAStream(t *testing.T) {
	h := paper(t, "1000", quietPolicy)
	h.permit("a", "m", "YES", buy, "1", "0.5")
	ghost := keyOf("market_loss", "")
	h.apply(
		&domain.BreakerWarned{Breaker: "market_loss", Value: dec("0.1"), Level: dec("0.1"), Limit: dec("0.2")},
		&domain.EmergencyStopClearRequested{Request: "c1", Reason: "test", User: "olga"},
	)
	h.trade("a", "1") // everything is re-armed that can be
	require.Equal(t, risk.Warned, h.s.Breaker(ghost).Status)
	h.apply(&domain.BreakerTripped{Breaker: "market_loss", Scope: "market", Value: dec("0.3"), Limit: dec("0.2"), Stops: domain.StopAll, BotsStopped: []string{"a"}})

	at := h.s.ReadBreaker(ghost)
	require.Equal(t, risk.Tripped, at.Status)
	require.Nil(t, at.Rule)
	require.False(t, at.On)
	require.Equal(t, ghost, slices.MaxFunc(h.s.BreakerKeys(), risk.Compare), "it is listed, last")
	require.Equal(t, []string{"breaker_tripped  ", "bot_stopped stopped "}, h.denial(order("a", "n", "YES", buy, "1", "0.5")))
	h.refused(domain.CodeHalted, func(d *Decision) error { return d.StartBot("a") })
	require.Contains(t, h.s.haltReason(), "market_loss")
	err := h.refused(domain.CodeNotFound, func(d *Decision) error { return d.ResetBreaker(ghost, "test", true) })
	require.ErrorContains(t, err, "not known to this build")
	err = h.refused(domain.CodeNotFound, func(d *Decision) error { return d.ResetBreaker(keyOf("other", ""), "test", true) })
	require.ErrorContains(t, err, "must be "+risk.Names())
	require.Empty(t, h.tripped(), "evaluated it is not")

	// Nor does it end an emergency stop that it may have engaged.
	h.engage(domain.StopManual)
	err = h.refused(domain.CodeHalted, func(d *Decision) error { return d.RequestClear("test") })
	require.ErrorContains(t, err, "market_loss")

	// The newer build's reset ends it here, too, and rebases nothing.
	refs := h.s.Refs
	h.apply(&domain.BreakerReset{Breaker: "market_loss", Reason: "by the newer build", Rebase: true, User: "olga"})
	require.Equal(t, risk.OK, h.s.Breaker(ghost).Status)
	require.Equal(t, refs, h.s.Refs)
	require.NotContains(t, h.s.BreakerKeys(), ghost)
}
