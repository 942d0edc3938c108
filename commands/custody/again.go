package custody

import (
	"context"

	"pets/commands"
	"pets/domain"
	"pets/domain/treasury"
)

// PrepareAgain makes the transaction of a cold wallet again, with the current fees and the
// same nonce: the prepared one, or one that replaces what was signed before.
func (c *Custodian) PrepareAgain(ctx context.Context, id string, r commands.Request) (commands.Answer, error) {
	cmd, err := commandOf[commands.PrepareAgain](&r)
	if err != nil {
		return commands.Answer{}, err
	}
	if first, known, err := c.recall(ctx, id, r); known {
		return first, err
	}
	if c.o.Chain == nil {
		return commands.Answer{}, errNoChain
	}
	t, err := c.transfer(ctx, id, cmd.Transfer)
	switch {
	case err != nil:
		return commands.Answer{}, err
	case !cold(t):
		return commands.Answer{}, domain.Errorf(domain.CodeConflict, "the transfer is sent from a hot wallet: the server prepares it by itself")
	case !t.UnderWay():
		return commands.Answer{}, domain.Errorf(domain.CodeConflict, "the transfer is %s: it has no transaction to prepare again", t.Status)
	}
	if _, err := c.sendable(ctx, id, t.Transfer); err != nil {
		return commands.Answer{}, err
	}
	how := Making{WholeFee: true}
	if how.Not, err = c.otherDigests(ctx, id, t); err != nil {
		return commands.Answer{}, err
	}
	if t.Status == treasury.Prepared && t.Cancel == nil {
		how.Nonce = &t.Last().Nonce
		cmd.Prepared, err = c.o.Chain.Prepare(ctx, c.paymentOf(t), how)
	} else {
		cmd.Prepared, err = c.o.Chain.Reprice(ctx, c.outbid(t), c.paymentOf(t), how)
	}
	if err != nil {
		return commands.Answer{}, err
	}
	r.Command = cmd
	answer, err := c.engine.Do(ctx, id, r)
	return answer, c.stopIfTampered(ctx, id, t.Transfer, err)
}
