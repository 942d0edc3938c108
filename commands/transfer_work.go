package commands

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/notice"
)

// Work takes every open transfer of a portfolio one step further: prepare, sign, send,
// follow. Each step is appended before the act it allows, so a crash at any moment is
// followed by the same step again, and the same bytes. Any number of servers may do it:
// what one has done the other finds at the head of the stream. progressed says whether
// anything was done.
func (c *Custody) Work(ctx context.Context, id string) (progressed bool, err error) {
	var open []*treasury.Transfer
	overdue, propose := false, false
	err = c.glance(ctx, id, func(s *portfolio.State) error {
		if s.Mode != domain.ModeLive {
			return nil
		}
		for _, t := range s.Custody.OpenTransfers() {
			open = append(open, onWall(s, copyOf(t)))
		}
		now, _ := s.ClockAt(c.o.Now())
		overdue, propose = s.TransfersOverdue(now), s.PlanRebalance().Why == "" && !declinedLately(s, now)
		return nil
	})
	if err != nil {
		return false, err
	}
	var failed []error
	if overdue {
		failed = append(failed, c.act(ctx, id, ExpireTransfers{}))
	}
	if propose {
		failed = append(failed, c.act(ctx, id, ProposeRebalance{}))
	}
	busy := map[string]bool{} // wallets with a transfer under way: its nonce comes first
	for _, t := range open {
		busy[t.Wallet] = busy[t.Wallet] || t.UnderWay()
	}
	for _, t := range open {
		if t.Status == treasury.Approved && t.Kind != domain.TransferSweep && busy[t.Wallet] {
			continue
		}
		moved, err := c.stepWithin(ctx, id, t)
		busy[t.Wallet] = busy[t.Wallet] || moved
		progressed = progressed || moved
		if err != nil {
			failed = append(failed, &TransferProblem{Transfer: t.Transfer, Err: err})
		}
	}
	return progressed, errors.Join(failed...)
}

// declinedFor is how long a proposal that came to nothing is not made again.
const declinedFor = time.Hour

// declinedLately: a person who has rejected a proposal does not want it back at once.
func declinedLately(s *portfolio.State, now time.Time) bool {
	for _, t := range s.Custody.Transfers {
		if t.Kind == domain.TransferRebalance && !t.Open() && t.Status != treasury.Confirmed && now.Sub(t.EndedAt) < declinedFor {
			return true
		}
	}
	return false
}

// TransferProblem says why a transfer does not go on. It is tried again.
type TransferProblem struct {
	Transfer string
	Err      error
}

func (e *TransferProblem) Error() string { return "transfer " + e.Transfer + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *TransferProblem) Unwrap() error { return e.Err }

// act sends a command in the server's own name. What it asks for is decided by the
// state, so that a second try does nothing twice.
func (c *Custody) act(ctx context.Context, id string, cmd Command) error {
	_, err := c.engine.Do(ctx, id, Request{Caller: serverCaller, Key: uuid.NewString(), Command: cmd})
	return err
}

// glance is a look that a store which hangs does not hold up for ever.
func (c *Custody) glance(ctx context.Context, id string, f func(*portfolio.State) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.StepTimeout)
	defer cancel()
	return c.engine.look(ctx, id, f)
}

// stepWithin bounds a step: an endpoint that hangs must not keep the other transfers.
func (c *Custody) stepWithin(ctx context.Context, id string, t *treasury.Transfer) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.StepTimeout)
	defer cancel()
	return c.step(ctx, id, t)
}

// step does what comes next for one transfer.
func (c *Custody) step(ctx context.Context, id string, t *treasury.Transfer) (moved bool, err error) {
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
		return c.signNext(ctx, id, t)
	case treasury.Signed:
		return c.launch(ctx, id, t)
	case treasury.Broadcast:
		return c.follow(ctx, id, t)
	default: // it waits for a person, or is over
		return false, nil
	}
}

func (c *Custody) prepare(ctx context.Context, id string, t *treasury.Transfer) (bool, error) {
	if t.Lapsed(c.o.Now().UTC()) {
		return false, nil
	}
	if _, err := c.sendable(ctx, id, t.Transfer); err != nil {
		return false, err
	}
	p, err := c.o.Chain.Prepare(ctx, t.Payment, t.Kind == domain.TransferSweep)
	switch {
	case errors.Is(err, ErrCannotPay):
		return true, errors.Join(err, c.act(ctx, id, FailTransfer{Transfer: t.Transfer, Code: domain.FailedRefused, Detail: "it can never be made as approved"}))
	case err != nil:
		return false, err
	}
	err = c.tampering(ctx, id, t.Transfer, c.act(ctx, id, PrepareTransfer{Transfer: t.Transfer, Prepared: p}))
	return err == nil, err
}

// signNext signs what was prepared last; a cold wallet's waits to be brought.
func (c *Custody) signNext(ctx context.Context, id string, t *treasury.Transfer) (bool, error) {
	if t.FromPlace != domain.WalletHot {
		return false, nil
	}
	_, _, err := c.signTransfer(ctx, id, Request{Caller: serverCaller, Key: uuid.NewString(), Command: SignTransfer{Transfer: t.Transfer}})
	return err == nil, err
}

// launch sends what is signed. Bytes that were brought may have been sent by whoever
// has them, also while everything is halted: what became of them is recorded first.
func (c *Custody) launch(ctx context.Context, id string, t *treasury.Transfer) (bool, error) {
	if last := t.Last(); last != nil && last.Raw != "" {
		out, err := c.o.Chain.Follow(ctx, signedOf(t))
		if err != nil {
			return false, err
		}
		if over, err := c.settle(ctx, id, t, out); over || err != nil {
			return over, err
		}
	}
	return c.broadcast(ctx, id, t)
}

// broadcast records that the transaction may be on its way, and sends it.
func (c *Custody) broadcast(ctx context.Context, id string, t *treasury.Transfer) (bool, error) {
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
	if err := c.tampering(ctx, id, t.Transfer, c.act(ctx, id, BroadcastTransfer{Transfer: t.Transfer, TxHash: signed.Hash})); err != nil {
		return false, err
	}
	// Recorded: from here on the money is in transit, whether a crash comes before the
	// bytes are out or after it. They are sent again until the chain knows them.
	return true, c.o.Chain.Send(ctx, t.Chain, signed.Raw)
}

// follow looks what the chain has made of it.
func (c *Custody) follow(ctx context.Context, id string, t *treasury.Transfer) (bool, error) {
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

// settle records what is for ever, and says whether it was.
func (c *Custody) settle(ctx context.Context, id string, t *treasury.Transfer, out Outcome) (over bool, err error) {
	switch out.Kind {
	case Arrived:
		return true, c.act(ctx, id, ConfirmTransfer{Transfer: t.Transfer, TxHash: out.TxHash, Block: out.Block, Fee: out.Fee})
	case Reverted:
		return true, c.failed(ctx, id, t, domain.FailedReverted, out)
	case NotMoved:
		return true, c.failed(ctx, id, t, domain.FailedNotMoved, out)
	case Replaced:
		if last := t.Last(); last != nil && last.Raw != "" {
			// Another signature of the same payment has another hash: whoever has the key
			// may have sent that, and to put the money back would be to pay twice.
			return false, domain.Errorf(domain.CodeConflict, "transaction %s used its nonce, and was not brought here: look what it pays; two people settle it by an override of kind transfer", out.TxHash)
		}
		return true, c.failed(ctx, id, t, domain.FailedReplaced, out)
	case Waiting, Lost:
		return false, nil
	}
	return false, domain.Errorf(domain.CodeInternal, "the chain's answer has no meaning")
}

// signedOf are the attempts that could be on the chain. One that was not sent has left
// no process, but a mistake in that would make a payment look like somebody else's.
func signedOf(t *treasury.Transfer) []treasury.Attempt {
	return slices.DeleteFunc(slices.Clone(t.Attempts), func(a treasury.Attempt) bool { return a.TxHash == "" })
}

// failed records what the chain has settled, and tells of it: once, by the server that
// recorded it.
func (c *Custody) failed(ctx context.Context, id string, t *treasury.Transfer, code string, out Outcome) error {
	answer, err := c.engine.Do(ctx, id, Request{
		Caller: serverCaller, Key: uuid.NewString(), Command: FailTransfer{Transfer: t.Transfer, Code: code, TxHash: out.TxHash, Fee: out.Fee},
	})
	for _, e := range answer.events {
		if _, recorded := e.(*domain.TransferFailed); recorded {
			c.o.Notify(notice.Notice{Kind: notice.TransferFailed, Portfolio: id, Subject: t.Transfer, Detail: code})
		}
	}
	return err
}

// push moves on what is not final: a replacement that is not signed or sent yet, the
// same bytes again where nobody knows them, or a higher fee for what is stuck.
func (c *Custody) push(ctx context.Context, id string, t *treasury.Transfer, out Outcome) (bool, error) {
	last := t.Last()
	switch {
	case out.InBlock:
		return false, nil
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

// onWall moves the times of a transfer to the wall clock, where two people agreed that
// the stream's clock is another.
func onWall(s *portfolio.State, t *treasury.Transfer) *treasury.Transfer {
	offset := -time.Duration(s.ClockOffset)
	t.ExpiresAt, t.SentAt = t.ExpiresAt.Add(offset), t.SentAt.Add(offset)
	return t
}

// stuck: it has waited for so long that it gets a higher fee.
func (c *Custody) stuck(t *treasury.Transfer) bool {
	return t.FromPlace == domain.WalletHot && len(t.Attempts) < treasury.MaxAttempts && c.o.Now().Sub(t.SentAt) >= c.o.RepriceAfter
}

// resend sends the same bytes again. Those that nobody takes any more for their fees get
// higher ones, once it is time; a sweep at once: it may have to outbid what it goes
// before.
func (c *Custody) resend(ctx context.Context, id string, t *treasury.Transfer) (bool, error) {
	t, err := c.sendable(ctx, id, t.Transfer)
	if err != nil {
		return false, err
	}
	signed, err := c.signed(ctx, id, t)
	if err != nil {
		return false, err
	}
	// Between the look and now somebody may have stopped everything.
	if _, err := c.sendable(ctx, id, t.Transfer); err != nil {
		return false, err
	}
	err = c.o.Chain.Send(ctx, t.Chain, signed.Raw)
	if errors.Is(err, ErrUnderpriced) && (c.stuck(t) || t.Kind == domain.TransferSweep && len(t.Attempts) < treasury.MaxAttempts) {
		return c.reprice(ctx, id, t)
	}
	return false, err // there is time enough to see what becomes of it
}

func (c *Custody) reprice(ctx context.Context, id string, t *treasury.Transfer) (bool, error) {
	if _, err := c.sendable(ctx, id, t.Transfer); err != nil {
		return false, err
	}
	p, err := c.o.Chain.Reprice(ctx, t.Last().Transaction)
	if err != nil {
		return false, err
	}
	err = c.tampering(ctx, id, t.Transfer, c.act(ctx, id, RepriceTransfer{Transfer: t.Transfer, Prepared: p}))
	return err == nil, err
}
