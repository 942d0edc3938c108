package money_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"pets/commands"
	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/evm"
)

// storm is what happens to a world, as its seed has it.
type storm struct {
	*stormWorld
	r     *rand.Rand
	floor uint64 // the block that no reorganisation reaches
	// files are the signed bytes that somebody has of a transfer, whether the server knows them
	// or not.
	files map[string][]string
	// swept is when the stop began in which somebody has asked for a sweep.
	swept time.Time
	// story is what was done, for the seed that fails.
	story    []string
	count    map[string]int
	seen     map[string]stoodStill
	refusals map[string]string
	rounds   int // the most that a drain took
}

// stoodStill is how a transfer looked, and for how many rounds.
type stoodStill struct {
	as     string
	rounds int
}

func newStorm(w *stormWorld, seed uint64) *storm {
	return &storm{stormWorld: w, r: rand.New(rand.NewPCG(seed, 15)), floor: w.node.Head(), files: map[string][]string{}, count: map[string]int{}, seen: map[string]stoodStill{}}
}

func (s *storm) tell(format string, args ...any) {
	s.story = append(s.story, fmt.Sprintf(format, args...))
}

// chance is true once in n times.
func (s *storm) chance(n int) bool { return s.r.IntN(n) == 0 }

func pick[T any](s *storm, of ...T) T { return of[s.r.IntN(len(of))] }

// did notes what became of a step.
func (s *storm) did(what string, err error) bool {
	if err != nil {
		s.tell("  %s: refused: %v", what, err)
		return false
	}
	s.tell("  %s", what)
	s.count[strings.Fields(what)[0]]++
	return true
}

// anyOpen is one of the open transfers, or nil.
func (s *storm) anyOpen() *treasury.Transfer {
	open := s.state().Custody.OpenTransfers()
	if len(open) == 0 {
		return nil
	}
	return pick(s, open...)
}

// step does one thing that people, the chain, the endpoints, the clock or the machine may do.
func (s *storm) step() {
	defer s.revive()
	type way struct {
		weight int
		do     func()
	}
	ways := []way{
		{22, s.request},
		{22, s.approve},
		{40, s.work},
		{14, s.mine},
		{7, s.reorganise},
		{5, s.wait},
		{4, s.machine},
		{6, s.raise},
		{4, s.cancel},
		{3, s.reject},
		{2, s.prepare},
		{12, s.sign},
		{9, s.bring},
		{3, s.leak},
		{6, s.recheck},
		{5, s.override},
		{3, s.halt},
		{9, s.clear},
		{1, s.lose},
		{1, s.gift},
		{1, s.retire},
		{2, s.book},
		{6, s.save},
		{5, s.kill},
		{5, s.endpoints},
		{3, s.fees},
	}
	sum := 0
	for _, w := range ways {
		sum += w.weight
	}
	n := s.r.IntN(sum)
	for _, w := range ways {
		if n -= w.weight; n < 0 {
			w.do()
			return
		}
	}
}

func (s *storm) request() {
	ask := pick(s,
		commands.RequestTransfer{From: "hot", To: "cold"}, commands.RequestTransfer{From: "cold", To: "hot"}, commands.RequestTransfer{From: "hot-1", To: "hot-2"},
		commands.RequestTransfer{From: "hot", To: s.partner.Hex()}, commands.RequestTransfer{From: "cold", To: s.partner.Hex()},
		commands.RequestTransfer{From: "hot", To: "cold", Asset: stormCoin}, commands.RequestTransfer{From: "cold-2", To: "cold-1"})
	ask.Amount, ask.Reason = domain.FromInt(int64(1+s.r.IntN(60))), "a storm"
	ask.HighestFee = pick(s, domain.Zero, domain.MustDecimal("0.0002"), domain.MustDecimal("0.002"), domain.MustDecimal("0.5"))
	a, err := s.do(stormOlga, ask)
	s.did(fmt.Sprintf("request %s of %s from %s to %s", a.ID, ask.Amount, ask.From, ask.To), err)
}

// approve has one approver or both agree to what waits, if they do at all.
func (s *storm) approve() {
	for _, t := range s.state().Custody.OpenTransfers() {
		if p := t.Pending(s.now()); p != nil && !s.chance(3) {
			for _, who := range approvers[:1+s.r.IntN(2)] {
				_, err := s.do(who, commands.ApproveTransfer{Transfer: t.Transfer, Hash: p.Hash})
				s.did(fmt.Sprintf("approve %s by %s", t.Transfer, who.User), err)
			}
		}
	}
}

func (s *storm) work() {
	moved, err := s.process.custody.Work(s.ctx(), stormMain)
	s.tell("  work: %v %v", moved, err)
}

func (s *storm) mine() {
	n := 1 + s.r.IntN(4)
	s.node.Mine(n)
	s.tell("  mine %d", n)
}

// reorganise makes another history of the last blocks, without their transactions. The tag
// finalized follows it, or lags behind.
func (s *storm) reorganise() {
	if s.chance(4) {
		s.node.Finality(pick(s, 0, 0, 2, 6, -1))
	}
	depth := min(uint64(1+s.r.IntN(12)), s.node.Head()-s.floor)
	if depth == 0 {
		return
	}
	if depth > 3 {
		s.count["deep"]++
	}
	s.node.Unwind(depth)
	s.node.Mine(int(depth) + s.r.IntN(3))
	s.did(fmt.Sprintf("reorganise %d", depth), nil)
}

func (s *storm) wait() {
	d := time.Duration(1+s.r.IntN(12)) * time.Minute
	if s.chance(4) { // past every expiry
		d = 25 * time.Hour
		s.count["expiry"]++
	}
	s.later(d)
	s.tell("  %s later", d)
}

// machine is what happens to the pools of the nodes.
func (s *storm) machine() {
	if s.chance(2) {
		s.node.Forget()
		s.tell("  the pool forgets")
		return
	}
	s.faults.set(func(f *endpointFaults) { f.forget = !f.forget })
	s.tell("  transactions are refused, or taken again")
}

func (s *storm) raise() {
	t := s.anyOpen()
	if t == nil {
		return
	}
	fee := t.FeeAt(s.now()).Mul(domain.MustDecimal("1.5")).Trunc(18)
	_, err := s.do(stormOlga, commands.RaiseFee{Transfer: t.Transfer, HighestFee: fee, Reason: "a storm"})
	s.did("raise "+t.Transfer, err)
}

func (s *storm) cancel() {
	if t := s.anyOpen(); t != nil {
		_, err := s.do(stormOlga, commands.CancelTransfer{Transfer: t.Transfer, Reason: "a storm"})
		s.did("cancel "+t.Transfer, err)
	}
}

// reject says of a cold transfer that it was not signed only if that is true.
func (s *storm) reject() {
	t := s.anyOpen()
	if t == nil {
		return
	}
	cmd := commands.RejectTransfer{Transfer: t.Transfer, Reason: "a storm"}
	if len(s.files[t.Transfer]) == 0 {
		cmd.Signed = new(bool)
	}
	_, err := s.do(stormOlga, cmd)
	s.did("reject "+t.Transfer, err)
}

func (s *storm) prepare() {
	if t := s.anyOpen(); t != nil {
		_, err := s.do(stormOlga, commands.PrepareAgain{Transfer: t.Transfer})
		s.did("prepare "+t.Transfer, err)
	}
}

// sign has the machine with the key sign what is exported, as people sign what they should not,
// too: late, or during a stop.
func (s *storm) sign() {
	for _, t := range s.state().Custody.OpenTransfers() {
		if t.FromPlace == domain.WalletCold && t.UnderWay() && t.Unsigned() && !s.chance(3) {
			signed, err := s.stormWorld.signCold(t)
			if s.did("sign "+t.Transfer, err) {
				s.files[t.Transfer] = append(s.files[t.Transfer], signed.Raw)
			}
		}
	}
}

// anyFile is a signed file, or "".
func (s *storm) anyFile() (id, raw string) {
	var ids []string
	for id := range s.files {
		ids = append(ids, id)
	}
	if slices.Sort(ids); len(ids) == 0 {
		return "", ""
	}
	id = pick(s, ids[max(0, len(ids)-3):]...)
	return id, pick(s, s.files[id]...)
}

// bring brings a signed file, which may be an old one.
func (s *storm) bring() {
	if id, raw := s.anyFile(); id != "" {
		_, err := s.do(stormOlga, commands.SignTransfer{Transfer: id, Raw: raw})
		s.did("import "+id, err)
	}
}

// leak has somebody who holds a signed file send it.
func (s *storm) leak() {
	if id, raw := s.anyFile(); id != "" {
		s.did("leak "+id, evm.NewChain(s.registry, s.direct).Send(s.ctx(), stormChain, raw))
	}
}

func (s *storm) recheck() {
	n, err := s.process.custody.Recheck(s.ctx(), stormMain)
	s.tell("  recheck: %d %v", n, err)
	_, err = s.process.custody.Reconcile(s.ctx(), stormMain, s.reconciling(stormOlga))
	s.did("reconcile", err)
}

// override has two people record an outcome: what the chain says, or something made up, as when
// the endpoints are silent.
func (s *storm) override() {
	t := s.anyOpen()
	if t == nil || !t.UnderWay() {
		return
	}
	hash, block, fee, outcome := common.BigToHash(common.Big3).Hex(), uint64(1), "0.001", pick(s, "confirmed", "failed")
	if used := s.usedBy(t); used != nil {
		hash, block, fee, outcome = used.hash, used.block, used.fee, used.outcome
	}
	limits := fmt.Appendf(nil, `{"transfer":%q,"outcome":%q,"tx_hash":%q,"block":%d,"fee":%q}`, t.Transfer, outcome, hash, block, fee)
	asked, err := s.do(stormOlga, commands.RequestOverride{Kind: domain.OverrideTransfer, Reason: "a storm", Limits: limits})
	if s.did("override-request "+t.Transfer, err) {
		_, err = s.do(approvers[0], commands.ConfirmOverride{Override: asked.ID})
		s.did("override "+t.Transfer+" "+outcome, err)
	}
}

func (s *storm) halt() {
	kind := pick(s, domain.StopManual, domain.StopSecurityBreach, "bot", "everywhere")
	var err error
	r := commands.Request{Caller: stormOlga, Key: fmt.Sprint("stop ", len(s.story)), Command: commands.EngageStop{Kind: domain.StopManual, Reason: "a storm"}}
	switch kind {
	case "bot":
		_, err = s.do(stormOlga, commands.StopBot{Bot: "a", Reason: "a storm"})
	case "everywhere":
		_, err = s.process.engine.StopAll(s.ctx(), r)
	default:
		r.Command = commands.EngageStop{Kind: kind, Reason: "a storm"}
		_, _, err = s.process.engine.Stop(s.ctx(), stormMain, r)
	}
	s.did("stop "+kind, err)
	if s.chance(2) {
		s.save()
	}
}

func (s *storm) clear() {
	stop := s.state().Stop
	if !stop.Engaged {
		return
	}
	request := stop.Request
	if request == "" {
		a, err := s.do(stormOlga, commands.RequestClear{Reason: "a storm"})
		if !s.did("clear-request", err) || s.chance(3) {
			return
		}
		request = a.ID
	}
	_, err := s.do(approvers[1], commands.ConfirmClear{Request: request})
	s.did("clear", err)
}

// lose trips a breaker: three losses, which are not on the chain.
func (s *storm) lose() {
	for range 3 {
		_, err := s.do(stormOlga, commands.RecordTrade{Bot: "a", Market: "m", PnL: domain.FromInt(-1), TradeID: fmt.Sprint("t", len(s.story))})
		s.did("lose", err)
	}
}

// gift is money that nobody expects.
func (s *storm) gift() {
	s.token.Mint(s.wallets[pick(s, "hot-1", "cold-1")], 5_000_000)
	s.did("gift", nil)
}

// retire retires a wallet, and leaves one of its place.
func (s *storm) retire() {
	if s.chance(2) {
		return
	}
	name := pick(s, "hot-2", "cold-2")
	_, err := s.do(stormOlga, commands.RetireWallet{Wallet: name, Reason: "a storm"})
	s.did("retire "+name, err)
}

func (s *storm) book() {
	if s.state().Custody.Book[treasury.ContactKey(stormChain, s.partner.Hex())] == nil {
		_, err := s.do(stormAdmin, commands.AddAddress{Chain: stormChain, Address: s.partner.Hex(), Label: "partner"})
		s.did("book-add", err)
		return
	}
	_, err := s.do(stormAdmin, commands.RemoveAddress{Chain: stormChain, Address: s.partner.Hex(), Reason: "a storm"})
	s.did("book-remove", err)
}

// save asks for a sweep or an evacuation, where one can be asked for.
func (s *storm) save() {
	ask := pick(s,
		commands.RequestTransfer{From: "hot-1", To: "cold", Sweep: true}, commands.RequestTransfer{From: "hot-2", To: "cold", Sweep: true},
		commands.RequestTransfer{From: "cold-1", To: s.partner.Hex(), Evacuate: true}, commands.RequestTransfer{From: "cold-2", To: "cold-1", Evacuate: true})
	ask.Amount, ask.Reason = domain.FromInt(int64(1+s.r.IntN(30))), "a storm"
	a, err := s.do(stormOlga, ask)
	s.did(fmt.Sprintf("save %s of %s", a.ID, ask.From), err)
}

// kill lets the server die within its next effects.
func (s *storm) kill() {
	s.process.life.dies(1+s.r.IntN(6), s.chance(2))
	s.tell("  kill -9 soon")
}

func (s *storm) endpoints() {
	s.faults.set(func(f *endpointFaults) {
		f.silent, f.lies = [2]bool{}, [2]bool{}
		switch s.r.IntN(5) {
		case 0:
			f.silent = [2]bool{true, true}
		case 1:
			f.silent[s.r.IntN(2)] = true
		case 2:
			f.lies[s.r.IntN(2)] = true
		}
	})
	s.tell("  endpoints: %v %v", s.faults.silent, s.faults.lies)
}

// fees rise, perhaps above what was approved, and fall.
func (s *storm) fees() {
	gwei := pick[int64](s, 0, 0, 8, 25, 60)
	s.faults.set(func(f *endpointFaults) { f.gwei = gwei })
	s.did(fmt.Sprintf("fees of %d gwei", gwei), nil)
}
