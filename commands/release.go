package commands

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
)

// SignatureAnswer answers: sign this.
type SignatureAnswer struct {
	Signed   bool   `json:"signed"`
	Purpose  string `json:"purpose" enum:"order,transfer"`
	Permit   string `json:"permit,omitempty"`
	Transfer string `json:"transfer,omitempty"`
	Wallet   string `json:"wallet,omitempty"`
	Address  string `json:"address,omitempty"`
	// Digest is what was signed, 64 hex digits; Shape the name of the typed data's.
	Digest string `json:"digest,omitempty"`
	Shape  string `json:"shape,omitempty"`
	// Reasons are why it was not.
	Reasons []domain.SignatureObstacle `json:"reasons"`
}

// signatureMade and signatureRefused are what an answer says of them.
func signatureMade(e *domain.SignatureMade) *SignatureAnswer {
	return &SignatureAnswer{
		Signed: true, Purpose: e.Purpose, Permit: e.Permit, Transfer: e.Transfer, Wallet: e.Wallet, Address: e.Address, Digest: e.Digest,
		Shape: e.Shape, Reasons: []domain.SignatureObstacle{},
	}
}

func signatureRefused(e *domain.SignatureRefused) *SignatureAnswer {
	return &SignatureAnswer{Purpose: e.Purpose, Permit: e.Permit, Transfer: e.Transfer, Digest: e.Digest, Shape: e.Shape, Reasons: e.Reasons}
}

// ReadOrder reads typed data of a known shape, and gives the digest to sign.
func (c *Custody) ReadOrder(typedData json.RawMessage) (domain.TypedOrder, error) {
	if c.o.Orders == nil {
		return domain.TypedOrder{}, errNoShapes
	}
	order, _, err := c.o.Orders(typedData)
	return order, err
}

// SignOrder signs an order under a permit. The signature is made, and kept to
// ourselves, before the decision; it is released only once signature.made is appended
// at the revision that the decision was made at. If anything came between, a trip for
// one, the writer decides again, and a refusal means that the signature is wiped. "The
// key sits behind the breaker."
func (c *Custody) SignOrder(ctx context.Context, id string, r Request) (answer Answer, signature string, err error) {
	cmd, ok := r.Command.(SignOrder)
	if !ok {
		return Answer{}, "", errWrongStream(r.Command)
	}
	if c.o.Signer == nil {
		return Answer{}, "", errNoSigner
	}
	if err := check(&r); err != nil {
		return Answer{}, "", err
	}
	digest, err := parseDigest(cmd.Order.Digest)
	if err != nil {
		return Answer{}, "", err
	}
	return c.release(ctx, r, cmd, &secret{custody: c, portfolio: id, digest: digest})
}

// release signs into a secret, has it decided, and gives it away or wipes it.
func (c *Custody) release(ctx context.Context, r Request, cmd SignOrder, s *secret) (answer Answer, signature string, err error) {
	defer s.wipe()
	id := s.portfolio
	// A key is not opened for what would be refused now.
	if _, err := c.clear(ctx, id, r.Caller, cmd, s); err != nil {
		return Answer{}, "", err
	}
	if s.wanted {
		if err := s.make(ctx); err != nil {
			return Answer{}, "", err
		}
	}
	if answer, err = c.engine.Do(ctx, id, r); err != nil {
		return Answer{}, "", err
	}
	if answer.Signature == nil || !answer.Signature.Signed {
		return answer, "", nil
	}
	if decidedNow := !answer.Replayed && madeHere(answer.events); !decidedNow || !s.made {
		// Nothing was appended for this release: what held when it was decided has to
		// hold now.
		if err := c.releaseAgain(ctx, id, r.Caller, cmd, s); err != nil {
			return Answer{}, "", err
		}
	}
	// A stop that waits to be recorded holds from the moment somebody wanted it.
	if err := c.engine.stops.pending.hold(id, s.bot); err != nil {
		return Answer{}, "", err
	}
	return answer, s.text(), nil
}

// madeHere reports whether the decision emitted a signature, and did not only point to
// one.
func madeHere(events []domain.Event) bool {
	return slices.ContainsFunc(events, func(e domain.Event) bool {
		_, made := e.(*domain.SignatureMade)
		return made
	})
}

// releaseAgain gives a signature that was decided on before: to a retry, or for the
// same digest under another key.
func (c *Custody) releaseAgain(ctx context.Context, id string, caller domain.Caller, cmd SignOrder, s *secret) error {
	found, err := c.clear(ctx, id, caller, cmd, s)
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
	if found, err = c.clear(ctx, id, caller, cmd, s); err == nil && len(found) > 0 {
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
	return domain.Errorf(code, "the signature was made before, and is not given again: %s", why.Message)
}

// clear looks, at the head of the stream, whether the order may be signed, and by which
// wallet.
func (c *Custody) clear(ctx context.Context, id string, caller domain.Caller, cmd SignOrder, s *secret) ([]domain.SignatureObstacle, error) {
	var found []domain.SignatureObstacle
	err := c.engine.look(ctx, id, func(state *portfolio.State) error {
		if p := state.Permits[cmd.Permit]; p != nil {
			s.bot = p.Bot
		}
		if err := c.engine.stops.pending.hold(id, s.bot); err != nil {
			return err
		}
		found = state.SignObstacles(c.o.Now().UTC(), caller, portfolio.SignRequest(cmd))
		s.wanted = len(found) == 0
		if w := state.Custody.Main(domain.WalletHot); w != nil && s.wanted {
			s.wallet, s.address = w.Wallet, w.Address
		}
		return nil
	})
	return found, err
}

// SignTransfer signs the transaction of an approved transfer that was prepared last,
// under the same rule: appended first, then released. Whoever has the bytes can send
// them, so before they leave it is recorded, too, that they may be on their way.
func (c *Custody) SignTransfer(ctx context.Context, id string, r Request) (Answer, SignedTransaction, error) {
	answer, signed, err := c.signTransfer(ctx, id, r)
	if err != nil {
		return Answer{}, SignedTransaction{}, err
	}
	cmd := BroadcastTransfer{Transfer: answer.transfer, TxHash: signed.Hash}
	if err := c.tampering(ctx, id, cmd.Transfer, c.act(ctx, id, cmd)); err != nil {
		return Answer{}, SignedTransaction{}, err
	}
	if err := c.engine.stops.pending.hold(id, ""); err != nil {
		return Answer{}, SignedTransaction{}, err
	}
	return answer.Answer, signed, nil
}

// signedAnswer is the answer to a request to sign a transfer, and which one.
type signedAnswer struct {
	Answer
	transfer string
}

// signTransfer does so without letting go of it.
func (c *Custody) signTransfer(ctx context.Context, id string, r Request) (signedAnswer, SignedTransaction, error) {
	fail := func(err error) (signedAnswer, SignedTransaction, error) {
		return signedAnswer{}, SignedTransaction{}, err
	}
	cmd, ok := r.Command.(SignTransfer)
	if !ok {
		return fail(errWrongStream(r.Command))
	}
	if cmd.Raw != "" {
		return fail(domain.Invalid("raw", "does not go with a request to sign; bring what a cold wallet signed as such"))
	}
	if err := check(&r); err != nil {
		return fail(err)
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
		return fail(c.tampering(ctx, id, t.Transfer, err))
	}
	if answer.Replayed || !madeHere(answer.events) {
		// Nothing was appended for this release: what held then has to hold now.
		if _, err := c.sendable(ctx, id, cmd.Transfer); err != nil {
			return fail(err)
		}
	}
	return signedAnswer{answer, cmd.Transfer}, signed, nil
}

// ImportSigned takes the signed transaction of a cold wallet, brought from the machine
// that has its key.
func (c *Custody) ImportSigned(ctx context.Context, id string, r Request) (Answer, error) {
	cmd, ok := r.Command.(SignTransfer)
	if !ok || cmd.Raw == "" {
		return Answer{}, domain.Invalid("raw", "is missing: the signed bytes, 0x and hex")
	}
	if err := check(&r); err != nil {
		return Answer{}, err
	}
	if first, known, err := c.recall(ctx, id, r); known {
		return first, err
	}
	if c.o.Chain == nil {
		return Answer{}, errNoChain
	}
	t, err := c.transfer(ctx, id, cmd.Transfer)
	if err != nil {
		return Answer{}, err
	}
	last := t.Last()
	switch {
	case last == nil:
		return Answer{}, domain.Errorf(domain.CodeConflict, "the transfer is %s: it has no transaction yet", t.Status)
	case t.FromPlace != domain.WalletCold: // nobody but this server has the key
		return Answer{}, domain.Errorf(domain.CodeConflict, "the transfer is sent from a hot wallet; its key is here, and signs here")
	}
	signed, err := c.o.Chain.Accept(last.Transaction, cmd.Raw)
	if err != nil {
		return Answer{}, err
	}
	cmd.Digest, cmd.TxHash = last.Digest, signed.Hash
	r.Command = cmd
	answer, err := c.engine.Do(ctx, id, r)
	return answer, c.tampering(ctx, id, t.Transfer, err)
}

// transfer returns a copy of a transfer as it stands at the head.
func (c *Custody) transfer(ctx context.Context, id, name string) (*treasury.Transfer, error) {
	var t *treasury.Transfer
	err := c.engine.look(ctx, id, func(s *portfolio.State) error {
		found := s.Custody.Transfers[name]
		if found == nil {
			return &domain.Error{Code: domain.CodeNotFound, Field: "transfer", Message: "is not one of this portfolio"}
		}
		t = copyOf(found)
		return nil
	})
	return t, err
}

func copyOf(t *treasury.Transfer) *treasury.Transfer {
	c := *t
	c.Attempts = slices.Clone(t.Attempts)
	return &c
}

// sendable returns a copy of a transfer of which something may be signed or sent now.
func (c *Custody) sendable(ctx context.Context, id, name string) (*treasury.Transfer, error) {
	if err := c.engine.stops.pending.hold(id, ""); err != nil {
		return nil, err
	}
	var t *treasury.Transfer
	err := c.engine.look(ctx, id, func(s *portfolio.State) error {
		if err := s.Sendable(name); err != nil {
			return err
		}
		t = copyOf(s.Custody.Transfers[name])
		return nil
	})
	return t, c.tampering(ctx, id, name, err)
}

// tampering engages the emergency stop where what is to be sent is not what was
// approved.
func (c *Custody) tampering(ctx context.Context, id, transfer string, err error) error {
	if errors.Is(err, portfolio.ErrTampered) {
		c.breach(ctx, id, "transfer "+transfer+" is not what was approved")
	}
	return err
}

// signed makes the bytes that are sent: signs them here, or takes those that were
// brought. Before that, the transaction's own bytes are held against the approval.
func (c *Custody) signed(ctx context.Context, id string, t *treasury.Transfer) (SignedTransaction, error) {
	if c.o.Chain == nil {
		return SignedTransaction{}, errNoChain
	}
	last := t.Last()
	says, err := c.o.Chain.Read(last.Transaction)
	if err != nil {
		return SignedTransaction{}, err
	}
	if field := t.Matches(says.Says); field != "" || says.Digest != last.Digest || says.Nonce != last.Nonce {
		err := &domain.Error{Code: domain.CodeDenied, Field: field, Message: "of the transaction differs", Cause: portfolio.ErrTampered}
		return SignedTransaction{}, c.tampering(ctx, id, t.Transfer, err)
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
