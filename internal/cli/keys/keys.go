package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/vault"
)

func (a *app) keysCommand() *cobra.Command {
	return cli.Group("keys", "The encryption keys of the keystore: generate, status, rotate",
		a.generateKeyCommand(), a.keyStatusCommand(), a.rotateKeysCommand())
}

func (a *app) generateKeyCommand() *cobra.Command {
	return cli.Local(&cobra.Command{
		Use: "generate", Short: "Make a new encryption key, for ENCRYPTION_KEY", Args: cobra.NoArgs,
		Long: "Prints a new Fernet key on standard output, and on standard error what to do with it. It is stored nowhere.",
		RunE: func(*cobra.Command, []string) error {
			p, notes := a.Messages(), a.Notes()
			key := vault.GenerateKey()
			if a.JSON {
				return a.PrintJSON(map[string]string{"encryption_key": key})
			}
			p.Line("%s", key)
			notes.Line("Put it into .env as ENCRYPTION_KEY='…', and run chmod 600 .env: anyone who can read that file can sign.")
			notes.Line("Keep a copy apart from every backup of the keystore: without it the keys in there are lost,")
			notes.Line("and only the words bring them back. A former key goes to ENCRYPTION_KEYS_RETIRED until")
			notes.Line("pets keys rotate has sealed everything under the new one.")
			return errors.Join(p.Err, notes.Err)
		},
	})
}

// keyStatus is the answer of `pets keys status --json`.
type keyStatus struct {
	custody.KeyStatus
	// Retired lists the ids of ENCRYPTION_KEYS_RETIRED here; Removable lists those of them that
	// seal nothing any more.
	Retired   []string `json:"retired"`
	Removable []string `json:"removable"`
	// Unopenable lists the ids of keys that seal wallets but are neither ENCRYPTION_KEY nor in
	// ENCRYPTION_KEYS_RETIRED. It is left out for a server, whose settings are not known here.
	Unopenable []string `json:"unopenable,omitempty"`
}

// locked returns an error that names the wallets that cannot be opened here; nil if there are none.
func (v *keyStatus) locked() error {
	var wallets []string
	for _, u := range v.InUse {
		if slices.Contains(v.Unopenable, u.Key) {
			wallets = append(wallets, u.Wallets...)
		}
	}
	if len(wallets) == 0 {
		return nil
	}
	return domain.Errorf(domain.CodeConflict, "%s cannot be opened with this ENCRYPTION_KEY: sealed under %s. Set that key as ENCRYPTION_KEY, or put it into ENCRYPTION_KEYS_RETIRED and run pets keys rotate",
		strings.Join(wallets, ", "), strings.Join(v.Unopenable, ", "))
}

func (a *app) keyStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Which key seals what, how old it is, and whether a rotation is due or open", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			v, err := a.keyStatus(c.Context())
			if err != nil {
				return err
			}
			if err := a.CheckEnvFile(); err != nil {
				a.Tell("WARNING: %v", err)
			}
			if a.JSON {
				return errors.Join(a.PrintJSON(v), v.locked())
			}
			return errors.Join(a.printKeyStatus(v), v.locked())
		},
	}
}

func (a *app) keyStatus(ctx context.Context) (keyStatus, error) {
	v, here := keyStatus{Retired: []string{}, Removable: []string{}}, false
	err := a.EitherWay(ctx, cli.Nothing, func(e *commands.Engine) error {
		keys, err := a.OpenKeys()
		if err == nil && keys == nil {
			err = cli.Usage(domain.Invalid("ENCRYPTION_KEY", "is not set: there is no key to say anything about. Make one with: pets keys generate"))
		}
		if err != nil {
			return err
		}
		defer keys.Wipe()
		v.KeyStatus, err = custody.New(e, custody.Options{Sealer: keys}).KeyStatus(ctx)
		here = true
		return err
	}, func() error { return a.FromServer(ctx, "/v1/keys", &v.KeyStatus) })
	if err != nil {
		return v, err
	}
	_, retired, err := a.keyIDs()
	if err != nil {
		return v, err
	}
	v.Retired = append(v.Retired, retired...)
	for _, u := range v.InUse {
		if here && u.Key != v.Current && !slices.Contains(retired, u.Key) {
			v.Unopenable = append(v.Unopenable, u.Key)
		}
	}
	for _, id := range retired {
		used := slices.ContainsFunc(v.InUse, func(u custody.KeyUse) bool { return u.Key == id })
		if !used && v.Open == nil && id != v.Current {
			v.Removable = append(v.Removable, id)
		}
	}
	return v, nil
}

// keyIDs returns the ids of the encryption keys in the settings; current is "" if there are none.
func (a *app) keyIDs() (current string, retired []string, err error) {
	if a.Config.EncryptionKey.Reveal() == "" {
		return "", nil, nil
	}
	ring, err := vault.ParseKeyring(a.Config.EncryptionKey.Reveal(), a.Config.EncryptionKeysRetired.Reveal())
	if err != nil {
		return "", nil, err
	}
	defer ring.Wipe()
	return ring.Current(), ring.Retired(), nil
}

func (a *app) printKeyStatus(v keyStatus) error {
	p := a.Messages()
	age := "nothing is sealed under it, so its age does not count yet"
	if v.Since != nil {
		age = fmt.Sprintf("%s old", cli.Days(time.Duration(v.Age)))
		switch {
		case v.Due:
			age += ", DUE for rotation"
		case v.DueAt != nil:
			age += ", due on " + cli.Clock(*v.DueAt)[:10]
		}
	}
	p.Line("current key  %s  (%s)", v.Current, age)
	for _, u := range v.InUse {
		line := fmt.Sprintf("seals        %s  %s", u.Key, strings.Join(u.Wallets, ", "))
		switch {
		case slices.Contains(v.Unopenable, u.Key):
			line += "  CANNOT BE OPENED: that key is not here"
		case u.Key != v.Current && v.Open == nil:
			line += "  (not the current key: ENCRYPTION_KEYS_RETIRED has to have it)"
		}
		p.Line("%s", line)
	}
	if v.Open != nil {
		p.Line("ROTATION OPEN  %s to %s since %s: %d of %d left; pets keys rotate goes on with it", v.Open.Rotation, v.Open.To, cli.Clock(v.Open.StartedAt), len(v.Open.Left), v.Open.Total)
		if len(v.Open.Left) > 0 {
			p.Line("left         %s", strings.Join(v.Open.Left, ", "))
		}
	}
	if v.LastCompleted != nil {
		p.Line("last         %s to %s, completed %s", v.LastCompleted.Rotation, v.LastCompleted.To, cli.Clock(v.LastCompleted.CompletedAt))
	}
	for _, id := range v.Retired {
		if slices.Contains(v.Removable, id) {
			p.Line("retired      %s  seals nothing any more: take it out of ENCRYPTION_KEYS_RETIRED, and keep it with the old backups", id)
		} else {
			p.Line("retired      %s  still needed", id)
		}
	}
	if current, _, err := a.keyIDs(); err == nil && current != "" && current != v.Current {
		p.Line("NOTE  ENCRYPTION_KEY here is %s, and the server was started with %s: restart it before it rotates", current, v.Current)
	}
	return p.Err
}
