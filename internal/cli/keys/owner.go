package keys

import (
	"context"
	"errors"

	"pets/commands"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/httpapi"
	"pets/internal/open"
)

// The way back in where every admin key is a thief's, or none is known any more: whoever may
// write to the folder of a store that no server holds acts there as an admin. That person could
// do worse; the record names the person, as os:NAME. Only --store leads here, so that a command
// that meant a running server changes no folder instead.

// byOwner reports whether this run works on a folder that no server holds, by --store.
func (a *app) byOwner() bool {
	dir, err := a.Config.StoreDir()
	if err != nil || a.StoreFlag == "" || !open.HasStore(dir) {
		return false
	}
	_, held := open.WriterOf(dir)
	return !held
}

// asOwner records a command in the folder of this run. It says what that does not do: a server
// elsewhere that serves a copy of the folder learns nothing of it.
func (a *app) asOwner(ctx context.Context, c commands.Command, answer *commands.Answer) error {
	return a.EitherWay(ctx, cli.TheStore, func(e *commands.Engine) error {
		r := a.Own(c)
		r.Caller.Role = domain.RoleAdmin
		var err error
		*answer, err = e.System(ctx, r)
		return err
	}, func() error { // a server has started meanwhile
		return domain.Errorf(domain.CodeUnavailable, "a server holds the folder now: run this again, and it goes through that server")
	})
}

// issueAsOwner issues a key in the folder of this run.
func (a *app) issueAsOwner(ctx context.Context, c commands.IssueKey) (issuedKey, error) {
	secret, hash := httpapi.NewToken()
	c.Hash = hash
	var answer commands.Answer
	if err := a.asOwner(ctx, c, &answer); err != nil {
		return issuedKey{}, err
	}
	key := issuedKey{Key: answer.ID, Secret: secret}
	for _, e := range answer.Decoded() {
		if issued, is := e.(*domain.APIKeyIssued); is {
			key.ExpiresAt = issued.ExpiresAt
		}
	}
	return key, nil
}

// keysInFolder lists the keys of the folder of this run.
func (a *app) keysInFolder(ctx context.Context) ([]listedKey, error) {
	s, err := a.FoldSystem(ctx)
	if err != nil {
		return nil, err
	}
	keys, now := []listedKey{}, a.Clock()()
	for _, k := range s.Keys() {
		keys = append(keys, listedKey{
			Key: k.ID, User: k.User, Role: string(k.Role), Portfolio: k.Portfolio, Bot: k.Bot, Note: k.Note, IssuedAt: k.IssuedAt,
			RevokedAt: k.RevokedAt, ExpiresAt: k.ExpiresAt, ReplacedBy: k.ReplacedBy, State: k.StateAt(now),
		})
	}
	return keys, nil
}

// approversLeft names the approvers' keys, not revoked, of users who have no API key that is
// accepted: each counts again a day after its user gets one.
func (a *app) approversLeft(ctx context.Context) (left []listedApprover, err error) {
	if a.byOwner() {
		return nil, nil // said by the server, once it runs
	}
	var keys struct {
		Keys []listedKey `json:"keys"`
	}
	v, err1 := a.approvers(ctx)
	err2 := a.ToServer(ctx, "GET", "/v1/api-keys", nil, &keys)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	has := func(user string) bool {
		for i := range keys.Keys {
			if k := &keys.Keys[i]; domain.SameUser(k.User, user) && (k.State == "live" || k.State == "expiring") {
				return true
			}
		}
		return false
	}
	for _, k := range v.Approvers {
		if k.RevokedAt == nil && !has(k.User) {
			left = append(left, k)
		}
	}
	return left, nil
}
