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

// A read model that cannot read its past answers 503, says what to do, and shows nothing of
// the machine. One of them refuses nothing that is asked of the other.
func TestAReadModelWithoutItsPastIsUnavailable(t *testing.T) {
	t.Parallel()
	policy := domain.DefaultPolicy(domain.ModePaper)
	s := portfolio.New()
	fold, curve := projections.NewStats(&lost{}), projections.NewEquity(&lost{})
	with := riders{func() (*projections.StatsFold, error) { return fold, nil }, func() (*projections.Equity, error) { return curve, nil }}
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
		fold.Apply(rec, e, s)
		curve.Apply(rec, e, s)
	}
	l := &looker{values: url.Values{}, state: s, with: with}
	_, trades := tradesView(l)
	_, stats := statsView(l)
	_, equity := equityView(l)
	for name, err := range map[string]error{"trades": trades, "stats": stats, "equity": equity} {
		require.Equal(t, domain.CodeUnavailable, domain.CodeOf(err), name)
		require.ErrorContains(t, err, "cannot be read now. Nothing is lost: ask again in a moment, or with ?at=", name)
		var said *domain.Error
		require.ErrorAs(t, err, &said)
		require.NotContains(t, said.Message, "input/output", "%s: the cause is for the log", name)
	}
	refused := domain.Errorf(domain.CodeUnavailable, "it is folded again")
	l.with.stats = func() (*projections.StatsFold, error) { return nil, refused }
	l.with.equity = func() (*projections.Equity, error) { return projections.NewEquity(nil), nil }
	_, trades = tradesView(l)
	_, stats = statsView(l)
	_, equity = equityView(l)
	require.ErrorIs(t, trades, refused)
	require.ErrorIs(t, stats, refused)
	require.NoError(t, equity)
}
