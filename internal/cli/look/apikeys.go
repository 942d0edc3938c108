package look

import (
	"context"
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

// needs returns what a person should do about a key, or nil.
func (k *heldKey) needs(a *app) *attention {
	of := "the API key " + k.Key + " of " + k.User + ", role " + k.Role + ", "
	switch {
	case k.ReplacedBy != "" || k.ExpiresAt == nil:
	case k.State == system.KeyExpiring:
		return &attention{What: of + "expires " + a.in(*k.ExpiresAt) + ": replace it", Next: []string{"apikey", "rotate", k.Key}}
	case k.State == system.KeyExpired && a.Clock()().Sub(*k.ExpiresAt) < system.WarnKey:
		return &attention{What: of + "has expired at " + cli.Clock(*k.ExpiresAt) + ": replace it, or revoke it where nobody needs it", Next: []string{"apikey", "rotate", k.Key}}
	}
	return nil
}

// in says when a key ends.
func (a *app) in(at time.Time) string {
	return "at " + cli.Clock(at) + ", in " + cli.Days(at.Sub(a.Clock()()))
}
