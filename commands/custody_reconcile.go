package commands

import (
	"context"
	"errors"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/notice"
)

// looks is how often a difference is looked at before it is recorded.
const looks = 3

// errMovedOn: what agreed when it was compared differs from the ledger as it is by now.
// The readings are of before, so this says nothing.
var errMovedOn = domain.Errorf(domain.CodeConflict, "the ledger has changed since the chain was read; reconcile again")

// Reconcile compares the ledger with the chain. A difference is looked at three times
// before it is recorded; then it is an event, an alert, and stops outgoing transfers.
func (c *Custody) Reconcile(ctx context.Context, id string, r Request) (Answer, error) {
	cmd, ok := r.Command.(Reconcile)
	if !ok {
		return Answer{}, errWrongStream(r.Command)
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
	for try := 1; ; try++ {
		differs, err := c.compare(ctx, id, &cmd)
		if err != nil {
			return Answer{}, err
		}
		if !differs || try >= looks {
			r.Command = cmd
			answer, err := c.engine.Do(ctx, id, r)
			if err == nil {
				c.watchDifferences(id, &answer)
			}
			if try >= looks || !errors.Is(err, errMovedOn) {
				return answer, err
			}
		}
		select {
		case <-time.After(c.o.LookAgain):
		case <-ctx.Done():
			return Answer{}, ctx.Err()
		}
	}
}

// watchDifferences tells of those that were just recorded.
func (c *Custody) watchDifferences(id string, a *Answer) {
	if a.Replayed {
		return
	}
	for _, e := range a.events {
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

// compare reads the chain into a command, and says whether the ledger differs from it.
func (c *Custody) compare(ctx context.Context, id string, cmd *Reconcile) (differs bool, err error) {
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
	err = c.engine.look(ctx, id, func(s *portfolio.State) error {
		found, err := s.Differences(read.Readings)
		differs = len(found) > 0
		return err
	})
	cmd.Block, cmd.BlockTime, cmd.Readings, cmd.Agreed = read.Block, read.Time, read.Readings, !differs
	return differs, err
}

func (c *Custody) wallets(ctx context.Context, id string) ([]*treasury.Wallet, error) {
	var all []*treasury.Wallet
	err := c.engine.look(ctx, id, func(s *portfolio.State) error {
		for _, w := range s.Custody.SortedWallets() {
			copied := *w
			all = append(all, &copied)
		}
		return nil
	})
	return all, err
}
