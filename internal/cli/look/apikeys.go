package look

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"pets/commands/client"
	"pets/domain"
	"pets/domain/system"
	"pets/internal/cli"
	"pets/internal/httpapi"
)

// heldKey is one API key as far as its end is of interest.
type heldKey struct {
	Key        string     `json:"key"`
	User       string     `json:"user"`
	Role       string     `json:"role"`
	ExpiresAt  *time.Time `json:"expires_at"`
	ReplacedBy string     `json:"replaced_by"`
	State      string     `json:"state"`
}

// askKeys tells which API keys end soon, or have ended within as long: the key of this run,
// whatever its role, and all of them where that role may list them.
func (a *app) askKeys(ctx context.Context, r *cli.Remote, s *status, header http.Header) {
	var list struct {
		Keys []heldKey `json:"keys"`
	}
	err := a.Exchange(ctx, r, http.MethodGet, "/v1/api-keys", nil, &list)
	switch code := client.CodeOf(err); {
	case code == domain.CodeDenied: // it is for an admin or an auditor of everything
		if at, wrong := time.Parse(time.RFC3339, header.Get(httpapi.KeyExpiresHeader)); wrong == nil {
			s.Needs = append(s.Needs, attention{What: "PETS_KEY expires " + a.in(at) + ": an admin replaces it (pets apikey rotate)"})
		}
		return
	case err != nil:
		s.Unseen = append(s.Unseen, "when the API keys expire: "+err.Error())
		return
	}
	for i := range list.Keys {
		k := &list.Keys[i]
		if n := k.needs(a); n != nil {
			s.Needs = append(s.Needs, *n)
		}
	}
}

// askApprovers tells where approvers' keys are registered and none of them counts: then nothing that
// waits for a second person goes on, whatever else is done.
func (a *app) askApprovers(ctx context.Context, r *cli.Remote, s *status) {
	var list struct {
		Approvers []struct {
			Approver   string     `json:"approver"`
			User       string     `json:"user"`
			Counts     bool       `json:"counts"`
			CountsFrom time.Time  `json:"counts_from"`
			RevokedAt  *time.Time `json:"revoked_at"`
		} `json:"approvers"`
	}
	switch err := a.Exchange(ctx, r, http.MethodGet, "/v1/approvers", nil, &list); {
	case client.CodeOf(err) == domain.CodeDenied:
		return // a key of a bot or a feed, which shows no approvals either
	case err != nil:
		s.Unseen = append(s.Unseen, "whether anybody can approve: "+err.Error())
		return
	}
	next := "Register one now, it counts after 24 h (pets apikey request, pets approver add)"
	for _, k := range list.Approvers {
		switch {
		case k.RevokedAt != nil:
		case k.Counts:
			return
		default:
			next = fmt.Sprintf("%s of %s counts from %s UTC on", k.Approver, k.User, cli.Clock(k.CountsFrom))
		}
	}
	if len(list.Approvers) > 0 {
		s.Needs = append(s.Needs, attention{What: "no approver's key counts: nobody approves, confirms or clears. " + next, Next: a.Advise("approver", "list")})
	}
}

// needs returns what a person should do about a key, or nil.
func (k *heldKey) needs(a *app) *attention {
	of := "the API key " + k.Key + " of " + k.User + ", role " + k.Role + ", "
	switch {
	case k.ReplacedBy != "" || k.ExpiresAt == nil:
	case k.State == system.KeyExpiring:
		return &attention{What: of + "expires " + a.in(*k.ExpiresAt) + ": replace it", Next: a.Advise("apikey", "rotate", k.Key)}
	case k.State == system.KeyExpired && a.Clock()().Sub(*k.ExpiresAt) < system.WarnKey:
		return &attention{What: of + "has expired at " + cli.Clock(*k.ExpiresAt) + ": replace it, or revoke it where nobody needs it", Next: a.Advise("apikey", "rotate", k.Key)}
	}
	return nil
}

// in says when a key ends.
func (a *app) in(at time.Time) string {
	return "at " + cli.Clock(at) + ", in " + cli.Days(at.Sub(a.Clock()()))
}
