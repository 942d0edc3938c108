package custody

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/notice"
)

// What is recorded of a transfer's end can be wrong: a reorganisation may be deeper than
// anybody expected, and two people can be mistaken. A nonce that is wrongly recorded as
// used would lock its wallet, because no later transfer may take it. So ends are compared
// with the chain again, and one that the chain does not have is taken back.

const (
	// recheckedFor is how long after its end the outcome of a transfer is followed again.
	// Whether its nonce is used at all is compared for as long as it is remembered.
	recheckedFor = 24 * time.Hour
	// maxRechecked is how many outcomes of a wallet are followed again at a time.
	maxRechecked = 20
)

// Recheck compares the recorded ends of a portfolio's transfers with the chain, and
// reopens those that the chain does not have. [Custodian.Run] does it with each
// reconciliation.
func (c *Custodian) Recheck(ctx context.Context, id string) (reopened int, err error) {
	return c.recheck(ctx, id, "")
}

// recheck does it for one address, or for all with "".
func (c *Custodian) recheck(ctx context.Context, id, address string) (reopened int, err error) {
	if c.o.Chain == nil {
		return 0, errNoChain
	}
	reopened, err = c.reopenDoubles(ctx, id, address)
	if err != nil {
		return reopened, err
	}
	senders, err := c.endedBySender(ctx, id, address)
	if err != nil {
		return reopened, err
	}
	var failed []error
	for _, ended := range senders {
		n, err := c.recheckSender(ctx, id, ended)
		reopened += n
		if err != nil {
			failed = append(failed, err)
		}
	}
	return reopened, errors.Join(failed...)
}

// endedBySender returns copies of the transfers whose recorded end is one on the chain, by
// sending address, oldest first.
func (c *Custodian) endedBySender(ctx context.Context, id, address string) (senders [][]*treasury.Transfer, err error) {
	at := map[string]int{}
	err = c.atHeadWithin(ctx, id, func(s *portfolio.State) error {
		for _, t := range s.Custody.SortedTransfers() {
			if !t.EndedOnChain() || t.Last() == nil || address != "" && !treasury.SameAddress(t.From, address) {
				continue
			}
			key := t.Chain + " " + strings.ToLower(t.From)
			i, known := at[key]
			if !known {
				i = len(senders)
				at[key] = i
				senders = append(senders, nil)
			}
			own := onWall(s, copyOf(t))
			own.EndedAt = own.EndedAt.Add(-time.Duration(s.ClockOffset))
			senders[i] = append(senders[i], own)
		}
		return nil
	})
	return senders, err
}

// recheckSender does it for the ended transfers of one address.
func (c *Custodian) recheckSender(ctx context.Context, id string, ended []*treasury.Transfer) (reopened int, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.StepTimeout)
	defer cancel()
	next, err := c.o.Chain.NextNonce(ctx, ended[0].Chain, ended[0].From)
	if err != nil {
		return 0, err
	}
	var failed []error
	for i, t := range ended {
		cmd, err := c.contradiction(ctx, id, next, t, len(ended)-i <= maxRechecked, sharesNonce(ended, t))
		if err == nil && cmd != nil {
			if err = c.reopen(ctx, id, t, *cmd); err == nil {
				reopened++
			}
		}
		if err != nil {
			failed = append(failed, &TransferProblem{Transfer: t.Transfer, Err: err})
		}
	}
	return reopened, errors.Join(failed...)
}

// contradiction returns what takes the end of a transfer back, or nil if the chain does
// not contradict it.
func (c *Custodian) contradiction(ctx context.Context, id string, next NextNonce, t *treasury.Transfer, late, shared bool) (*commands.ReopenTransfer, error) {
	cmd := &commands.ReopenTransfer{Transfer: t.Transfer, Block: next.Block}
	recent := late && c.engine.WallClock().Sub(t.EndedAt) < recheckedFor
	switch nonce := t.Last().Nonce; {
	case next.Nonce <= nonce && sees(next, t):
		cmd.Code, cmd.Detail = domain.ReopenedUnused, fmt.Sprintf("nonce %d of the wallet is unused", nonce)
		return cmd, nil
	case next.Nonce <= nonce || !recent && !shared:
		return nil, nil
	}
	detail, err := c.otherOutcome(ctx, id, t)
	switch {
	case err != nil && !recent: // endpoints have forgotten what is old
		return nil, nil
	case err != nil || detail == "":
		return nil, err
	}
	cmd.Code, cmd.Detail = domain.ReopenedOtherwise, detail
	return cmd, nil
}

// sees reports whether a reading of the chain is late enough to contradict a transfer's
// end: endpoints may be behind those that showed it. The block that people name in an
// override may not exist; for one, a block that is younger than the end is late enough.
func sees(next NextNonce, t *treasury.Transfer) bool {
	return next.Block >= t.Block || !t.HasHash(t.TxHash) && next.Time.After(t.EndedAt)
}

// sharesNonce reports whether another ended transfer has the same nonce. One of the two
// did not use it, as after a sweep that took it.
func sharesNonce(ended []*treasury.Transfer, t *treasury.Transfer) bool {
	for _, other := range ended {
		if other.Transfer != t.Transfer && other.Last().Nonce == t.Last().Nonce && t.Code != domain.FailedReplaced && other.Code != domain.FailedReplaced {
			return true
		}
	}
	return false
}

// otherOutcome says how the final outcome of a transfer on the chain differs from the
// recorded one; "" if it does not, or is not final.
func (c *Custodian) otherOutcome(ctx context.Context, id string, t *treasury.Transfer) (string, error) {
	attempts := signedOf(t)
	for i := range attempts { // the recorded transaction is asked for first, which is cheapest
		if attempts[i].TxHash == t.TxHash {
			last := len(attempts) - 1
			attempts[i], attempts[last] = attempts[last], attempts[i]
			break
		}
	}
	if len(attempts) == 0 {
		return "", nil
	}
	out, err := c.o.Chain.Follow(ctx, attempts)
	if err == nil {
		out, err = c.asRecorded(ctx, id, t, out)
	}
	if err != nil {
		return "", err
	}
	same := false
	switch out.Kind {
	case Waiting, Lost:
		return "", nil
	case Arrived:
		same = t.Status == treasury.Confirmed && t.TxHash == out.TxHash && t.Block == out.Block && t.Fee == out.Fee
	case Reverted, NotMoved, Cancelled:
		same = t.Status == treasury.Failed && t.TxHash == out.TxHash && t.Fee == out.Fee
	case Replaced:
		// What a stranger's transaction did is looked up by people: see CheckSettlement. Where
		// no transaction of the wallet used the nonce, the chain names none.
		same = t.TxHash == out.TxHash || !t.HasHash(t.TxHash) && out.TxHash == noHash
	}
	if same {
		return "", nil
	}
	return fmt.Sprintf("on the chain it is %s, by transaction %s in block %d", out.Kind, out.TxHash, out.Block), nil
}

// noHash is the hash of no transaction.
var noHash = "0x" + strings.Repeat("0", 64)

// reopen records it. Only the server that recorded it sends a notice.
func (c *Custodian) reopen(ctx context.Context, id string, t *treasury.Transfer, cmd commands.ReopenTransfer) error {
	answer, err := c.engine.Do(ctx, id, asServer(cmd))
	for _, e := range answer.Decoded() {
		if _, recorded := e.(*domain.TransferReopened); recorded {
			c.o.Notify(notice.Notice{Kind: notice.TransferReopened, Portfolio: id, Subject: t.Transfer, Detail: cmd.Detail})
		}
	}
	return err
}
