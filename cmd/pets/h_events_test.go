package main

import "github.com/stretchr/testify/require"

func (p *process) twoPeople(folder string) *twoPeople {
	p.t.Helper()
	w := &twoPeople{process: p, folder: folder}
	w.olga, w.bob = w.issue("--user", "olga", "--role", "operator"), w.issue("--user", "bob", "--role", "approver")
	operator, ctx := p.client(w.olga), p.t.Context()
	require.NoError(p.t, operator.Send(ctx, "POST", "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
	main := operator.Portfolio("main")
	require.NoError(p.t, main.Post(ctx, "/deposits", "deposit", map[string]any{"wallet": "hot", "amount": "1000"}, nil))
	require.NoError(p.t, main.Post(ctx, "/bots", "bot", map[string]any{"id": "alpha", "capital": "500"}, nil))
	return w
}

// twoPeople are an operator, an approver and a paper portfolio with one bot.
type twoPeople struct {
	*process
	folder, olga, bob string
}

func (w *twoPeople) issue(args ...string) string {
	w.t.Helper()
	return secretPattern.FindString(w.ok(adminKey, append([]string{"apikey", "issue"}, args...)...))
}

func (w *twoPeople) ok(key string, args ...string) string {
	w.t.Helper()
	r := w.pets(w.folder, key, args...)
	require.Equal(w.t, 0, r.code, "%v: %s", args, r.err)
	return r.out
}
