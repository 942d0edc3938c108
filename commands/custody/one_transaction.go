package custody

import (
	"context"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
)

// One transaction ends one transfer: see the file of this name in package portfolio. Here
// transactions are made so that no two transfers of a wallet get the same one, and what the
// chain says of a transaction is recorded of the transfer that has it.

// otherDigests are the digests that no transaction of a transfer may have.
func (c *Custodian) otherDigests(ctx context.Context, id string, t *treasury.Transfer) (all []string, err error) {
	err = c.engine.AtHead(ctx, id, func(s *portfolio.State) error {
		all = s.Custody.OtherDigests(t)
		return nil
	})
	return all, err
}

// ownerOf names the other transfer that a transaction ends; "" if there is none.
func (c *Custodian) ownerOf(ctx context.Context, id string, t *treasury.Transfer, hash string) (name string, err error) {
	err = c.engine.AtHead(ctx, id, func(s *portfolio.State) error {
		if owner := s.Custody.Owner(t, hash); owner != nil && owner.Transfer != t.Transfer {
			name = owner.Transfer
		}
		return nil
	})
	return name, err
}

// replacedBy records that the transaction of another transfer used the nonce. That one
// carries the fee. No other transaction of this nonce is ever on the chain, so it takes no
// people to say so, from a cold wallet either.
func (c *Custodian) replacedBy(ctx context.Context, id string, t *treasury.Transfer, owner string, out Outcome) error {
	if owner == "" {
		return nil
	}
	return c.fail(ctx, id, t, commands.FailTransfer{
		Transfer: t.Transfer, Code: domain.FailedReplaced, Detail: "transfer " + owner + " used its nonce", TxHash: out.TxHash, Block: out.Block,
	})
}

// overtaken ends a prepared transfer of a cold wallet whose nonce another transfer has
// used. Nobody has to say whether it was signed: it is never on the chain.
func (c *Custodian) overtaken(ctx context.Context, id string, t *treasury.Transfer) (over bool, err error) {
	var by *treasury.Transfer
	err = c.engine.AtHead(ctx, id, func(s *portfolio.State) error {
		if other := s.Custody.NonceTaken(t); other != nil {
			by = copyOf(other)
		}
		return nil
	})
	if err != nil || by == nil {
		return false, err
	}
	return true, c.replacedBy(ctx, id, t, by.Transfer, Outcome{TxHash: by.TxHash, Block: by.Block})
}

// reopenDoubles takes back the recorded ends that are wrong whatever the chain says, of one
// address or of all with "". They end again, as the chain decides, and then without
// postings of what another transfer did.
func (c *Custodian) reopenDoubles(ctx context.Context, id, address string) (reopened int, err error) {
	type double struct {
		t   *treasury.Transfer
		cmd commands.ReopenTransfer
	}
	var found []double
	err = c.atHeadWithin(ctx, id, func(s *portfolio.State) error {
		for _, d := range s.Custody.DoubleEnds() {
			if address == "" || treasury.SameAddress(d.Transfer.From, address) {
				t := copyOf(d.Transfer)
				found = append(found, double{t, commands.ReopenTransfer{Transfer: t.Transfer, Code: domain.ReopenedOtherwise, Detail: d.Detail, Block: t.Block}})
			}
		}
		return nil
	})
	for _, d := range found {
		if err := c.reopen(ctx, id, d.t, d.cmd); err != nil {
			return reopened, &TransferProblem{Transfer: d.t.Transfer, Err: err}
		}
		reopened++
	}
	return reopened, err
}

// asRecorded is an outcome of a transfer as it should be recorded of it: a transaction that
// another transfer has is a replacement, and a fee is that of the transfer with which it is
// booked.
func (c *Custodian) asRecorded(ctx context.Context, id string, t *treasury.Transfer, out Outcome) (Outcome, error) {
	if out.Kind == Waiting || out.Kind == Lost {
		return out, nil
	}
	err := c.engine.AtHead(ctx, id, func(s *portfolio.State) error {
		switch use := s.Custody.HashUse(t, out.TxHash); {
		case use.Other != "":
			out = Outcome{Kind: Replaced, TxHash: out.TxHash, Block: out.Block}
		case use.Booked != "" && t.Fee.IsZero():
			out.Fee = domain.Zero
		}
		return nil
	})
	return out, err
}
