package keys

import (
	"context"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/internal/approverkey"
	"pets/internal/cli"
	"pets/internal/vault"
)

// requestedKey is the answer of `pets apikey request --json`.
type requestedKey struct {
	PublicKey   string `json:"public_key"`
	Fingerprint string `json:"fingerprint"`
	File        string `json:"file"`
}

func (a *app) requestKeyCommand() *cobra.Command {
	var with, name string
	c := &cobra.Command{
		Use: "request", Short: "Make your own approver's key; an admin registers its public half (no server)", Args: cobra.NoArgs,
		Long: "Approvals in live portfolios are signed with a key that only its owner has. It is made here, and kept in\n" +
			"a file that is encrypted with a passphrase; neither leaves this machine. What is printed is the public\n" +
			"half: give that to an admin, and compare the fingerprint by voice.\n" +
			"The file: --with, else PETS_APPROVER_KEY, else pets/approver.key in your folder of settings (~/.config).",
		Example: "  pets apikey request\n  pets apikey request --with /media/stick/approver.key --user bob",
		RunE:    func(c *cobra.Command, _ []string) error { return a.requestKey(c.Context(), with, name) },
	}
	cli.WithKey(c, &with)
	c.Flags().StringVar(&name, "user", "", "your name in this ledger, for the command that the admin types (default: that on this machine)")
	return cli.Local(c)
}

func (a *app) requestKey(ctx context.Context, with, name string) error {
	path, err := a.newKeyFile(with)
	if err != nil {
		return err
	}
	if name == "" {
		name = "NAME"
		if u, err := user.Current(); err == nil && domain.CheckUser("user", u.Username) == nil && !domain.ReservedUser(u.Username) {
			name = u.Username
		}
	} else if err := domain.CheckUser("--user", name); err != nil {
		return cli.Usage(err)
	}
	if err := vault.Harden(); err != nil {
		return err
	}
	phrase, err := a.NewPassphrase(ctx)
	if err != nil {
		return err
	}
	defer clear(phrase)
	key, err := approverkey.Create(path, phrase)
	if err != nil {
		return err
	}
	if a.JSON {
		return cli.Told("the key is made: "+path, a.PrintJSON(requestedKey{key.String(), key.Fingerprint(), path}))
	}
	p := a.Messages()
	p.Line("Your approver's key is in %s, encrypted with the passphrase.", path)
	p.Line("Keep the file and the passphrase to yourself: with both, others approve in your name. If one")
	p.Line("of them is lost, make another key; if somebody else may have both, revoke this one first.")
	if usual, err := a.ApproverKeyFile(""); err == nil && !sameFile(usual, path) {
		p.Line("Approvals do not find it by themselves: name it with --with, or set PETS_APPROVER_KEY to it.")
	}
	p.Line("")
	p.Line("public half  %s", key)
	p.Line("fingerprint  %s", key.Fingerprint())
	p.Line("")
	p.Line("Next: an admin types this, and compares the fingerprint with you, by voice:")
	a.Registration(p, name, key.String())
	return cli.Told("the key is made: "+path, p.Err)
}

// sameFile reports whether two paths, which may be relative, are one.
func sameFile(x, y string) bool { return resolved(x) == resolved(y) }

// Registration prints the command that registers a public half.
func (a *app) Registration(p *cli.Printer, user, key string) {
	p.Advice(a.Advise("approver", "add", "--user", user, key))
}

// newKeyFile returns where a new key goes. What lies in the folders of a store is in its
// backups, and read by those who run the server; a key of a person does not go there.
func (a *app) newKeyFile(with string) (string, error) {
	path, err := a.ApproverKeyFile(with)
	if err != nil {
		return "", err
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	if _, err := os.Lstat(path); err == nil {
		return "", domain.Errorf(domain.CodeConflict, "%s is there already, and no key is ever written over: what it approves nobody else can. Use it, or name another file with --with", path)
	}
	store, _ := a.Config.StoreDir() // "" where the store is no folder
	for _, dir := range []string{store, a.Config.ServerDir(), a.Config.Keystore, a.Config.Witness} {
		if dir != "" && within(dir, path) {
			return "", cli.Usage(domain.Invalid("--with", "names a file in %s, a folder of the server: whoever runs the server or has its backups would have your key. Keep it in a folder of your own", dir))
		}
	}
	return path, nil
}

// within reports whether a path is in a folder, or would be.
func within(dir, path string) bool {
	rel, err := filepath.Rel(resolved(dir), resolved(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// resolved follows the links of as much of a path as there is.
func resolved(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if real, err := filepath.EvalSymlinks(path); err == nil || !errors.Is(err, os.ErrNotExist) || path == filepath.Dir(path) {
		if err != nil {
			return path
		}
		return real
	}
	return filepath.Join(resolved(filepath.Dir(path)), filepath.Base(path))
}
