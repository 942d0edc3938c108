package money_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain/approval/approvaltest"
	"pets/domain/treasury"
	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/open"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
)

// watchedServer is a proxy to a server that records the routes.
type watchedServer struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // method and path
}

func watchServer(t *testing.T, address string) *watchedServer {
	t.Helper()
	target, err := url.Parse(address)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) }, FlushInterval: -1}
	w := &watchedServer{}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.asked = append(w.asked, r.Method+" "+r.URL.EscapedPath())
		w.mu.Unlock()
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() { w.CloseClientConnections(); w.Close() })
	return w
}

// heard reports whether a route was requested since the last call, and clears the record.
func (w *watchedServer) heard(route string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	pattern := patternOf(route)
	return slices.ContainsFunc(w.asked, pattern.MatchString)
}

func (w *watchedServer) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = nil
}

var placeholder = regexp.MustCompile(`\\\{[^}]*\\\}`)

func patternOf(route string) *regexp.Regexp {
	return regexp.MustCompile("^" + placeholder.ReplaceAllString(regexp.QuoteMeta(route), "[^/]+") + "$")
}

// step is one command line of a person, and the route that it requests.
type step struct {
	route string // below the portfolio, unless it begins with /v1
	who   string
	line  string
	// refused is the text of a refusal, for routes that cannot succeed in this test.
	refused string
	// do replaces running the line as it stands: for files, a terminal, or waiting.
	do func(*story)
}

// story is a test in which people type commands, one after another.
type story struct {
	*moneyWorld
	watched *watchedServer
	last    string // what the last command printed
	permit  string
	cold7   string // a transfer of 7 from the cold wallet
}

// people lists the roles that a person's key may have.
var people = []string{"operator", "approver", "admin", "auditor"}

// personRoutes returns the routes that a person may use, as the server lists them.
func (s *story) personRoutes() []string {
	resp, err := http.Get(s.url + "/openapi.json")
	require.NoError(s.t, err)
	defer func() { require.NoError(s.t, resp.Body.Close()) }()
	var doc struct {
		Paths map[string]map[string]struct {
			Roles []string `json:"x-roles"`
		}
	}
	require.NoError(s.t, json.NewDecoder(resp.Body).Decode(&doc))
	var all []string
	for path, methods := range doc.Paths {
		for method, op := range methods {
			if slices.ContainsFunc(op.Roles, func(role string) bool { return slices.Contains(people, role) }) {
				all = append(all, strings.ToUpper(method)+" "+path)
			}
		}
	}
	require.Greater(s.t, len(all), 60)
	slices.Sort(all)
	return all
}

// full returns the route of a step as the server lists it.
func (s *step) full() string {
	method, path, _ := strings.Cut(s.route, " ")
	if strings.HasPrefix(path, "/v1") {
		return s.route
	}
	return method + " /v1/portfolios/{portfolio}" + path
}

// "So that no person ever needs curl": every route that a person's role may use has a
// command that sends it. A route without one fails here, and so does a command that does
// not send what the table says, or is refused.
func TestEveryRouteOfAPersonHasACommand(t *testing.T) {
	t.Parallel()
	w := newMoneyWorld(t).opened()
	s := &story{moneyWorld: w, watched: watchServer(t, w.url)}
	routes := s.personRoutes()
	w.url = s.watched.URL
	var sent []string
	for _, one := range steps {
		s.watched.forget()
		if one.do != nil {
			one.do(s)
		} else {
			r := s.types(one.who, strings.Fields(one.line)...)
			s.last = r.Out
			if one.refused != "" {
				require.Equal(t, 1, r.Code, "pets %s: %s%s", one.line, r.Out, r.Err)
				require.Contains(t, r.Err+r.Out, one.refused, one.line)
			} else {
				require.Equal(t, 0, r.Code, "pets %s: %s%s", one.line, r.Out, r.Err)
			}
			if r.Out != "" && strings.HasPrefix(one.line, "-p paper ") { // the others print addresses and hashes, whole
				clitest.Fits(t, 80, r.Out)
			}
		}
		require.True(t, s.watched.heard(one.full()), "pets %s did not send %s", one.line, one.full())
		sent = append(sent, one.full())
	}
	slices.Sort(sent)
	require.Equal(t, routes, slices.Compact(sent), "each route of a person needs a row in the table below, with a command that sends it")
}

// types runs a command without advancing the clock, because permits live for 30 s.
func (s *story) types(who string, args ...string) petstest.Ran {
	s.t.Helper()
	var out, errs bytes.Buffer
	dir, environ := s.seat(who)
	environ = append(environ, "PETS_KEYSTORE="+filepath.Join(s.dir, "keystore"), "ENCRYPTION_KEY="+testEncryptionKey)
	a := &cli.App{Place: open.Place{Err: &errs, Wall: s.wall}, Out: &out, Patience: 20 * time.Second, Dir: dir, Environ: environ, Secret: petstest.Types}
	code := pets.Run(s.t.Context(), a, args)
	s.t.Logf("%s$ pets %s\n%s%s", who, strings.Join(args, " "), out.String(), errs.String())
	return petstest.Ran{Code: code, Out: out.String(), Err: errs.String()}
}

// follow runs a command that does not end by itself, until a route was requested.
func (s *story) follow(who, route string, args ...string) {
	ctx, stop := context.WithCancel(s.t.Context())
	defer stop()
	dir, environ := s.seat(who)
	a := &cli.App{Place: open.Place{Err: &clitest.Buffer{}, Wall: s.wall}, Out: &clitest.Buffer{}, Dir: dir, Environ: environ}
	ended := make(chan int, 1)
	go func() { ended <- pets.Run(ctx, a, args) }()
	require.Eventually(s.t, func() bool { return s.watched.heard(route) }, 20*time.Second, 5*time.Millisecond)
	stop()
	<-ended
}

// steps maps routes to command lines, in the order of a story. The trading happens in portfolio
// paper; the money is in main.
var steps = []step{
	{route: "GET /v1/portfolios", who: "olga", line: "portfolio list"},
	{route: "POST /v1/portfolios", who: "olga", line: "portfolio open second --limit max_daily_loss_pct=0.03"},
	{route: "GET ", who: "olga", line: "-p second limits"},
	{route: "POST /limits", who: "admin", line: "-p paper limits adopt --reason agreed --yes"},
	{route: "POST /limits", who: "admin", line: "-p paper limits set fee_bps=1 blocked_zones=none --reason smaller"},
	{route: "POST /v1/api-keys", who: "admin", line: "apikey issue --user carl --role auditor"},
	{route: "GET /v1/api-keys", who: "admin", line: "apikey list"},
	{route: "DELETE /v1/api-keys/{key}", who: "admin", line: "apikey revoke k9 --reason mistake"},
	{route: "POST /v1/api-keys/{key}/rotate", who: "admin", line: "apikey rotate k1 --overlap 24h --days 90"},
	{route: "POST /v1/approvers", who: "admin", line: "approver add --user carl PUBLIC-KEY", do: func(s *story) {
		s.does("admin", "approver", "add", "--user", "carl", approvaltest.Public("carl"))
	}},
	{route: "GET /v1/approvers", who: "admin", line: "approver list"},
	{route: "POST /v1/approvers/{approver}/vouch", who: "bob", line: "approver vouch KEY", do: func(s *story) { s.does("bob", "approver", "vouch", s.approver()) }},
	{route: "DELETE /v1/approvers/{approver}", who: "admin", line: "approver revoke KEY", do: func(s *story) { s.does("admin", "approver", "revoke", s.approver()) }},

	{route: "POST /deposits", who: "olga", line: "-p paper deposit 10000"},
	{route: "POST /withdrawals", who: "olga", line: "-p paper withdraw 1.5 --tx ref-1"},
	{route: "POST /fees", who: "olga", line: "-p paper fee 0.25 --kind trading"},
	{route: "POST /adjustments", who: "admin", line: "-p paper adjust hot:treasury --take 0.25 --reason mistyped"},
	{route: "GET /balances", who: "olga", line: "-p paper balances"},

	{route: "POST /markets", who: "olga", line: "-p paper market add rain --outcomes YES,NO --category weather"},
	{route: "POST /markets", who: "olga", line: "-p paper market add snow --outcomes A,B,C"},
	{route: "GET /events", who: "olga", line: "-p paper market list"},
	{route: "POST /bots", who: "olga", line: "-p paper bot add alpha --capital 2000 --strategy breakout"},
	{route: "GET /state", who: "olga", line: "-p paper bot list"},
	{route: "POST /bots/{bot}/start", who: "olga", line: "-p paper start alpha"},
	{route: "POST /bots/{bot}/allocate", who: "olga", line: "-p paper bot allocate alpha 100"},
	{route: "POST /bots/{bot}/allocate", who: "olga", line: "-p paper bot allocate alpha 50 --back"},

	{route: "POST /permits", who: "olga", line: "-p paper permit ask --bot alpha --market rain --outcome YES --side buy --quantity 100 --limit-price 0.40 --preview"},
	{route: "POST /permits", who: "olga", line: "-p paper permit ask --bot alpha --market rain --outcome YES --side buy --quantity 100 --limit-price 0.40 --fee 0.10", do: (*story).permitted},
	{route: "GET /permits", who: "olga", line: "-p paper permits"},
	{route: "POST /permits/{permit}/placed", who: "olga", line: "-p paper permit place PERMIT", do: (*story).placed},
	{route: "POST /fills", who: "olga", line: "-p paper fill --bot alpha --market rain --outcome YES --side buy --quantity 10 --price 0.40 --fee 0.01 --trade-id v-1 --status provisional"},
	{route: "POST /fills/{trade_id}/confirm", who: "olga", line: "-p paper fill confirm v-1 --bot alpha"},
	{route: "POST /fills", who: "olga", line: "-p paper fill --bot alpha --market rain --outcome YES --side buy --quantity 10 --price 0.40 --trade-id v-2 --status provisional"},
	{route: "POST /fills/{trade_id}/void", who: "olga", line: "-p paper fill void v-2 --bot alpha"},
	{route: "POST /funding", who: "olga", line: "-p paper funding --bot alpha --market rain --outcome YES --funding-id pay-1 0.01"},
	{route: "POST /permits/{permit}/release", who: "olga", line: "-p paper permit release PERMIT --reason cancelled", do: (*story).released},
	{route: "POST /sign", who: "olga", line: "-p paper sign --transfer x1", refused: "a paper portfolio has no"},
	{route: "POST /marks", who: "olga", line: "-p paper mark rain YES 0.45"},
	{route: "POST /sets", who: "olga", line: "-p paper sets split --bot alpha --market rain --quantity 20 --set-id s-1"},
	{route: "POST /sets", who: "olga", line: "-p paper sets merge --bot alpha --market rain --quantity 5 --set-id s-2"},
	{route: "GET /positions", who: "olga", line: "-p paper positions"},
	{route: "POST /settlements", who: "olga", line: "-p paper settle rain YES 1"},
	{route: "POST /settlements/correct", who: "olga", line: "-p paper correct rain --payouts YES=0,NO=1 --reason mistyped"},
	{route: "POST /settlements", who: "olga", line: "-p paper settle snow --void"},
	{route: "GET /trades", who: "olga", line: "-p paper trades"},
	{route: "GET /stats", who: "olga", line: "-p paper stats"},
	{route: "GET /equity", who: "olga", line: "-p paper equity"},
	{route: "POST /batch", who: "olga", line: "-p paper batch FILE", do: (*story).batched},
	{route: "GET /stream", who: "olga", line: "-p paper events --follow", do: func(s *story) {
		s.follow("olga", "GET /v1/portfolios/{portfolio}/stream", "-p", "paper", "events", "--follow")
	}},

	{route: "POST /trades", who: "olga", line: "-p paper trade --bot alpha --market rain --pnl=-30 --trade-id loss-1"},
	{route: "POST /trades", who: "olga", line: "-p paper trade --bot alpha --market rain --pnl=-30 --trade-id loss-2"},
	{route: "POST /trades", who: "olga", line: "-p paper trade --bot alpha --market rain --pnl=-30 --trade-id loss-3"},
	{route: "GET /breakers", who: "olga", line: "-p paper breakers"},
	{route: "POST /breakers/{breaker}/reset", who: "olga", line: "-p paper reset consecutive_losses --bot alpha --reason looked"},
	{route: "POST /bots/{bot}/stop", who: "olga", line: "-p paper stop alpha"},
	{route: "POST /emergency-stop", who: "olga", line: "-p paper stop --emergency --reason drill"},
	{route: "GET /emergency-stop/goes-on", who: "olga", line: "-p paper clear --reason done", do: (*story).clearAsked},
	{route: "POST /emergency-stop/clear", who: "olga", line: "-p paper clear --reason done", do: (*story).clearAsked},
	{route: "POST /emergency-stop/clear/{request}/confirm", who: "bob", line: "-p paper clear --confirm REQUEST", do: (*story).clearConfirmed},
	{route: "POST /overrides", who: "olga", line: "-p paper override request go_live --for real --reason drill", do: (*story).overrideAsked},
	{route: "POST /overrides/{override}/confirm", who: "bob", line: "-p paper override confirm OVERRIDE", do: (*story).overrideConfirmed},
	{route: "GET /approvals/{kind}/{id}", who: "bob", line: "-p paper override confirm OVERRIDE", do: func(s *story) {
		s.overrideAsked()
		s.overrideConfirmed()
	}},

	{route: "GET /wallets", who: "olga", line: "wallet list"},
	{route: "POST /wallets", who: "admin", line: "wallet register hot-2 --place hot --address ADDRESS", do: func(s *story) {
		s.does("admin", "wallet", "register", "hot-2", "--place", "hot", "--address", s.checksummed("0x52908400098527886E0F7030069857D2E4169EE7"))
	}},
	{route: "POST /wallets/{wallet}/key", who: "olga", line: "wallet record hot-1"},
	{route: "POST /wallets/{wallet}/recovery-test", who: "olga", line: "wallet record vault-1 --tested --address COLD", do: func(s *story) {
		s.does("olga", "wallet", "record", "vault-1", "--tested", "--address", s.cold)
	}},
	{route: "POST /wallets/{wallet}/verify", who: "olga", line: "wallet verify hot-1"},
	{route: "POST /wallets/{wallet}/load", who: "olga", line: "wallet verify hot-1 --load"},
	{route: "GET /v1/keys", who: "admin", line: "keys status"},
	{route: "POST /v1/keys/rotate", who: "admin", line: "keys rotate --reason drill", refused: "is sealed under key"},
	{route: "POST /address-book", who: "admin", line: "address-book add --address 0xA4b0d03C2A6cB0A5ad0D2c7c1dB6Ac5EE6C7e8B0 --label exchange", do: (*story).inBook},
	{route: "GET /address-book", who: "olga", line: "address-book"},
	{route: "POST /address-book/remove", who: "admin", line: "address-book remove --address 0xA4… --reason closed", do: (*story).outOfBook},
	{route: "POST /reconcile", who: "olga", line: "reconcile"},
	{route: "GET /treasury", who: "olga", line: "treasury"},
	{route: "POST /treasury-policy", who: "admin", line: "-p paper treasury set min_rebalance_usd=60 --reason fees"},
	{route: "POST /rebalance", who: "olga", line: "rebalance"},
	{route: "POST /transfers", who: "olga", line: "transfer --from hot --to cold --amount 5 --highest-fee 0.5 --reason drill"},
	{route: "GET /transfers", who: "olga", line: "transfers"},
	{route: "GET /approvals", who: "bob", line: "approvals"},
	{route: "POST /transfers/{transfer}/reject", who: "olga", line: "reject TRANSFER --reason drill", do: (*story).rejected},
	{route: "POST /transfers/{transfer}/approve", who: "bob", line: "approve TRANSFER --hash HASH", do: (*story).coldTransfer},
	{route: "POST /transfers/{transfer}/prepare", who: "olga", line: "transfer prepare TRANSFER", do: (*story).preparedAgain},
	{route: "POST /transfers/{transfer}/raise", who: "olga", line: "transfer raise TRANSFER --highest-fee 0.8 --reason drill", do: (*story).raised},
	{route: "POST /transfers/{transfer}/signed", who: "olga", line: "cold import FILE", do: (*story).coldSigned},
	{route: "POST /transfers/{transfer}/cancel", who: "olga", line: "transfer cancel TRANSFER --reason drill", do: (*story).cancelled},
	{route: "POST /wallets/{wallet}/retire", who: "bob", line: "wallet retire hot-2 --reason drill --yes"},
	{route: "POST /v1/emergency-stop", who: "olga", line: "stop --emergency --everywhere --reason drill"},
	{route: "POST /import", who: "olga", line: "-p imported import --capital 100 FILE", do: (*story).imported},
}

// does runs a command that has to succeed.
func (s *story) does(who string, args ...string) string {
	s.t.Helper()
	r := s.types(who, args...)
	require.Equal(s.t, 0, r.Code, "pets %s: %s%s", strings.Join(args, " "), r.Out, r.Err)
	s.last = r.Out
	return r.Out
}

// named returns an id of a kind from the next step that the last command printed.
func (s *story) named(kind string) string {
	s.t.Helper()
	id := regexp.MustCompile(`\b` + kind + `\d+\b`).FindString(s.last)
	require.NotEmpty(s.t, id, s.last)
	return id
}

func (s *story) permitted() {
	s.does("olga", strings.Fields("-p paper permit ask --bot alpha --market rain --outcome YES --side buy --quantity 100 --limit-price 0.40 --fee 0.10")...)
	s.permit = s.named("p")
	require.Contains(s.t, s.last, "pets permit place "+s.permit+" -p paper")
}

func (s *story) placed()   { s.does("olga", "-p", "paper", "permit", "place", s.permit) }
func (s *story) released() { s.does("olga", "-p", "paper", "permit", "release", s.permit) }

func (s *story) batched() {
	file := petstest.BatchFile(s.t, `{"commands":[{"command":"mark_prices","body":{"marks":[{"market":"rain","outcome":"NO","price":"0.5"}]}}]}`)
	require.Contains(s.t, s.does("olga", "-p", "paper", "batch", file), "1 of 1")
}

func (s *story) imported() {
	files := (&petstest.Shell{T: s.t, Dir: s.t.TempDir()}).SmallFiles()
	s.does("olga", append([]string{"-p", "imported", "import", "--capital", "100"}, files...)...)
}

// approver returns the id of the key that was registered last.
func (s *story) approver() string {
	all := regexp.MustCompile(`(?m)^a\d+`).FindAllString(s.ok("admin", "approver", "list"), -1)
	require.NotEmpty(s.t, all)
	return all[len(all)-1]
}

func (s *story) clearAsked() {
	s.does("olga", "-p", "paper", "clear", "--reason", "done")
}

func (s *story) clearConfirmed() { s.does("bob", "-p", "paper", "clear", "--confirm", s.named("c")) }

func (s *story) overrideAsked() {
	s.does("olga", "-p", "paper", "override", "request", "go_live", "--for", "real", "--reason", "drill")
}

func (s *story) overrideConfirmed() {
	require.Contains(s.t, s.does("bob", "-p", "paper", "override", "confirm", s.named("o")), "pets portfolio open real --mode live --gate paper@")
}

const exchangeAddress = "0xA4b0D03c2a6cB0A5aD0D2C7C1DB6aC5eE6C7e8b0"

func (s *story) inBook() {
	s.does("admin", "address-book", "add", "--address", s.checksummed(exchangeAddress), "--label", "exchange")
}

func (s *story) outOfBook() {
	s.does("admin", "address-book", "remove", "--address", s.checksummed(exchangeAddress), "--reason", "closed")
}

func (s *story) rejected() {
	list := s.does("bob", "approvals")
	s.does("olga", "reject", asked(s.t, list), "--reason", "drill")
}

// coldTransfer requests money from the cold wallet, and has the transfer approved.
func (s *story) coldTransfer() {
	id := asked(s.t, s.does("olga", "transfer", "--from", "cold", "--to", "hot-1", "--amount", "7", "--highest-fee", "0.5", "--reason", "drill"))
	s.does("bob", "approve", id, "--hash", s.transfer(id).Hash)
	s.cold7 = id
}

func (s *story) preparedAgain() {
	s.until(s.cold7, string(treasury.Prepared))
	require.Contains(s.t, s.does("olga", "transfer", "prepare", s.cold7), "it is prepared again")
}

// raised asks for a higher fee; the command that approves it is what comes next.
func (s *story) raised() {
	said := s.does("olga", "transfer", "raise", s.cold7, "--highest-fee", "0.8", "--reason", "drill")
	raise := s.transfer(s.cold7).Raise
	require.NotNil(s.t, raise)
	require.Contains(s.t, said, "pets approve "+s.cold7+" --hash "+raise.Hash)
	require.Contains(s.t, s.does("bob", "approvals"), "its highest fee is raised from 0.5 COIN")
}

// cancelled cancels a transfer of the cold wallet that is said to have been signed, and
// signs the transaction that cancels it.
func (s *story) cancelled() {
	s.confirmed(s.cold7)
	id := asked(s.t, s.does("olga", "transfer", "--from", "cold", "--to", "hot-1", "--amount", "3", "--highest-fee", "0.5", "--reason", "drill"))
	s.does("bob", "approve", id, "--hash", s.transfer(id).Hash)
	s.until(id, string(treasury.Prepared))
	s.refused("olga", 1, "was signed: whoever has the file can send it", "reject", id, "--reason", "drill", "--signed")
	s.does("olga", "transfer", "cancel", id, "--reason", "drill")
	require.Eventually(s.t, func() bool { t := s.transfer(id); return t.Attempts[len(t.Attempts)-1].Cancel }, time.Minute, 50*time.Millisecond)
	file, signed := filepath.Join(s.dir, "cancel.json"), filepath.Join(s.dir, "cancel-signed.json")
	require.Contains(s.t, s.does("olga", "cold", "export", id, "--out", file), "CANCELS it")
	require.Contains(s.t, s.signCold("cold", "sign", file, "--registry", s.registry, "--out", signed), "CANCELS it")
	s.does("olga", "cold", "import", signed)
	s.mined(s.until(id, string(treasury.Broadcast)))
	s.until(id, string(treasury.Failed))
}

func (s *story) coldSigned() {
	id := s.cold7
	s.until(id, string(treasury.Prepared))
	file, signed := filepath.Join(s.dir, "one.json"), filepath.Join(s.dir, "one-signed.json")
	s.does("olga", "cold", "export", id, "--out", file)
	s.signCold("cold", "sign", file, "--registry", s.registry, "--out", signed)
	s.does("olga", "cold", "import", signed)
}
