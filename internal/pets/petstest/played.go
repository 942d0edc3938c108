package petstest

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Played starts a server with a portfolio in which every kind of thing has happened. It returns
// the folder of the store and a key for each user.
func Played(t *testing.T) (p *Process, folder string, keys map[string]string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "store")
	p = ServeFolder(t, folder)
	keys = map[string]string{}
	for user, args := range map[string][]string{
		"olga": {"--role", "operator"}, "ann": {"--role", "auditor"}, "alpha": {"--role", "bot", "--bot", "alpha"},
	} {
		r := p.Pets(folder, AdminKey, append([]string{"apikey", "issue", "--user", user}, args...)...)
		require.Equal(t, 0, r.Code, r.Err)
		keys[user] = SecretPattern.FindString(r.Out)
	}
	c := p.Client(keys["olga"])
	require.NoError(t, c.Send(t.Context(), http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
	main := c.Portfolio("main")
	post := func(path string, body any) {
		t.Helper()
		require.NoError(t, main.Post(t.Context(), path, path+time.Now().String(), body, nil), path)
	}
	post("/deposits", map[string]any{"wallet": "hot", "amount": "1000"})
	for _, bot := range []string{"alpha", "beta"} {
		post("/bots", map[string]any{"id": bot, "capital": "500"})
		post("/bots/"+bot+"/start", struct{}{})
		ask := map[string]any{"bot": bot, "market": "m<1>", "outcome": "YES", "side": "buy", "quantity": "10", "limit_price": "0.4"}
		var permit struct {
			Permit string `json:"permit_id"`
		}
		require.NoError(t, main.Post(t.Context(), "/permits", "permit of "+bot, ask, &permit))
		post("/permits/"+permit.Permit+"/placed", struct{}{})
		for i, side := range []string{"buy", "sell"} {
			post("/fills", map[string]any{
				"bot": bot, "market": "m<1>", "outcome": "YES", "side": side, "quantity": "5", "price": []string{"0.4", "0.3"}[i], "fee": "0.01",
				"trade_id": bot + side,
			})
		}
		post("/fills", map[string]any{"bot": bot, "market": "m2", "outcome": "NO", "side": "buy", "quantity": "7", "price": "0.333", "fee": "0", "trade_id": bot + "open"})
	}
	post("/marks", map[string]any{"marks": []any{map[string]any{"market": "m2", "outcome": "NO", "price": "0.4"}}})
	post("/bots/beta/stop", map[string]any{"reason": "a < b & c"})
	return p, folder, keys
}
