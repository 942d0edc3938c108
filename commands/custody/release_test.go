package custody

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
)

// countingSigner returns a fixed signature, and counts; something may happen during a
// call.
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

// sign asks with a secret that the test keeps.
func (d *desk) sign() (*secret, commands.Answer, string, error) {
	d.t.Helper()
	cmd, ok := d.request.Command.(commands.SignOrder)
	require.True(d.t, ok)
	digest, err := parseDigest(cmd.Order.Digest)
	require.NoError(d.t, err)
	s := &secret{custodian: d.custodian, portfolio: "main", digest: digest}
	answer, signature, err := d.custodian.release(d.ctx(), d.request, cmd, s)
	return s, answer, signature, err
}

func (d *desk) wiped(s *secret) {
	d.t.Helper()
	require.True(d.t, s.made, "it was signed")
	require.Equal(d.t, [65]byte{}, s.signature)
}

func (d *desk) trip() {
	loss := commands.RecordTrade{Bot: "a", Market: "x", TradeID: "t", PnL: dec("-900")}
	_, err := d.server().Do(d.ctx(), "main", commands.Request{Caller: olga, Key: "trip", Command: loss})
	require.NoError(d.t, err)
}

// "On a conflict it is wiped and decided again": the trip is appended by another server
// at the moment of the append.
func TestASignatureThatIsRefusedIsWiped(t *testing.T) {
	for name, between := range map[string]func(d *desk){
		"a trip": (*desk).trip,
		"an emergency stop": func(d *desk) {
			_, recorded, err := d.server().Stop(d.ctx(), "main", commands.Request{Caller: olga, Key: "stop", Command: commands.EngageStop{Kind: domain.StopManual, Reason: "a test"}})
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

// The append fails, or its outcome is unknown: nothing is released, and repeating the
// request shows the outcome.
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
			require.Equal(t, "0x"+hex.EncodeToString(deskSignature[:64])+"1b", signature)
			require.Equal(t, [65]byte{}, again.signature, "also of one that was released")
		})
	}
}

// A decided signature is made again for a retry, and events during the signing count.
func TestASignatureThatIsGivenAgain(t *testing.T) {
	d := newDesk(t)
	first, _, signature, err := d.sign()
	require.NoError(t, err)
	require.NotEmpty(t, signature)
	cmd, ok := d.request.Command.(commands.SignOrder)
	require.True(t, ok)
	again := func() (*secret, error) {
		s := &secret{custodian: d.custodian, portfolio: "main", digest: first.digest}
		return s, d.custodian.releaseAgain(d.ctx(), "main", d.request.Caller, cmd, s)
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

// A stop is in force from the moment it is requested, before it is recorded: also while
// signature.made is being appended.
func TestAStopThatWaitsHoldsASignatureBack(t *testing.T) {
	d := newDesk(t)
	down := make([]fault, 1000) // the stop cannot be recorded
	for i := range down {
		down[i].err = errDown
	}
	ctx, leave := context.WithCancel(d.ctx())
	defer leave()
	recorded := make(chan bool, 1)
	d.store.plan(fault{after: func() {
		go func() {
			_, done, _ := d.engine.Stop(ctx, "main", commands.Request{Caller: olga, Key: "stop", Command: commands.EngageStop{Kind: domain.StopManual, Reason: "a test"}})
			recorded <- done
		}()
		for until := time.Now().Add(limit); d.engine.CheckPendingStops("main", "") == nil && time.Now().Before(until); {
			time.Sleep(time.Millisecond)
		}
	}})
	d.store.plan(down...)
	s, _, signature, err := d.sign()
	requireCode(t, domain.CodeHalted, err)
	require.Empty(t, signature)
	d.wiped(s)
	leave()
	require.False(t, <-recorded)
}

// A key is not opened for a request that would be refused, nor without a permit, a
// keystore, or an authorised caller.
func TestNoKeyIsOpenedForNothing(t *testing.T) {
	d := newDesk(t)
	d.trip()
	_, answer, signature, err := d.sign()
	require.NoError(t, err)
	require.Empty(t, signature)
	require.False(t, answer.Signature.Signed)
	require.Zero(t, d.signer.signed)

	_, _, err = d.custodian.SignOrder(d.ctx(), "main", commands.Request{Caller: domain.Caller{User: "f", Role: domain.RoleFeed}, Key: "k", Command: d.request.Command})
	requireCode(t, domain.CodeDenied, err)
	_, _, err = New(d.engine, Options{}).SignOrder(d.ctx(), "main", d.request)
	requireCode(t, domain.CodeConflict, err)
	require.Zero(t, d.signer.signed)
}

// A keystore that cannot be read is an error, but no reason for a stop.
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

// A request for a signature cannot bypass custody: a client's request cannot contain the
// fields that only the server fills in.
func TestWhatTheServerFillsInIsNoPartOfTheBody(t *testing.T) {
	for _, cmd := range []commands.Command{commands.SignTransfer{Transfer: "x1", Digest: "d", TxHash: "h"}, commands.Reconcile{Block: 7, Agreed: true}, commands.RegisterWallet{Assets: []domain.WalletAsset{{Asset: "A"}}}} {
		b, err := json.Marshal(cmd)
		require.NoError(t, err)
		for _, word := range []string{"Digest", "TxHash", "Block", "Agreed", `"A"`} {
			require.NotContains(t, string(b), word)
		}
	}
	d := newDesk(t)
	_, _, err := d.custodian.SignTransfer(d.ctx(), "main", commands.Request{Caller: olga, Key: "k", Command: commands.SignTransfer{Transfer: "x1", Raw: "0x00"}})
	requireCode(t, domain.CodeInvalid, err)
}

// A signed transaction can be sent by anyone who reads it, so it is not printed.
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
