package keys

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/domain/approval"
	"pets/internal/cli"
)

// approvers are the keys that the server lists.
type approvers struct {
	Ledger    string           `json:"ledger"`
	Approvers []listedApprover `json:"approvers"`
}

// listedApprover is the public half of one approver's key.
type listedApprover struct {
	Approver     string            `json:"approver"`
	User         string            `json:"user"`
	PublicKey    string            `json:"public_key"`
	Fingerprint  string            `json:"fingerprint"`
	RegisteredBy string            `json:"registered_by"`
	RegisteredAt time.Time         `json:"registered_at"`
	Counts       bool              `json:"counts"`
	CountsFrom   time.Time         `json:"counts_from"`
	VouchedBy    string            `json:"vouched_by,omitempty"`
	RevokedAt    *time.Time        `json:"revoked_at"`
	Unsound      string            `json:"unsound,omitempty"`
	Note         string            `json:"note,omitempty"`
	Subject      *approval.Subject `json:"subject,omitempty"`
}

// when says whether and since when the key counts.
func (k *listedApprover) when() string {
	switch {
	case k.RevokedAt != nil:
		return "revoked " + cli.Clock(*k.RevokedAt)
	case k.Unsound != "":
		return "never: " + k.Unsound
	case !k.Counts:
		return "from " + cli.Clock(k.CountsFrom) + " on"
	case k.VouchedBy != "":
		return "since " + cli.Clock(k.CountsFrom) + ", by the word of " + k.VouchedBy
	}
	return "since " + cli.Clock(k.CountsFrom)
}

func (a *app) approverCommand() *cobra.Command {
	return cli.Group("approver", "The approvers' keys of a ledger: add, list, vouch, revoke (pets apikey request makes one)",
		a.Sends(a.addApproverCommand()), a.listApproversCommand(), a.Sends(a.vouchApproverCommand()), a.Sends(a.revokeApproverCommand()))
}

func (a *app) addApproverCommand() *cobra.Command {
	var user, note string
	c := &cobra.Command{
		Use: "add --user NAME PUBLIC-KEY", Short: "Register the public half of an approver's key (an admin)", Args: cobra.ExactArgs(1),
		Long: "The first key of the ledger counts at once, every later one after 24 h, or as soon as an approver whose\n" +
			"key counts gives a word for it. NAME is the user of that person's API keys. A key is registered once,\n" +
			"for one user, for ever.",
		Example: "  pets approver add --user bob pets-approver-iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w",
		RunE: func(c *cobra.Command, args []string) error {
			if err := cli.Needed(c, "user"); err != nil {
				return err
			}
			key, err := approval.ParsePublicKey("PUBLIC-KEY", args[0])
			if err != nil {
				return cli.Usage(err)
			}
			if err := a.knownUser(c.Context(), user); err != nil {
				return err
			}
			var answer commands.Answer
			body := commands.RegisterApprover{User: user, PublicKey: key.String(), Note: a.Printable(note)}
			if err := a.ToServer(c.Context(), http.MethodPost, "/v1/approvers", body, &answer); err != nil {
				return err
			}
			done := fmt.Sprintf("%s: the key %s is registered for %s", answer.ID, key.Fingerprint(), user)
			if err := a.Done(answer, done); err != nil || a.JSON {
				return err
			}
			v, err := a.approvers(c.Context())
			if err != nil {
				return cli.Told(done, err)
			}
			p := a.Messages()
			p.Line("Compare the fingerprint with %s, by voice.", user)
			for _, k := range v.Approvers {
				if k.Approver == answer.ID && !k.Counts {
					p.Line("It counts %s, or as soon as an approver gives a word for it: %s", k.when(), a.Typed("approver", "vouch", k.Approver))
				}
			}
			return cli.Told(done, p.Err)
		},
	}
	c.Flags().StringVar(&user, "user", "", "the person whose key it is: the user of that person's API keys")
	c.Flags().StringVar(&note, "note", "", "a word for the list")
	return c
}

// knownUser refuses a user who never had an API key: a name that was mistyped would use up the key,
// which is registered once, and the first one of a ledger counts at once.
func (a *app) knownUser(ctx context.Context, user string) error {
	var list struct {
		Keys []listedKey `json:"keys"`
	}
	if err := errors.Join(a.NeedsServer(), a.Sure()); err != nil {
		return err
	}
	a.Acting(a.Found.String(), false)
	if err := a.ToServer(ctx, http.MethodGet, "/v1/api-keys", nil, &list); err != nil {
		return err
	}
	known := []string{}
	for i := range list.Keys {
		if domain.SameUser(list.Keys[i].User, user) {
			return nil
		}
		known = append(known, list.Keys[i].User)
	}
	slices.Sort(known)
	return domain.Invalid("--user", "is %s, and nobody of that name has an API key; these have: %s. Nothing was registered. Issue the API key first: %s",
		user, strings.Join(slices.Compact(known), ", "), a.Typed("apikey", "issue", "--user", user, "--role", "approver"))
}

func (a *app) approvers(ctx context.Context) (approvers, error) {
	var v approvers
	return v, a.ToServer(ctx, http.MethodGet, "/v1/approvers", nil, &v)
}

func (a *app) listApproversCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The approvers' keys, and since or from when each counts", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			v, err := a.approvers(c.Context())
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(v)
			}
			p := a.Printer()
			p.Line("ledger %s", v.Ledger)
			if len(v.Approvers) == 0 {
				p.Line("no approver's key is registered: no live portfolio can be opened. Next: pets apikey request")
				return p.Err
			}
			p.Line("")
			if p.Err != nil {
				return p.Err
			}
			rows := [][]string{{"KEY", "USER", "FINGERPRINT", "COUNTS", "REGISTERED BY", "NOTE"}}
			for i := range v.Approvers {
				k := &v.Approvers[i]
				rows = append(rows, []string{k.Approver, k.User, approval.Fingerprint(k.PublicKey), k.when(), k.RegisteredBy, k.Note})
			}
			return a.Table(rows)
		},
	}
}

func (a *app) vouchApproverCommand() *cobra.Command {
	var with string
	c := &cobra.Command{
		Use: "vouch KEY", Short: "Give your word, as an approver whose key counts, for another one's key", Args: cobra.ExactArgs(1),
		Long: "The key then counts at once. Compare the fingerprint with its owner first, by voice or face to face:\n" +
			"the word is that it is that person's. It is signed with your own key.",
		Example: "  pets approver vouch a7",
		RunE:    func(c *cobra.Command, args []string) error { return a.vouch(c.Context(), args[0], with) },
	}
	cli.WithKey(c, &with)
	return c
}

func (a *app) vouch(ctx context.Context, id, with string) error {
	if err := errors.Join(a.NeedsServer(), a.Sure()); err != nil {
		return err
	}
	a.Acting(a.Found.String(), false)
	v, err := a.approvers(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(v.Approvers, func(k listedApprover) bool { return k.Approver == id })
	switch {
	case i < 0:
		return domain.Errorf(domain.CodeNotFound, "there is no approver's key %s; see pets approver list", id)
	case v.Approvers[i].Subject == nil:
		return domain.Errorf(domain.CodeConflict, "%s waits for no word: it counts %s", id, v.Approvers[i].when())
	}
	k := &v.Approvers[i]
	// Worked out here: the fingerprint that is compared is that of the key that is signed.
	known := []string{"approver: " + k.Approver, "user: " + k.User, "public key: " + k.PublicKey, "fingerprint: " + approval.Fingerprint(k.PublicKey), "registered by: " + k.RegisteredBy}
	if slices.ContainsFunc(k.Subject.Lines, func(l string) bool { return strings.HasPrefix(l, "registered at: ") }) { // older registrations lack it
		known = append(known, "registered at: "+k.RegisteredAt.UTC().Format(time.RFC3339Nano))
	}
	sign, err := a.ToVouch(id, with, *k.Subject, known)
	if err != nil {
		return err
	}
	a.Tell("compare the fingerprint with %s before you sign", k.User)
	signature, err := sign.Sign(ctx)
	if err != nil {
		return err
	}
	var answer commands.Answer
	if err := a.ToServer(ctx, http.MethodPost, "/v1/approvers/"+url.PathEscape(id)+"/vouch", cli.Signed{Signature: signature}, &answer); err != nil {
		return err
	}
	return a.Done(answer, id+" counts from now on")
}

// warnOfFew warns where nobody is left who can approve, or give a word for another key, or one only.
func (a *app) warnOfFew(all []listedApprover) {
	var counting, waiting []string
	for i := range all {
		switch k := &all[i]; {
		case k.RevokedAt != nil:
		case k.Counts:
			counting = append(counting, k.User)
		default:
			waiting = append(waiting, k.Approver+" of "+k.User+" counts "+k.when())
		}
	}
	switch {
	case len(counting) == 0 && len(waiting) == 0:
		a.Tell("warning: no approver's key is left: nobody approves, confirms or clears. A new one counts after 24 h: register it now (pets apikey request, pets approver add)")
	case len(counting) == 0:
		a.Tell("warning: no approver's key that counts is left: nobody approves, confirms or clears before then. %s", strings.Join(waiting, "; "))
	case len(counting) == 1:
		a.Tell("warning: the key of %s is the only one that counts. Where it is lost, a new one counts after 24 h; as long as it counts, its owner can give a word for another one (pets approver vouch)", counting[0])
	}
}

func (a *app) revokeApproverCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "revoke KEY", Short: "Revoke an approver's key, for good (an admin, its own user, or an approver while it waits)", Args: cobra.ExactArgs(1),
		Long: "Revokes a key for good. Let an approver whose key counts give a word for the new key first (pets approver\n" +
			"vouch): once the last key that counts is revoked, nobody can approve until another one has waited 24 h.",
		RunE: func(c *cobra.Command, args []string) error {
			var answer commands.Answer
			if err := a.ToServer(c.Context(), http.MethodDelete, "/v1/approvers/"+url.PathEscape(args[0]), cli.ReasonOf(a.Printable(reason)), &answer); err != nil {
				return err
			}
			done := args[0] + " is revoked"
			if err := a.Done(answer, done); err != nil || a.JSON {
				return err
			}
			v, err := a.approvers(c.Context())
			if err == nil {
				a.warnOfFew(v.Approvers)
			}
			return cli.Told(done, err)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	return cli.Stops(c)
}
