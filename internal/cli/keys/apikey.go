package keys

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/domain/system"
	"pets/internal/cli"
)

// issuedKey is a new API key with its secret, which the server shows once.
type issuedKey struct {
	Key       string     `json:"key"`
	Secret    string     `json:"secret,omitempty"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// lost is what to say of a key whose first answer was lost: no later one has its secret.
func (k *issuedKey) lost(a *app) error {
	if k.Secret != "" {
		return nil
	}
	return &cli.ToldError{Err: fmt.Errorf("%s is issued, and the secret was lost with the first answer: revoke it and issue another: %s", k.Key, a.Typed("apikey", "revoke", k.Key))}
}

// lostRotated is the same of a key that replaces another: rotated again, it has a secret.
func (k *issuedKey) lostRotated(a *app) error {
	if k.Secret != "" {
		return nil
	}
	return &cli.ToldError{Err: fmt.Errorf("%s is issued, and the secret was lost with the first answer: rotate that one: %s", k.Key, a.Typed("apikey", "rotate", k.Key, "--overlap", "0s"))}
}

// until says when a key ends.
func (k *issuedKey) until() string {
	if k.ExpiresAt == nil {
		return "It does not expire: this server is of an earlier build."
	}
	return "It expires at " + cli.Clock(*k.ExpiresAt) + "; pets apikey rotate replaces it before."
}

// listedKey is one without its secret.
type listedKey struct {
	Key       string     `json:"key"`
	User      string     `json:"user"`
	Role      string     `json:"role"`
	Portfolio string     `json:"portfolio,omitempty"`
	Bot       string     `json:"bot,omitempty"`
	Note      string     `json:"note,omitempty"`
	IssuedAt  time.Time  `json:"issued_at"`
	RevokedAt *time.Time `json:"revoked_at"`
	ExpiresAt *time.Time `json:"expires_at"`
	// ReplacedBy is the key that took its place.
	ReplacedBy string `json:"replaced_by,omitempty"`
	State      string `json:"state,omitempty"`
}

// ends says when a key ends, and whether that needs a person.
func (k *listedKey) ends(now time.Time) string {
	if k.ExpiresAt == nil {
		return "never"
	}
	switch at := day(*k.ExpiresAt); k.State {
	case system.KeyExpired:
		return at + " EXPIRED"
	case system.KeyExpiring:
		return fmt.Sprintf("%s, in %s", at, cli.Days(k.ExpiresAt.Sub(now)))
	default:
		return at
	}
}

// day is a date in the list, which has no room for the time; --json has it.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func (a *app) apikeyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "apikey", Short: "API keys of a running server: issue, rotate, revoke, list (with an admin's PETS_KEY); request makes an approver's", Args: cobra.NoArgs,
		Long: "API keys of a running server, with an admin's PETS_KEY. While no server holds it, the owner of a folder lists,\n" +
			"issues and revokes keys in it with --store embedded:DIR, without a key: the way back in after an admin's key\n" +
			"was stolen or lost (docs/runbooks/stolen-admin-key.md). request makes an approver's key.",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.requestKeyCommand(), a.issueKeyCommand(), a.rotateKeyCommand(), a.revokeKeyCommand(), a.listKeysCommand())
	return c
}

func (a *app) issueKeyCommand() *cobra.Command {
	body := struct {
		User      string `json:"user"`
		Role      string `json:"role"`
		Portfolio string `json:"portfolio,omitempty"`
		Bot       string `json:"bot,omitempty"`
		Note      string `json:"note,omitempty"`
		ExpiresIn string `json:"expires_in,omitempty"`
	}{}
	var days int
	c := &cobra.Command{
		Use: "issue", Short: "Issue a key; its secret is shown once", Args: cobra.NoArgs,
		Long: "--portfolio binds the key to one portfolio; without it the key is for every one. A key of role admin\n" +
			"is bound to none, one of role bot to --bot in --portfolio, or in PETS_PORTFOLIO.",
		Example: "  pets apikey issue --user alice --role operator\n  pets apikey issue --user bob --role operator --portfolio paper\n  pets apikey issue --user alpha-host --role bot --bot alpha",
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if body.ExpiresIn, err = lifeOf(c, days); err != nil {
				return err
			}
			body.Portfolio = a.PortfolioFlag // only the flag binds a key, not PETS_PORTFOLIO
			if body.Bot != "" {
				body.Portfolio = a.Config.Portfolio
			}
			var key issuedKey
			if a.byOwner() {
				life := time.Duration(days) * 24 * time.Hour
				key, err = a.issueAsOwner(c.Context(), commands.IssueKey{User: body.User, Role: domain.Role(body.Role), Portfolio: body.Portfolio, Bot: body.Bot, Note: a.Printable(body.Note), ExpiresIn: domain.Duration(life)})
			} else {
				err = a.ToServer(c.Context(), http.MethodPost, "/v1/api-keys", body, &key)
			}
			if err != nil {
				return err
			}
			const unseen = " is issued, and its secret, which is shown once, is lost: revoke it, and issue another"
			if a.JSON {
				return errors.Join(cli.Told(key.Key+unseen, a.PrintJSON(key)), key.lost(a))
			}
			if err := key.lost(a); err != nil {
				return err
			}
			p := a.Messages()
			of := "for every portfolio"
			switch {
			case body.Bot != "":
				of = "for bot " + body.Bot + " of portfolio " + body.Portfolio + " only"
			case body.Portfolio != "":
				of = "for portfolio " + body.Portfolio + " only"
			}
			p.Line("%s for %s, role %s, %s. Shown once and stored nowhere:", key.Key, body.User, body.Role, of)
			p.Line("")
			p.Line("    %s", key.Secret)
			p.Line("")
			p.Line("%s", key.until())
			return cli.Told(key.Key+unseen, p.Err)
		},
	}
	c.Flags().StringVar(&body.User, "user", "", "the person or machine behind the key; two-person rules compare it")
	c.Flags().StringVar(&body.Role, "role", "", "bot, feed, operator, approver, admin or auditor")
	c.Flags().StringVar(&body.Bot, "bot", "", "the bot of a key of role bot, in --portfolio")
	c.Flags().StringVar(&body.Note, "note", "", "a word for the list")
	daysFlag(c, &days)
	return c
}

func daysFlag(c *cobra.Command, days *int) {
	c.Flags().IntVar(days, "days", 365, "how many days the key lives")
}

// lifeOf is the life of a key as the API takes it; "" where nobody has said any.
func lifeOf(c *cobra.Command, days int) (string, error) {
	if !c.Flags().Changed("days") {
		return "", nil
	}
	if most := int(system.MaxKeyLife.Hours() / 24); days < 1 || days > most {
		return "", cli.Usage(domain.Invalid("--days", "must be from 1 to %d", most))
	}
	return (time.Duration(days) * 24 * time.Hour).String(), nil
}

func (a *app) rotateKeyCommand() *cobra.Command {
	var days int
	var overlap time.Duration
	c := &cobra.Command{
		Use: "rotate KEY", Short: "Replace a key by a new one for the same user; its secret is shown once", Args: cobra.ExactArgs(1),
		Long: "Issues a key for the same user, role, portfolio and bot. The former one goes on for the overlap, and never\n" +
			"longer than it would have; so hand over the new one within that time. Where the former one has leaked,\n" +
			"revoke it instead (pets apikey revoke), and issue another.",
		Example: "  pets apikey rotate k3\n  pets apikey rotate k3 --overlap 1h --days 90",
		RunE: func(c *cobra.Command, args []string) error {
			life, err := lifeOf(c, days)
			if err != nil {
				return err
			}
			body := struct {
				Overlap   string `json:"overlap"`
				ExpiresIn string `json:"expires_in,omitempty"`
			}{overlap.String(), life}
			var key issuedKey
			if err := a.ToServer(c.Context(), http.MethodPost, "/v1/api-keys/"+url.PathEscape(args[0])+"/rotate", body, &key); err != nil {
				return err
			}
			const unseen = " is issued, and its secret, which is shown once, is lost: rotate that one"
			if a.JSON {
				return errors.Join(cli.Told(key.Key+unseen, a.PrintJSON(key)), key.lostRotated(a))
			}
			if err := key.lostRotated(a); err != nil {
				return err
			}
			p := a.Messages()
			p.Line("%s takes the place of %s, which ends in %s at the latest. Shown once and stored nowhere:", key.Key, args[0], domain.Duration(overlap))
			p.Line("")
			p.Line("    %s", key.Secret)
			p.Line("")
			p.Line("%s", key.until())
			return cli.Told(key.Key+unseen, p.Err)
		},
	}
	c.Flags().DurationVar(&overlap, "overlap", system.KeyOverlap, "how long the former key goes on beside the new one")
	daysFlag(c, &days)
	return c
}

func (a *app) revokeKeyCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "revoke KEY", Short: "Revoke a key by its id; it is refused at once", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var answer commands.Answer
			if a.byOwner() {
				if err := a.asOwner(c.Context(), commands.RevokeKey{Key: args[0], Reason: a.Printable(reason)}, &answer); err != nil {
					return err
				}
				return a.Done(answer, args[0]+" is revoked")
			}
			if err := a.ToServer(c.Context(), http.MethodDelete, "/v1/api-keys/"+url.PathEscape(args[0]), cli.ReasonOf(a.Printable(reason)), &answer); err != nil {
				return a.Unsure(err, "apikey", "list")
			}
			return a.revoked(c.Context(), answer, args[0])
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	return cli.Stops(c)
}

// revoked says that a key is, and which approvers' keys are left without a person: the revocation
// does not end them.
func (a *app) revoked(ctx context.Context, answer commands.Answer, key string) error {
	done := key + " is revoked"
	if err := a.Done(answer, done); err != nil || a.JSON {
		return err
	}
	left, err := a.approversLeft(ctx)
	if err != nil {
		return nil //nolint:nilerr // the key is revoked; what else there is, pets approver list shows
	}
	p := a.Messages()
	for _, k := range left {
		p.Line("%s has no API key left, and the approver's key %s is not revoked: it would count again a day after %[1]s gets one. Where %[1]s has left: %s", k.User, k.Approver, a.Typed("approver", "revoke", k.Approver))
	}
	return cli.Told(done, p.Err)
}

func (a *app) listKeysCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The keys there are, without their secrets", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var list struct {
				Keys []listedKey `json:"keys"`
			}
			var err error
			if a.byOwner() {
				list.Keys, err = a.keysInFolder(c.Context())
			} else {
				err = a.ToServer(c.Context(), http.MethodGet, "/v1/api-keys", nil, &list)
			}
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(list)
			}
			rows := [][]string{{"KEY", "USER", "ROLE", "PORTFOLIO", "BOT", "ISSUED", "ENDS", "NOTE"}}
			now, due := a.Clock()(), 0
			for i := range list.Keys {
				k := &list.Keys[i]
				ends := k.ends(now)
				if k.RevokedAt != nil {
					ends = day(*k.RevokedAt) + " revoked"
				}
				if k.State == system.KeyExpiring && k.ReplacedBy == "" {
					due++
				}
				rows = append(rows, []string{k.Key, k.User, k.Role, k.Portfolio, k.Bot, day(k.IssuedAt), ends, k.Note})
			}
			if due > 0 {
				a.Caution(fmt.Sprintf("%d of these keys end within 30 days: replace each with pets apikey rotate KEY", due))
			}
			return a.Table(rows)
		},
	}
}
