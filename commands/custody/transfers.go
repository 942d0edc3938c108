package custody

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/notice"
)

// Work advances every open transfer of a portfolio by one step: prepare, sign, send,
// follow. Each step is appended before the act it allows, so a crash at any moment is
// followed by the same step again, with the same bytes. Any number of servers may do so:
// each finds at the head of the stream what the others have done. progressed reports
// whether anything was done.
func (c *Custodian) Work(ctx context.Context, id string) (progressed bool, err error) {
	var open []*treasury.Transfer
	overdue, propose := false, false
	err = c.atHeadWithin(ctx, id, func(s *portfolio.State) error {
		if s.Mode != domain.ModeLive {
			return nil
		}
		for _, t := range s.Custody.OpenTransfers() {
			open = append(open, onWall(s, copyOf(t)))
		}
		now, _ := s.ClockAt(c.engine.WallClock())
		overdue, propose = s.TransfersOverdue(now), s.PlanRebalanceAt(now).Why == "" && !rebalanceDeclined(s, now)
		return nil
	})
	if err != nil {
		return false, err
	}
	var failed []error
	if overdue {
		failed = append(failed, c.act(ctx, id, commands.ExpireTransfers{}))
	}
	if propose {
		failed = append(failed, c.act(ctx, id, commands.ProposeRebalance{}))
	}
	busy := map[string]bool{} // wallets with a transfer under way, whose nonce comes first
	for _, t := range open {
		busy[t.Wallet] = busy[t.Wallet] || t.UnderWay()
	}
	for _, t := range open {
		if t.Status == treasury.Approved && !t.Urgent() && busy[t.Wallet] {
			continue
		}
		moved, err := c.step(ctx, id, t)
		busy[t.Wallet] = busy[t.Wallet] || moved
		progressed = progressed || moved
		if err != nil {
			failed = append(failed, &TransferProblem{Transfer: t.Transfer, Err: err})
		}
	}
	return progressed, errors.Join(failed...)
}

// declinedFor is how long no rebalance is proposed after one was not made.
const declinedFor = time.Hour

// rebalanceDeclined reports whether a rebalance ended recently without being made. A
// person who has rejected one does not want it proposed again at once.
func rebalanceDeclined(s *portfolio.State, now time.Time) bool {
	for _, t := range s.Custody.Transfers {
		if t.Kind == domain.TransferRebalance && !t.Open() && t.Status != treasury.Confirmed && now.Sub(t.EndedAt) < declinedFor {
			return true
		}
	}
	return false
}

// TransferProblem says why a transfer does not progress. The step is retried.
type TransferProblem struct {
	Transfer string
	Err      error
}

func (e *TransferProblem) Error() string { return "transfer " + e.Transfer + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *TransferProblem) Unwrap() error { return e.Err }

// act sends a command in the server's own name.
func (c *Custodian) act(ctx context.Context, id string, cmd commands.Command) error {
	_, err := c.engine.Do(ctx, id, asServer(cmd))
	return err
}

// atHeadWithin is AtHead, bounded in time: a store may hang.
func (c *Custodian) atHeadWithin(ctx context.Context, id string, f func(*portfolio.State) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.StepTimeout)
	defer cancel()
	return c.engine.AtHead(ctx, id, f)
}

// step takes the next step of one transfer. It is bounded in time: an endpoint that hangs
// must not block the other transfers.
func (c *Custodian) step(ctx context.Context, id string, t *treasury.Transfer) (moved bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.StepTimeout)
	defer cancel()
	if c.o.Chain == nil {
		if t.Status == treasury.Requested {
			return false, nil
		}
		return false, errNoChain
	}
	switch t.Status {
	case treasury.Approved:
		return c.prepare(ctx, id, t)
	case treasury.Prepared:
		return c.readied(ctx, id, t)
	case treasury.Signed:
		return c.launch(ctx, id, t)
	case treasury.Broadcast:
		return c.follow(ctx, id, t)
	default: // it waits for a person, or has ended
		return false, nil
	}
}

func (c *Custodian) prepare(ctx context.Context, id string, t *treasury.Transfer) (bool, error) {
	if t.Lapsed(c.engine.WallClock()) {
		return false, nil
	}
	if _, err := c.sendable(ctx, id, t.Transfer); err != nil {
		return false, err
	}
	others, err := c.otherDigests(ctx, id, t)
	if err != nil {
		return false, err
	}
	p, err := c.o.Chain.Prepare(ctx, c.paymentOf(t), Making{First: t.Urgent(), WholeFee: cold(t), Not: others})
	switch {
	case errors.Is(err, ErrCannotPay):
		return true, errors.Join(err, c.act(ctx, id, commands.FailTransfer{Transfer: t.Transfer, Code: domain.FailedRefused, Detail: "it can never be made as approved"}))
	case err != nil:
		return false, err
	}
	err = c.stopIfTampered(ctx, id, t.Transfer, c.act(ctx, id, commands.PrepareTransfer{Transfer: t.Transfer, Prepared: p}))
	if errors.Is(err, portfolio.ErrNonceUsed) {
		// The chain offers a nonce that is recorded as used: one of the two is wrong.
		if reopened, e := c.recheck(ctx, id, t.From); reopened > 0 || e != nil {
			return reopened > 0, e
		}
	}
	return err == nil, err
}

// readied takes the next step of a prepared transfer. One of a cold wallet is signed
// elsewhere; until then it follows what people have asked for since.
func (c *Custodian) readied(ctx context.Context, id string, t *treasury.Transfer) (bool, error) {
	if !cold(t) {
		moved, err := c.signNext(ctx, id, t)
		if errors.Is(err, portfolio.ErrSameTransaction) { // prepared by an older build
			return c.prepareAgain(ctx, id, t)
		}
		return moved, err
	}
	if over, err := c.overtaken(ctx, id, t); over || err != nil {
		return over, err
	}
	outdated, err := c.outdated(t)
	switch {
	case err != nil || !outdated:
		return false, err
	case t.Cancel != nil:
		return c.reprice(ctx, id, t)
	}
	return c.prepareAgain(ctx, id, t)
}

// prepareAgain replaces an unsigned transaction by one with the current fees. The nonce
// stays: with another one, a signature that a cold wallet made of the former could pay
// twice.
func (c *Custodian) prepareAgain(ctx context.Context, id string, t *treasury.Transfer) (bool, error) {
	if _, err := c.sendable(ctx, id, t.Transfer); err != nil {
		return false, err
	}
	others, err := c.otherDigests(ctx, id, t)
	if err != nil {
		return false, err
	}
	p, err := c.o.Chain.Prepare(ctx, c.paymentOf(t), Making{First: t.Urgent() && !cold(t), WholeFee: cold(t), Nonce: &t.Last().Nonce, Not: others})
	if err != nil {
		return false, err
	}
	err = c.stopIfTampered(ctx, id, t.Transfer, c.act(ctx, id, commands.PrepareTransfer{Transfer: t.Transfer, Prepared: p}))
	return err == nil, err
}

// cold reports whether the key of the sending wallet is elsewhere.
func cold(t *treasury.Transfer) bool { return t.FromPlace == domain.WalletCold }

// outdated reports whether the latest transaction is not the one that people want by now:
// the transfer is to be cancelled, a higher fee was approved, or the one that it was made
// under has lapsed and another one was approved. A hot wallet offers a
// higher fee once its transaction is stuck.
func (c *Custodian) outdated(t *treasury.Transfer) (bool, error) {
	last := t.Last()
	switch {
	case last == nil || !t.AttemptsLeft():
		return false, nil
	case last.Cancel != (t.Cancel != nil):
		return true, nil
	case t.RaiseReplaced(c.engine.WallClock()):
		return true, nil
	case !cold(t):
		return false, nil
	}
	says, err := c.o.Chain.Read(last.Transaction)
	return err == nil && says.Says.HighestFee.Less(c.paymentOf(t).HighestFee), err
}

// paymentOf is what the transactions of a transfer do from now on.
func (c *Custodian) paymentOf(t *treasury.Transfer) domain.Payment {
	if t.Cancel != nil {
		return t.Cancel.Payment
	}
	pays := t.Payment
	pays.HighestFee = t.FeeAt(c.engine.WallClock())
	return pays
}

// signNext signs the latest transaction. A cold wallet signs elsewhere, and its signed
// transaction has to be imported.
func (c *Custodian) signNext(ctx context.Context, id string, t *treasury.Transfer) (bool, error) {
	if t.FromPlace != domain.WalletHot || t.Lapsed(c.engine.WallClock()) {
		return false, nil
	}
	cmd := commands.SignTransfer{Transfer: t.Transfer}
	_, _, err := c.signTransfer(ctx, id, asServer(cmd), cmd)
	return err == nil, err
}

// launch sends a signed transaction. Imported bytes may have been sent by another holder
// already, even while everything is halted, so it first records what became of them.
func (c *Custodian) launch(ctx context.Context, id string, t *treasury.Transfer) (bool, error) {
	if imported(t) {
		out, err := c.o.Chain.Follow(ctx, signedOf(t))
		if err != nil {
			return false, err
		}
		if over, err := c.settle(ctx, id, t, out); over || err != nil || out.InBlock {
			return over, err
		}
	}
	outdated, err := c.outdated(t)
	switch last := t.Last(); {
	case err != nil || last == nil:
		return false, err
	case outdated:
		return c.reprice(ctx, id, t)
	case last.TxHash == "":
		return c.signNext(ctx, id, t)
	}
	return c.broadcast(ctx, id, t)
}

// imported reports whether a transaction of the transfer was signed elsewhere. Whoever
// signed it may have sent it, or another signature of the same payment.
func imported(t *treasury.Transfer) bool {
	return slices.ContainsFunc(t.Attempts, func(a treasury.Attempt) bool { return a.Raw != "" })
}

// broadcast records that the transaction may be on its way, and sends it.
func (c *Custodian) broadcast(ctx context.Context, id string, t *treasury.Transfer) (bool, error) {
	t, err := c.sendable(ctx, id, t.Transfer)
	if err != nil {
		return false, err
	}
	last := t.Last()
	if last == nil || last.TxHash == "" {
		return false, nil // another server has gone on
	}
	signed, err := c.signed(ctx, id, t)
	if err != nil {
		return false, err
	}
	if err := c.stopIfTampered(ctx, id, t.Transfer, c.act(ctx, id, commands.BroadcastTransfer{Transfer: t.Transfer, TxHash: signed.Hash})); err != nil {
		return false, err
	}
	// Recorded: from here on the money is in transit, whether a crash comes before the
	// bytes are out or after it. They are sent again until the chain knows them.
	return true, c.o.Chain.Send(ctx, t.Chain, signed.Raw)
}

// follow asks the chain what became of a transfer that was sent, and records it or moves
// it on.
func (c *Custodian) follow(ctx context.Context, id string, t *treasury.Transfer) (bool, error) {
	last := t.Last()
	if last == nil {
		return false, domain.Errorf(domain.CodeInternal, "it was sent, and has no transaction")
	}
	out, err := c.o.Chain.Follow(ctx, signedOf(t))
	if err != nil {
		return false, err
	}
	if over, err := c.settle(ctx, id, t, out); over || err != nil {
		return over, err
	}
	return c.push(ctx, id, t, out)
}

// settle records an outcome that is final, and reports whether it was.
func (c *Custodian) settle(ctx context.Context, id string, t *treasury.Transfer, out Outcome) (over bool, err error) {
	if out.Kind != Waiting && out.Kind != Lost {
		if owner, err := c.ownerOf(ctx, id, t, out.TxHash); err != nil || owner != "" {
			return owner != "", errors.Join(err, c.replacedBy(ctx, id, t, owner, out))
		}
	}
	switch out.Kind {
	case Arrived:
		return true, c.act(ctx, id, commands.ConfirmTransfer{Transfer: t.Transfer, TxHash: out.TxHash, Block: out.Block, Fee: out.Fee})
	case Reverted:
		return true, c.failed(ctx, id, t, domain.FailedReverted, out)
	case NotMoved:
		return true, c.failed(ctx, id, t, domain.FailedNotMoved, out)
	case Cancelled:
		return true, c.failed(ctx, id, t, domain.FailedCancel, out)
	case Replaced:
		if imported(t) || cold(t) {
			// Another signature of the same payment has another hash. The holder of the key may
			// have sent that one, and putting the money back would mean paying twice.
			return false, domain.Errorf(domain.CodeConflict, "transaction %s used its nonce, and was not imported here: look up what it pays. If another transfer of the wallet with this nonce was signed, import what was signed of it (pets cold import), and both end by themselves; otherwise two people settle it by an override of kind transfer", out.TxHash)
		}
		return true, c.failed(ctx, id, t, domain.FailedReplaced, out)
	case Waiting, Lost:
		return false, nil
	}
	return false, domain.Errorf(domain.CodeInternal, "unknown outcome of the chain")
}

// signedOf returns the attempts that could be on the chain: all signed ones. That includes
// attempts that were not sent. They should not be on the chain, but if one were and was
// left out, its payment would look like a stranger's.
func signedOf(t *treasury.Transfer) []treasury.Attempt {
	return slices.DeleteFunc(slices.Clone(t.Attempts), func(a treasury.Attempt) bool { return a.TxHash == "" })
}

// failed records that a transfer failed on the chain. Only the server that recorded it
// sends a notice.
func (c *Custodian) failed(ctx context.Context, id string, t *treasury.Transfer, code string, out Outcome) error {
	return c.fail(ctx, id, t, commands.FailTransfer{Transfer: t.Transfer, Code: code, TxHash: out.TxHash, Block: out.Block, Fee: out.Fee})
}

func (c *Custodian) fail(ctx context.Context, id string, t *treasury.Transfer, cmd commands.FailTransfer) error {
	answer, err := c.engine.Do(ctx, id, asServer(cmd))
	for _, e := range answer.Decoded() {
		if _, recorded := e.(*domain.TransferFailed); recorded {
			c.o.Notify(notice.Notice{Kind: notice.TransferFailed, Portfolio: id, Subject: t.Transfer, Detail: cmd.Code})
		}
	}
	return err
}

// push advances a transfer whose outcome is not final: it signs or sends a replacement,
// sends the same bytes again if no endpoint knows them, or raises the fee if the transfer
// is stuck.
func (c *Custodian) push(ctx context.Context, id string, t *treasury.Transfer, out Outcome) (bool, error) {
	if out.InBlock {
		return false, nil
	}
	last := t.Last()
	switch outdated, err := c.outdated(t); {
	case err != nil:
		return false, err
	case outdated:
		return c.reprice(ctx, id, t)
	case last.TxHash == "":
		return c.signNext(ctx, id, t)
	case !last.Sent:
		return c.broadcast(ctx, id, t)
	case out.Kind == Lost:
		return c.resend(ctx, id, t)
	case c.stuck(t):
		return c.reprice(ctx, id, t)
	}
	return false, nil
}

// onWall converts the times of a transfer to the wall clock. Two people may have agreed
// that the stream's clock differs from it.
func onWall(s *portfolio.State, t *treasury.Transfer) *treasury.Transfer {
	offset := -time.Duration(s.ClockOffset)
	t.ExpiresAt, t.SentAt = t.ExpiresAt.Add(offset), t.SentAt.Add(offset)
	if t.Raised != nil {
		raised := *t.Raised
		raised.ExpiresAt = raised.ExpiresAt.Add(offset)
		t.Raised = &raised
	}
	return t
}

// stuck reports whether a transfer has waited so long that it gets a higher fee.
func (c *Custodian) stuck(t *treasury.Transfer) bool {
	return !cold(t) && t.AttemptsLeft() && c.engine.WallClock().Sub(t.SentAt) >= c.o.RepriceAfter
}

// resend sends the same bytes again. If every endpoint refuses them because of their
// fees, the fees are raised once the transfer is stuck, or at once for a sweep, which may
// have to outbid the transaction that it replaces.
func (c *Custodian) resend(ctx context.Context, id string, t *treasury.Transfer) (bool, error) {
	t, err := c.sendable(ctx, id, t.Transfer)
	if err != nil {
		return false, err
	}
	signed, err := c.signed(ctx, id, t)
	if err != nil {
		return false, err
	}
	// A stop may have been engaged during the signing.
	if _, err := c.sendable(ctx, id, t.Transfer); err != nil {
		return false, err
	}
	err = c.o.Chain.Send(ctx, t.Chain, signed.Raw)
	if errors.Is(err, ErrUnderpriced) && (c.stuck(t) || t.Urgent() && !cold(t) && t.AttemptsLeft()) {
		return c.reprice(ctx, id, t)
	}
	return false, err // the next step follows it
}

func (c *Custodian) reprice(ctx context.Context, id string, t *treasury.Transfer) (bool, error) {
	if _, err := c.sendable(ctx, id, t.Transfer); err != nil {
		return false, err
	}
	others, err := c.otherDigests(ctx, id, t)
	if err != nil {
		return false, err
	}
	p, err := c.o.Chain.Reprice(ctx, c.outbid(t), c.paymentOf(t), Making{WholeFee: cold(t), Not: others})
	if err != nil {
		return false, err
	}
	err = c.stopIfTampered(ctx, id, t.Transfer, c.act(ctx, id, commands.RepriceTransfer{Transfer: t.Transfer, Prepared: p}))
	return err == nil, err
}

// outbid is the transaction that a replacement has to outbid: the latest, or the latest that
// was signed if the latest may not be signed any more. A cancellation outbids what a cold
// wallet may have signed all the same.
func (c *Custodian) outbid(t *treasury.Transfer) json.RawMessage {
	last := t.Last()
	if last.TxHash == "" && t.RaiseLapsed(c.engine.WallClock()) && (t.Cancel == nil || !cold(t)) {
		if signed := signedOf(t); len(signed) > 0 {
			return signed[len(signed)-1].Transaction
		}
	}
	return last.Transaction
}
