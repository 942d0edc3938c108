package custody_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/domain/treasury"
	"pets/eventstore/memory"
	"pets/internal/chain/chaintest"
)

// lying is a chain whose answers are changed on their way.
type lying struct {
	custody.Chain
	prepare, read, reprice func(*commands.Prepared)
}

func lie(p commands.Prepared, err error, change func(*commands.Prepared)) (commands.Prepared, error) {
	if err == nil && change != nil {
		change(&p)
	}
	return p, err
}

func (l *lying) Prepare(ctx context.Context, pay domain.Payment, how custody.Making) (commands.Prepared, error) {
	p, err := l.Chain.Prepare(ctx, pay, how)
	return lie(p, err, l.prepare)
}

func (l *lying) Reprice(ctx context.Context, transaction json.RawMessage, pay domain.Payment, how custody.Making) (commands.Prepared, error) {
	p, err := l.Chain.Reprice(ctx, transaction, pay, how)
	return lie(p, err, l.reprice)
}

func (l *lying) Read(transaction json.RawMessage) (commands.Prepared, error) {
	p, err := l.Chain.Read(transaction)
	return lie(p, err, l.read)
}

// mutations each change one field of the approved transfer.
var mutations = map[string]func(*commands.Prepared){
	"recipient":   func(p *commands.Prepared) { p.Says.To = chaintest.Named("thief").Hex() },
	"amount":      func(p *commands.Prepared) { p.Says.Amount = dec("10.000001") },
	"less":        func(p *commands.Prepared) { p.Says.Amount = dec("9.999999") },
	"asset":       func(p *commands.Prepared) { p.Says.AssetID = chainID + "/slip44:1" },
	"chain":       func(p *commands.Prepared) { p.Says.Chain = "eip155:1" },
	"sender":      func(p *commands.Prepared) { p.Says.From = chaintest.Named("thief").Hex() },
	"highest fee": func(p *commands.Prepared) { p.Says.HighestFee = dec("1.000001") },
}

// breached checks that the emergency stop is engaged, a person was notified, and nothing
// was sent; and that the next try reports nothing new.
func (s *server) breached(block uint64) {
	s.t.Helper()
	stop := s.state().Stop
	require.True(s.t, stop.Engaged)
	require.Equal(s.t, domain.StopSecurityBreach, stop.Kind)
	require.True(s.t, s.heard("security breach"))
	for range 3 {
		_ = s.work()
	}
	require.Len(s.t, eventsOf[*domain.EmergencyStopEngaged](s), 1)
	s.node.Mine(1)
	require.Empty(s.t, s.sent(s.hot, block))
}

// "Every field of an approved transfer mutated, refused", and "security_breach (mutated
// approval)": when the transfer is prepared, and when its bytes are read before they are
// signed.
func TestWhatWasNotApprovedIsABreach(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, change := range mutations {
		for _, when := range []string{"prepared", "read"} {
			t.Run(name+" when "+when, func(t *testing.T) {
				l := &lying{}
				s := w.inMemory(func(o *custody.Options) { l.Chain, o.Chain = o.Chain, l })
				block := w.node.Head()
				id := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
				if when == "prepared" {
					l.prepare = change
				} else {
					require.NoError(t, s.work())
					l.read = change
				}
				require.Error(t, s.work())
				s.breached(block)
				require.Empty(t, eventsOf[*domain.SignatureMade](s))
				require.False(t, s.transfer(id).Sent())
			})
		}
	}
}

// A digest, or a nonce, that is not that of the transaction's own bytes.
func TestTheDigestIsOfTheBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, change := range map[string]func(*commands.Prepared){
		"digest": func(p *commands.Prepared) { p.Digest = strings.Repeat("ab", 32) },
		"nonce":  func(p *commands.Prepared) { p.Nonce++ },
		"the bytes": func(p *commands.Prepared) { // the bytes pay a thief, the description is the approved one
			cold, thief := strings.ToLower(w.cold.Hex()[2:]), strings.ToLower(chaintest.Named("thief").Hex()[2:])
			require.Contains(t, string(p.Transaction), cold)
			p.Transaction = []byte(strings.Replace(string(p.Transaction), cold, thief, 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := &lying{prepare: change}
			s := w.inMemory(func(o *custody.Options) { l.Chain, o.Chain = o.Chain, l })
			block := w.node.Head()
			s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
			require.NoError(t, s.work())
			require.Error(t, s.work())
			s.breached(block)
			require.Empty(t, eventsOf[*domain.SignatureMade](s))
		})
	}
}

// "Same nonce, recipient, amount, within the approved fee": the transaction that replaces
// a stuck one is compared with the approval as well.
func TestARepricedTransactionIsWhatWasApproved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, change := range mutations {
		l := &lying{}
		s := w.inMemory(func(o *custody.Options) { l.Chain, o.Chain = o.Chain, l })
		id, _ := s.sending()
		l.reprice = change
		s.later(5 * time.Minute)
		require.Error(t, s.work(), name)
		require.Equal(t, domain.StopSecurityBreach, s.state().Stop.Kind, name)
		require.Len(t, s.transfer(id).Attempts, 1, name)
		w.node.Mine(3)
		s.until(id, treasury.Confirmed)
	}
	l := &lying{reprice: func(p *commands.Prepared) { p.Nonce++ }}
	s := w.inMemory(func(o *custody.Options) { l.Chain, o.Chain = o.Chain, l })
	id, block := s.sending()
	s.later(5 * time.Minute)
	s.code(domain.CodeConflict, s.work())
	require.Len(t, s.transfer(id).Attempts, 1)
	w.node.Mine(3)
	s.until(id, treasury.Confirmed)
	s.one(id, block)
}

// swapKey replaces the key of hot-1 with that of hot-2: an attacker's key under the
// wallet's name, properly sealed.
func (w *world) swapKey() {
	w.t.Helper()
	require.NoError(w.t, os.Remove(filepath.Join(w.dir, "hot-1."+w.hot.Hex()+".key")))
	require.Equal(w.t, w.spare, w.store("hot-1", 1))
}

// "Blob of another address": refused, and everything stops.
func TestTheKeyOfAnotherAddressIsABreach(t *testing.T) {
	t.Parallel()
	for name, try := range map[string]func(s *server, permit string) error{
		"an order": func(s *server, permit string) error {
			_, signature, err := s.sign(someKey(), permit, tenShares)
			require.Empty(s.t, signature)
			return err
		},
		"a transfer": func(s *server, _ string) error {
			s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
			require.NoError(s.t, s.work())
			return s.work()
		},
		"a check": func(s *server, _ string) error {
			_, err := s.custody.VerifyWallet(s.ctx(), main, by(alice, commands.UseKey{Wallet: "hot-1", Purpose: "verify"}))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.inMemory()
			permit, block := s.permit(domain.Buy, "10"), w.node.Head()
			w.swapKey()
			err := try(s, permit)
			require.ErrorIs(t, err, custody.ErrForeignKey)
			s.code(domain.CodeHalted, err)
			s.breached(block)
			require.Empty(t, eventsOf[*domain.SignatureMade](s))
		})
	}
}

// The breach drill: "nothing is signed but a sweep to an address that was in the book
// before the stop, approved by a second person". The sweep goes through to the end, and
// nothing else does.
func TestASweepInABreach(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.inMemory()
	before := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
	block := w.node.Head()
	s.code(domain.CodeConflict, errorOf(s.do(olga, commands.RequestTransfer{From: "hot", To: "cold", Reason: "too early", Sweep: true})))
	_, _, err := s.engine.Stop(s.ctx(), main, by(olga, commands.EngageStop{Kind: domain.StopSecurityBreach, Reason: "a drill"}))
	require.NoError(t, err)

	thief := chaintest.Named("thief")
	_, err = s.custody.AddAddress(s.ctx(), main, by(alice, commands.AddAddress{Chain: chainID, Address: thief.Hex(), Label: "late"}))
	require.NoError(t, err)
	s.refused(domain.CodeDenied, olga, commands.RequestTransfer{From: "hot", To: thief.Hex(), Reason: "to a late address", Sweep: true})

	id := s.must(olga, commands.RequestTransfer{From: "hot", To: "cold", Reason: "a drill", Sweep: true}).ID
	require.NoError(t, s.work(), "nothing is left but the sweep")
	require.Equal(t, treasury.Requested, s.transfer(id).Status, "it waits for the second person")
	hash := s.transfer(id).TransferRequested.Hash
	s.refused(domain.CodeDenied, domain.Caller{User: "olga", Role: domain.RoleApprover}, commands.ApproveTransfer{Transfer: id, Hash: hash})
	s.must(paul, commands.ApproveTransfer{Transfer: id, Hash: hash})
	for range 6 {
		_ = s.work()
	}
	w.node.Mine(3)
	_ = s.work()
	require.Equal(t, treasury.Confirmed, s.transfer(id).Status)
	require.Equal(t, treasury.Rejected, s.transfer(before).Status, "the stop has ended what was not signed")
	s.one(id, block)
	require.True(t, s.state().Stop.Engaged)
	require.True(t, w.holds(w.hot, "USDC").Less(dec("10.1")), "%s: but for what another transfer has claimed", w.holds(w.hot, "USDC"))
	s.agrees()
}

// A transfer that was signed, and stopped before it was sent, does not prevent the sweep:
// the sweep takes its nonce, and the transfer fails once it may go on.
func TestASweepGoesBeforeWhatWasStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.inMemory()
	block := w.node.Head()
	stopped := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
	require.NoError(t, s.work())
	require.NoError(t, s.work())
	require.Equal(t, treasury.Signed, s.transfer(stopped).Status)
	s.stop()
	id := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Reason: "a drill", Sweep: true})
	for range 6 {
		_ = s.work()
	}
	w.node.Mine(3)
	_ = s.work()
	require.Equal(t, treasury.Confirmed, s.transfer(id).Status)
	s.one(id, block)

	asked := s.must(olga, commands.RequestClear{Reason: "over"})
	s.must(paul, commands.ConfirmClear{Request: asked.ID})
	for range 4 {
		require.NoError(t, s.work())
	}
	x := s.transfer(stopped)
	require.Equal(t, treasury.Failed, x.Status)
	require.Equal(t, domain.FailedReplaced, x.Code)
	require.Equal(t, s.transfer(id).TxHash, x.TxHash)
	s.one(id, block)
	s.agrees()
}

// hotKey is the key of hot-1 in the keystore. No money is there either.
const hotKey = "1053fae1b3ac64f178bcc21026fd06a3f4544ec2f35338b001f02d1d8efa3d5f"

func errorOf(_ commands.Answer, err error) error { return err }

// "No error that passes through holds a key, an endpoint's address or what an endpoint
// said": nor does any notice, or any record.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := memory.New()
	s := w.opened(store)
	permit := s.permit(domain.Buy, "10")
	signature := s.signs(someKey(), permit, tenShares)
	id, _ := s.sending()
	var said bytes.Buffer
	for _, f := range []chaintest.Fault{
		chaintest.Status(500, canary), chaintest.Body(canary), chaintest.Refuse(-32000, canary), chaintest.Cut, chaintest.Redirect("http://127.0.0.1/" + canary),
	} {
		w.a.Set(f)
		w.b.Set(f)
		if err := s.work(); err != nil {
			said.WriteString(err.Error())
		}
		_, err := s.custody.Reconcile(s.ctx(), main, by(olga, commands.Reconcile{}))
		require.Error(t, err)
		said.WriteString(err.Error())
	}
	w.a.Set(nil)
	w.b.Set(nil)
	s.until(id, treasury.Confirmed)
	said.WriteString(strings.Join(s.watched, "\n"))
	said.WriteString(streams(s))
	key, err := crypto.HexToECDSA(hotKey)
	require.NoError(t, err)
	require.Equal(t, w.hot, crypto.PubkeyToAddress(key.PublicKey))
	for _, secret := range []string{canary, "127.0.0.1", "http://", strings.TrimPrefix(signature, "0x"), hotKey} {
		require.NotContains(t, said.String(), secret)
	}
}
