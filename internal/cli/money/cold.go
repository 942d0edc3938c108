package money

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/domain/approval"
	"pets/domain/portfolio"
	"pets/internal/chain"
	"pets/internal/cli"
	"pets/internal/evm"
	"pets/internal/vault"
)

func (a *app) coldCommand() *cobra.Command {
	own := []*cobra.Command{a.coldSignCommand()}
	return cli.Group("cold", "Transfers from a wallet whose key is never on a connected machine: export, sign, import, evacuate", append(own, a.coldMoves()...)...)
}

// coldFlags are the flags of pets cold sign.
type coldFlags struct {
	out, registry    string
	approvers, allow string
	index            uint32
	words            int
}

func (a *app) coldSignCommand() *cobra.Command {
	var f coldFlags
	c := &cobra.Command{
		Use: "sign FILE", Short: "Sign an exported transfer from typed words, on a machine without network", Args: cobra.ExactArgs(1),
		Long: "Reads a file of pets cold export, says in plain words what it pays, and signs it with the key that\n" +
			"typed words give. It opens no store, reads no .env, speaks to no network and keeps no key. The signed\n" +
			"file goes back with pets cold import: anyone who has it can send that transfer, and no other.\n" +
			"Anybody can make such a file. With --approvers it has to be signed by an approver whose key is in that\n" +
			"list: the approver's user name and a public key (pets-approver-…) per line, and a line with ledger and its\n" +
			"id, if there is only one. It takes as many different names as the signed lines say, and none of them is\n" +
			"who asked for it. After the approval has expired, by the clock of this machine, and for a fee above the\n" +
			"bounds of the registry, it asks first. The first and last 8 digits of the recipient are typed from paper,\n" +
			"unless --allow has it: an address and a label per line; then no other recipient is signed for. What cancels\n" +
			"a transfer pays nobody and has no approval: the most that its fee may burn is typed instead.",
		Example: "  pets cold sign x12.cold.json --approvers approvers.txt\n  pets cold sign x12.cold.json --approvers approvers.txt --allow recipients.txt --out x12.signed.json",
		// The machine of a cold wallet has no configuration, so none is read.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE:              func(c *cobra.Command, args []string) error { return a.coldSign(c.Context(), args[0], f) },
	}
	c.Flags().StringVar(&f.out, "out", "", "the `file` to write, which must not exist (default: x12.signed.json for x12.cold.json)")
	c.Flags().StringVar(&f.registry, "registry", "", "a JSON `file` of chains and assets, instead of what is built in")
	c.Flags().StringVar(&f.approvers, "approvers", "", "a `file` of this machine with the approvers' public keys; others must not be able to write it")
	c.Flags().StringVar(&f.allow, "allow", "", "a `file` of this machine with the recipients that are signed for, as --approvers")
	c.Flags().IntVar(&f.words, "words", 24, "how many words there are: 12, 15, 18, 21 or 24")
	indexFlag(c, &f.index)
	return cli.Local(c)
}

func (a *app) coldSign(ctx context.Context, file string, f coldFlags) error {
	p, err := a.Prompter("pets cold sign")
	if err != nil {
		return err
	}
	if err := cli.CheckWords(f.words); err != nil {
		return err
	}
	if err := vault.Harden(); err != nil {
		return err
	}
	registry, err := coldRegistry(f.registry)
	if err != nil {
		return err
	}
	unsigned, err := readColdFile(file)
	if err != nil {
		return err
	}
	signatory := evm.NewSignatory(registry)
	prepared, err := unsigned.check(file, signatory)
	if err != nil {
		return err
	}
	if f.out == "" {
		f.out = strings.TrimSuffix(strings.TrimSuffix(file, ".json"), ".cold") + ".signed.json"
	}
	if _, err := os.Lstat(f.out); !errors.Is(err, fs.ErrNotExist) {
		return domain.Errorf(domain.CodeConflict, "%s already exists, and is not overwritten; name another file with --out", f.out)
	}
	if err := explainPayment(p, registry, unsigned, prepared); err != nil {
		return err
	}
	if err := a.agreeToFee(ctx, p, registry, unsigned); err != nil {
		return err
	}
	if !unsigned.cancels() { // it goes nowhere, so there is nobody to compare, and nothing was approved
		if err := sayApproved(p, file, unsigned, f.approvers); err != nil {
			return err
		}
		if err := a.askLate(ctx, p, unsigned); err != nil {
			return err
		}
		if err := confirmRecipient(ctx, p, prepared.Says.To, f.allow); err != nil {
			return err
		}
	}
	signed, err := signTyped(ctx, p, signatory, unsigned, f)
	if err != nil {
		return err
	}
	if err := writeCarried(f.out, coldSigned{Version: coldFileVersion, Portfolio: unsigned.Portfolio, Transfer: unsigned.Transfer, TxHash: signed.Hash, Raw: signed.Raw}); err != nil {
		return err
	}
	p.Say("Signed: %s, in %s. Where the server runs: %s", signed.Hash, f.out, a.AdviseElsewhere(unsigned.Portfolio, "cold", "import", filepath.Base(f.out)))
	return nil
}

func coldRegistry(file string) (*chain.Registry, error) {
	if file == "" {
		return chain.Default()
	}
	return chain.ReadRegistry(file)
}

// explainPayment prints what is about to be signed, decoded from the transaction's own bytes.
func explainPayment(p *cli.Prompter, registry *chain.Registry, f *coldUnsigned, prepared commands.Prepared) error {
	pays := prepared.Says
	asset, err := registry.Asset(pays.AssetID)
	if err != nil {
		return err
	}
	coin, err := registry.Native(pays.Chain)
	if err != nil {
		return err
	}
	on, err := registry.Chain(pays.Chain)
	if err != nil {
		return err
	}
	p.Say("Transfer %s of portfolio %s", f.Transfer, f.Portfolio)
	if f.cancels() {
		p.Say("  CANCELS it: nothing is paid, from the wallet to itself, and its number is used up")
	}
	p.Say("  pays      %s %s  (%s)", pays.Amount, asset.Symbol, asset.ID)
	p.Say("  from      %s", pays.From)
	p.Say("  on        %s (%s), number %d of this wallet", on.Name, on.ID, prepared.Nonce)
	p.Say("  fee       at most %s %s", pays.HighestFee, coin.Symbol)
	p.Say("  hash      %s", f.Hash)
	if f.cancels() {
		return nil
	}
	p.Say("Compare the hash with what the approver wrote down, digit by digit.")
	return nil
}

// agreeToFee asks about what may be burnt as the fee. A transaction above the bounds of the
// registry is none that a server makes. That of a cancellation nobody has approved, so a person
// types the amount: anybody can make such a file, and the fee is all that it takes.
func (a *app) agreeToFee(ctx context.Context, p *cli.Prompter, registry *chain.Registry, f *coldUnsigned) error {
	u, err := chain.ParseUnsigned("transaction", f.Transaction)
	if err != nil {
		return err
	}
	if err := registry.CheckFees(u); err != nil {
		p.Say("ITS FEE IS ABOVE WHAT THIS MACHINE ALLOWS: %v. No server with the same registry makes such a file: find out who did.", err)
		if err := a.Agree(ctx, cli.Question{Text: "Sign it all the same?", At: p}); err != nil {
			return err
		}
	}
	if !f.cancels() {
		return nil
	}
	coin, err := registry.Native(f.Payment.Chain)
	if err != nil {
		return err
	}
	p.Say("It may burn up to %s %s as its fee, and nobody has approved that. Compare it with what the server shows of transfer %s, and sign only what you know to be cancelled.", f.Payment.HighestFee, coin.Symbol, f.Transfer)
	typed, err := p.Line(ctx, fmt.Sprintf("Type that amount, in %s, to agree: ", coin.Symbol))
	if err != nil {
		return err
	}
	if amount, err := domain.ParseDecimal(strings.TrimSpace(typed)); err != nil || amount != f.Payment.HighestFee {
		return domain.Errorf(domain.CodeDenied, "that is not the %s %s that the cancellation may cost; nothing was signed", f.Payment.HighestFee, coin.Symbol)
	}
	return nil
}

// sayApproved says who has approved the transfer, by the keys that are pinned here. Without any
// it says that it could not check.
func sayApproved(p *cli.Prompter, file string, f *coldUnsigned, approvers string) error {
	if approvers == "" {
		switch len(f.Approvals) {
		case 0:
			p.Say("It CLAIMS to be approved, and holds no signature of an approver: anybody can make such a file.")
		default:
			p.Say("It CLAIMS to be approved, with a signature of key %s. Whose key that is could not be checked: --approvers FILE names the approvers' keys.", approval.Fingerprint(f.Approvals[0].Signature.Key))
		}
		return nil
	}
	pins, err := readPinned(approvers)
	if err != nil {
		return err
	}
	names, err := pins.signers(file, f)
	if err != nil {
		return err
	}
	for i, name := range names {
		p.Say("Approved by %s: signed with key %s of %s, in %s.", name, approval.Fingerprint(f.Approvals[i].Signature.Key), approvers, f.Approvals[i].Subject.Ledger)
	}
	t, _, err := portfolio.TransferOfLines(f.Approvals[0].Subject.Lines)
	if err != nil {
		return err
	}
	p.Say("  asked for by %s, because %s", t.User, t.Reason)
	p.Say("  a %s; the approval was to be used before %s", t.Kind, cli.Clock(t.ExpiresAt)+" UTC")
	return nil
}

// askLate asks before it signs what was to be signed earlier. It is a question, because nobody
// corrects the clock of a machine without a network. Without a terminal nothing is signed.
func (a *app) askLate(ctx context.Context, p *cli.Prompter, f *coldUnsigned) error {
	if len(f.Approvals) == 0 {
		return nil // such a file says no time
	}
	t, _, err := portfolio.TransferOfLines(f.Approvals[0].Subject.Lines)
	if err != nil {
		return err
	}
	now := time.Now
	if a.Wall != nil {
		now = a.Wall
	}
	if now().Before(t.ExpiresAt) {
		return nil
	}
	p.Say("THE APPROVAL HAS EXPIRED, by the clock of this machine: it was to be used before %s UTC, and here it is %s UTC.", cli.Clock(t.ExpiresAt), cli.Clock(now()))
	p.Say("If the clock is right, ask the approver first whether it is still wanted.")
	return a.Agree(ctx, cli.Question{Text: "Sign it all the same?", At: p})
}

// typedDigits is how many digits of the recipient's address have to be typed at either end. An
// address that has these sixteen in common with another one takes 2^63 tries to find.
const typedDigits = 8

// confirmRecipient makes a person say who the recipient is, which malware likes to replace. The
// address is shown once its digits were typed: what is copied from the screen proves nothing.
func confirmRecipient(ctx context.Context, p *cli.Prompter, to, allow string) error {
	if allow != "" {
		labels, err := readAllowed(allow)
		if err != nil {
			return err
		}
		label, known := labels[to]
		if !known {
			return domain.Errorf(domain.CodeDenied, "the recipient %s is not in %s; nothing was signed. If that list lacks it, compare the address with your paper and add it there", to, allow)
		}
		p.Say("The recipient is %s (%s), by %s.", label, to, allow)
		return nil
	}
	p.Say("Type the recipient's address from the paper of who approved it, not from this machine or the file.")
	digits := strings.TrimPrefix(to, "0x")
	for _, part := range []struct{ which, want string }{{"first", digits[:typedDigits]}, {"last", digits[len(digits)-typedDigits:]}} {
		typed, err := p.Line(ctx, fmt.Sprintf("Its %s %d digits, without 0x: ", part.which, typedDigits))
		if err != nil {
			return err
		}
		if !strings.EqualFold(strings.TrimPrefix(typed, "0x"), part.want) {
			return domain.Errorf(domain.CodeDenied, "the file pays to an address with other %s %d digits; nothing was signed. Find out who made it", part.which, typedDigits)
		}
	}
	p.Say("  to        %s", to)
	return nil
}

// signTyped signs with the key that the typed words give, and wipes it after the signature.
func signTyped(ctx context.Context, p *cli.Prompter, signatory *evm.Signatory, f *coldUnsigned, flags coldFlags) (custody.SignedTransaction, error) {
	var none custody.SignedTransaction
	from, err := chain.ParseAddress(f.Payment.From)
	if err != nil {
		return none, domain.Invalid("payment.from", "%v", err)
	}
	unsigned, err := chain.ParseUnsigned("transaction", f.Transaction)
	if err != nil {
		return none, err
	}
	digest, err := unsigned.Digest()
	if err != nil {
		return none, err
	}
	m, err := typedWords(ctx, p, recoverFlags{index: flags.index, words: flags.words, expected: vault.Address(from)})
	if err != nil {
		return none, err
	}
	defer m.Wipe()
	var signature [65]byte
	err = m.Derive(vault.Path(flags.index), nil, func(k *vault.PrivateKey) error {
		signature, err = k.Sign(digest)
		return err
	})
	if err != nil {
		return none, err
	}
	signed, err := signatory.Assemble(f.Transaction, signature)
	if err != nil {
		return none, err
	}
	return signatory.Accept(f.Transaction, signed.Raw) // the same check as on import
}
