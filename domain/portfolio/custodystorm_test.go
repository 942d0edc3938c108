package portfolio

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/ledger"
)

// custodyStorm sends random commands of custody to a harness and to the plain model
// beside it, which says beforehand whether each is taken, and afterwards where the
// money lies and how each transfer stands.
type custodyStorm struct {
	*harness
	r *rapid.T
	m *custodyModel
	// confirmed counts the ends of each transfer: none arrives twice.
	confirmed map[string]int
	read      int
}

func newCustodyStorm(r *rapid.T) *custodyStorm {
	s := &custodyStorm{harness: funded(r), r: r, confirmed: map[string]int{}}
	s.depositIn(domain.WalletHot, "POL", "1000")
	s.depositIn(domain.WalletCold, "POL", "1000")
	s.read = len(s.log)
	s.m = &custodyModel{
		hot: 1500_000_000, bots: 1000_000_000, cold: 7500_000_000, book: map[string]time.Time{friend: noon}, walletsAt: noon,
		tripped: map[string]bool{}, off: map[string]int64{}, above: noon.Add(24 * time.Hour),
	}
	s.now = noon.Add(24*time.Hour + 1) // funded waits until its friend is not new, and is a nanosecond older than its wallets
	return s
}

func among[T any](s *custodyStorm, name string, from ...T) T {
	return rapid.SampledFrom(from).Draw(s.r, name)
}

// does runs a command that the model takes, or does not; then what happens to the model.
func (s *custodyStorm) does(name string, taken bool, f func(*Decision) error, then func()) {
	before := s.hash()
	s.step = nil
	_, err := s.try(f)
	if !taken {
		require.Error(s.t, err, "%s is taken", name)
		require.NotEqual(s.t, domain.CodeInternal, domain.CodeOf(err), name)
		require.Equal(s.t, before, s.hash(), "%s was refused and left a trace", name)
		return
	}
	require.NoError(s.t, err, name)
	s.m.expire(s.now)
	if then != nil {
		then()
	}
	s.follow()
}

// follow takes from the log what breakers did, which is not custody's, and counts ends.
func (s *custodyStorm) follow() {
	for ; s.read < len(s.log); s.read++ {
		switch e := s.log[s.read].event.(type) {
		case *domain.BreakerTripped:
			s.m.tripped[e.Breaker+e.Bot] = true
		case *domain.EmergencyStopEngaged:
			if !s.m.stopped {
				s.m.stopped, s.m.since = true, s.log[s.read].at.Time
			}
			s.m.ends(func(x *modelTransfer) bool { return !x.urgent() })
		case *domain.TransferConfirmed:
			s.confirmed[e.Transfer]++
			require.Equal(s.t, 1, s.confirmed[e.Transfer], "%s is confirmed twice", e.Transfer)
		}
	}
	s.m.watch(s.now)
}

// compare holds the state against the model.
func (s *custodyStorm) compare() {
	m := s.m
	require.Equal(s.t, text(m.hot), fixed(s.s.Book[ledger.Wallet("USDC", "hot")]), "hot:treasury")
	require.Equal(s.t, text(m.cold), fixed(s.s.Book[ledger.Wallet("USDC", "cold")]), "cold:treasury")
	require.Equal(s.t, text(m.bots), fixed(s.s.Bots["a"].Cash), "bots")
	hot, cold, transit := s.places()
	require.Equal(s.t, [3]string{text(m.hot + m.bots), text(m.cold), text(m.transit())}, [3]string{fixed(dec(hot)), fixed(dec(cold)), fixed(dec(transit))}, "the book")
	require.Equal(s.t, [2]string{cold, transit}, [2]string{s.s.Custody.Cold.String(), s.s.Custody.Transit.String()}, "the sums that are kept")
	require.Equal(s.t, text(m.total()), fixed(s.s.Equity()), "equity")
	require.True(s.t, m.above.Equal(s.s.Custody.HotAbove), "hot above since %s, want %s", s.s.Custody.HotAbove, m.above)
	require.Len(s.t, s.s.Custody.Differences, len(m.off))
	for place, off := range m.off {
		require.Equal(s.t, text(off), fixed(s.s.Custody.Differences[place+"|USDC"]), "difference in %s", place)
	}
	require.Len(s.t, s.s.Custody.Transfers, len(m.transfers))
	for _, x := range m.transfers {
		real := s.s.Custody.Transfers[x.id]
		require.NotNil(s.t, real, x.id)
		require.Equal(s.t, x.status, string(real.Status), x.id)
		require.Equal(s.t, [3]any{x.asked, x.approver, len(x.attempts)}, [3]any{real.NeedsApproval(), real.ApprovedBy, len(real.Attempts)}, x.id)
		moving := domain.Zero
		if x.status == "broadcast" {
			moving = dec(text(x.amount))
		}
		require.Equal(s.t, moving, s.s.Book[ledger.Transit("USDC", x.id)], "%s in transit", x.id)
		if x.open() && x.status != "requested" { // before it is approved, nothing of it is
			require.Equal(s.t, m.maySend(x), s.s.Sendable(x.id) == nil, "%s may be sent", x.id)
		}
	}
	require.Equal(s.t, text(m.free("hot", s.s.Time)), fixed(s.s.Holdings().FreeHot))
	require.Equal(s.t, text(m.free("cold", s.s.Time)), fixed(s.s.Holdings().FreeCold))
}

func fixed(d domain.Decimal) string { return text(micro(d)) }

func (s *custodyStorm) anyStep() {
	s.after(among(s, "pause", 0, 0, 1, 1, time.Second, time.Second, time.Minute, time.Hour, 23*time.Hour, 24*time.Hour-1))
	steps := []func(){
		s.anyMoney, s.anyRequest, s.anyRequest, s.anyRequest, s.anySweep, s.anyEvacuation, s.anyProposal, s.anyBook, s.anyHalt, s.anyReconciliation,
	}
	if len(s.m.transfers) > 0 {
		for range 2 {
			steps = append(steps, s.anyProgress, s.anyProgress, s.anyProgress, s.anyApproval, s.anyApproval, s.anyRejection, s.anyPreparation, s.anyPreparation, s.anyPreparation, s.anySignature, s.anySignature,
				s.anySignature, s.anyBroadcast, s.anyBroadcast, s.anyReprice, s.anyArrival, s.anyArrival, s.anyFailure)
		}
	}
	steps[rapid.IntRange(0, len(steps)-1).Draw(s.r, "step")]()
	s.compare()
}

func (s *custodyStorm) anyAmount() int64 {
	return among(s, "amount", int64(1), 1_000_000, 50_000_000, 123_456_789, 400_000_000, 999_999_999, 1000_000_000)
}

func (s *custodyStorm) anyMoney() {
	n, m := s.anyAmount(), s.m
	amount := dec(text(n))
	place := among(s, "place", "hot", "cold")
	switch among(s, "money", "deposit", "withdrawal", "allocation", "back", "fill", "adjustment") {
	case "deposit":
		s.does("deposit", true, func(d *Decision) error { return d.Deposit(&domain.DepositRecorded{Wallet: place, Amount: amount}) }, func() { *m.balance(place) += n })
	case "withdrawal":
		if m.total() > 2*n { // what leaves nothing is the breakers' affair
			s.does("withdrawal", true, func(d *Decision) error { return d.Withdraw(&domain.WithdrawalRecorded{Wallet: place, Amount: amount}) }, func() { *m.balance(place) -= n })
		}
	case "allocation":
		s.does("allocation", m.free("hot", s.now) >= n, func(d *Decision) error { return d.Allocate("a", amount) }, func() { m.hot, m.bots = m.hot-n, m.bots+n })
	case "back":
		s.does("back", m.bots >= n, func(d *Decision) error { return d.Allocate("a", amount.Neg()) }, func() { m.hot, m.bots = m.hot+n, m.bots-n })
	case "fill":
		if n < 100_000_000 && m.bots > n {
			r := s.report("a", "spot", "x", buy, text(n), "1")
			s.does("fill", true, func(d *Decision) error { return d.RecordFill(r) }, func() { m.bots, m.deployed = m.bots-n, m.deployed+n })
		}
	case "adjustment":
		before := s.caller
		s.as(domain.RoleAdmin, "ada")
		s.does("adjustment", true, askToAdjust(Adjustment{Account: place + ":treasury", Amount: dec("0.000005")}), nil)
		id := lastOf[*domain.OverrideRequested](s.harness).Override
		s.as(domain.RoleApprover, "paul")
		s.does("its confirmation", true, func(d *Decision) error { return d.ConfirmOverride(id) }, func() {
			*m.balance(place) += 5
			if _, off := m.off[place]; off {
				if m.off[place] -= 5; m.off[place] == 0 {
					delete(m.off, place)
				}
			}
		})
		s.caller = before
	}
}

func placeOf(name string) string {
	if place, _, ok := strings.Cut(name, "-"); ok {
		return place
	}
	if strings.HasPrefix(name, "0x") {
		return "external"
	}
	return name
}

func mainOf(name string) string {
	if name == "hot" || name == "cold" {
		return name + "-1"
	}
	return name
}

// asks records in the model what the harness's last step asked for.
func (s *custodyStorm) asked(kind, wallet, to string, amount int64) {
	e := stepOf[*domain.TransferRequested](s.harness)[0]
	x := &modelTransfer{
		id: e.Transfer, kind: kind, wallet: wallet, from: placeOf(wallet), to: placeOf(to), address: to, user: s.caller.User, amount: amount,
		status: "requested", requested: s.now, expires: s.now.Add(24 * time.Hour),
	}
	if x.asked = s.m.second(wallet, x.from, x.to, amount, s.now); !x.asked {
		x.status = "approved"
	}
	x.two = x.to == "external" && s.now.Sub(s.m.book[to]) < 24*time.Hour
	require.Equal(s.t, text(amount), fixed(e.Amount))
	s.m.transfers = append(s.m.transfers, x)
}

func (s *custodyStorm) anyRequest() {
	from, to := among(s, "from", "hot", "hot-1", "hot-2", "cold", "cold-1"), among(s, "to", "hot", "hot-2", "hot-2", "cold", friend, stranger)
	n := s.anyAmount()
	ok := !s.m.stopped && mainOf(from) != mainOf(to) && s.m.free(placeOf(from), s.now) >= n
	if placeOf(to) == "external" {
		_, in := s.m.book[to]
		ok = ok && in && s.m.total()-s.m.leaving(s.now) >= n
	}
	s.as(domain.RoleOperator, among(s, "requester", "olga", "olga", "paul"))
	s.does("request", ok, func(d *Decision) error {
		return d.RequestTransfer(TransferRequest{From: from, To: to, Amount: dec(text(n)), Reason: "x"})
	}, func() { s.asked("person", mainOf(from), to, n) })
	s.operator()
}

func (s *custodyStorm) anySweep() {
	from, to := among(s, "from", "hot", "hot", "hot-2", "cold"), among(s, "to", "cold", "cold", friend, stranger, "hot-2")
	n := among(s, "amount", int64(0), 0, 10_000_000)
	amount := n
	if n == 0 {
		amount = s.m.hot + max(s.m.bots, 0)
		for _, x := range s.m.transfers {
			if x.kind == "sweep" && x.open() && x.status != "broadcast" && !x.late(s.now) {
				amount -= x.amount
			}
		}
	}
	target := &modelTransfer{kind: "sweep", to: placeOf(to), address: to}
	ok := placeOf(from) == "hot" && placeOf(to) != "hot" && s.m.known(target) && amount > 0
	s.does("sweep", ok, func(d *Decision) error {
		return d.RequestTransfer(TransferRequest{From: from, To: to, Amount: dec(text(n)), Reason: "x", Sweep: true})
	}, func() {
		if s.m.bots > 0 {
			s.m.hot, s.m.bots = s.m.hot+s.m.bots, 0
		}
		s.asked("sweep", mainOf(from), to, amount)
	})
}

func (s *custodyStorm) anyEvacuation() {
	from, to := among(s, "from", "cold", "cold", "cold-1", "hot"), among(s, "to", friend, friend, stranger, "hot-2")
	n := among(s, "amount", int64(0), 0, 10_000_000, 9_999_000_000)
	held := s.m.cold
	for _, x := range s.m.transfers {
		if x.kind == "evacuation" && x.open() && x.status != "broadcast" && !x.late(s.now) {
			held -= x.amount
		}
	}
	amount := n
	if n == 0 {
		amount = held
	}
	target := &modelTransfer{kind: "evacuation", to: placeOf(to), address: to}
	ok := placeOf(from) == "cold" && placeOf(to) != "hot" && s.m.stopped && s.m.maySend(target) && amount > 0 && amount <= held+max(s.m.off["cold"], 0)
	s.does("evacuation", ok, func(d *Decision) error {
		return d.RequestTransfer(TransferRequest{From: from, To: to, Amount: dec(text(n)), Reason: "x", Evacuate: true})
	}, func() { s.asked("evacuation", mainOf(from), to, amount) })
}

func (s *custodyStorm) anyProposal() {
	from, amount := s.m.proposal(s.now)
	s.does("proposal", true, func(d *Decision) error { return d.ProposeRebalance() }, func() {
		require.Equal(s.t, from != "", s.count(domain.TransferRequestedType) == 1, "the arithmetic says %s %s", from, text(amount))
		if from != "" {
			s.asked("rebalance", mainOf(from), map[string]string{"hot": "cold", "cold": "hot"}[from], amount)
		}
	})
}

func (s *custodyStorm) anyBook() {
	address := among(s, "address", friend, stranger)
	at, in := s.m.book[address]
	if among(s, "add", true, true, false) {
		s.does("add", true, func(d *Decision) error {
			return d.AddAddress(&domain.AddressAdded{Chain: polygon, Address: address, Label: "address " + address[2:6]})
		}, func() {
			if !in {
				at = s.now
			}
			s.m.book[address] = at
		})
		return
	}
	s.does("remove", in, func(d *Decision) error {
		return d.RemoveAddress(&domain.AddressRemoved{Chain: polygon, Address: address, Reason: "x"})
	}, func() { delete(s.m.book, address) })
}

func (s *custodyStorm) anyHalt() {
	key := among(s, "breaker", domain.DailyLoss, domain.BotDrawdown)
	bot := map[string]string{domain.BotDrawdown: "a"}[key]
	switch among(s, "halt", "stop", "clear", "clear", "trip", "reset", "reset", "reset") {
	case "stop":
		s.does("stop", true, func(d *Decision) error { return d.EngageStop(domain.StopManual, "x") }, nil)
	case "clear":
		may := s.m.stopped && !s.m.tripped[domain.PortfolioDrawdown]
		s.does("ask to clear", may, func(d *Decision) error { return d.RequestClear("x") }, nil)
		s.as(domain.RoleApprover, "paul")
		s.does("clear", may, func(d *Decision) error { return d.ConfirmClear(s.s.Stop.Request) }, func() {
			s.m.stopped = false
			s.m.ends(func(x *modelTransfer) bool { return x.kind != "evacuation" })
		})
		s.operator()
	case "trip":
		if !s.m.tripped[key+bot] {
			s.trips(key, bot)
			s.follow()
		}
	case "reset":
		if s.m.tripped[key+bot] {
			s.apply(&domain.BreakerReset{Breaker: key, Bot: bot, Reason: "x"})
			delete(s.m.tripped, key+bot)
			s.follow()
		}
	}
}

func (s *custodyStorm) anyReconciliation() {
	readings := s.readings()
	for _, wallet := range []string{"hot-1", "cold-1"} {
		extra := among(s, "extra", int64(0), 0, 0, 5, 1_000_000)
		if len(s.m.transfers) > 0 {
			extra = among(s, "extra", extra, extra, s.anyTransfer().amount)
		}
		readings = but(readings, wallet, text(extra))
	}
	chain := map[string]int64{}
	for _, r := range readings {
		if r.Asset == "USDC" {
			chain[placeOf(r.Wallet)] += micro(r.Amount)
		}
	}
	s.does("reconcile", true, func(d *Decision) error { return d.Reconcile(1, s.now, readings) }, func() {
		for _, place := range []string{"hot", "cold"} {
			if off := s.m.agrees(place, chain[place]); off == 0 {
				delete(s.m.off, place)
			} else {
				s.m.off[place] = off
			}
		}
	})
}

// anyTransfer is one of them, those that are open first.
func (s *custodyStorm) anyTransfer() *modelTransfer {
	open := slices.DeleteFunc(slices.Clone(s.m.transfers), func(x *modelTransfer) bool { return !x.open() })
	if len(open) > 0 && among(s, "open", true, true, true, true, false) {
		return rapid.SampledFrom(open).Draw(s.r, "transfer")
	}
	return rapid.SampledFrom(s.m.transfers).Draw(s.r, "transfer")
}

func (s *custodyStorm) anyApproval() {
	x := s.anyTransfer()
	user, hash := among(s, "approver", "paul", "paul", "quinn", x.user), s.s.Custody.Transfers[x.id].Hash
	s.approves(x, user, hash, among(s, "hash", true, true, true, false))
}

// anyProgress takes a transfer some steps on its way.
func (s *custodyStorm) anyProgress() {
	x := s.anyTransfer()
	for range rapid.IntRange(1, 4).Draw(s.r, "steps on") {
		switch x.status {
		case "requested":
			s.approves(x, among(s, "next approver", "quinn", "paul"), s.s.Custody.Transfers[x.id].Hash, true)
		case "approved":
			s.prepares(x, s.nextNonce(x), false)
		case "prepared":
			s.signs(x)
		case "signed":
			s.broadcasts(x)
		}
	}
}

func (s *custodyStorm) approves(x *modelTransfer, user, hash string, right bool) {
	if !right {
		hash = strings.Repeat("0", 64)
	}
	before := right && (x.approver == user || x.first == user) && (x.open() || x.status == "confirmed")
	ok := right && user != x.user && !x.late(s.now) && (x.status == "requested" || before)
	s.as(domain.RoleApprover, user)
	s.does("approve", ok, func(d *Decision) error { return d.ApproveTransfer(x.id, hash) }, func() {
		switch {
		case x.status != "requested" || x.first == user:
		case x.two && x.first == "":
			x.first = user
		default:
			x.status, x.approver = "approved", user
		}
	})
	s.operator()
}

func (s *custodyStorm) anyRejection() {
	if among(s, "reject", true, false) {
		return
	}
	x := s.anyTransfer()
	waits := (x.status == "requested" || x.status == "approved" || x.status == "prepared" || x.status == "signed") && !x.late(s.now)
	s.does("reject", waits || x.status == "rejected", func(d *Decision) error { return d.RejectUnsigned(x.id, "x") }, func() { x.status = "rejected" })
}

func (s *custodyStorm) nextNonce(x *modelTransfer) uint64 {
	next := uint64(1)
	for _, y := range s.m.transfers {
		if y.wallet == x.wallet && y.used {
			next = max(next, y.nonce+1)
		}
	}
	return next
}

func (s *custodyStorm) transaction(x *modelTransfer, nonce uint64, fee string) PreparedTransaction {
	return transactionOf(s.s.Custody.Transfers[x.id], nonce, fee)
}

func (s *custodyStorm) anyPreparation() {
	x := s.anyTransfer()
	nonce := s.nextNonce(x) + among(s, "skipped", uint64(0), 0, 0, 1) - among(s, "stale", uint64(0), 0, 0, 1)
	s.prepares(x, nonce, among(s, "tampered", false, false, false, true))
}

func (s *custodyStorm) prepares(x *modelTransfer, nonce uint64, tampered bool) {
	p := s.transaction(x, nonce, "0.1")
	if tampered {
		p.Says.To = stranger + "0"
	}
	ok := !tampered && s.now.Before(x.expires) && (x.status == "approved" || x.status == "prepared") && s.m.maySend(x) && s.m.next(x, nonce)
	ok = ok && (x.urgent() || x.status == "prepared" || s.m.there(x))
	ok = ok && (x.status != "prepared" || x.from != "cold" || nonce == x.nonce) // it may have been signed elsewhere
	s.does("prepare", ok, func(d *Decision) error { return d.PrepareTransfer(x.id, p) }, func() {
		x.status, x.nonce, x.attempts = "prepared", nonce, []modelAttempt{{fee: "0.1"}}
	})
}

func (s *custodyStorm) anySignature() { s.signs(s.anyTransfer()) }

func (s *custodyStorm) signs(x *modelTransfer) {
	ok := x.underWay() && s.m.maySend(x) && (x.status != "prepared" || s.now.Before(x.expires))
	digest := strings.Repeat("0", 64)
	if len(x.attempts) > 0 {
		digest = s.transaction(x, x.nonce, x.last().fee).Digest
	}
	s.does("sign", ok, func(d *Decision) error {
		return d.SignTransfer(&domain.TransferSigned{Transfer: x.id, Digest: digest, TxHash: hashOf(digest)})
	}, func() {
		x.last().signed = true
		if x.status == "prepared" {
			x.status = "signed"
		}
	})
}

// hashOfAttempt is what the signature of an attempt makes.
func (s *custodyStorm) hashOfAttempt(x *modelTransfer, fee string) string {
	return hashOf(s.transaction(x, x.nonce, fee).Digest)
}

func (s *custodyStorm) anyBroadcast() { s.broadcasts(s.anyTransfer()) }

func (s *custodyStorm) broadcasts(x *modelTransfer) {
	hash := hashOf("")
	ok := (x.status == "signed" || x.status == "broadcast") && x.last().signed && s.m.maySend(x)
	if len(x.attempts) > 0 {
		hash = s.hashOfAttempt(x, x.last().fee)
	}
	s.does("broadcast", ok, func(d *Decision) error { return d.BroadcastTransfer(x.id, hash) }, func() {
		s.m.leave(x)
		x.last().sent = true
	})
}

func (s *custodyStorm) anyReprice() {
	x := s.anyTransfer()
	fee := among(s, "fee", "0.1", "0.2", "0.3", "1.1")
	p := s.transaction(x, x.nonce, fee)
	known := slices.ContainsFunc(x.attempts, func(a modelAttempt) bool { return a.fee == fee })
	ok := (x.status == "signed" || x.status == "broadcast") && fee != "1.1" && (x.last().signed || x.last().fee == fee || x.from == "cold") && s.m.maySend(x)
	s.does("reprice", ok, func(d *Decision) error { return d.RepriceTransfer(x.id, p) }, func() {
		if !known {
			x.attempts = append(x.attempts, modelAttempt{fee: fee})
		}
	})
}

func (s *custodyStorm) anyArrival() {
	x := s.anyTransfer()
	fee := among(s, "of the attempt with fee", "0.1", "0.1", "0.2", "0.3")
	hash := s.hashOfAttempt(x, fee)
	signed := slices.ContainsFunc(x.attempts, func(a modelAttempt) bool { return a.fee == fee && a.signed })
	again := x.status == "confirmed" && x.endHash == hash
	ok := again || signed && (x.status == "signed" || x.status == "broadcast")
	s.does("confirm", ok, func(d *Decision) error {
		return d.ConfirmTransfer(&domain.TransferConfirmed{Transfer: x.id, TxHash: hash, Block: 1, Fee: dec("0.01")})
	}, func() {
		if !again {
			s.m.arrive(x, hash)
		}
	})
}

func (s *custodyStorm) anyFailure() {
	x := s.anyTransfer()
	code := among(s, "code", domain.FailedReverted, domain.FailedReplaced, domain.FailedRefused, domain.FailedNotMoved)
	e := &domain.TransferFailed{Transfer: x.id, Code: code}
	ok := x.status == "signed" || x.status == "broadcast"
	switch code {
	case domain.FailedRefused:
		ok = (x.status == "approved" || x.status == "prepared" || x.status == "signed") && !x.late(s.now)
	case domain.FailedReplaced:
		e.TxHash = hashOf("another's")
	default:
		e.Fee = dec("0.01")
		if len(x.attempts) > 0 {
			e.TxHash = s.hashOfAttempt(x, x.attempts[0].fee)
			ok = ok && x.attempts[0].signed
		}
	}
	again := x.status == "failed"
	s.does("fail", ok || again, func(d *Decision) error { return d.FailTransfer(e) }, func() {
		if !again {
			s.m.fail(x, code != domain.FailedRefused)
		}
	})
}

// Any commands of custody in any order: the model takes and refuses the same, has the
// same money in the same places, and the same transfers at the same steps. The books
// balance after each, and no transfer is confirmed twice.
func TestAnyCustody(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := newCustodyStorm(r)
		for range rapid.IntRange(1, 50).Draw(r, "steps") {
			s.anyStep()
		}
		cuts := &tempest{harness: s.harness, r: r}
		cuts.compareSplits()
	})
}
