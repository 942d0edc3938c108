package portfolio

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/treasury"
)

// settlement is what two people say of a transfer.
func settlement(id, outcome, fee string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"transfer":%q,"outcome":%q,"tx_hash":"0x%s","block":7,"fee":%q}`, id, outcome, strings.Repeat("ef", 32), fee))
}

// byTwo has one person ask for an override of kind transfer and another confirm it.
func (h *harness) byTwo(limits json.RawMessage) {
	h.t.Helper()
	h.operator().must(func(d *Decision) error {
		return d.RequestOverride(domain.OverrideTransfer, "", limits, "the nodes have forgotten it")
	})
	id := lastOf[*domain.OverrideRequested](h).Override
	h.refused(domain.CodeDenied, func(d *Decision) error { return d.ConfirmOverride(id) })
	h.as(domain.RoleApprover, "bea").must(func(d *Decision) error { return d.ConfirmOverride(id) })
	h.operator()
}

// A transfer of which the server cannot find out what became is no transfer for ever: two
// people settle it. Confirmed, the money is where it was to go; failed, it is back, less
// the fee; its nonce is used either way.
func TestTwoPeopleSettleATransfer(t *testing.T) {
	for _, outcome := range []string{"confirmed", "failed"} {
		for _, sent := range []bool{true, false} {
			h := funded(t)
			x := h.send("hot", friend, "100")
			h.upTo(treasury.Prepared, x, 4)
			p := h.sign(x, transactionOf(x, 4, "0.1"))
			if sent {
				h.broadcast(x, p)
			}
			before := h.s.Treasury(domain.WalletHot)
			if sent {
				before = before.Add(dec("100"))
			}
			h.byTwo(settlement(x.Transfer, outcome, "0.01"))
			got := h.s.Custody.Transfers[x.Transfer]
			require.Equal(t, treasury.Status(outcome), got.Status)
			require.True(t, got.UsedNonce(4))
			after := h.s.Treasury(domain.WalletHot)
			if outcome == "confirmed" {
				require.Equal(t, before.Sub(dec("100")), after)
			} else {
				require.Equal(t, before, after)
				require.Equal(t, domain.FailedByHand, got.Code)
			}
			require.Empty(t, h.s.Book.TrialBalance())
			require.True(t, h.s.Custody.Transit.IsZero())
			h.refused(domain.CodeConflict, func(d *Decision) error {
				return d.RequestOverride(domain.OverrideTransfer, "", settlement(x.Transfer, outcome, "0"), "again")
			})
		}
	}
}

// What is not on its way is settled by nobody, and what cannot be read is refused before
// the first person has asked.
func TestSettlementsThatMeanNothing(t *testing.T) {
	h := funded(t)
	x := h.send("hot", friend, "100")
	ask := func(limits string, portfolio string) func(*Decision) error {
		return func(d *Decision) error {
			return d.RequestOverride(domain.OverrideTransfer, portfolio, json.RawMessage(limits), "why")
		}
	}
	good := string(settlement(x.Transfer, "failed", "0"))
	h.refused(domain.CodeConflict, ask(good, ""))
	h.upTo(treasury.Prepared, x, 4)
	h.refused(domain.CodeConflict, ask(good, ""))
	h.sign(x, transactionOf(x, 4, "0.1"))
	for _, bad := range []string{
		"", "[]", good + "{}", strings.Replace(good, `"fee"`, `"fees"`, 1), strings.Replace(good, "failed", "lost", 1),
		strings.Replace(good, "0xef", "0xzz", 1), strings.Replace(good, `"block":7`, `"block":0`, 1), strings.Replace(good, `"fee":"0"`, `"fee":"-1"`, 1),
	} {
		h.refused(domain.CodeInvalid, ask(bad, ""))
	}
	h.refused(domain.CodeInvalid, ask(good, "main"))
	h.refused(domain.CodeNotFound, ask(strings.Replace(good, x.Transfer, "x9999", 1), ""))
	h.must(ask(good, ""))
	id := lastOf[*domain.OverrideRequested](h).Override
	// It ended meanwhile, by the chain: there is nothing left to agree to.
	h.must(func(d *Decision) error {
		last := h.s.Custody.Transfers[x.Transfer].Last()
		return d.ConfirmTransfer(&domain.TransferConfirmed{Transfer: x.Transfer, TxHash: last.TxHash, Block: 9, Fee: dec("0.01")})
	})
	h.as(domain.RoleApprover, "bea").refused(domain.CodeConflict, func(d *Decision) error { return d.ConfirmOverride(id) })
}
