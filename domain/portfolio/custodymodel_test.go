package portfolio

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"pets/domain"
)

// A plain model of custody, written from the rules and not from the code: money in
// whole millionths, a list of transfers, and who may do what next.

type modelTransfer struct {
	id, kind, wallet, from, to, address string
	user, approver                      string
	amount                              int64
	asked                               bool // for a second person
	two                                 bool // approvers: the address is new
	first                               string
	status                              string
	requested, expires                  time.Time
	nonce                               uint64
	attempts                            []modelAttempt
	endHash                             string
	used                                bool // its nonce
}

type modelAttempt struct {
	fee          string
	signed, sent bool
}

func (x *modelTransfer) open() bool {
	return slices.Contains([]string{"requested", "approved", "prepared", "signed", "broadcast"}, x.status)
}

func (x *modelTransfer) underWay() bool {
	return slices.Contains([]string{"prepared", "signed", "broadcast"}, x.status)
}

// unsigned reports that nobody can have signed it: what a cold wallet was given to
// sign may have been.
func (x *modelTransfer) unsigned() bool {
	return x.status == "requested" || x.status == "approved" || x.status == "prepared" && x.from == "hot"
}

func (x *modelTransfer) late(now time.Time) bool { return x.unsigned() && now.Sub(x.expires) >= 0 }

func (x *modelTransfer) urgent() bool { return x.kind == "sweep" || x.kind == "evacuation" }

func (x *modelTransfer) gone() bool {
	return slices.ContainsFunc(x.attempts, func(a modelAttempt) bool { return a.sent })
}

func (x *modelTransfer) last() *modelAttempt { return &x.attempts[len(x.attempts)-1] }

type custodyModel struct {
	hot, cold, bots, deployed int64 // hot is the treasury's
	out                       int64 // what has left for good
	transfers                 []*modelTransfer
	book                      map[string]time.Time
	walletsAt                 time.Time
	stopped                   bool
	since                     time.Time
	tripped                   map[string]bool
	off                       map[string]int64
	above                     time.Time
}

func micro(d domain.Decimal) int64 {
	whole, part, _ := strings.Cut(d.String(), ".")
	n, err := strconv.ParseInt(whole+(part + "000000")[:6], 10, 64)
	if err != nil || len(part) > 6 {
		panic(d.String())
	}
	return n
}

func text(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%06d", sign, n/1_000_000, n%1_000_000)
}

func (m *custodyModel) transit() (sum int64) {
	for _, x := range m.transfers {
		if x.status == "broadcast" {
			sum += x.amount
		}
	}
	return sum
}

// hotToHot is in transit, and hot all the same.
func (m *custodyModel) hotToHot() (sum int64) {
	for _, x := range m.transfers {
		if x.status == "broadcast" && x.from == "hot" && x.to == "hot" {
			sum += x.amount
		}
	}
	return sum
}

func (m *custodyModel) total() int64 { return m.hot + m.cold + m.bots + m.deployed + m.transit() }

func (m *custodyModel) balance(place string) *int64 {
	switch place {
	case "hot":
		return &m.hot
	case "cold":
		return &m.cold
	}
	return &m.out
}

func (m *custodyModel) free(place string, now time.Time) int64 {
	left := *m.balance(place)
	for _, x := range m.transfers {
		if x.from == place && x.open() && x.status != "broadcast" && !x.late(now) {
			left -= x.amount
		}
	}
	return left
}

func (m *custodyModel) leaving(now time.Time) (sum int64) {
	for _, x := range m.transfers {
		if x.to == "external" && x.open() && !x.late(now) {
			sum += x.amount
		}
	}
	return sum
}

// second says whether a transfer needs a second person.
func (m *custodyModel) second(wallet, from, to string, amount int64, now time.Time) bool {
	const threshold = 1000_000_000
	sum := amount
	for _, x := range m.transfers {
		if x.wallet == wallet && !x.asked && x.status != "rejected" && x.status != "expired" && !x.late(now) && now.Sub(x.requested) < 24*time.Hour {
			sum += x.amount
		}
	}
	return from == "cold" || to != "hot" || amount > threshold || sum > threshold
}

// known reports whether an address could be sent to before the stop.
func (m *custodyModel) known(x *modelTransfer) bool {
	at := m.walletsAt
	if x.to == "external" {
		var in bool
		if at, in = m.book[x.address]; !in {
			return false
		}
	}
	return m.stopped && m.since.After(at)
}

func (m *custodyModel) maySend(x *modelTransfer) bool {
	_, in := m.book[x.address]
	switch {
	case x.kind == "sweep" || x.kind == "evacuation" && m.stopped:
		return m.known(x)
	case x.kind == "evacuation":
		return x.to != "external" || in
	}
	if m.stopped || len(m.tripped) > 0 || len(m.off) > 0 {
		return false
	}
	return x.to != "external" || in
}

// ends is what a stop, and its clearing, do to what is not signed.
func (m *custodyModel) ends(which func(*modelTransfer) bool) {
	for _, x := range m.transfers {
		if x.unsigned() && which(x) {
			x.status = "rejected"
		}
	}
}

// next reports whether a transfer's nonce may be the next of its wallet.
func (m *custodyModel) next(x *modelTransfer, nonce uint64) bool {
	for _, y := range m.transfers {
		if y == x || y.wallet != x.wallet {
			continue
		}
		if y.underWay() && (!x.urgent() || y.urgent()) || y.used && nonce <= y.nonce && !x.urgent() {
			return false
		}
	}
	return true
}

// there reports whether what is sent is there, besides what was prepared.
func (m *custodyModel) there(x *modelTransfer) bool {
	left := *m.balance(x.from)
	for _, y := range m.transfers {
		if y != x && y.from == x.from && (y.status == "prepared" || y.status == "signed") {
			left -= y.amount
		}
	}
	return left >= x.amount
}

func (m *custodyModel) leave(x *modelTransfer) {
	if !x.gone() {
		*m.balance(x.from) -= x.amount
	}
	x.status = "broadcast"
}

func (m *custodyModel) arrive(x *modelTransfer, hash string) {
	if !x.gone() {
		m.leave(x)
	}
	*m.balance(x.to) += x.amount
	x.status, x.endHash, x.used = "confirmed", hash, true
}

func (m *custodyModel) fail(x *modelTransfer, used bool) {
	if x.gone() {
		*m.balance(x.from) += x.amount
	}
	x.status, x.used = "failed", used
}

// expire is what any record says first.
func (m *custodyModel) expire(now time.Time) {
	for _, x := range m.transfers {
		if x.late(now) {
			x.status = "expired"
		}
	}
}

// watch keeps since when hot is above a fifth.
func (m *custodyModel) watch(now time.Time) {
	hot := m.hot + m.bots + m.deployed + m.hotToHot()
	switch above := m.total() > 0 && 5*hot > m.total(); {
	case !above:
		m.above = time.Time{}
	case m.above.IsZero():
		m.above = now
	}
}

// proposal is what docs/semantics/custody.md proposes at 0.15, in hundredths of a
// millionth: target 15, low 12, high 18 hundredths of the total.
func (m *custodyModel) proposal(now time.Time) (from string, amount int64) {
	total, hot := m.total(), m.hot+m.bots+m.deployed+m.hotToHot()
	for _, x := range m.transfers {
		if x.open() && !x.late(now) && x.from != x.to && x.to != "external" {
			return "", 0
		}
	}
	switch {
	case total <= 0 || m.stopped:
		return "", 0
	case 100*hot < 12*total:
		if len(m.tripped) > 0 {
			return "", 0
		}
		from, amount = "cold", min((15*total-100*hot)/100, m.free("cold", now))
	case 100*hot > 18*total:
		from, amount = "hot", min((100*hot-15*total)/100, m.free("hot", now))
	}
	if amount < 50_000_000 {
		return "", 0
	}
	return from, amount
}

// agrees reports whether what the chain has in a place can be, and by how much not.
func (m *custodyModel) agrees(place string, chain int64) (off int64) {
	base := *m.balance(place)
	if place == "hot" {
		base += m.bots
	}
	either := map[int64]bool{0: true}
	for _, x := range m.transfers {
		switch {
		case x.status != "broadcast":
		case x.from == place && x.to == place:
			base += x.amount
		case x.from == place || x.to == place:
			for sum := range maps.Clone(either) {
				either[sum+x.amount] = true
			}
		}
	}
	if either[chain-base] {
		return 0
	}
	return chain - base
}
