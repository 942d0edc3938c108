package money

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
	"pets/domain/approval"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

func (a *app) approveCommand() *cobra.Command {
	var hash, with string
	var yes bool
	c := &cobra.Command{
		Use: "approve ID", Short: "Agree, as another person than the one who asked, to exactly the transfer that is shown (through the server)", Args: cobra.ExactArgs(1),
		Long: "Shows the whole payment as the server has it, and asks. It approves the hash of what was shown, which\n" +
			"is computed here from those very lines; the server refuses any other.\n" +
			"To an address that is in the book for less than 24 h it takes two approvers.\n" +
			"Without a terminal, --hash says which payment was looked at, and confirms it.\n" +
			"In a portfolio with signed approvals it then shows the lines that are signed, and asks for the\n" +
			"passphrase of your approver's key; no flag stands for that.",
		Example: "  pets approve x41\n  pets approve x41 --hash 3f0c…",
		RunE: func(c *cobra.Command, args []string) error {
			if yes && hash == "" {
				return cli.Usage(domain.Invalid("--yes", "needs --hash: it says which payment was looked at"))
			}
			return a.approve(c.Context(), args[0], hash, with, yes)
		},
	}
	c.Flags().StringVar(&hash, "hash", "", "the hash of the payment that was looked at; any other is refused")
	cli.AskFirst(c, &yes, "with --hash: do not ask for a yes on a terminal")
	cli.WithKey(c, &with)
	return c
}

func (a *app) approve(ctx context.Context, id, hash, with string, yes bool) error {
	if err := a.ActsOnServer(); err != nil {
		return err
	}
	v, err := a.transfersNow(ctx, 0)
	if err != nil {
		return err
	}
	t, err := v.Named(a.App, id)
	if err != nil {
		return err
	}
	lines := linesToApprove(t)
	t = pending(t)
	if err := a.checkShown(t, hash); err != nil {
		return err
	}
	sign, err := a.ToSign(ctx, approval.KindTransfer, id, with, lines)
	if err != nil {
		return err
	}
	if !a.JSON {
		if err := a.showForApproval(ctx, t); err != nil {
			return err
		}
	}
	question := cli.Question{Text: fmt.Sprintf("Approve %s?", id), Yes: yes, Seen: hash != "", Flag: "--hash, with the hash of the payment that was looked at"}
	if err := a.Agree(ctx, question); err != nil {
		return err
	}
	// Send the hash of what was shown, never one fetched now.
	body := struct {
		Hash string `json:"hash"`
		cli.Signed
	}{Hash: t.Hash}
	if body.Signature, err = sign.Sign(ctx); err != nil {
		return err
	}
	var answer commands.Answer
	if err := a.ToServer(ctx, http.MethodPost, transferPath(id, "/approve"), body, &answer); err != nil {
		return err
	}
	next := a.Typed("transfers", id, "--follow")
	if t.From == domain.WalletCold {
		next = a.Typed("cold", "export", id)
	}
	if t.Approvals > 1 {
		return a.approvedOfTwo(ctx, answer, id, next)
	}
	done := fmt.Sprintf("%s is approved; next: %s", id, next)
	if err := a.Done(answer, done); err != nil || a.JSON || t.From != domain.WalletCold {
		return err
	}
	p := a.Messages() // who sits at that machine compares it
	p.Line("Write down its hash, for the machine with the key:")
	p.Whole("  " + t.Hash)
	return cli.Told(done, p.Err)
}

// linesToApprove are the lines of what waits for an approval: the transfer, or a higher fee.
func linesToApprove(t *projections.Transfer) []string {
	asked := asRequested(t)
	if r := t.Raise; r != nil {
		asked.HighestFee, asked.Hash, asked.User, asked.Reason, asked.ExpiresAt = r.HighestFee, r.Hash, r.RequestedBy, r.Reason, r.ExpiresAt
		return portfolio.ApprovedLines(asked, r.Former)
	}
	return portfolio.TransferLines(asked)
}

// asRequested returns the request of a transfer, from what the server shows of it.
func asRequested(t *projections.Transfer) *domain.TransferRequested {
	asked := &domain.TransferRequested{
		Transfer: t.Transfer, Kind: t.Kind, Wallet: t.Wallet, FromPlace: t.From, ToPlace: t.To, Asset: t.Asset, GasAsset: t.GasAsset,
		Payment: t.Payment, Reason: t.Reason, User: t.RequestedBy, Hash: t.Hash, ApprovalFor: t.ApprovalFor, ExpiresAt: t.ExpiresAt, Approvals: t.Approvals, ToName: t.ToName,
	}
	if t.ToSince != nil {
		asked.ToSince = *t.ToSince
	}
	return asked
}

// approvedOfTwo says how many of two approvers there are now: the same one may have agreed twice.
func (a *app) approvedOfTwo(ctx context.Context, answer commands.Answer, id, next string) error {
	v, err := a.transfersNow(ctx, answer.Revision)
	if err != nil {
		return cli.Told(id+" is approved by you", err)
	}
	now, err := v.Named(a.App, id)
	if err != nil {
		return cli.Told(id+" is approved by you", err)
	}
	if now.Status != treasury.Requested {
		return a.Done(answer, fmt.Sprintf("%s is approved; next: %s", id, next))
	}
	if err := a.Done(answer, fmt.Sprintf("%s has %s%s", id, approvalsOf(now), byFirst(now))); err != nil {
		return err
	}
	return a.NextIn(a.Config.Portfolio, "another user, with a key of role approver, agrees", "approve", id)
}

func transferPath(id, what string) string { return "/transfers/" + url.PathEscape(id) + what }

// checkHash works the hash out from what is shown: a server that shows one payment and
// has another approved is found out here.
func (a *app) checkHash(t *projections.Transfer) error {
	own := treasury.Hash(a.Config.Portfolio, &domain.TransferRequested{Transfer: t.Transfer, Kind: t.Kind, Payment: t.Payment})
	if own != t.Hash {
		return domain.Errorf(domain.CodeDenied, "the payment of %s does not have the hash that the server names: do not approve it. Somebody, or something, has changed it: %s", t.Transfer, a.Typed("stop", "--emergency", "--kind", "security_breach"))
	}
	return nil
}

// checkShown refuses what is not what was looked at, or waits for no approval.
func (a *app) checkShown(t *projections.Transfer, hash string) error {
	if err := a.checkHash(t); err != nil {
		return err
	}
	switch {
	case hash != "" && hash != t.Hash:
		return domain.Errorf(domain.CodeConflict, "%s has the hash %s, not the one given: look at it again (%s)", t.Transfer, t.Hash, a.Typed("transfers", t.Transfer))
	case !waits(t):
		return domain.Errorf(domain.CodeConflict, "%s is %s: there is nothing to approve", t.Transfer, t.Status)
	}
	return nil
}

func (a *app) showForApproval(ctx context.Context, t *projections.Transfer) error {
	n, err := a.namesAt(ctx, "")
	if err != nil {
		return err
	}
	p := a.Printer()
	p.Line("%s  %s", t.Transfer, show.InWords(t))
	p.Line("")
	showPayment(p, t, n)
	showApproval(p, t)
	showRebalance(p, t)
	p.Line("")
	return a.warn(ctx, p, t)
}

func (a *app) rejectCommand() *cobra.Command {
	var reason string
	var signed, notSigned bool
	c := &cobra.Command{
		Use: "reject ID --reason TEXT", Short: "End a transfer of which nothing was sent (through the server)", Args: cobra.ExactArgs(1),
		Long: "Ends a transfer of which nothing was sent. The prepared transaction of a cold wallet may have been\n" +
			"signed on the machine with the key: then anybody who has the signed file can send it. So it is asked,\n" +
			"or said with --not-signed; what was signed is cancelled instead (pets transfer cancel).",
		RunE: func(c *cobra.Command, args []string) error {
			if err := cli.ReasonNeeded(reason); err != nil {
				return err
			}
			if signed && notSigned {
				return cli.Usage(domain.Invalid("--signed", "does not go with --not-signed"))
			}
			notSigned = notSigned || c.Flags().Changed("signed") && !signed // --signed=false says it, too
			return a.reject(c.Context(), args[0], a.Printable(reason), signed, notSigned)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	c.Flags().BoolVar(&notSigned, "not-signed", false, "the prepared transaction of a cold wallet was never signed")
	c.Flags().BoolVar(&signed, "signed", false, "it was signed: nothing is rejected, and what to do instead is said")
	return cli.Stops(c)
}

// reject rejects a transfer. Whether one of a cold wallet was signed elsewhere only people
// know: the server refuses it until they say so, and then they are asked.
func (a *app) reject(ctx context.Context, id, reason string, signed, notSigned bool) error {
	instead := func() error {
		return domain.Errorf(domain.CodeConflict, "%s was signed: whoever has the file can send it, so it is not rejected. Bring it (%s), or cancel it (%s)",
			id, a.Typed("cold", "import", id+".signed.json"), a.Typed("transfer", "cancel", id, "--reason", cli.Unsaid))
	}
	if signed {
		return instead()
	}
	body := commands.RejectTransfer{Reason: reason}
	if notSigned {
		body.Signed = new(bool)
	}
	answer, err := a.sendRejection(ctx, id, body)
	if asksWhetherSigned(err) && !notSigned {
		question := cli.Question{Text: fmt.Sprintf("Is it certain that %s was never signed on the machine with the key?", id), Flag: "--not-signed or --signed"}
		if e := a.Agree(ctx, question); e != nil {
			return errors.Join(e, instead())
		}
		body.Signed = new(bool)
		answer, err = a.sendRejection(ctx, id, body)
	}
	if err != nil {
		return err
	}
	return a.Done(answer, id+" is rejected")
}

func (a *app) sendRejection(ctx context.Context, id string, body commands.RejectTransfer) (answer commands.Answer, err error) {
	sent := struct {
		Reason string `json:"reason"`
		Signed *bool  `json:"signed,omitempty"`
	}{body.Reason, body.Signed}
	err = a.ToServer(ctx, http.MethodPost, transferPath(id, "/reject"), sent, &answer)
	return answer, err
}

// asksWhetherSigned reports whether a refusal asks whether a transaction was signed.
func asksWhetherSigned(err error) bool {
	var refused *client.Problem
	return errors.As(err, &refused) && refused.Code() == domain.CodeConflict && refused.Field == "signed"
}
