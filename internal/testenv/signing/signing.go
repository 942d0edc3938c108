// Package signing signs the approvals that tests send to an engine. It owns the
// registration of test approvers and the signature that a command lacks, and refuses to
// decide anything: the engine verifies what it made.
package signing

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/approval"
	"pets/domain/approval/approvaltest"
	"pets/domain/portfolio"
	"pets/domain/system"
	"pets/eventstore"
)

// Register registers the keys of users. The first one counts at once, and gives its
// word for the others. Who has a key keeps it.
func Register(t testing.TB, e *commands.Engine, store eventstore.Store, users ...string) {
	t.Helper()
	do := func(user string, role domain.Role, c commands.Command) string {
		a, err := e.System(context.Background(), commands.Request{Caller: domain.Caller{User: user, Role: role}, Key: uuid.NewString(), Command: c})
		require.NoError(t, err)
		return a.ID
	}
	for _, user := range users {
		if known := read(t, store).Approvers(); has(known, user) {
			continue
		}
		id := do("ada", domain.RoleAdmin, commands.RegisterApprover{User: user, PublicKey: approvaltest.Public(user)})
		if user == users[0] {
			continue
		}
		word, waits := read(t, store).Word(id)
		require.True(t, waits)
		do(users[0], domain.RoleApprover, commands.VouchApprover{Approver: id, Signature: approvaltest.Sign(t, word, users[0])})
	}
}

// Signed returns the command with the signature of a user over what stands to be
// approved in a store, if it is an approval that waits, and the user has a key.
func Signed(t testing.TB, store eventstore.Store, id, user string, c commands.Command) commands.Command {
	t.Helper()
	kind, name := approves(c)
	if kind == "" {
		return c
	}
	known := read(t, store).Approvers()
	if !has(known, user) {
		return c
	}
	p := portfolio.New()
	fold(t, store, commands.Stream(id), p.Apply)
	a, waits := p.ApprovalOf(known.Ledger, kind, name)
	if !waits || !a.Signed {
		return c
	}
	return with(c, approvaltest.Sign(t, a.Subject, user))
}

// read folds the system stream.
func read(t testing.TB, store eventstore.Store) *system.State {
	t.Helper()
	s := system.New()
	fold(t, store, commands.SystemStream, s.Apply)
	return s
}

func has(known approval.Approvers, user string) bool {
	_, has := known.WithKey(approvaltest.Public(user))
	return has
}

// approves returns what a command approves, or "".
func approves(c commands.Command) (kind, id string) {
	switch c := c.(type) {
	case commands.ApproveTransfer:
		return approval.KindTransfer, c.Transfer
	case commands.ConfirmClear:
		return approval.KindClear, c.Request
	case commands.ConfirmOverride:
		return approval.KindOverride, c.Override
	}
	return "", ""
}

// with returns an approval with another signature.
func with(c commands.Command, g *domain.ApprovalSignature) commands.Command {
	switch c := c.(type) {
	case commands.ApproveTransfer:
		c.Signature = g
		return c
	case commands.ConfirmClear:
		c.Signature = g
		return c
	case commands.ConfirmOverride:
		c.Signature = g
		return c
	}
	return c
}

// fold applies a whole stream; one that is not there has nothing.
func fold(t testing.TB, store eventstore.Store, stream string, apply func(domain.Stamp, domain.Event)) {
	t.Helper()
	err := eventstore.Walk(context.Background(), store, stream, 0, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		if err == nil {
			apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		}
		return err
	})
	var missing *eventstore.NotFound
	if !errors.As(err, &missing) {
		require.NoError(t, err)
	}
}
