package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

// perpetual is a live portfolio in which a holds 10 of a perp at 2500, with a permit that
// was not placed.
func perpetual(t testingT) *harness {
	h := secondLive(t, func(p *domain.Policy) { p.MarkCollar = dec("0.25") })
	h.market("ETH-PERP", domain.KindPerp)
	h.as(domain.RoleFeed, "feed")
	h.mark("ETH-PERP", "LONG", "2500")
	h.operator()
	h.fill("a", "ETH-PERP", "LONG", buy, "10", "2500")
	return h
}

func marksOf(prices ...string) (marks []domain.Mark) {
	for n := 0; n < len(prices); n += 2 {
		marks = append(marks, domain.Mark{Market: prices[n], Outcome: "LONG", Price: dec(prices[n+1])})
	}
	return marks
}

// stoppable proves that nothing keeps a person from stopping.
func (h *harness) stoppable(permit string) {
	h.t.Helper()
	h.operator()
	if p := h.s.Permits[permit]; p != nil && p.Live(h.now) {
		h.must(func(d *Decision) error { return d.ReleasePermit(permit, "by hand") })
	}
	h.must(func(d *Decision) error { return d.StopBot("a", "by hand") })
	h.engage(domain.StopManual)
}

// "A mark that would bring an amount out of range is refused, alone, by its index; the
// others of the command are taken." Nothing of it keeps anybody from stopping.
func TestAMarkOutOfRangeIsRefusedAlone(t *testing.T) {
	for _, price := range []string{"250000000000000", "1000000000000.000001", "50000000000001"} {
		h := perpetual(t)
		h.as(domain.RoleFeed, "feed")
		h.must(func(d *Decision) error {
			return d.MarkPrices(marksOf("ETH-PERP", price, "BTC-PERP", "0.9"))
		})
		e := lastOf[*domain.PriceMarked](h)
		require.Len(t, e.Refused, 1)
		require.Equal(t, 0, e.Refused[0].Index)
		require.Equal(t, domain.CodeInvalid, e.Refused[0].Code)
		require.Contains(t, e.Refused[0].Message, "ETH-PERP / LONG")
		require.Contains(t, e.Refused[0].Message, "the bound of")
		require.Len(t, e.Marks, 1)
		h.refused(domain.CodeMarksRefused, func(d *Decision) error { return d.MarkPrices(marksOf("ETH-PERP", price)) })
		h.after(time.Minute).stoppable("")
	}
	h := perpetual(t)
	h.market("big", domain.KindPerp)
	h.as(domain.RoleFeed, "feed")
	h.mark("big", "LONG", "1000000000000")
	require.Empty(t, lastOf[*domain.PriceMarked](h).Refused, "the bound itself, of what nobody holds")
}

// The same for an asset that is held.
func TestAMarkOfAnAssetOutOfRangeIsRefused(t *testing.T) {
	h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MarkCollar = dec("0.25") })
	h.depositIn("hot", "ETH", "1000")
	h.markAsset("ETH", "2500")
	h.refused(domain.CodeMarksRefused, func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Asset: "ETH", Price: dec("900000000000")}})
	})
	h.after(time.Minute).stoppable("")
}

// "One that has waited, and would do so by then, goes on waiting": what is bought meanwhile
// does not let a glitch in.
func TestAMarkThatIsOutOfRangeByThenGoesOnWaiting(t *testing.T) {
	h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MarkCollar = dec("0.25") })
	h.depositIn("hot", "ETH", "10")
	h.as(domain.RoleFeed, "feed")
	h.markAsset("ETH", "2500")
	h.markAsset("ETH", "900000000000")
	h.operator().depositIn("hot", "ETH", "600")
	require.True(t, h.s.WaitingMarks()[0].OutOfRange)
	require.Empty(t, h.after(time.Minute).s.waited(h.now), "no decision is made for it each second")
	h.must(func(d *Decision) error { return d.StopBot("a", "by hand") })
	require.Equal(t, 0, h.count(domain.MarkConfirmedType))
	h.equal("2500", h.s.Assets["ETH"].Mark)
	h.as(domain.RoleFeed, "feed")
	h.markAsset("ETH", "2600")
	require.Empty(t, h.s.WaitingMarks())
	h.stoppable("")
}

// "A person can always stop": whatever waits, and whatever is held.
func TestWhateverWaitsAPersonCanStop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := perpetual(t)
		permit := h.permit("a", "ETH-PERP", "LONG", sell, "1", "2500")
		power := func(name string) string {
			return "1" + "00000000000000"[:rapid.IntRange(0, 14).Draw(t, name)]
		}
		for n := range rapid.IntRange(1, 8).Draw(t, "steps") {
			h.after(time.Duration(rapid.IntRange(0, 15).Draw(t, "seconds")) * time.Second)
			switch rapid.SampledFrom([]string{"fill", "mark", "mark", "asset"}).Draw(t, "step") {
			case "fill":
				h.operator()
				side := rapid.SampledFrom([]domain.Side{buy, sell}).Draw(t, "side")
				_, _ = h.try(h.recordFill(h.report("a", "ETH-PERP", "LONG", side, power("quantity"), power("price"))))
			case "mark":
				h.as(domain.RoleFeed, []string{"feed", "other"}[n%2])
				_, _ = h.try(func(d *Decision) error { return d.MarkPrices(marksOf("ETH-PERP", power("mark"))) })
			case "asset":
				h.operator()
				_, _ = h.try(func(d *Decision) error {
					return d.Deposit(&domain.DepositRecorded{Wallet: "hot", Asset: "ETH", Amount: dec(power("deposit"))})
				})
				h.as(domain.RoleFeed, []string{"feed", "other"}[n%2])
				_, _ = h.try(func(d *Decision) error {
					return d.MarkPrices([]domain.Mark{{Asset: "ETH", Price: dec(power("price of the asset"))}})
				})
			}
		}
		h.after(time.Duration(rapid.SampledFrom([]int{0, 12, 60}).Draw(t, "until the stop")) * time.Second).stoppable(permit)
	})
}
