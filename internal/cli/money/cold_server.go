package money

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/domain/approval"
	"pets/domain/treasury"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/internal/evm"
	"pets/projections"
)

// coldMoves returns the commands of a cold wallet that need the server, unlike pets cold sign.
func (a *app) coldMoves() []*cobra.Command {
	return []*cobra.Command{a.coldExportCommand(), a.coldImportCommand(), a.coldEvacuateCommand()}
}

func (a *app) coldExportCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "export ID", Short: "Write the transaction of a prepared transfer into a file, for the machine with the key", Args: cobra.ExactArgs(1),
		Long: "The file holds no secret: the payment that was approved, the transaction that makes it, and what the\n" +
			"approver has signed. What would not be taken any more, or not now, is not written: a stop, an approval\n" +
			"that has expired, a recipient that is gone, a cancellation that is not prepared yet.\n" +
			"Before it is written the transaction's own bytes are compared with the payment.",
		Example: "  pets cold export x41 --out /media/stick/x41.cold.json",
		RunE:    func(c *cobra.Command, args []string) error { return a.coldExport(c.Context(), args[0], out) },
	}
	c.Flags().StringVar(&out, "out", "", "the `file` to write (ID.cold.json by default, ID.cancel.cold.json for a cancellation); it must not exist yet")
	return c
}

func (a *app) coldExport(ctx context.Context, id, out string) error {
	if err := a.NeedsServer(); err != nil {
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
	file, err := a.unsignedOf(ctx, t)
	if err != nil {
		return err
	}
	if out == "" {
		out = id + ".cold.json"
		if file.cancels() { // beside the payment that may have been exported before
			out = id + ".cancel.cold.json"
		}
	}
	if err := writeCarried(out, file); err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(file)
	}
	n, err := a.namesAt(ctx, "")
	if err != nil {
		return err
	}
	p := a.Messages()
	p.Line("%s  %s", t.Transfer, show.InWords(t))
	p.Line("")
	showPayment(p, t, n)
	p.Line("  nonce        %d", show.LastAttempt(t).Nonce)
	if show.LastAttempt(t).Cancel {
		p.Line("")
		p.Line("the file CANCELS it: its transaction pays nothing, from the wallet to itself, for at most %s %s", file.Payment.HighestFee, t.GasAsset)
	}
	for i := range file.Approvals {
		p.Line("  signed with  key %s", approval.Fingerprint(file.Approvals[i].Signature.Key))
	}
	p.Line("")
	p.Line("written to %s", out)
	p.Line("next: on the machine with the key, %s; it shows the same payment", a.AdviseElsewhere("", "cold", "sign", out))
	return p.Err
}

// unsignedOf returns the file for a transfer that is ready to be signed elsewhere.
func (a *app) unsignedOf(ctx context.Context, t *projections.Transfer) (*coldUnsigned, error) {
	last := show.LastAttempt(t)
	switch {
	case t.From != domain.WalletCold:
		return nil, domain.Errorf(domain.CodeConflict, "%s is sent from a hot wallet: the server signs it by itself", t.Transfer)
	case t.Status == treasury.Requested:
		return nil, domain.Errorf(domain.CodeConflict, "%s is not approved yet: %s", t.Transfer, a.Typed("approve", t.Transfer))
	case t.Status == treasury.Approved:
		return nil, domain.Errorf(domain.CodeConflict, "%s is not prepared yet: the server does it within seconds, unless another transfer of the wallet or a stop is in the way; wait, and ask again (%s)", t.Transfer, a.Typed("transfers", t.Transfer))
	case !elsewhere(t):
		return nil, domain.Errorf(domain.CodeConflict, "%s is %s: there is nothing to sign", t.Transfer, t.Status)
	case t.ToSign == nil:
		return nil, domain.Errorf(domain.CodeConflict, "the server does not say whether %s may be signed: it is of an older version than this program", t.Transfer)
	case t.ToSign.Not != "":
		return nil, domain.Errorf(domain.CodeConflict, "%s must not be signed now, so nothing was written: %s. Next: %s", t.Transfer, t.ToSign.Not, a.Typed(show.WayOf(t)...))
	}
	payment, hash := t.Payment, t.Hash
	if last.Cancel && t.Cancel != nil {
		payment, hash = t.Cancel.Payment, t.Cancel.Hash
	}
	if err := a.checkHash(t); err != nil {
		return nil, err
	}
	registry, err := a.Registry()
	if err != nil {
		return nil, err
	}
	file := &coldUnsigned{
		Version: coldFileVersion, Portfolio: a.Config.Portfolio, Transfer: t.Transfer, Hash: hash, Payment: payment, Transaction: last.Transaction,
	}
	var approved projections.Approval
	if err := a.FromServer(ctx, "/approvals/"+approval.KindTransfer+"/"+url.PathEscape(t.Transfer), &approved); err != nil {
		return nil, err
	}
	if !last.Cancel { // which nobody approves: it pays nothing
		file.Approvals = coldApprovals(approved.Subject.Ledger, a.Config.Portfolio, t)
	}
	file.What = file.what()
	if len(file.Approvals) > 0 {
		file.Version = coldSignedVersion
	}
	says, err := file.check("transfer "+t.Transfer, evm.NewSignatory(registry))
	if err == nil && (says.Digest != last.Digest || says.Nonce != last.Nonce) {
		err = domain.Errorf(domain.CodeConflict, "the transaction of %s is not the one that the server has recorded. Do not sign it, and find out who changed it", t.Transfer)
	}
	return file, err
}

func (a *app) coldImportCommand() *cobra.Command {
	return &cobra.Command{
		Use: "import FILE", Short: "Bring the transaction that the machine with the key has signed; the server sends it", Args: cobra.ExactArgs(1),
		Long:    "The server compares the signed bytes with the prepared transaction, field by field, before it takes them.",
		Example: "  pets cold import /media/stick/x41.signed.json",
		RunE:    func(c *cobra.Command, args []string) error { return a.coldImport(c.Context(), args[0]) },
	}
}

func (a *app) coldImport(ctx context.Context, name string) error {
	file, err := readColdSigned(name)
	if err != nil {
		return err
	}
	if file.Portfolio != a.Config.Portfolio {
		return cli.Usage(domain.Invalid("portfolio", "of the file is %q, and this is %s; see --portfolio", file.Portfolio, a.Config.Portfolio))
	}
	body := struct {
		Raw string `json:"raw"`
	}{file.Raw}
	var answer commands.Answer
	if err := a.ToServer(ctx, http.MethodPost, transferPath(file.Transfer, "/signed"), body, &answer); err != nil {
		return err
	}
	return a.Done(answer, fmt.Sprintf("the signed transaction of %s, %s, is taken; the server sends it: %s", file.Transfer, file.TxHash, a.Typed("transfers", file.Transfer, "--follow")))
}
