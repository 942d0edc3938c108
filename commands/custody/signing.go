package custody

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
)

// ReadOrder reads typed data of a known shape, with the digest to sign.
func (c *Custodian) ReadOrder(typedData json.RawMessage) (domain.TypedOrder, error) {
	if c.o.Orders == nil {
		return domain.TypedOrder{}, errNoShapes
	}
	order, _, err := c.o.Orders(typedData)
	return order, err
}

// SignOrder signs an order under a permit. The signature is made before the decision, and
// kept here. It is released only after signature.made is appended at the revision at
// which it was decided. If another event came between, such as a trip, the writer decides
// again, and after a refusal the signature is wiped. "The key sits behind the breaker."
func (c *Custodian) SignOrder(ctx context.Context, id string, r commands.Request) (answer commands.Answer, signature string, err error) {
	if c.o.Signer == nil {
		return commands.Answer{}, "", errNoSigner
	}
	cmd, err := commandOf[commands.SignOrder](&r)
	if err != nil {
		return commands.Answer{}, "", err
	}
	digest, err := parseDigest(cmd.Order.Digest)
	if err != nil {
		return commands.Answer{}, "", err
	}
	return c.release(ctx, r, cmd, &secret{custodian: c, portfolio: id, digest: digest})
}

// secret is a signature that is not released yet.
type secret struct {
	custodian       *Custodian
	portfolio, bot  string
	wallet, address string
	digest          [32]byte
	allowed, made   bool
	signature       [65]byte
}

// make signs. A key of another address engages the emergency stop.
func (s *secret) make(ctx context.Context) error {
	var err error
	s.signature, err = s.custodian.sign(ctx, s.portfolio, s.wallet, s.address, s.digest)
	s.made = err == nil
	return err
}

// text returns the signature in the form of wallets: 0x, r, s, and v as 27 or 28.
func (s *secret) text() string {
	out := s.signature
	defer clear(out[:])
	out[64] += 27
	return "0x" + hex.EncodeToString(out[:])
}

func (s *secret) wipe() { clear(s.signature[:]) }

// sign opens the key for one signature.
func (c *Custodian) sign(ctx context.Context, id, wallet, address string, digest [32]byte) ([65]byte, error) {
	signature, err := c.o.Signer.Sign(ctx, wallet, address, digest)
	if err != nil {
		clear(signature[:])
	}
	return signature, c.stopIfForeign(ctx, id, wallet, err)
}

func parseDigest(text string) (digest [32]byte, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(digest) || text != strings.ToLower(text) {
		return digest, domain.Invalid("digest", "must be 64 lower-case hex digits")
	}
	copy(digest[:], b)
	return digest, nil
}

// release signs into a secret, has the request decided, and releases the signature or
// wipes it.
func (c *Custodian) release(ctx context.Context, r commands.Request, cmd commands.SignOrder, s *secret) (answer commands.Answer, signature string, err error) {
	defer s.wipe()
	id := s.portfolio
	// Do not open a key for a request that would be refused now.
	if _, err := c.checkSignable(ctx, id, r.Caller, cmd, s); err != nil {
		return commands.Answer{}, "", err
	}
	if s.allowed {
		if err := s.make(ctx); err != nil {
			return commands.Answer{}, "", err
		}
	}
	if answer, err = c.engine.Do(ctx, id, r); err != nil {
		return commands.Answer{}, "", err
	}
	if answer.Signature == nil || !answer.Signature.Signed {
		return answer, "", nil
	}
	if decidedNow := !answer.Replayed && madeHere(answer.Decoded()); !decidedNow || !s.made {
		// Nothing was appended for this release, so check that it is allowed now.
		if err := c.releaseAgain(ctx, id, r.Caller, cmd, s); err != nil {
			return commands.Answer{}, "", err
		}
	}
	// A stop is in force from the moment it was asked for, even if it is not recorded yet.
	if err := c.engine.CheckPendingStops(id, s.bot); err != nil {
		return commands.Answer{}, "", err
	}
	return answer, s.text(), nil
}

// madeHere reports whether the decision recorded a signature, and did not only point to
// one that was recorded before.
func madeHere(events []domain.Event) bool {
	return slices.ContainsFunc(events, func(e domain.Event) bool {
		_, made := e.(*domain.SignatureMade)
		return made
	})
}

// releaseAgain checks that a signature that was decided on before may be released again:
// for a retry, or for the same digest under another Idempotency-Key.
func (c *Custodian) releaseAgain(ctx context.Context, id string, caller domain.Caller, cmd commands.SignOrder, s *secret) error {
	found, err := c.checkSignable(ctx, id, caller, cmd, s)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return withheld(found[0])
	}
	if s.made {
		return nil
	}
	if err := s.make(ctx); err != nil {
		return err
	}
	if found, err = c.checkSignable(ctx, id, caller, cmd, s); err == nil && len(found) > 0 {
		err = withheld(found[0])
	}
	return err
}

func withheld(why domain.SignatureObstacle) error {
	code := domain.CodeConflict
	switch why.Code {
	case domain.SignEmergencyStop, domain.SignBreakerTripped, domain.SignBotStopped:
		code = domain.CodeHalted
	default:
	}
	return domain.Errorf(code, "the signature was made before, and is not released again: %s", why.Message)
}

// checkSignable returns the reasons at the head of the stream not to sign the order. If
// there are none it notes which wallet signs it.
func (c *Custodian) checkSignable(ctx context.Context, id string, caller domain.Caller, cmd commands.SignOrder, s *secret) ([]domain.SignatureObstacle, error) {
	var found []domain.SignatureObstacle
	err := c.engine.AtHead(ctx, id, func(state *portfolio.State) error {
		if p := state.Permits[cmd.Permit]; p != nil {
			s.bot = p.Bot
		}
		if err := c.engine.CheckPendingStops(id, s.bot); err != nil {
			return err
		}
		found = state.SignObstacles(c.engine.WallClock(), caller, portfolio.SignRequest{Permit: cmd.Permit, Order: cmd.Order})
		s.allowed = len(found) == 0
		if w := state.Custody.Main(domain.WalletHot); w != nil && s.allowed {
			s.wallet, s.address = w.Wallet, w.Address
		}
		return nil
	})
	return found, err
}

// SignTransfer signs the latest transaction of an approved transfer, under the same rule:
// append first, then release. Anyone who has the bytes can send them, so it also records,
// before it releases them, that they may be on their way.
func (c *Custodian) SignTransfer(ctx context.Context, id string, r commands.Request) (commands.Answer, SignedTransaction, error) {
	cmd, err := commandOf[commands.SignTransfer](&r)
	if err == nil && cmd.Raw != "" {
		err = domain.Invalid("raw", "does not go with a request to sign; import what a cold wallet signed")
	}
	if err != nil {
		return commands.Answer{}, SignedTransaction{}, err
	}
	answer, signed, err := c.signTransfer(ctx, id, r, cmd)
	if err != nil {
		return commands.Answer{}, SignedTransaction{}, err
	}
	sent := commands.BroadcastTransfer{Transfer: cmd.Transfer, TxHash: signed.Hash}
	if err := c.stopIfTampered(ctx, id, cmd.Transfer, c.act(ctx, id, sent)); err != nil {
		return commands.Answer{}, SignedTransaction{}, err
	}
	if err := c.engine.CheckPendingStops(id, ""); err != nil {
		return commands.Answer{}, SignedTransaction{}, err
	}
	return answer, signed, nil
}

// signTransfer signs for this package, and releases nothing.
func (c *Custodian) signTransfer(ctx context.Context, id string, r commands.Request, cmd commands.SignTransfer) (commands.Answer, SignedTransaction, error) {
	fail := func(err error) (commands.Answer, SignedTransaction, error) {
		return commands.Answer{}, SignedTransaction{}, err
	}
	t, err := c.sendable(ctx, id, cmd.Transfer)
	if err != nil {
		return fail(err)
	}
	last := t.Last()
	if last == nil || !t.UnderWay() {
		return fail(domain.Errorf(domain.CodeConflict, "the transfer is %s: there is nothing to sign", t.Status))
	}
	signed, err := c.signed(ctx, id, t)
	if err != nil {
		return fail(err)
	}
	cmd.Digest, cmd.TxHash = last.Digest, signed.Hash
	r.Command = cmd
	answer, err := c.engine.Do(ctx, id, r)
	if err != nil {
		return fail(c.stopIfTampered(ctx, id, t.Transfer, err))
	}
	if answer.Replayed || !madeHere(answer.Decoded()) {
		// Nothing was appended for this release, so check that it is allowed now.
		if _, err := c.sendable(ctx, id, cmd.Transfer); err != nil {
			return fail(err)
		}
	}
	return answer, signed, nil
}

// ImportSigned records the signed transaction of a cold wallet, which was signed on the
// machine that has its key.
func (c *Custodian) ImportSigned(ctx context.Context, id string, r commands.Request) (commands.Answer, error) {
	cmd, err := commandOf[commands.SignTransfer](&r)
	if err != nil {
		return commands.Answer{}, err
	}
	if cmd.Raw == "" {
		return commands.Answer{}, domain.Invalid("raw", "is missing: the signed bytes, 0x and hex")
	}
	if first, known, err := c.recall(ctx, id, r); known {
		return first, err
	}
	if c.o.Chain == nil {
		return commands.Answer{}, errNoChain
	}
	t, err := c.transfer(ctx, id, cmd.Transfer)
	if err != nil {
		return commands.Answer{}, err
	}
	last := t.Last()
	switch {
	case last == nil:
		return commands.Answer{}, domain.Errorf(domain.CodeConflict, "the transfer is %s: it has no transaction yet", t.Status)
	case t.FromPlace != domain.WalletCold: // only this server has the key
		return commands.Answer{}, domain.Errorf(domain.CodeConflict, "the transfer is sent from a hot wallet, whose key is on this server; it is signed here")
	}
	signed, err := c.o.Chain.Accept(last.Transaction, cmd.Raw)
	if err != nil {
		return commands.Answer{}, err
	}
	cmd.Digest, cmd.TxHash = last.Digest, signed.Hash
	r.Command = cmd
	answer, err := c.engine.Do(ctx, id, r)
	return answer, c.stopIfTampered(ctx, id, t.Transfer, err)
}

// transfer returns a copy of a transfer as it stands at the head.
func (c *Custodian) transfer(ctx context.Context, id, name string) (*treasury.Transfer, error) {
	var t *treasury.Transfer
	err := c.engine.AtHead(ctx, id, func(s *portfolio.State) error {
		found := s.Custody.Transfers[name]
		if found == nil {
			return &domain.Error{Code: domain.CodeNotFound, Field: "transfer", Message: "is not a transfer of this portfolio"}
		}
		t = onWall(s, copyOf(found))
		return nil
	})
	return t, err
}

func copyOf(t *treasury.Transfer) *treasury.Transfer {
	c := *t
	c.Attempts = slices.Clone(t.Attempts)
	return &c
}

// sendable returns a copy of a transfer whose transaction may be signed or sent now.
func (c *Custodian) sendable(ctx context.Context, id, name string) (*treasury.Transfer, error) {
	if err := c.engine.CheckPendingStops(id, ""); err != nil {
		return nil, err
	}
	var t *treasury.Transfer
	err := c.engine.AtHead(ctx, id, func(s *portfolio.State) error {
		if err := s.Sendable(name); err != nil {
			return err
		}
		t = onWall(s, copyOf(s.Custody.Transfers[name]))
		return nil
	})
	return t, c.stopIfTampered(ctx, id, name, err)
}

// stopIfTampered engages the emergency stop if the transaction is not the approved one.
func (c *Custodian) stopIfTampered(ctx context.Context, id, transfer string, err error) error {
	if errors.Is(err, portfolio.ErrTampered) {
		c.breach(ctx, id, "transfer "+transfer+" is not what was approved")
	}
	return err
}

// signed returns the bytes to send: it signs here, or uses the imported signature. It
// first compares the transaction's own bytes with the approval.
func (c *Custodian) signed(ctx context.Context, id string, t *treasury.Transfer) (SignedTransaction, error) {
	if c.o.Chain == nil {
		return SignedTransaction{}, errNoChain
	}
	last := t.Last()
	if last.TxHash == "" && t.RaiseLapsed(c.engine.WallClock()) { // too late, and no breach
		return SignedTransaction{}, domain.Errorf(domain.CodeConflict, "the transaction was made under the approval of a higher fee that has lapsed: ask for the higher fee again, or cancel the transfer")
	}
	says, err := c.o.Chain.Read(last.Transaction)
	if err != nil {
		return SignedTransaction{}, err
	}
	if field := t.Differs(last.Cancel, says.Says); field != "" || says.Digest != last.Digest || says.Nonce != last.Nonce {
		err := &domain.Error{Code: domain.CodeDenied, Field: field, Message: "of the transaction differs", Cause: portfolio.ErrTampered}
		return SignedTransaction{}, c.stopIfTampered(ctx, id, t.Transfer, err)
	}
	if last.Raw != "" {
		return c.o.Chain.Accept(last.Transaction, last.Raw)
	}
	if t.FromPlace != domain.WalletHot {
		return SignedTransaction{}, domain.Errorf(domain.CodeConflict, "the key of a cold wallet is not here: pets cold export, sign and import")
	}
	if c.o.Signer == nil {
		return SignedTransaction{}, errNoSigner
	}
	if err := c.openRecipient(ctx, id, t); err != nil {
		return SignedTransaction{}, err
	}
	digest, err := parseDigest(last.Digest)
	if err != nil {
		return SignedTransaction{}, err
	}
	signature, err := c.sign(ctx, id, t.Wallet, t.From, digest)
	if err != nil {
		return SignedTransaction{}, err
	}
	defer clear(signature[:])
	signed, err := c.o.Chain.Assemble(last.Transaction, signature)
	if err == nil && last.TxHash != "" && last.TxHash != signed.Hash {
		err = domain.Errorf(domain.CodeInternal, "the same digest got another signature; nothing is sent")
	}
	return signed, err
}

// openRecipient opens the key of the wallet that receives what nobody has approved, before it
// is signed. Records of the store say that the wallet is ours, and that its key was found
// here; whoever can write to the store can write them, but not into the keystore.
func (c *Custodian) openRecipient(ctx context.Context, id string, t *treasury.Transfer) error {
	if last := t.Last(); t.ApprovalsNeeded() > 0 || last.Cancel || last.TxHash != "" {
		return nil
	}
	wallets, err := c.wallets(ctx, id)
	if err != nil {
		return err
	}
	for _, w := range wallets {
		if w.Chain != t.Chain || !treasury.SameAddress(w.Address, t.To) {
			continue
		}
		if err := c.stopIfForeign(ctx, id, w.Wallet, c.o.Signer.Verify(ctx, w.Wallet, w.Address)); err != nil {
			return &domain.Error{Code: domain.CodeConflict, Message: "nobody has approved the transfer, and the key of wallet " + w.Wallet + ", which receives it, cannot be opened: nothing is signed. Reject it, and request it again, so that another person approves it", Cause: err}
		}
		return nil
	}
	return c.stopIfTampered(ctx, id, t.Transfer, &domain.Error{Code: domain.CodeDenied, Field: "to", Message: "is no wallet of the portfolio, and nobody has approved the transfer", Cause: portfolio.ErrTampered})
}
