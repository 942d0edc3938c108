package money

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/domain/treasury"
	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/cli/show"
	"pets/internal/open"
	"pets/projections"
)

// A server that shows one payment and names the hash of another is detected, whichever field
// differs; so is the hash of another portfolio.
func TestShownPaymentHasItsHash(t *testing.T) {
	t.Parallel()
	sound := shownTransfer()
	checkShown := func(portfolio string, v *projections.Transfer, hash string) error {
		a := &app{&cli.App{}}
		a.Config.Portfolio = portfolio
		return a.checkShown(v, hash)
	}
	require.NoError(t, checkShown("main", &sound, ""))
	require.NoError(t, checkShown("main", &sound, sound.Hash))
	require.Error(t, checkShown("other", &sound, ""))
	for name, change := range map[string]func(*projections.Transfer){
		"id":     func(v *projections.Transfer) { v.Transfer = "x8" },
		"kind":   func(v *projections.Transfer) { v.Kind = domain.TransferSweep },
		"chain":  func(v *projections.Transfer) { v.Payment.Chain = "eip155:1" },
		"asset":  func(v *projections.Transfer) { v.Payment.AssetID = "eip155:137/slip44:966" },
		"from":   func(v *projections.Transfer) { v.Payment.From = "0x03" },
		"to":     func(v *projections.Transfer) { v.Payment.To = "0x03" },
		"amount": func(v *projections.Transfer) { v.Payment.Amount = dec("100.000001") },
		"fee":    func(v *projections.Transfer) { v.Payment.HighestFee = dec("0.6") },
		"hash":   func(v *projections.Transfer) { v.Hash = strings.Repeat("0", 64) },
	} {
		changed := shownTransfer()
		change(&changed)
		err := checkShown("main", &changed, "")
		require.ErrorContains(t, err, "do not approve it", name)
		require.Equal(t, domain.CodeDenied, domain.CodeOf(err))
	}
}

// Each status has a line that explains it.
func TestStatusLines(t *testing.T) {
	t.Parallel()
	for status, words := range map[treasury.Status]string{
		treasury.Requested: "waits for a second person", treasury.Approved: "when its turn comes", treasury.Prepared: "nothing is signed yet",
		treasury.Signed: "not sent yet", treasury.Broadcast: "on its way, 0xabc", treasury.Confirmed: "in block 12, fee 0.1 POL",
		treasury.Failed: "FAILED (reverted), fee 0.1 POL. because", treasury.Rejected: "rejected: because", treasury.Expired: "in time",
	} {
		v := shownTransfer()
		v.Status, v.Attempts, v.Block, v.Fee, v.Code, v.Detail = status, []projections.Attempt{{TxHash: "0xabc"}}, 12, dec("0.1"), "reverted", "because"
		require.Contains(t, statusLine(&v), words)
		over := status == treasury.Confirmed || status == treasury.Failed || status == treasury.Rejected || status == treasury.Expired
		require.Equal(t, over, show.IsOver(&v), status)
		require.Equal(t, over, strings.Contains(nextOf(&v), "it is over"), status)
		v.From = domain.WalletCold
		if status == treasury.Prepared {
			require.Contains(t, statusLine(&v), "waits for its signature")
			require.NotContains(t, nextOf(&v), "cold export", "it is signed")
			v.Attempts[0].TxHash = ""
			require.Contains(t, nextOf(&v), "pets cold export x7 -p main")
		}
	}
}

// "A transaction that waits for its signature has no hash": the one that was sent is named.
func TestWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	v := shownTransfer()
	v.Status, v.Attempts = treasury.Broadcast, []projections.Attempt{{TxHash: "0xabc", Sent: true}, {}}
	require.Equal(t, "broadcast: on its way, 0xabc; a newer transaction waits for its signature", statusLine(&v))
	v.Attempts = v.Attempts[:1]
	require.Equal(t, "broadcast: on its way, 0xabc", statusLine(&v))
}

// "The default fee is the most that the rules allow": the printed raise names who allows more.
func TestARaiseThatTheRulesRefuse(t *testing.T) {
	t.Parallel()
	said := func(fee, most string) string {
		var out clitest.Buffer
		a := &app{&cli.App{Out: &out}}
		a.Config.Portfolio = "main"
		v := shownTransfer()
		v.Status, v.Payment.HighestFee = treasury.Broadcast, dec(fee)
		a.sayCap(a.Printer(), &v, dec(most))
		return out.String()
	}
	require.Contains(t, said("1", "1"), "pets override request treasury_policy")
	require.Contains(t, said("0.95", "1"), "is at least 1.045 ")
	require.Empty(t, said("0.5", "1"))
}

// nextOf is what is printed of a transfer's next step.
func nextOf(v *projections.Transfer, ways ...string) string {
	var out clitest.Buffer
	a := &app{&cli.App{Out: &out}}
	a.Config.Portfolio = "main"
	a.sayNextStep(a.Printer(), v, standing{ways: ways, now: v.ExpiresAt.Add(-time.Minute), mostFee: dec("1")})
	return out.String()
}

// "One truth": what nothing is signed of does not go on by itself, and the command that
// somebody else types is whole, or has a backslash.
func TestNextStepIsTrueAndWhole(t *testing.T) {
	t.Parallel()
	v := shownTransfer()
	v.Status, v.Hash = treasury.Approved, strings.Repeat("7e", 32)
	require.Contains(t, nextOf(&v), "the server goes on with it by itself")
	stopped := nextOf(&v, "EMERGENCY STOP: nothing of it is signed")
	require.NotContains(t, stopped, "by itself")
	require.Contains(t, stopped, "it waits for what is said above")
	v.Attempts = []projections.Attempt{{TxHash: "0xabc"}}
	require.Contains(t, nextOf(&v, "EMERGENCY STOP"), "by itself", "it is signed")
	v.Status = treasury.Requested
	require.Contains(t, nextOf(&v), "    pets approve x7 \\\n      --hash "+v.Hash+" \\\n      -p main\n")
	clitest.WholeCommands(t, nextOf(&v))
}

// "e's own next says the server goes on with it by itself, while only the log says that two
// people have to settle it": a signed transfer whose nonce another open one has names it, and
// what to do.
func TestNextStepOfASharedNonce(t *testing.T) {
	t.Parallel()
	signed := func(id, wallet string, nonce uint64, status treasury.Status) projections.Transfer {
		v := shownTransfer()
		v.Transfer, v.Wallet, v.From, v.Status, v.Kind = id, wallet, domain.WalletCold, status, domain.TransferEvacuation
		v.Attempts = []projections.Attempt{{TxHash: "0xabc", Nonce: nonce}}
		return v
	}
	e := signed("x9", "cold-1", 4, treasury.Signed)
	others := []projections.Transfer{e, signed("x1", "cold-1", 4, treasury.Failed), signed("x2", "cold-2", 4, treasury.Signed), signed("x3", "cold-1", 3, treasury.Signed)}
	said := func(all ...projections.Transfer) string {
		a, out, errs, _ := fakeServer(t, map[string]any{
			"/transfers": show.TransfersView{Transfers: all}, "/wallets": show.WalletsView{}, "/address-book": show.BookView{}, "/state": map[string]any{}, "/treasury": map[string]any{},
		})
		require.Equal(t, 0, a.RunCommands(t.Context(), []string{"transfers", "x9"}, Commands(a.App)...), errs.String())
		_, next, _ := strings.Cut(out.String(), "next: ")
		return next
	}
	require.Contains(t, said(others...), "the server goes on with it by itself")
	shared := said(append(others, signed("x5", "cold-1", 4, treasury.Prepared))...)
	require.NotContains(t, shared, "by itself:")
	require.Contains(t, shared, "this one or x5, which has the same nonce")
	require.Contains(t, shared, "cold import")
	require.Contains(t, shared, "transfer=x9")
	clitest.WholeCommands(t, shared)
}

// A proposal says where its amount comes from: the whole difference, what can be given,
// or what the chain's decimals leave of it.
func TestExplainRebalance(t *testing.T) {
	t.Parallel()
	r := domain.Rebalance{
		Hot: dec("2000"), HotCash: dec("1500"), Deployed: dec("500"), Cold: dec("8000"), Total: dec("10000"), Share: dec("0.2"), Target: dec("1500"),
		Low: dec("1200"), High: dec("1800"), GoesTo: dec("1500"), Available: dec("900"), Smallest: dec("50"),
	}
	last := func(amount string, cold bool) string {
		d := dec(amount)
		lines := explainRebalance(&r, &d, cold)
		require.Len(t, lines, 10)
		return lines[9]
	}
	require.Equal(t, "amount     500 = the difference of hot 2000 and 1500", last("500", false))
	r.Available = dec("300.55")
	require.Equal(t, "amount     300.5 = what can be given, as 500 would be needed; cut to the decimals of the chain", last("300.5", false))
	r.Available, r.GoesTo = dec("900"), dec("1425")
	require.Contains(t, explainRebalance(&r, &r.Smallest, false)[6], "0.95 × target")
	r.Hot, r.GoesTo = dec("1000.0000001"), dec("1500")
	require.Equal(t, "amount     499.999999 = the difference of hot 1000.0000001 and 1500, cut to the decimals of the chain", last("499.999999", true))
	require.Len(t, explainRebalance(&r, nil, false), 6)
}

// The chart is right for shares of nothing, of everything, and below zero.
func TestDrawShares(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"no money yet"}, drawShares(&domain.Rebalance{}))
	total := dec("1000")
	f := domain.Rebalance{Total: total, Target: dec("150"), Low: dec("120"), High: dec("180")}
	for hot, bar := range map[string]string{
		"0": "", "-5": "", "100": strings.Repeat("█", 20), "300": strings.Repeat("█", 60), "1000": strings.Repeat("█", 59) + "▶",
	} {
		f.Hot = dec(hot)
		lines := drawShares(&f)
		require.True(t, strings.HasSuffix(lines[0], "│"+bar), lines[0])
		require.Equal(t, strings.Repeat(" ", 24)+"["+"     ^     ]   !", lines[1][strings.Index(lines[1], "│")+len("│"):])
	}
}

// What holds up a transfer is printed when it is requested, shown and approved.
func TestInTheWay(t *testing.T) {
	t.Parallel()
	a := &app{&cli.App{}}
	a.Config.Portfolio = "second"
	require.Empty(t, a.inTheWay(&haltView{Breakers: []projections.Breaker{{Breaker: "daily_loss", Status: risk.OK}}}, nil))
	alpha := "alpha"
	require.Equal(t, []string{
		"EMERGENCY STOP: it is not signed until two people have cleared that; only a sweep or an evacuation of the wallets works",
		"BREAKER daily_loss is tripped: it is not signed until a person has reset that",
		"BREAKER consecutive_losses of alpha is tripped: it is not signed until a person has reset that",
		"DIFFERENCE: in hot the chain has 25 USDC less than the ledger; it is not signed until that is explained (pets treasury -p second says how)",
	}, a.inTheWay(&haltView{
		EmergencyStop: projections.EmergencyStop{Engaged: true},
		Breakers:      []projections.Breaker{{Breaker: "daily_loss", Status: risk.Tripped}, {Breaker: "consecutive_losses", Bot: &alpha, Status: risk.Tripped}},
	}, []projections.Difference{{Place: "hot", Asset: "USDC", Difference: dec("-25")}}))
}

// shownTransfer returns a transfer as a server shows it, with the right hash.
func shownTransfer() projections.Transfer {
	v := projections.Transfer{
		Transfer: "x7", Status: treasury.Requested, Kind: domain.TransferWithdrawal, Wallet: "hot-1", From: "hot", To: "external", Asset: "USDC", GasAsset: "POL",
		Payment: domain.Payment{
			Chain: "eip155:137", AssetID: "eip155:137/erc20:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", From: "0x01", To: "0x02",
			Amount: dec("100"), HighestFee: dec("0.5"),
		},
		RequestedBy: "olga", ApprovalFor: []string{"it leaves the portfolio"},
	}
	v.Hash = treasury.Hash("main", &domain.TransferRequested{Transfer: v.Transfer, Kind: v.Kind, Payment: v.Payment})
	return v
}

func dec(s string) domain.Decimal { return domain.MustDecimal(s) }

// fakeServer answers the routes of a table, and records the requests.
func fakeServer(t *testing.T, answers map[string]any) (*app, *bytes.Buffer, *bytes.Buffer, *[]string) {
	t.Helper()
	var sent []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := new(bytes.Buffer)
		_, _ = body.ReadFrom(r.Body)
		path := strings.TrimPrefix(r.URL.Path, "/v1/portfolios/main")
		if r.Method == http.MethodPost {
			sent = append(sent, path+" "+body.String())
		}
		v, ok := answers[path]
		if !ok {
			v, ok = answers[r.Method+" "+path]
		}
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			v = map[string]any{"type": "urn:pets:problem:not_found", "detail": "there is no " + path}
		}
		_ = json.NewEncoder(w).Encode(v)
	}))
	t.Cleanup(server.Close)
	var out, errs bytes.Buffer
	return &app{&cli.App{Place: open.Place{Err: &errs}, Out: &out, Dir: t.TempDir(), Patience: time.Second, Environ: []string{"PETS_SERVER=" + server.URL, "PETS_KEY=some-key-0123456789-0123456789-0123456789"}}}, &out, &errs, &sent
}

// "Sends the hash that was shown, never fetched again": and nothing at all where the
// payment does not have it, or an id is not known.
func TestApproveSendsWhatWasShown(t *testing.T) {
	t.Parallel()
	v := shownTransfer()
	answers := map[string]any{
		"/transfers": show.TransfersView{Transfers: []projections.Transfer{v}}, "/wallets": show.WalletsView{}, "/address-book": show.BookView{},
		"/state": map[string]any{}, "/treasury": map[string]any{}, "/transfers/x7/approve": map[string]any{"revision": 8},
	}
	a, out, errs, sent := fakeServer(t, answers)
	require.Equal(t, 0, a.RunCommands(t.Context(), []string{"approve", "x7", "--hash", v.Hash, "--yes"}, Commands(a.App)...), errs.String())
	require.Equal(t, []string{`/transfers/x7/approve {"hash":"` + v.Hash + `"}`}, *sent)
	require.Contains(t, out.String(), "NOT ONE OF OURS")
	require.Contains(t, out.String(), "Polygon (eip155:137)")

	require.Equal(t, 1, a.RunCommands(t.Context(), []string{"approve", "x9", "--hash", v.Hash, "--yes"}, Commands(a.App)...))
	require.Contains(t, errs.String(), `there is no transfer "x9"`)
	changed := shownTransfer()
	changed.Payment.To = "0x03"
	answers["/transfers"] = show.TransfersView{Transfers: []projections.Transfer{changed}}
	require.Equal(t, 1, a.RunCommands(t.Context(), []string{"approve", "x7", "--hash", v.Hash, "--yes"}, Commands(a.App)...))
	require.Contains(t, errs.String(), "security_breach")
	require.Len(t, *sent, 1, "nothing more was sent")
}

// "The CLI compares the lines with what it knows itself": what is given to sign has to say
// what the payment says. "--yes never skips the passphrase", and none is read without a
// terminal.
func TestApproveSignsWhatWasShown(t *testing.T) {
	v := shownTransfer()
	lines := portfolio.TransferLines(asRequested(&v))
	subject := approval.Subject{Ledger: "ledger-1", Portfolio: "main", Kind: approval.KindTransfer, Lines: lines}
	with := func(change func(*approval.Subject)) map[string]any {
		s := subject
		s.Lines = slices.Clone(lines)
		change(&s)
		return map[string]any{
			"/transfers": show.TransfersView{Transfers: []projections.Transfer{v}}, "/wallets": show.WalletsView{}, "/address-book": show.BookView{},
			"/state": map[string]any{}, "/treasury": map[string]any{}, "/transfers/x7/approve": map[string]any{"revision": 8},
			"/approvals/transfer/x7": projections.Approval{Kind: approval.KindTransfer, ID: "x7", Signed: true, Subject: s},
		}
	}
	approve := []string{"approve", "x7", "--hash", v.Hash, "--yes"}
	a, _, errs, sent := fakeServer(t, with(func(*approval.Subject) {}))
	require.Equal(t, 2, a.RunCommands(t.Context(), approve, Commands(a.App)...))
	require.Contains(t, errs.String(), "types the passphrase of the key, at a terminal")
	require.Empty(t, *sent)
	never := func(question string) []byte { t.Error(question); return nil }
	for i := range lines {
		a, _, errs, sent := fakeServer(t, with(func(s *approval.Subject) { s.Lines[i] += "0" }))
		a.Secret = never
		require.Equal(t, 1, a.RunCommands(t.Context(), approve, Commands(a.App)...))
		require.Contains(t, errs.String(), "nothing was signed: what the server gives to sign is not", lines[i])
		require.Empty(t, *sent)
	}
	for want, change := range map[string]func(*approval.Subject){
		`of portfolio "real"`:       func(s *approval.Subject) { s.Portfolio = "real" },
		`of kind "override"`:        func(s *approval.Subject) { s.Kind = approval.KindOverride },
		"not what the server shows": func(s *approval.Subject) { s.Lines = s.Lines[:5] },
		"cannot be read":            func(s *approval.Subject) { s.Ledger = "ledger-1\nmain" },
	} {
		a, _, errs, sent := fakeServer(t, with(change))
		a.Secret = never
		require.Equal(t, 1, a.RunCommands(t.Context(), approve, Commands(a.App)...))
		require.Contains(t, errs.String(), want)
		require.Empty(t, *sent)
	}
}

// Without a server, the error says so, and nothing else is printed.
func TestMoneyWithoutAServer(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for _, args := range [][]string{{"approve", "x1"}, {"transfers"}, {"reconcile"}, {"wallet", "sweep", "--to", "cold", "--reason", "x"}} {
		var out, errs bytes.Buffer
		a := &app{&cli.App{Place: open.Place{Err: &errs}, Out: &out, Dir: t.TempDir(), Patience: 100 * time.Millisecond, Environ: []string{"PETS_SERVER=" + closed.URL, "PETS_KEY=some-key-0123456789-0123456789-0123456789"}}}
		require.Equal(t, 1, a.RunCommands(t.Context(), args, Commands(a.App)...), "%v: %s", args, errs.String())
		require.Contains(t, errs.String(), "no answer after")
		require.NotContains(t, errs.String(), "some-key")
		require.Empty(t, out.String())
	}
}

// "Cold export of what was exported needs a next step": no file is written over, and what to do
// instead is said.
func TestAFileThatIsThereNamesTheWayOut(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x8.cold.json")
	require.NoError(t, writeCarried(file, "first"))
	err := writeCarried(file, "second")
	require.ErrorContains(t, err, file+" cannot be written: it is there already")
	require.ErrorContains(t, err, "name another file with --out")
}

// "It says what it waits for": who follows a transfer that stands still under an emergency stop
// is told so, once.
func TestFollowSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	v := shownTransfer()
	v.Status = treasury.Approved
	a, _, _, _ := fakeServer(t, map[string]any{
		"/transfers": show.TransfersView{Transfers: []projections.Transfer{v}}, "/treasury": map[string]any{},
		"/state": map[string]any{"emergency_stop": map[string]any{"engaged": true}},
	})
	var out clitest.Buffer
	a.Out = &out
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ended := make(chan int, 1)
	go func() { ended <- a.RunCommands(ctx, []string{"transfers", "x7", "--follow"}, Commands(a.App)...) }()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "x7 waits:\nEMERGENCY STOP: ") }, 20*time.Second, 5*time.Millisecond, "%s", &out)
	cancel()
	require.Zero(t, <-ended, "an interruption is one way for following to end")
	require.Equal(t, 1, strings.Count(out.String(), "waits:"))
}

// "No umask 077 before a file of secrets": a block of the documentation that writes one makes
// it unreadable for others from its first byte, also where it is typed alone.
func TestNoDocumentedFileOfSecretsIsReadable(t *testing.T) {
	pages, err := filepath.Glob("../../../docs/*.md")
	require.NoError(t, err)
	more, err := filepath.Glob("../../../docs/runbooks/*.md")
	require.NoError(t, err)
	written, block := 0, regexp.MustCompile("(?s)```[a-z]*\n(.*?)```")
	secret := regexp.MustCompile(`>+ *\S*(\.env|\.key|keys|secret)|pets apikey issue[^\n]*>`)
	for _, page := range append(append(pages, more...), "../../../README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, b := range block.FindAllStringSubmatch(string(text), -1) {
			at := secret.FindStringIndex(b[1])
			if at == nil {
				continue
			}
			written++
			require.Contains(t, b[1][:at[0]], "umask 077", "%s:\n%s", page, b[1])
		}
	}
	require.GreaterOrEqual(t, written, 3)
}
