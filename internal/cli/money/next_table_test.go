package money_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/domain/treasury"
	"pets/internal/cli"
	"pets/internal/cli/money"
	"pets/internal/pets"
)

// stand is a live portfolio of which a test decides everything: no chain and no server is needed
// to bring a transfer into every state.
type stand struct {
	t   *testing.T
	s   *portfolio.State
	now time.Time
	n   int // of transactions
	// names are those of the commands that were parsed before.
	names map[string]string
}

const (
	standHot     = "0xF278cF59F82eDcf871d630F28EcC8056f25C1cdb"
	standCold    = "0x2f826cb22E80a2c40f149Ecb92b2Fa5ecBf67170"
	standPartner = "0x3624C149C9FB3AAfcfd2085A4064a4BCF1593c0d"
	standToken   = "eip155:137/erc20:0xE1B6CC00a4Fb756D10e9C708B9b67fD9F7abAe7B"
)

var (
	standOlga = domain.Caller{User: "olga", Role: domain.RoleOperator}
	standBob  = domain.Caller{User: "bob", Role: domain.RoleApprover}
)

func newStand(t *testing.T) *stand {
	st := &stand{t: t, s: portfolio.New(), now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	apply := func(e domain.Event) { st.s.Apply(domain.Stamp{Revision: st.s.Next, Time: st.now}, e) }
	rules := domain.DefaultTreasuryPolicy()
	apply(&domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModeLive, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModeLive), Treasury: &rules})
	assets := []domain.WalletAsset{{Asset: "POL", ID: "eip155:137/slip44:966", Decimals: 18, Native: true}, {Asset: "USDC", ID: standToken, Decimals: 6}}
	for _, w := range [][3]string{{"hot-1", domain.WalletHot, standHot}, {"cold-1", domain.WalletCold, standCold}} {
		apply(&domain.WalletRegistered{Wallet: w[0], Place: w[1], Chain: "eip155:137", Address: w[2], Assets: assets})
		apply(&domain.WalletLoaded{Wallet: w[0], Address: w[2]})
		for _, asset := range assets {
			apply(&domain.DepositRecorded{Wallet: w[1], Asset: asset.Asset, Amount: domain.FromInt(5000)})
		}
	}
	apply(&domain.AddressAdded{Chain: "eip155:137", Address: standPartner, Label: "partner"})
	st.later(48 * time.Hour)
	return st
}

func (st *stand) later(d time.Duration) {
	st.now = st.now.Add(d)
	st.s.Apply(domain.Stamp{Revision: st.s.Next, Time: st.now}, &domain.CommandNoted{Code: "test", Note: "time passes"})
}

// decide takes a decision on a state.
func (st *stand) decide(s *portfolio.State, c domain.Caller, f func(*portfolio.Decision) error) ([]domain.Event, error) {
	d := s.Begin(st.now, c)
	if err := f(d); err != nil {
		return nil, err
	}
	return d.Events(), d.Finish()
}

func (st *stand) must(c domain.Caller, f func(*portfolio.Decision) error) {
	st.t.Helper()
	_, err := st.decide(st.s, c, f)
	require.NoError(st.t, err)
}

func (st *stand) transfer(id string) *treasury.Transfer { return st.s.Custody.Transfers[id] }

// transaction is one that a chain would prepare of a transfer now.
func (st *stand) transaction(t *treasury.Transfer) portfolio.PreparedTransaction {
	st.n++
	p := portfolio.PreparedTransaction{Transaction: fmt.Appendf(nil, `{"n":%d}`, st.n), Digest: fmt.Sprintf("%064x", st.n), Says: t.Payment}
	if p.Says.HighestFee = t.FeeAt(st.now); t.Cancel != nil {
		p.Says, p.Cancel = t.Cancel.Payment, true
	}
	if last := t.Last(); last != nil {
		p.Nonce = last.Nonce
	}
	return p
}

// The steps of a transfer, in order.
func (st *stand) approve(id string) {
	t := st.transfer(id)
	if p := t.Pending(st.now); p != nil {
		st.must(standBob, func(d *portfolio.Decision) error { return d.ApproveTransfer(id, p.Hash) })
	}
}

func (st *stand) prepare(id string) {
	p := st.transaction(st.transfer(id))
	st.must(standOlga, func(d *portfolio.Decision) error { return d.PrepareTransfer(id, p) })
}

func (st *stand) reprice(id string) {
	p := st.transaction(st.transfer(id))
	st.must(standOlga, func(d *portfolio.Decision) error { return d.RepriceTransfer(id, p) })
}

// signature is one of the latest transaction, made where the key is.
func (st *stand) signature(t *treasury.Transfer) *domain.TransferSigned {
	e := &domain.TransferSigned{Transfer: t.Transfer, Digest: t.Last().Digest, TxHash: "0x" + t.Last().Digest}
	if t.FromPlace == domain.WalletCold {
		e.Raw = "0x01"
	}
	return e
}

func (st *stand) sign(id string) {
	e := st.signature(st.transfer(id))
	st.must(standOlga, func(d *portfolio.Decision) error { return d.SignTransfer(e) })
}

func (st *stand) send(id string) {
	hash := st.transfer(id).Last().TxHash
	st.must(standOlga, func(d *portfolio.Decision) error { return d.BroadcastTransfer(id, hash) })
}

func (st *stand) cancel(id string) {
	st.must(standOlga, func(d *portfolio.Decision) error { return d.RequestCancel(id, domain.Zero, "a test") })
}

func (st *stand) raise(id string) {
	st.must(standOlga, func(d *portfolio.Decision) error {
		return d.RequestRaise(id, domain.MustDecimal("0.6"), "a test")
	})
}

func (st *stand) stop(kind string) {
	st.later(time.Minute)
	st.must(standOlga, func(d *portfolio.Decision) error { return d.EngageStop(kind, "a test") })
	st.later(time.Minute)
}

// clear ends the stop.
func (st *stand) clear() {
	st.must(standOlga, func(d *portfolio.Decision) error { return d.RequestClear("a test") })
	request := st.s.Stop.Request
	st.must(standBob, func(d *portfolio.Decision) error { return d.ConfirmClear(request) })
}

// stage brings a transfer on, from the one before it.
type stage struct {
	name string
	do   func(*stand, string)
}

var (
	asStart  = []stage{{"requested", func(*stand, string) {}}, {"approved", (*stand).approve}, {"prepared", (*stand).prepare}}
	asSent   = []stage{{"signed", (*stand).sign}, {"sent", (*stand).send}}
	asRaised = []stage{{"raise asked for", (*stand).raise}, {"raise approved", (*stand).approve}}
	asCancel = []stage{{"being cancelled", (*stand).cancel}, {"cancel unsigned", (*stand).reprice}, {"cancel signed", (*stand).sign}, {"cancel sent", (*stand).send}}
	// routes are the ways that a transfer can take; only one of a cold wallet can be raised, or
	// cancelled, while it waits for its first signature.
	routes = map[string][]stage{
		"sent":                           slices.Concat(asStart, asSent, asRaised, []stage{{"raised and unsigned", (*stand).reprice}, {"raised and signed", (*stand).sign}}, asCancel),
		"raised while it is unsigned":    slices.Concat(asStart, asRaised, []stage{{"prepared again", (*stand).prepare}}, asSent),
		"cancelled while it is unsigned": slices.Concat(asStart, asCancel),
		"raised and cancelled":           slices.Concat(asStart, asSent, asRaised, []stage{{"raised and unsigned", (*stand).reprice}}, asCancel),
	}
)

// happens is what may happen to a transfer on its way.
var happens = []struct {
	name string
	do   func(*stand)
}{
	{"nothing", func(*stand) {}},
	{"stop manual", func(st *stand) { st.stop(domain.StopManual) }},
	{"stop security_breach", func(st *stand) { st.stop(domain.StopSecurityBreach) }},
	{"stop system_error", func(st *stand) { st.stop(domain.StopSystemError) }},
	{"stop cleared", func(st *stand) {
		if !st.s.Stop.Engaged {
			st.stop(domain.StopManual)
		}
		st.clear()
	}},
	{"expired", func(st *stand) { st.later(25 * time.Hour) }},
	{"stopped, expired", func(st *stand) { st.stop(domain.StopManual); st.later(25 * time.Hour) }},
	{"book removed", func(st *stand) {
		st.must(standOlga, func(d *portfolio.Decision) error {
			return d.RemoveAddress(&domain.AddressRemoved{Chain: "eip155:137", Address: standPartner, Reason: "a test"})
		})
	}},
	{"sender retired", func(st *stand) { st.retire("hot-1", "cold-1") }},
	{"breaker", func(st *stand) {
		st.s.Breakers[risk.Key{Breaker: "daily_loss"}] = &risk.Breaker{Status: risk.Tripped}
	}},
	{"difference", func(st *stand) {
		st.s.Apply(domain.Stamp{Revision: st.s.Next, Time: st.now}, &domain.BalanceReconciled{Lines: []domain.ReconciliationLine{{Place: "hot", Asset: "USDC", Difference: domain.One}}})
	}},
}

func (st *stand) retire(wallets ...string) {
	for _, w := range wallets {
		st.must(standOlga, func(d *portfolio.Decision) error { return d.RetireWallet(w, "a test") })
	}
}

// kinds are the transfers that a person can ask for; the urgent ones in a stop.
var kinds = map[string]portfolio.TransferRequest{
	"hot": {From: "hot", To: "cold"}, "hot out": {From: "hot", To: standPartner}, "cold": {From: "cold", To: "hot"}, "cold out": {From: "cold", To: standPartner},
	"sweep": {From: "hot", To: "cold", Sweep: true}, "evacuation": {From: "cold", To: standPartner, Evacuate: true},
}

// "Nothing stuck that a person cannot free by a documented command": for every status × stop ×
// unsigned, signed and cold that a transfer can be in, the next line exists; each command that is
// printed is documented, is one of the command line, and is accepted in that state.
func TestTheNextLineOfEveryState(t *testing.T) {
	t.Parallel()
	docs := documented(t)
	seen, names := map[string]bool{}, map[string]string{}
	for name, ask := range kinds {
		for route, stages := range routes {
			if ask.From == domain.WalletHot && strings.Contains(route, "cancelled while") {
				continue // it is rejected
			}
			for far := range stages {
				for _, what := range happens {
					st := newStand(t)
					st.names = names
					id := st.brought(ask, stages[:far+1])
					what.do(st)
					tr := st.transfer(id)
					seen[fmt.Sprint(tr.Status, " ", tr.FromPlace)] = true
					if tr.Open() {
						st.hasWayOut(fmt.Sprintf("%s, %s: %s, then %s", name, route, stages[far].name, what.name), id, docs)
					}
				}
			}
		}
	}
	for _, status := range []treasury.Status{treasury.Requested, treasury.Approved, treasury.Prepared, treasury.Signed, treasury.Broadcast} {
		for _, place := range []string{domain.WalletHot, domain.WalletCold} {
			require.True(t, seen[fmt.Sprint(status, " ", place)], "no transfer was %s from %s", status, place)
		}
	}
}

// brought asks for a transfer and brings it through stages.
func (st *stand) brought(ask portfolio.TransferRequest, stages []stage) (id string) {
	st.t.Helper()
	if ask.Sweep || ask.Evacuate {
		st.stop(domain.StopSecurityBreach)
	}
	ask.Amount, ask.HighestFee, ask.Reason = domain.FromInt(10), domain.MustDecimal("0.5"), "a test"
	st.must(standOlga, func(d *portfolio.Decision) error { return d.RequestTransfer(ask) })
	id = st.s.Custody.SortedTransfers()[0].Transfer
	for _, s := range stages {
		s.do(st, id)
	}
	return id
}

// hasWayOut checks what is printed of an open transfer.
func (st *stand) hasWayOut(about, id string, docs string) {
	st.t.Helper()
	says, commands, ways := money.NextCommands(st.s, id, st.now)
	require.NotEmpty(st.t, says, about)
	require.NotEmpty(st.t, says[0], about)
	acts := 0
	for i, words := range commands {
		require.NotEmpty(st.t, words, "%s: %q names no command", about, says[i])
		path := st.parsed(about, words)
		require.Contains(st.t, docs, "pets "+path, "%s: %s is documented", about, path)
		if !slices.Contains(words, "--follow") {
			acts++
			require.NoError(st.t, st.accepts(id, words), "%s: pets %s is printed", about, strings.Join(words, " "))
		}
	}
	lapses := st.transfer(id).Lapsed(st.now)
	require.True(st.t, acts > 0 || lapses, "%s: nothing but waiting is said, for %v", about, ways)
}

// accepts takes the decision of a command on a copy of the state.
func (st *stand) accepts(id string, words []string) error {
	s := st.s.Clone()
	t, caller := s.Custody.Transfers[id], standOlga
	var do func(*portfolio.Decision) error
	switch typed := strings.Join(words, " "); {
	case words[0] == "approve":
		caller, do = standBob, func(d *portfolio.Decision) error { return d.ApproveTransfer(id, words[3]) }
	case words[0] == "reject" && slices.Contains(words, "--not-signed"):
		do = func(d *portfolio.Decision) error { return d.RejectUnsigned(id, "a test") }
	case words[0] == "reject":
		do = func(d *portfolio.Decision) error { return d.RejectTransfer(id, "a test") }
	case strings.HasPrefix(typed, "transfer raise "):
		do = func(d *portfolio.Decision) error {
			return d.RequestRaise(id, s.Custody.Policy.MaxTransferFee, "a test")
		}
	case strings.HasPrefix(typed, "transfer cancel "):
		do = func(d *portfolio.Decision) error { return d.RequestCancel(id, domain.Zero, "a test") }
	case strings.HasPrefix(typed, "transfer prepare "):
		p := st.transaction(t)
		do = func(d *portfolio.Decision) error { return d.PrepareTransfer(id, p) }
	case strings.HasPrefix(typed, "cold export "): // what it leads to: the signed file is taken
		e := st.signature(t)
		do = func(d *portfolio.Decision) error { return d.SignTransfer(e) }
	case strings.HasPrefix(typed, "override request transfer "):
		outcome, _ := json.Marshal(portfolio.TransferSettlement{Transfer: id, Outcome: "confirmed", TxHash: "0x" + strings.Repeat("e", 64), Block: 7})
		do = func(d *portfolio.Decision) error {
			return d.RequestOverride(domain.OverrideTransfer, "", outcome, "a test")
		}
	default:
		return fmt.Errorf("the test does not know pets %s", typed)
	}
	_, err := st.decide(s, caller, do)
	return err
}

// parsed reads a command with the command line's own table, and returns its name.
func (st *stand) parsed(about string, words []string) string {
	t, key := st.t, strings.Join(words, " ")
	t.Helper()
	if name := st.names[key]; name != "" {
		return name
	}
	c, rest, err := pets.Root(&cli.App{}).Find(append(slices.Clone(words), "-p", "main"))
	require.NoError(t, err, about)
	for i, word := range rest {
		if word == cli.Unsaid && rest[i-1] == "--highest-fee" {
			rest[i] = "1"
		}
	}
	require.NoError(t, c.ParseFlags(rest), "%s: %v", about, words)
	require.NoError(t, c.ValidateArgs(c.Flags().Args()), "%s: %v", about, words)
	require.True(t, c.Runnable(), "%s: %v", about, words)
	st.names[key] = strings.TrimPrefix(c.CommandPath(), "pets ")
	return st.names[key]
}

// documented is the text of the page about custody and of the runbooks.
func documented(t *testing.T) string {
	t.Helper()
	pages, err := filepath.Glob("../../../docs/runbooks/*.md")
	require.NoError(t, err)
	var all strings.Builder
	for _, page := range append(pages, "../../../docs/custody.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		all.Write(text)
	}
	return all.String()
}
