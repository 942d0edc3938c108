package custody

import (
	"context"
	"errors"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/notice"
)

// maxComparisons is how often ledger and chain are compared before a difference is
// recorded.
const maxComparisons = 3

// Reconcile compares the ledger with the chain. A difference that is still there at the
// third comparison is recorded: it raises an alert, and stops outgoing transfers.
func (c *Custodian) Reconcile(ctx context.Context, id string, r commands.Request) (commands.Answer, error) {
	cmd, err := commandOf[commands.Reconcile](&r)
	if err != nil {
		return commands.Answer{}, err
	}
	if first, known, err := c.recall(ctx, id, r); known {
		return first, err
	}
	if c.o.Chain == nil {
		return commands.Answer{}, errNoChain
	}
	for try := 1; ; try++ {
		differs, err := c.compare(ctx, id, &cmd)
		if err != nil {
			return commands.Answer{}, err
		}
		if differs && try == 1 {
			// An end that the chain does not have is taken back, and explains the difference.
			// A recheck that fails is repeated by the loop.
			_, _ = c.Recheck(ctx, id)
		}
		if !differs || try >= maxComparisons {
			r.Command = cmd
			answer, err := c.engine.Do(ctx, id, r)
			if err == nil {
				c.notifyDifferences(id, &answer)
			}
			if try >= maxComparisons || !errors.Is(err, commands.ErrLedgerChanged) {
				return answer, err
			}
		}
		select {
		case <-time.After(c.o.CompareAgainAfter):
		case <-ctx.Done():
			return commands.Answer{}, ctx.Err()
		}
	}
}

// notifyDifferences sends a notice for each difference that an answer has just recorded.
func (c *Custodian) notifyDifferences(id string, a *commands.Answer) {
	if a.Replayed {
		return
	}
	for _, e := range a.Decoded() {
		found, ok := e.(*domain.BalanceReconciled)
		if !ok {
			continue
		}
		for _, l := range found.Lines {
			if !l.Difference.IsZero() {
				c.o.Notify(notice.Notice{Kind: notice.BalanceDiffers, Portfolio: id, Subject: l.Asset + " in " + l.Place, Detail: "by " + l.Difference.String()})
			}
		}
	}
}

// compare fills the command with readings of the chain, and reports whether the ledger
// differs from them.
func (c *Custodian) compare(ctx context.Context, id string, cmd *commands.Reconcile) (differs bool, err error) {
	wallets, err := c.wallets(ctx, id)
	if err != nil {
		return false, err
	}
	if len(wallets) == 0 {
		return false, domain.Errorf(domain.CodeConflict, "the portfolio has no wallet to reconcile")
	}
	within, cancel := context.WithTimeout(ctx, c.o.StepTimeout)
	defer cancel()
	read, err := c.o.Chain.Balances(within, wallets)
	if err != nil {
		return false, err
	}
	err = c.engine.AtHead(ctx, id, func(s *portfolio.State) error {
		found, err := s.Differences(read.Readings)
		differs = len(found) > 0
		return err
	})
	cmd.Block, cmd.BlockTime, cmd.Readings, cmd.Agreed = read.Block, read.Time, read.Readings, !differs
	return differs, err
}
