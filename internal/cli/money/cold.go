package money

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
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
	out, registry string
	index         uint32
	words         int
}

func (a *app) coldSignCommand() *cobra.Command {
	var f coldFlags
	c := &cobra.Command{
		Use: "sign FILE", Short: "Sign an exported transfer from typed words, on a machine without network", Args: cobra.ExactArgs(1),
		Long: "Reads a file of pets cold export, says in plain words what it pays, and signs it with the key that\n" +
			"typed words give. It opens no store, reads no .env, speaks to no network and keeps no key. The signed\n" +
			"file goes back with pets cold import: anyone who has it can send that transfer, and no other.",
		Example: "  pets cold sign x12.cold.json --out x12.signed.json",
		// The machine of a cold wallet has no configuration, so none is read.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE:              func(c *cobra.Command, args []string) error { return a.coldSign(c.Context(), args[0], f) },
	}
	c.Flags().StringVar(&f.out, "out", "", "the `file` to write, which must not exist (default: x12.signed.json for x12.cold.json)")
	c.Flags().StringVar(&f.registry, "registry", "", "a JSON `file` of chains and assets, instead of what is built in")
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
	if err := confirmRecipient(ctx, p, prepared.Says.To); err != nil {
		return err
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
	if pays.From == pays.To && pays.Amount.IsZero() {
		p.Say("  CANCELS it: nothing is paid, from the wallet to itself, and its number is used up")
	}
	p.Say("  pays      %s %s  (%s)", pays.Amount, asset.Symbol, asset.ID)
	p.Say("  from      %s", pays.From)
	p.Say("  to        %s", pays.To)
	p.Say("  on        %s (%s), number %d of this wallet", on.Name, on.ID, prepared.Nonce)
	p.Say("  fee       at most %s %s", pays.HighestFee, coin.Symbol)
	p.Say("  approved  %s", f.Hash)
	return nil
}

// lastDigits is how many characters of the recipient have to be typed.
const lastDigits = 4

// confirmRecipient makes a person read the recipient's address, which malware likes to replace.
func confirmRecipient(ctx context.Context, p *cli.Prompter, to string) error {
	p.Say("Compare the recipient with the one that was approved.")
	typed, err := p.Line(ctx, fmt.Sprintf("Type its last %d characters: ", lastDigits))
	if err != nil {
		return err
	}
	if !strings.EqualFold(typed, to[len(to)-lastDigits:]) {
		return domain.Errorf(domain.CodeDenied, "these are not the last %d characters of %s; nothing was signed", lastDigits, to)
	}
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
