package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// What stood under the name of a complement goes on under that of the market's outcome once
// the market is registered.

// "a market mark of `!A` (registered with two: of the other) is one of A, at 1 − it": also one
// that waits beyond the collar when its market is registered.
func TestALateRegistrationTakesTheMarkThatWaits(t *testing.T) {
	for _, outcomes := range [][]string{{"YES", "NO"}, {"YES", "NO", "DRAW"}} {
		h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MarkCollar = dec("0.25") })
		h.mark("rain", "!YES", "0.40")
		h.mark("rain", "!YES", "0.95")
		h.exclusive("rain", outcomes...)
		waiting := h.s.WaitingMarks()
		require.Len(t, waiting, 1)
		require.Equal(t, "YES", waiting[0].Outcome)
		h.equal("0.05", waiting[0].Price)
		h.equal("0.6", *waiting[0].InForce)
		h.after(10 * time.Second).deposit("1")
		require.Equal(t, []string{"mark.confirmed", "deposit.recorded"}, h.types())
		h.equal("0.05", h.s.Instruments[domain.Instrument{Market: "rain", Outcome: "YES"}].Mark().Price)
		require.Empty(t, h.s.WaitingMarks())
	}
}
