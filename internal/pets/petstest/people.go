package petstest

import (
	"github.com/stretchr/testify/require"

	"pets/domain/approval"
	"pets/domain/approval/approvaltest"
)

// TwoPeople issues keys to an operator and an approver.
func (p *Process) TwoPeople(folder string) *twoPeople {
	p.T.Helper()
	w := &twoPeople{Process: p, folder: folder}
	w.Olga, w.Bob = w.Issue("--user", "olga", "--role", "operator"), w.Issue("--user", "bob", "--role", "approver")
	operator, ctx := p.Client(w.Olga), p.T.Context()
	require.NoError(p.T, operator.Send(ctx, "POST", "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
	main := operator.Portfolio("main")
	require.NoError(p.T, main.Post(ctx, "/deposits", "deposit", map[string]any{"wallet": "hot", "amount": "1000"}, nil))
	require.NoError(p.T, main.Post(ctx, "/bots", "bot", map[string]any{"id": "alpha", "capital": "500"}, nil))
	return w
}

// twoPeople is a server with an operator, an approver and a paper portfolio with one bot.
type twoPeople struct {
	*Process
	folder, Olga, Bob string
}

func (w *twoPeople) Issue(args ...string) string {
	w.T.Helper()
	return SecretPattern.FindString(w.Ok(AdminKey, append([]string{"apikey", "issue"}, args...)...))
}

func (w *twoPeople) Ok(key string, args ...string) string {
	w.T.Helper()
	r := w.Pets(w.folder, key, args...)
	require.Equal(w.T, 0, r.Code, "%v: %s", args, r.Err)
	return r.Out
}

// Confirms has bob sign and confirm an override of main, with an approver's key that is
// registered first. It returns the revision of the record.
func (w *twoPeople) Confirms(id string) uint64 {
	w.T.Helper()
	ctx := w.T.Context()
	require.NoError(w.T, w.Client(AdminKey).Send(ctx, "POST", "/v1/approvers", "register", map[string]any{"user": "bob", "public_key": approvaltest.Public("bob")}, nil))
	var waits struct{ Subject approval.Subject }
	bob := w.Client(w.Bob)
	require.NoError(w.T, bob.Get(ctx, "/v1/portfolios/main/approvals/override/"+id, &waits))
	var answer struct{ Revision uint64 }
	body := map[string]any{"signature": approvaltest.Sign(w.T, waits.Subject, "bob")}
	require.NoError(w.T, bob.Send(ctx, "POST", "/v1/portfolios/main/overrides/"+id+"/confirm", "confirm", body, &answer))
	return answer.Revision
}
