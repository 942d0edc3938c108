package money_test

import (
	"bytes"
	"context"
	"fmt"
	"math/big"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/risk"
	"pets/domain/treasury"
	"pets/internal/chain"
	"pets/internal/cli"
	"pets/internal/open"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
)

// advice is a command that is printed to be copied, and the words above it.
type advice struct {
	says  string
	words []string
}

func (a advice) String() string { return strings.Join(a.words, " ") }

// adviceIn reads the commands that a text prints in lines of their own, as a shell would.
func adviceIn(text string) []advice {
	var all []advice
	says := ""
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", "")) {
		command, is := strings.CutPrefix(strings.TrimRight(line, "\n"), "    pets ")
		switch {
		case is && strings.HasPrefix(command, "override request treasury_policy "): // other rules are no way out that the storm takes
		case is:
			all = append(all, advice{says, typedWordsOf(command)})
		case strings.TrimSpace(line) != "":
			says = strings.TrimSpace(line)
		}
	}
	return all
}

var shellWord = regexp.MustCompile(`"[^"]*"|'[^']*'|\S+`)

func typedWordsOf(line string) []string {
	words := shellWord.FindAllString(line, -1)
	for i, word := range words {
		words[i] = strings.Trim(word, `"'`)
	}
	return words
}

// types has a person type a command line.
func (s *storm) types(who string, words ...string) petstest.Ran {
	s.t.Helper()
	require.NoError(s.t, s.process.live.Reached(s.ctx()))
	s.later(time.Second)
	var out, errs bytes.Buffer
	environ := []string{"PETS_SERVER=" + s.front.URL, "PETS_KEY=" + s.people[who][0], "PETS_APPROVER_KEY=" + s.people[who][1], "PETS_ASSET_REGISTRY=" + s.file, "PETS_CHAIN=" + stormChain}
	a := &cli.App{
		Place: open.Place{Err: &errs, Wall: s.now}, Out: &out, Patience: 20 * time.Second, Dir: s.dir, Environ: environ,
		Ask:    func(string) (bool, bool) { return false, false },
		Secret: func(string) []byte { return []byte(petstest.Passphrase) },
	}
	code := pets.Run(s.t.Context(), a, words)
	return petstest.Ran{Code: code, Out: out.String(), Err: petstest.Besides(errs.String())}
}

// runs has the right person type a command that was printed. What a person fills in is filled in.
func (s *storm) runs(a advice) (string, bool) {
	s.t.Helper()
	words := slices.Clone(a.words)
	for i, word := range words {
		switch {
		case word == "…" && words[i-1] == "--highest-fee":
			words[i] = "1"
		case word == "…":
			words[i] = "looked at it"
		}
	}
	who := s.personFor(a)
	if words[0] == "override" && words[1] == "request" {
		words = s.lookedUp(words)
	}
	if words[0] == "cold" && words[1] == "export" {
		return s.signsByHand(words)
	}
	ran := s.types(who, words...)
	s.tell("  %s$ pets %s: %d %s%s", who, strings.Join(words, " "), ran.Code, ran.Out, ran.Err)
	if ran.Code != 0 {
		s.faulty(a, ran.Err)
		return ran.Out, false
	}
	if words[0] == "override" && words[1] == "request" { // another person confirms
		for _, next := range adviceIn(ran.Out) {
			s.runs(next)
		}
	}
	return ran.Out, true
}

// personFor is who has the role for a command, and is not one of those whom the words above it
// rule out.
func (s *storm) personFor(a advice) string {
	typed := a.String() + " "
	switch {
	case strings.HasPrefix(typed, "approve ") || strings.Contains(typed, " --confirm ") || strings.HasPrefix(typed, "override confirm "):
		for _, who := range approvers {
			if !regexp.MustCompile(`\b` + who.User + `\b`).MatchString(a.says) {
				return who.User
			}
		}
	case strings.HasPrefix(typed, "address-book ") || strings.HasPrefix(typed, "adjust "):
		return stormAdmin.User
	}
	return stormOlga.User
}

// signsByHand carries a transaction to the machine with the key and back, by the commands that
// each step prints.
func (s *storm) signsByHand(words []string) (string, bool) {
	s.t.Helper()
	id, file := words[2], filepath.Join(s.dir, fmt.Sprintf("%d.cold.json", len(s.story)))
	ran := s.types(stormOlga.User, append(words, "--out", file)...)
	s.tell("  olga$ pets %s: %d %s", strings.Join(words, " "), ran.Code, ran.Err)
	if ran.Code != 0 {
		s.faulty(advice{words: words}, ran.Err)
		return "", false
	}
	require.Contains(s.t, strings.Join(strings.Fields(ran.Out), " "), "pets cold sign "+file)
	t := s.transfer(id)
	signed := file + ".signed"
	args := []string{"cold", "sign", file, "--registry", s.file, "--out", signed, "--index", fmt.Sprint(s.indexOf(t.From))}
	offline := &petstest.Shell{T: s.t, Dir: s.dir}
	seat := offline.SitWith(s.t.Context(), func(a *cli.App) { a.Wall = s.now }, args...)
	out := (&moneyWorld{t: s.t}).typesWords(seat, file)
	raw, err := s.stormWorld.signCold(t)
	require.NoError(s.t, err)
	s.files[id] = append(s.files[id], raw.Raw)
	imports := regexp.MustCompile(`pets (cold import \S+ -p \S+)`).FindStringSubmatch(strings.Join(strings.Fields(out), " "))
	require.NotNil(s.t, imports, out)
	command := typedWordsOf(imports[1])
	require.Equal(s.t, filepath.Base(signed), command[2])
	command[2] = signed // it was carried here
	return s.runs(advice{words: command})
}

// faulty notes a printed command that was refused.
func (s *storm) faulty(a advice, why string) {
	s.tell("REFUSED although it was printed: pets %s: %s", a, why)
	s.count["refused"]++
	if s.refusals == nil {
		s.refusals = map[string]string{}
	}
	s.refusals[a.String()] = why
}

// lookedUp fills in what a block explorer says of a transfer's nonce.
func (s *storm) lookedUp(words []string) []string {
	var id string
	for _, w := range words {
		if v, is := strings.CutPrefix(w, "transfer="); is {
			id = v
		}
	}
	used := s.usedBy(s.transfer(id))
	require.NotNil(s.t, used, "an outcome is asked for, and the nonce is unused")
	fill := map[string]string{"outcome=…": used.outcome, "tx_hash=…": used.hash, "block=…": fmt.Sprint(used.block), "fee=…": used.fee}
	for i, w := range words {
		if v, is := fill[w]; is {
			words[i] = w[:strings.Index(w, "=")+1] + v
		}
	}
	return words
}

// use is what used a nonce.
type use struct {
	hash, fee, outcome string
	block              uint64
}

// sent returns the transactions of a wallet on the chain, in the order of their noncew.
func (w *stormWorld) sent(by common.Address) []*types.Transaction {
	w.t.Helper()
	rpc := w.rpc()
	var all []*types.Transaction
	for n := uint64(1); n <= w.node.Head(); n++ {
		block, err := rpc.BlockByNumber(context.Background(), new(big.Int).SetUint64(n))
		require.NoError(w.t, err)
		for _, tx := range block.Transactions() {
			from, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
			require.NoError(w.t, err)
			if from == by {
				all = append(all, tx)
			}
		}
	}
	return all
}

func (w *stormWorld) rpc() *ethclient.Client {
	w.t.Helper()
	if w.explorer == nil {
		c, err := ethclient.Dial(w.node.URL())
		require.NoError(w.t, err)
		w.t.Cleanup(c.Close)
		w.explorer = c
	}
	return w.explorer
}

// usedBy is what used the nonce of a transfer on the chain, or nil.
func (s *storm) usedBy(t *treasury.Transfer) *use {
	s.t.Helper()
	last := t.Last()
	if last == nil {
		return nil
	}
	for _, tx := range s.sent(common.HexToAddress(t.From)) {
		if tx.Nonce() != last.Nonce {
			continue
		}
		receipt, err := s.rpc().TransactionReceipt(context.Background(), tx.Hash())
		require.NoError(s.t, err)
		fee := new(big.Int).Mul(receipt.EffectiveGasPrice, new(big.Int).SetUint64(receipt.GasUsed))
		amount, err := s.registry.Assets[0].Amount(chain.NewUnits(fee.Uint64()))
		require.NoError(s.t, err)
		u := &use{hash: tx.Hash().Hex(), fee: amount.String(), outcome: "failed", block: receipt.BlockNumber.Uint64()}
		first, err := chain.ParseUnsigned("transaction", t.Attempts[0].Transaction)
		require.NoError(s.t, err)
		if common.Address(first.To) == *tx.To() && bytes.Equal(tx.Data(), first.Data) && tx.Value().Cmp(first.Value.Big()) == 0 {
			u.outcome = "confirmed"
		}
		return u
	}
	return nil
}

// server does what a server does by itself, until nothing is left to do. Now and then it
// compares ended transfers and balances with the chain.
func (s *storm) server(compares bool) {
	if compares {
		_, err := s.process.custody.Recheck(s.ctx(), stormMain)
		s.tell("  recheck: %v", err)
	}
	for range 20 {
		moved, err := s.process.custody.Work(s.ctx(), stormMain)
		if err != nil {
			s.tell("  work: %v", err)
		}
		if !moved || err != nil {
			break
		}
	}
	if compares {
		_, err := s.process.custody.Reconcile(s.ctx(), stormMain, s.reconciling(domain.Caller{User: domain.ServerUser, Role: domain.RoleAdmin}))
		s.tell("  reconcile: %v", err)
	}
}

func (s *storm) reconciling(who domain.Caller) commands.Request {
	return commands.Request{Caller: who, Key: fmt.Sprint("reconcile ", len(s.story)), Command: commands.Reconcile{}}
}

// open names what is open: transfers, and what stands in their way.
func (s *storm) open() []string {
	state := s.state()
	var all []string
	for _, t := range state.Custody.OpenTransfers() {
		all = append(all, t.Transfer)
	}
	if state.Stop.Engaged || slices.ContainsFunc(state.BreakerKeys(), func(k risk.Key) bool { return state.Breaker(k).Status == risk.Tripped }) {
		all = append(all, "state")
	}
	if len(state.Custody.Differences) > 0 {
		all = append(all, "treasury")
	}
	return all
}

// maxRounds bounds what it may take to free what a storm leaves: each round is a block, two
// minutes, and what people do about everything that is open.
const maxRounds = 120

// drain frees everything, by nothing but the commands that the state itself names.
func (s *storm) drain() {
	s.t.Helper()
	s.faults.heal()
	s.node.Finality(0)
	s.process.life.dies(0, false)
	s.tell("DRAIN, fees of %d gwei", s.faults.gwei)
	for round := range maxRounds {
		if s.chance(20) {
			s.process.life.end()
			s.revive()
		}
		s.server(round%4 == 0)
		s.node.Mine(1)
		s.later(2 * time.Minute)
		open := s.open()
		if len(open) == 0 {
			s.server(true)
			if open = s.open(); len(open) == 0 {
				s.rounds = max(s.rounds, round)
				return
			}
		}
		s.r.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
		for _, about := range open {
			s.attend(about)
		}
	}
	for _, id := range s.open() {
		s.tell("STUCK: %s", id)
		if t := s.state().Custody.Transfers[id]; t != nil {
			s.tell("%s", s.types(stormOlga.User, "transfers", id, "-p", stormMain).Out)
		}
	}
	s.fail("something is stuck: %v", s.open())
}

// attend has people do something about what is open.
func (s *storm) attend(about string) {
	s.t.Helper()
	switch about {
	case "state":
		s.leadsOut()
	case "treasury":
		s.explains()
	default:
		if s.transfer(about).Open() { // what was done about another may have ended it
			s.frees(about)
		}
	}
}

// leadsOut runs what pets state prints under WHAT TO DO NEXT, in its order.
func (s *storm) leadsOut() {
	s.t.Helper()
	text := s.types(stormOlga.User, "state", "-p", stormMain).Out
	_, steps, found := strings.Cut(text, "WHAT TO DO NEXT")
	if !found {
		s.fail("nothing is said to do about a stop:\n%s", text)
	}
	request := ""
	for _, a := range adviceIn(steps) {
		for i, word := range a.words {
			if word == "REQUEST" {
				a.words[i] = request
			}
		}
		if a.words[0] == "wallet" && a.words[1] == "sweep" {
			if s.sweeps(a) {
				return // what was asked for is over before anybody clears the stop
			}
			continue
		}
		out, ok := s.runs(a)
		if !ok {
			return
		}
		if id := regexp.MustCompile(`--confirm (c\d+)`).FindStringSubmatch(out); id != nil {
			request = id[1]
		}
	}
}

// sweeps has a person look at the plan of a sweep and agree to it, once in a stop, as the line
// says that the state prints. It returns whether the clearing of the stop has to wait for it.
func (s *storm) sweeps(a advice) (waits bool) {
	s.t.Helper()
	state := s.state()
	if since := state.Stop.Since; !s.swept.Equal(since) {
		s.swept = since
		words := slices.Clone(a.words)
		if i := slices.Index(words, "…"); i >= 0 {
			words[i] = "looked at it"
		}
		ran := s.types(stormOlga.User, append(words, "--yes")...)
		s.tell("  %s$ pets %s: %d %s%s", stormOlga.User, strings.Join(words, " "), ran.Code, ran.Out, ran.Err)
		if ran.Code != 0 && !strings.Contains(ran.Err, "there is nothing to sweep") {
			s.faulty(a, ran.Err)
		}
		return true
	}
	return slices.ContainsFunc(state.Custody.OpenTransfers(), func(t *treasury.Transfer) bool { return t.Kind == domain.TransferSweep })
}

// explains runs what pets treasury prints about differences: it reconciles, and records what
// is printed, after that, of one that stays.
func (s *storm) explains() {
	s.t.Helper()
	all := adviceIn(s.types(stormOlga.User, "treasury", "-p", stormMain).Out)
	if len(all) == 0 || all[len(all)-1].words[0] != "reconcile" {
		s.fail("a difference has no way out: %v", all)
	}
	reconcile := all[len(all)-1]
	s.types(stormOlga.User, reconcile.words...)
	all = adviceIn(s.types(stormOlga.User, "treasury", "-p", stormMain).Out)
	if len(s.state().Custody.Differences) == 0 || s.unaccounted() {
		return
	}
	for _, a := range all[:len(all)-1] {
		if a.words[0] == reconcile.words[0] {
			continue
		}
		if _, ok := s.runs(a); !ok {
			return
		}
	}
	s.types(stormOlga.User, reconcile.words...)
}

// unaccounted reports whether a wallet has a transaction on the chain that the ledger does not
// know: a block explorer shows that it is that of a transfer, and so no deposit or withdrawal.
func (s *storm) unaccounted() bool {
	state := s.state()
	known := map[string]bool{}
	for _, t := range state.Custody.SortedTransfers() {
		known[t.TxHash] = true
		for i := range t.Attempts {
			known[t.Attempts[i].TxHash] = true
		}
	}
	for _, address := range s.wallets {
		for _, tx := range s.sent(address) {
			if !known[tx.Hash().Hex()] {
				return true
			}
		}
	}
	return false
}

// frees runs what pets transfers prints about a transfer. It waits where nothing but waiting
// is said, and takes what is said for one that stays as it is once it has stayed.
func (s *storm) frees(id string) {
	s.t.Helper()
	ran := s.types(stormOlga.User, "transfers", id, "-p", stormMain)
	require.Zero(s.t, ran.Code, ran.Err)
	_, next, found := strings.Cut(ran.Out, "\nnext: ")
	if !found {
		s.fail("%s has no next line:\n%s", id, ran.Out)
	}
	all := adviceIn("next: " + next)
	if len(all) == 0 {
		s.fail("%s has no command in its next line:\n%s", id, ran.Out)
	}
	stays := s.stays(id, ran.Out)
	s.tell(" %s has stood for %d rounds: %s", id, stays, next)
	waits := slices.Contains(all[0].words, "--follow")
	if !waits && !s.untrue(all[0]) {
		s.runs(all[0])
		return
	}
	if waits && stays < 5 {
		return
	}
	if others := slices.DeleteFunc(all[1:], s.untrue); len(others) > 0 {
		s.runs(pick(s, others...))
	}
}

// stays counts the rounds for which what is said of a transfer is the same.
func (s *storm) stays(id, text string) int {
	was := s.seen[id]
	if was.as == text {
		was.rounds++
	} else {
		was = stoodStill{as: text}
	}
	s.seen[id] = was
	return was.rounds
}

// untrue reports whether a command would say something that is not so: that a transfer was never
// signed, or that something else used its number.
func (s *storm) untrue(a advice) bool {
	switch {
	case slices.Contains(a.words, "--not-signed"):
		return len(s.files[a.words[1]]) > 0
	case a.words[0] == "override":
		t := s.transfer(strings.TrimPrefix(a.words[3], "transfer="))
		used := s.usedBy(t)
		return used == nil || t.HasHash(used.hash) || s.ownedElsewhere(t, used.hash)
	}
	return false
}

// ownedElsewhere reports whether a transaction is that of another transfer.
func (s *storm) ownedElsewhere(t *treasury.Transfer, hash string) bool {
	custody := s.state().Custody
	owner := custody.Owner(t, hash)
	return owner != nil && owner.Transfer != t.Transfer
}

// fail prints the whole story.
func (s *storm) fail(format string, args ...any) {
	s.t.Helper()
	tail := s.story[max(0, len(s.story)-400):]
	s.t.Logf("the story:\n%s", strings.Join(tail, "\n"))
	require.FailNow(s.t, fmt.Sprintf(format, args...))
}
