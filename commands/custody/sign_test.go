package custody_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/treasury"
	"pets/eventstore"
	"pets/eventstore/memory"
)

// permit asks for a permit for shares of YES at 0.5.
func (s *server) permit(side domain.Side, shares string) string {
	s.t.Helper()
	a := s.must(botA, commands.AskPermit{
		Bot: "a", Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: side, Quantity: dec(shares), LimitPrice: dec("0.5"),
	})
	require.NotNil(s.t, a.Permit)
	require.True(s.t, a.Permit.Allowed, "%+v", a.Permit.Reasons)
	return a.Permit.PermitID
}

// sign asks for the signature of an order under a permit.
func (s *server) sign(key, permit string, o order) (commands.Answer, string, error) {
	s.t.Helper()
	read, err := s.custody.ReadOrder(s.typed(o))
	require.NoError(s.t, err)
	return s.custody.SignOrder(s.ctx(), main, commands.Request{Caller: botA, Key: key, Command: commands.SignOrder{Permit: permit, Order: read}})
}

// signs is sign that must succeed.
func (s *server) signs(key, permit string, o order) string {
	s.t.Helper()
	a, signature, err := s.sign(key, permit, o)
	require.NoError(s.t, err)
	require.True(s.t, a.Signature.Signed, "%+v", a.Signature.Reasons)
	require.NotEmpty(s.t, signature)
	return signature
}

// withholds is sign that must release nothing.
func (s *server) withholds(key, permit string, o order) {
	s.t.Helper()
	a, signature, err := s.sign(key, permit, o)
	require.Empty(s.t, signature)
	if err != nil {
		require.Equal(s.t, domain.CodeHalted, domain.CodeOf(err), "%v", err)
		return
	}
	require.False(s.t, a.Signature.Signed)
	require.NotEmpty(s.t, a.Signature.Reasons)
}

var tenShares = order{salt: 1, side: domain.Buy, shares: "10", paid: "5"}

// "Signing for bots: … only under a live permit …; the digest, purpose and permit
// recorded." "One permit signs one digest; the same digest gets the same signature."
func TestAnOrderIsSignedUnderItsPermit(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	permit, key := s.permit(domain.Buy, "10"), someKey()
	signature := s.signs(key, permit, tenShares)

	made := eventsOf[*domain.SignatureMade](s)
	require.Len(t, made, 1)
	require.Equal(t, domain.PurposeOrder, made[0].Purpose)
	require.Equal(t, permit, made[0].Permit)
	require.Equal(t, "a", made[0].Bot)
	require.Equal(t, "exchange-1", made[0].Shape)
	digest, raw := common32(t, made[0].Digest), common.FromHex(signature)
	require.Len(t, raw, 65)
	raw[64] -= 27
	public, err := crypto.SigToPub(digest, raw)
	require.NoError(t, err)
	require.Equal(t, s.hot, crypto.PubkeyToAddress(*public))

	require.Equal(t, signature, s.signs(key, permit, tenShares), "the same request")
	require.Equal(t, signature, s.signs(someKey(), permit, tenShares), "the same digest")
	require.Len(t, eventsOf[*domain.SignatureMade](s), 1)

	other := tenShares
	other.salt = 2
	s.withholds(someKey(), permit, other)
	s.withholds(someKey(), "p999", other)
	require.Len(t, eventsOf[*domain.SignatureMade](s), 1)
	require.Len(t, eventsOf[*domain.SignatureRefused](s), 2)
	_, _, err = s.sign(key, permit, other)
	s.code(domain.CodeIdempotencyMismatch, err)

	for _, text := range []string{`{}`, strings.Replace(string(s.typed(tenShares)), exchange, s.token.Hex(), 1)} {
		_, err = s.custody.ReadOrder([]byte(text))
		s.code(domain.CodeInvalid, err)
	}
	require.NotContains(t, streams(s), strings.TrimPrefix(signature, "0x"), "no record holds a signature")
}

// streams returns everything that is stored.
func streams(s *server) string {
	var all strings.Builder
	for rec, err := range s.truth.ReadAll(context.Background(), eventstore.Position{}) {
		require.NoError(s.t, err)
		all.Write(rec.Data)
		all.Write(rec.Metadata)
	}
	return all.String()
}

// An order that exceeds its permit is not signed: by side, quantity or price.
func TestAnOrderIsWhatWasPermitted(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	permit := s.permit(domain.Buy, "10")
	for name, o := range map[string]order{
		"the other side": {side: domain.Sell, shares: "10", paid: "5"},
		"more":           {side: domain.Buy, shares: "10.000001", paid: "5"},
		"dearer":         {side: domain.Buy, shares: "10", paid: "5.000001"},
	} {
		s.withholds(name, permit, o)
	}
	s.signs(someKey(), permit, order{side: domain.Buy, shares: "9.999999", paid: "4.99"})
}

func (s *server) lose(amount string) {
	s.t.Helper()
	s.must(botA, commands.RecordTrade{Bot: "a", Market: "m2", TradeID: someKey(), PnL: dec(amount).Neg()})
}

func (s *server) stop() {
	s.t.Helper()
	_, recorded, err := s.engine.Stop(s.ctx(), main, by(olga, commands.EngageStop{Kind: domain.StopManual, Reason: "a test"}))
	require.NoError(s.t, err)
	require.True(s.t, recorded)
}

// deaf is a store that accepts nothing any more.
type deaf struct {
	eventstore.Store
	mu   sync.Mutex
	down bool
}

func (d *deaf) set(down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = down
}

func (d *deaf) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	d.mu.Lock()
	down := d.down
	d.mu.Unlock()
	if down {
		return eventstore.Appended{}, &eventstore.Unavailable{Cause: context.DeadlineExceeded}
	}
	return d.Store.Append(ctx, stream, expected, records)
}

// halts are the ways to stop everything.
var halts = map[string]struct {
	limits string
	halt   func(s *server)
}{
	domain.ConsecutiveLosses: {`{}`, func(s *server) { s.lose("1"); s.lose("1"); s.lose("1") }},
	domain.DailyLoss:         {`{"max_daily_loss_pct": "0.005"}`, func(s *server) { s.lose("60") }},
	domain.BotDrawdown:       {`{}`, func(s *server) { s.lose("76") }},
	domain.PortfolioDrawdown: {`{"max_portfolio_drawdown_pct": "0.005"}`, func(s *server) { s.lose("60") }},
	"emergency stop":         {`{}`, (*server).stop},
	"bot stopped":            {`{}`, func(s *server) { s.must(olga, commands.StopBot{Bot: "a", Reason: "a test"}) }},
	"emergency stop that is not recorded": {`{}`, func(s *server) {
		s.store.(*deaf).set(true)
		_, recorded, err := s.engine.Stop(s.ctx(), main, by(olga, commands.EngageStop{Kind: domain.StopManual, Reason: "a test"}))
		require.NoError(s.t, err)
		require.False(s.t, recorded)
		s.store.(*deaf).set(false)
	}},
}

// "Signature asked in each halted state, refused": also to a caller who got it before,
// and for the transaction of a transfer.
func TestNothingIsSignedWhileHalted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, h := range halts {
		t.Run(name, func(t *testing.T) {
			s := w.serve(&deaf{Store: memory.New()})
			s.open(h.limits)
			before, key, after := s.permit(domain.Buy, "10"), someKey(), s.permit(domain.Buy, "20")
			s.signs(key, before, tenShares)
			id := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
			require.NoError(t, s.work())
			made := len(eventsOf[*domain.SignatureMade](s))

			h.halt(s)
			s.withholds(key, before, tenShares)
			s.withholds(someKey(), before, tenShares)
			s.withholds(someKey(), after, order{salt: 3, side: domain.Buy, shares: "20", paid: "10"})
			require.Len(t, eventsOf[*domain.SignatureMade](s), made)
			if name == "bot stopped" {
				return // which says nothing about the treasury
			}
			_, signed, err := s.custody.SignTransfer(s.ctx(), main, by(olga, commands.SignTransfer{Transfer: id}))
			require.Empty(t, signed)
			if s.state().Stop.Engaged { // which has ended the transfer
				s.code(domain.CodeConflict, err)
				require.Equal(t, treasury.Rejected, s.transfer(id).Status)
				require.NoError(t, s.work())
			} else {
				s.code(domain.CodeHalted, err)
				require.Error(t, s.work())
			}
			require.Empty(t, eventsOf[*domain.TransferSigned](s))
		})
	}
}

// "While a breaker is tripped only reducing permits sign, if the policy allows closing."
func TestClosingIsSignedWhileTripped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, allowed := range []bool{true, false} {
		s := w.serve(memory.New())
		s.open(map[bool]string{true: `{"close_positions_on_trip": true}`, false: `{}`}[allowed])
		s.must(botA, commands.RecordFill{
			FillID: domain.FillID{Bot: "a", TradeID: "t1"}, Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: domain.Buy, Quantity: dec("10"), Price: dec("0.5"),
		})
		opening, key := s.permit(domain.Buy, "10"), someKey()
		s.signs(key, opening, tenShares)
		closing := order{salt: 5, side: domain.Sell, shares: "10", paid: "5"}
		if !allowed {
			permit := s.permit(domain.Sell, "10")
			s.lose("76")
			s.withholds(someKey(), permit, closing)
			continue
		}
		s.lose("76")
		s.withholds(key, opening, tenShares)
		s.signs(someKey(), s.permit(domain.Sell, "10"), closing)
	}
}
