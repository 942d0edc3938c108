package custody

import (
	"context"
	"errors"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/internal/testenv/signing"
)

// limit limits every wait; a test that reaches it hangs.
const limit = 20 * time.Second

var (
	noon  = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	olga  = domain.Caller{User: "olga", Role: domain.RoleOperator}
	alice = domain.Caller{User: "alice", Role: domain.RoleAdmin}
	botA  = domain.Caller{User: "key-a", Role: domain.RoleBot, Bot: "a"}
)

func dec(s string) domain.Decimal { return domain.MustDecimal(s) }

func requireCode(t testing.TB, code domain.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code, domain.CodeOf(err), "%v", err)
}

// clock is a wall clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: noon} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var (
	errDown     = &eventstore.Unavailable{Cause: errors.New("the cable is out")}
	errPoisoned = &eventstore.Unavailable{Poisoned: true, Cause: errors.New("fsync: EIO")}
	errUnknown  = &eventstore.Ambiguous{Cause: errors.New("timeout")}
)

// fault is what happens to one append.
type fault struct {
	before func()        // before the store sees it
	gate   chan struct{} // then it blocks until this is closed
	write  bool          // it is written although err is set
	after  func()        // after it was written
	err    error         // the answer; nil is the store's own
}

// faulty is a store whose appends fail as planned, one fault after the other.
type faulty struct {
	eventstore.Store
	blocked chan struct{} // gets one when an append waits at its gate

	mu      sync.Mutex
	faults  []fault
	poison  error
	readErr error
}

func newFaulty() *faulty {
	return &faulty{Store: memory.New(), blocked: make(chan struct{}, 100)}
}

func (f *faulty) plan(faults ...fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, faults...)
}

func (f *faulty) next() (p fault, poison error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.poison == nil && len(f.faults) > 0 {
		p, f.faults = f.faults[0], f.faults[1:]
	}
	poison = f.poison
	var u *eventstore.Unavailable
	if errors.As(p.err, &u) && u.Poisoned {
		f.poison = p.err
	}
	return p, poison
}

func (f *faulty) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	p, err := f.next()
	if err != nil {
		return eventstore.Appended{}, err
	}
	if p.before != nil {
		p.before()
	}
	if p.gate != nil {
		f.blocked <- struct{}{}
		<-p.gate
	}
	if p.err != nil && !p.write {
		return eventstore.Appended{}, p.err
	}
	done, err := f.Store.Append(ctx, stream, expected, records)
	if p.after != nil {
		p.after()
	}
	if p.err != nil {
		return eventstore.Appended{}, p.err
	}
	return done, err
}

func (f *faulty) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	f.mu.Lock()
	err := f.readErr
	f.mu.Unlock()
	if err != nil {
		return func(yield func(eventstore.Record, error) bool) { yield(eventstore.Record{}, err) }
	}
	return f.Store.ReadStream(ctx, stream, from)
}

// desk is a live portfolio with a hot wallet and a permit, on a store that can fail.
type desk struct {
	t         *testing.T
	store     *faulty
	clock     *clock
	engine    *commands.Engine
	custodian *Custodian
	signer    *countingSigner
	request   commands.Request
}

const (
	deskAddress = "0xF278cF59F82eDcf871d630F28EcC8056f25C1cdb"
	deskToken   = "eip155:1/erc20:0xE1B6CC00a4Fb756D10e9C708B9b67fD9F7abAe7B"
	deskDigest  = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
)

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, store: newFaulty(), clock: newClock(), signer: &countingSigner{}}
	d.engine = d.server()
	signing.Register(t, d.engine, d.store.Store, "paul")
	d.custodian = New(d.engine, Options{Signer: d.signer, CompareAgainAfter: time.Millisecond})
	asked := d.must("paper", olga, commands.OpenPortfolio{
		ID: "paper", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Defaults: domain.DefaultPolicy(domain.ModePaper),
	}, commands.RequestOverride{Kind: domain.OverrideGoLive, Portfolio: "main", Reason: "a test of custody"})
	paul := domain.Caller{User: "paul", Role: domain.RoleApprover}
	gate := domain.Gate{Portfolio: "paper", Revision: d.must("paper", paul, commands.ConfirmOverride{Override: asked.ID}).Revision}
	evidence, err := commands.ReadEvidence(d.ctx(), d.store, gate)
	require.NoError(t, err)
	d.must("main", olga, commands.OpenPortfolio{
		ID: "main", Mode: domain.ModeLive, BaseAsset: "USDC", BaseDecimals: 6, Defaults: domain.DefaultPolicy(domain.ModeLive), Gate: &gate, Evidence: evidence,
	})
	d.must("main", alice, commands.RegisterWallet{Wallet: "hot-1", Place: domain.WalletHot, Chain: "eip155:1", Address: deskAddress, Assets: []domain.WalletAsset{
		{Asset: "USDC", ID: deskToken, Decimals: 6}, {Asset: "ETH", ID: "eip155:1/slip44:60", Decimals: 18, Native: true},
	}})
	d.must("main", olga,
		commands.RecordDeposit{Wallet: domain.WalletHot, Amount: dec("10000")},
		commands.RegisterBot{ID: "a", Capital: dec("1000"), Start: true},
		commands.RegisterMarket{Market: "m", Kind: domain.KindOutcome, Outcomes: []string{"YES"}, Tokens: map[string]string{"YES": "7"}})
	granted := d.must("main", botA, commands.AskPermit{
		Bot: "a", Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: domain.Buy, Quantity: dec("10"), LimitPrice: dec("0.5"),
	})
	require.True(t, granted.Permit.Allowed, "%+v", granted.Permit)
	d.request = commands.Request{Caller: botA, Key: "sign", Command: commands.SignOrder{Permit: granted.Permit.PermitID, Order: domain.TypedOrder{
		Digest: deskDigest, Chain: "eip155:1", Signer: deskAddress, Maker: deskAddress, Token: "7", Collateral: deskToken,
		Side: domain.Buy, Quantity: dec("10"), Notional: dec("5"),
	}}}
	return d
}

// must sends commands in the test's own name, and returns the last answer.
func (d *desk) must(id string, c domain.Caller, all ...commands.Command) (last commands.Answer) {
	d.t.Helper()
	for _, cmd := range all {
		r := asServer(signing.Signed(d.t, d.store.Store, id, c.User, cmd))
		r.Caller = c
		var err error
		last, err = d.engine.Do(d.ctx(), id, r)
		require.NoError(d.t, err)
	}
	return last
}

// server is another engine on the same store.
func (d *desk) server() *commands.Engine {
	e := commands.NewEngine(d.store, commands.EngineOptions{Options: commands.Options{Now: d.clock.Now}})
	d.t.Cleanup(e.Close)
	require.NoError(d.t, e.Load(d.t.Context(), nil))
	return e
}

func (d *desk) ctx() context.Context { return d.t.Context() }

// types returns the types of all records of main.
func (d *desk) types() (all []string) {
	d.t.Helper()
	require.NoError(d.t, eventstore.Walk(d.ctx(), d.store.Store, commands.Stream("main"), 0, func(rec eventstore.Record) error {
		all = append(all, rec.Type)
		return nil
	}))
	return all
}
