package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

const (
	deskAddress = "0xF278cF59F82eDcf871d630F28EcC8056f25C1cdb"
	deskDigest  = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
)

// countingSigner gives one signature, and counts; something may happen during it.
type countingSigner struct {
	mu     sync.Mutex
	signed int
	err    error
	during func()
}

var deskSignature = func() (s [65]byte) {
	copy(s[:], bytes.Repeat([]byte{0xa7}, 64))
	return s
}()

func (c *countingSigner) Sign(context.Context, string, string, [32]byte) ([65]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signed++
	if c.during != nil {
		c.during()
	}
	return deskSignature, c.err
}

func (c *countingSigner) Verify(context.Context, string, string) error { return c.err }

// desk is a live portfolio with a hot wallet and a permit, on a store that can fail.
type desk struct {
	t       *testing.T
	store   *faulty
	clock   *clock
	engine  *Engine
	custody *Custody
	signer  *countingSigner
	request Request
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, store: newFaulty(t), clock: newClock(), signer: &countingSigner{}}
	d.engine = d.server()
	d.custody = NewCustody(d.engine, CustodyOptions{Signer: d.signer, LookAgain: time.Millisecond})
	r := &rig{t: t, store: d.store, clock: d.clock}
	r.w = r.writer()
	r.openLive(openLiveMain())
	r.must(alice, RegisterWallet{Wallet: "hot-1", Place: domain.WalletHot, Chain: "eip155:1", Address: deskAddress, Assets: []domain.WalletAsset{
		{Asset: "USDC", ID: "eip155:1/erc20:" + deskAddress, Decimals: 6}, {Asset: "ETH", ID: "eip155:1/slip44:60", Decimals: 18, Native: true},
	}})
	r.must(olga, RegisterMarket{Market: "m", Kind: domain.KindOutcome, Outcomes: []string{"YES"}, Tokens: map[string]string{"YES": "7"}})
	granted := r.must(botCaller("a"), permit("a", "10"))
	require.True(t, granted.Permit.Allowed, "%+v", granted.Permit)
	r.w.Close()
	d.request = Request{Caller: botCaller("a"), Key: "sign", Command: SignOrder{Permit: granted.Permit.PermitID, Order: domain.TypedOrder{
		Digest: deskDigest, Chain: "eip155:1", Signer: deskAddress, Maker: deskAddress, Token: "7", Collateral: "eip155:1/erc20:" + deskAddress,
		Side: domain.Buy, Quantity: dec("10"), Notional: dec("5"),
	}}}
	return d
}

func openLiveMain() OpenPortfolio {
	o := openMain()
	o.Mode, o.Policy = domain.ModeLive, domain.DefaultPolicy(domain.ModeLive)
	return o
}

// server is another engine on the same store.
func (d *desk) server() *Engine {
	e := NewEngine(d.store, EngineOptions{Options: Options{Now: d.clock.Now}})
	d.t.Cleanup(e.Close)
	require.NoError(d.t, e.Load(d.t.Context(), nil))
	return e
}

func (d *desk) ctx() context.Context { return d.t.Context() }

// sign asks with a secret that the test keeps.
func (d *desk) sign() (*secret, Answer, string, error) {
	d.t.Helper()
	cmd, ok := d.request.Command.(SignOrder)
	require.True(d.t, ok)
	digest, err := parseDigest(cmd.Order.Digest)
	require.NoError(d.t, err)
	s := &secret{custody: d.custody, portfolio: "main", digest: digest}
	answer, signature, err := d.custody.release(d.ctx(), d.request, cmd, s)
	return s, answer, signature, err
}

func (d *desk) wiped(s *secret) {
	d.t.Helper()
	require.True(d.t, s.made, "it was signed")
	require.Equal(d.t, [65]byte{}, s.signature)
}

func (d *desk) trip() {
	e := d.server()
	for _, cmd := range []Command{RecordTrade{Bot: "a", Market: "x", TradeID: "t", PnL: dec("-900")}} {
		_, err := e.Do(d.ctx(), "main", Request{Caller: olga, Key: "trip", Command: cmd})
		require.NoError(d.t, err)
	}
}

func (d *desk) types() []string {
	var all []string
	for _, rec := range recordsOf(d.t, d.store.Store) {
		all = append(all, rec.Type)
	}
	return all
}

// "On a conflict it is wiped and decided again": the trip is appended by another server
// at the moment of the append.
func TestASignatureThatIsRefusedIsWiped(t *testing.T) {
	for name, between := range map[string]func(d *desk){
		"a trip": (*desk).trip,
		"an emergency stop": func(d *desk) {
			_, recorded, err := d.server().Stop(d.ctx(), "main", Request{Caller: olga, Key: "stop", Command: EngageStop{Kind: domain.StopManual, Reason: "a test"}})
			require.NoError(d.t, err)
			require.True(d.t, recorded)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.store.plan(fault{before: func() { between(d) }})
			s, answer, signature, err := d.sign()
			require.NoError(t, err)
			require.Empty(t, signature)
			require.False(t, answer.Signature.Signed)
			d.wiped(s)
			require.NotContains(t, d.types(), domain.SignatureMadeType)
			require.Contains(t, d.types(), domain.SignatureRefusedType)
		})
	}
}

// The append fails, or nobody knows whether it did: nothing comes out, and the same
// request again tells.
func TestASignatureOfAnAppendThatFailed(t *testing.T) {
	for name, f := range map[string]fault{"unavailable": {err: errDown}, "poisoned": {err: errPoisoned}, "written, and unavailable": {err: errDown, write: true}} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.store.plan(f)
			s, _, signature, err := d.sign()
			requireCode(t, domain.CodeUnavailable, err)
			require.Empty(t, signature)
			d.wiped(s)
			again, _, signature, err := d.sign()
			if name == "poisoned" { // everything is stopped
				requireCode(t, domain.CodeHalted, err)
				require.Empty(t, signature)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "0x"+hexOf(deskSignature[:64])+"1b", signature)
			require.Equal(t, [65]byte{}, again.signature, "also of one that was released")
		})
	}
}

// What was decided before is signed anew for a retry, and what happens while it is being
// signed counts.
func TestASignatureThatIsGivenAgain(t *testing.T) {
	d := newDesk(t)
	first, _, signature, err := d.sign()
	require.NoError(t, err)
	require.NotEmpty(t, signature)
	cmd, ok := d.request.Command.(SignOrder)
	require.True(t, ok)
	again := func() (*secret, error) {
		s := &secret{custody: d.custody, portfolio: "main", digest: first.digest}
		return s, d.custody.releaseAgain(d.ctx(), "main", d.request.Caller, cmd, s)
	}
	s, err := again()
	require.NoError(t, err)
	require.Equal(t, deskSignature, s.signature)

	d.signer.err = errors.New("the folder is gone")
	_, err = again()
	require.ErrorIs(t, err, d.signer.err)
	d.signer.err, d.signer.during = nil, d.trip
	_, err = again()
	requireCode(t, domain.CodeHalted, err)
	d.signer.during = nil
	_, err = again()
	requireCode(t, domain.CodeHalted, err)
	cmd.Permit = "p999"
	_, err = again()
	requireCode(t, domain.CodeConflict, err)
}

// A stop that is latched while signature.made is being appended holds at once: recorded
// or not, nothing leaves after it.
func TestAStopThatWaitsHoldsASignatureBack(t *testing.T) {
	d := newDesk(t)
	d.store.plan(fault{after: func() {
		_, _, err := d.engine.stops.pending.add(PendingStop{Portfolio: "main", Caller: olga, Key: "stop", Kind: domain.StopManual, Reason: "a test"}, false)
		require.NoError(t, err)
	}})
	s, _, signature, err := d.sign()
	requireCode(t, domain.CodeHalted, err)
	require.Empty(t, signature)
	d.wiped(s)
}

// A key is not opened for what would be refused, nor without a permit, a keystore, or a
// caller who may.
func TestNoKeyIsOpenedForNothing(t *testing.T) {
	d := newDesk(t)
	d.trip()
	_, answer, signature, err := d.sign()
	require.NoError(t, err)
	require.Empty(t, signature)
	require.False(t, answer.Signature.Signed)
	require.Zero(t, d.signer.signed)

	_, _, err = d.custody.SignOrder(d.ctx(), "main", Request{Caller: domain.Caller{User: "f", Role: domain.RoleFeed}, Key: "k", Command: d.request.Command})
	requireCode(t, domain.CodeDenied, err)
	_, _, err = NewCustody(d.engine, CustodyOptions{}).SignOrder(d.ctx(), "main", d.request)
	requireCode(t, domain.CodeConflict, err)
	require.Zero(t, d.signer.signed)
}

// A keystore that cannot be read is an error, and no stop.
func TestAKeystoreThatFails(t *testing.T) {
	d := newDesk(t)
	d.signer.err = errors.New("the folder is gone")
	s, _, signature, err := d.sign()
	require.ErrorIs(t, err, d.signer.err)
	require.Empty(t, signature)
	require.False(t, s.made)
	require.NotContains(t, d.types(), domain.EmergencyStopEngagedType)
	d.signer.err = ErrForeignKey
	_, _, signature, err = d.sign()
	requireCode(t, domain.CodeHalted, err)
	require.Empty(t, signature)
	require.Contains(t, d.types(), domain.EmergencyStopEngagedType)
}

// No signature is asked for past a custody: what a client sends cannot carry what only
// the server may fill in.
func TestWhatTheServerFillsInIsNoPartOfTheBody(t *testing.T) {
	for _, cmd := range []Command{SignTransfer{Transfer: "x1", Digest: "d", TxHash: "h"}, Reconcile{Block: 7, Agreed: true}, RegisterWallet{Assets: []domain.WalletAsset{{Asset: "A"}}}} {
		b, err := json.Marshal(cmd)
		require.NoError(t, err)
		for _, word := range []string{"Digest", "TxHash", "Block", "Agreed", `"A"`} {
			require.NotContains(t, string(b), word)
		}
	}
	d := newDesk(t)
	_, _, err := d.custody.SignTransfer(d.ctx(), "main", Request{Caller: olga, Key: "k", Command: SignTransfer{Transfer: "x1", Raw: "0x00"}})
	requireCode(t, domain.CodeInvalid, err)
}

// A look sees what another server has added, without folding all anew.
func TestALookCatchesUp(t *testing.T) {
	d := newDesk(t)
	see := func() (revision uint64, s *portfolio.State) {
		require.NoError(t, d.engine.look(d.ctx(), "main", func(state *portfolio.State) error {
			revision, s = state.Next, state
			return nil
		}))
		return revision, s
	}
	before, first := see()
	d.trip()
	after, second := see()
	require.Greater(t, after, before)
	require.Same(t, first, second)
	d.engine.Close()
	all := recordsOf(t, d.store.Store)
	require.Len(t, all, int(after))
	require.Equal(t, hashOf(t, foldOf(t, all)), hashOf(t, second))
}

// What a look writes to is the caller's again once it is over, also where the caller
// left first.
func TestALookThatIsLeft(t *testing.T) {
	d := newDesk(t)
	require.NoError(t, d.engine.look(d.ctx(), "main", func(*portfolio.State) error { return nil }))
	ctx, cancel := context.WithCancel(d.ctx())
	inside, seen := make(chan struct{}), 0
	go func() { // the writer is busy
		_ = d.engine.look(d.ctx(), "main", func(*portfolio.State) error {
			close(inside)
			cancel()
			time.Sleep(20 * time.Millisecond)
			return nil
		})
	}()
	<-inside
	err := d.engine.look(ctx, "main", func(*portfolio.State) error { seen++; return nil })
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, seen)
	require.NoError(t, d.engine.look(d.ctx(), "main", func(*portfolio.State) error { return nil }))
	require.Zero(t, seen, "it never runs afterwards")
}

// A look that panics, a stream that cannot be read, a store that says nothing, an engine
// that is closed: an error, and the writer lives on.
func TestLooksThatFail(t *testing.T) {
	d := newDesk(t)
	nothing := func(*portfolio.State) error { return nil }
	var defect *Defect
	require.ErrorAs(t, d.engine.look(d.ctx(), "main", func(*portfolio.State) error { panic("a defect") }), &defect)
	require.NoError(t, d.engine.look(d.ctx(), "main", nothing))
	d.store.headErr = errDown
	requireCode(t, domain.CodeUnavailable, d.engine.look(d.ctx(), "main", nothing))
	d.store.headErr = nil
	d.trip()
	d.store.readErr = &eventstore.Unavailable{Cause: errors.New("no disk")}
	requireCode(t, domain.CodeUnavailable, d.engine.look(d.ctx(), "main", nothing))
	d.store.readErr = nil
	require.NoError(t, d.engine.look(d.ctx(), "main", nothing))
	requireCode(t, domain.CodeNotFound, d.engine.look(d.ctx(), "nobody", nothing))
	d.engine.Close()
	requireCode(t, domain.CodeUnavailable, d.engine.look(d.ctx(), "main", nothing))
}

// "Whoever has it can send it": what was signed is not printed.
func TestSignedBytesAreNotPrinted(t *testing.T) {
	x := SignedTransaction{Raw: "0xcafe", Hash: "0xaa"}
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("sent", "transaction", x)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %q %d", x, x, x, x, x, x), fmt.Sprint(&x, []SignedTransaction{x}), log.String()} {
		require.NotContains(t, text, "cafe")
		require.Contains(t, text, "0xaa")
	}
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 2*len(b))
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}
