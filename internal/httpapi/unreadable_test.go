package httpapi

import (
	"errors"
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/projections"
)

// lost are pieces that cannot be read any more.
type lost struct{ projections.PiecesInMemory }

func (*lost) Read(projections.Piece) ([]byte, error) { return nil, errors.New("input/output error") }

// A read model that cannot read its past answers 503, says that it is made again, and shows
// nothing of the machine.
func TestAReadModelWithoutItsPastIsUnavailable(t *testing.T) {
	t.Parallel()
	policy := domain.DefaultPolicy(domain.ModePaper)
	s := portfolio.New()
	with := riders{projections.NewStats(&lost{}), projections.NewEquity(&lost{})}
	for n := range uint64(3000) {
		e := domain.Event(&domain.TradeClosed{Trade: fmt.Sprint("t", n), Bot: "a"})
		switch n {
		case 0:
			e = &domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: policy}
		case 1:
			e = &domain.BotRegistered{Bot: "a"}
		case 2:
			e = &domain.DepositRecorded{Wallet: domain.WalletHot, Asset: "USDC", Amount: domain.FromInt(1000)}
		}
		rec := eventstore.Record{Revision: n}
		s.Apply(domain.Stamp{Revision: n}, e)
		with.stats.Apply(rec, e, s)
		with.equity.Apply(rec, e, s)
	}
	l := &looker{values: url.Values{}, state: s, with: with}
	_, trades := tradesView(l)
	_, stats := statsView(l)
	_, equity := equityView(l)
	for name, err := range map[string]error{"trades": trades, "stats": stats, "equity": equity} {
		require.Equal(t, domain.CodeUnavailable, domain.CodeOf(err), name)
		require.ErrorContains(t, err, "cannot be read now; it is made again from the log", name)
		require.NotContains(t, err.Error(), "input/output", name)
	}
}
