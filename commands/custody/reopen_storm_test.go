package custody_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/testenv"
)

// "Reorganisations deeper than the confirmations, repricing, raising, cancelling …:
// ledger = chain and nothing stuck": whatever happened, once the chain is calm every
// transfer ends, with nothing but what people can ask for, and the books agree.
func TestAStormOfReorganisationsAndWaysOut(t *testing.T) {
	t.Parallel()
	for seed := range uint64(testenv.Rounds(1, 1, 3)) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := newWorld(t).inMemory()
			st := &mendStorm{server: s, r: rand.New(rand.NewPCG(seed, 7)), start: s.node.Head()}
			for range 120 {
				st.step()
			}
			st.calm()
			require.Positive(t, st.unwound, "no reorganisation was deeper than the confirmations")
			ended := map[treasury.Status]int{}
			reopened := 0
			for _, x := range s.state().Custody.SortedTransfers() {
				ended[x.Status]++
				reopened += x.Reopened
			}
			t.Logf("%v, %d reopened, %d deep reorganisations", ended, reopened, st.unwound)
			require.Positive(t, ended[treasury.Confirmed])
			require.Positive(t, st.settled, "nobody made up an outcome")
			s.agrees()
		})
	}
}

type mendStorm struct {
	*server
	r       *rand.Rand
	start   uint64 // the block that no reorganisation reaches
	unwound int
	settled int // outcomes that were made up
}

// open returns the open transfers.
func (m *mendStorm) open() []*treasury.Transfer { return m.state().Custody.OpenTransfers() }

// any returns one of them, or nil.
func (m *mendStorm) any() *treasury.Transfer {
	open := m.open()
	if len(open) == 0 {
		return nil
	}
	return open[m.r.IntN(len(open))]
}

func (m *mendStorm) step() {
	switch m.r.IntN(17) {
	case 0, 1:
		m.request()
	case 2, 3, 4, 5, 6:
		_, _ = m.custody.Work(m.ctx(), main)
	case 7, 8:
		m.node.Mine(1 + m.r.IntN(4))
	case 9:
		m.reorganise()
	case 10:
		m.later(time.Duration(1+m.r.IntN(10)) * time.Minute)
	case 11:
		if m.refuseAll(); m.r.IntN(2) == 0 {
			m.acceptAll()
		}
	case 12:
		m.raiseAny()
	case 13:
		if x := m.any(); x != nil && m.r.IntN(3) == 0 {
			_, _ = m.do(olga, commands.CancelTransfer{Transfer: x.Transfer, Reason: "not wanted"})
		}
	case 14:
		m.signAny()
	case 15:
		_, _ = m.custody.Recheck(m.ctx(), main)
	case 16:
		m.settleAny()
	}
}

// settleAny has two people record an outcome that is made up, past the custodian, as when
// the endpoints are silent.
func (m *mendStorm) settleAny() {
	x := m.any()
	if x == nil {
		return
	}
	outcome := []string{"confirmed", "failed"}[m.r.IntN(2)]
	asked, err := m.do(olga, commands.RequestOverride{Kind: domain.OverrideTransfer, Reason: "a storm", Limits: settlement(x.Transfer, outcome, madeUp, 1, "0.5")})
	if err == nil {
		m.must(paul, commands.ConfirmOverride{Override: asked.ID})
		m.settled++
	}
}

func (m *mendStorm) request() {
	ways := []commands.RequestTransfer{
		{From: "hot", To: "cold"}, {From: "hot", To: m.partner.Hex()}, {From: "cold", To: "hot"}, {From: "hot", To: "cold", Asset: coin}, {From: "cold", To: m.partner.Hex()},
	}
	ask := ways[m.r.IntN(len(ways))]
	ask.Amount, ask.Reason = domain.FromInt(int64(1+m.r.IntN(9))), "a storm"
	ask.HighestFee = []domain.Decimal{dec("0.001"), dec("0.01"), dec("0.1")}[m.r.IntN(3)]
	a, err := m.do(olga, ask)
	if err != nil {
		return
	}
	m.agree(m.transfer(a.ID))
}

// reorganise makes another history of the last blocks, without their transactions.
func (m *mendStorm) reorganise() {
	depth := min(uint64(1+m.r.IntN(12)), m.node.Head()-m.start)
	if depth == 0 {
		return
	}
	if depth > 3 {
		m.unwound++
	}
	m.node.Unwind(depth)
	m.node.Mine(int(depth) + m.r.IntN(3))
}

func (m *mendStorm) raiseAny() {
	x := m.any()
	if x == nil {
		return
	}
	if _, err := m.do(olga, commands.RaiseFee{Transfer: x.Transfer, HighestFee: x.HighestFee.Mul(dec("1.5")), Reason: "a storm"}); err == nil {
		m.must(paul, commands.ApproveTransfer{Transfer: x.Transfer, Hash: m.transfer(x.Transfer).Raise.Hash})
	}
}

// signAny signs what waits for the machine of the cold wallet.
func (m *mendStorm) signAny() {
	for _, x := range m.open() {
		if x.FromPlace == domain.WalletCold && x.Unsigned() && x.UnderWay() {
			_, _ = m.custody.ImportSigned(m.ctx(), main, by(olga, commands.SignTransfer{Transfer: x.Transfer, Raw: m.signedElsewhere(x.Transfer)}))
		}
	}
}

// calm lets everything end on a chain that goes on, with endpoints that answer. A transfer
// that stands still gets the highest fee there is.
func (m *mendStorm) calm() {
	m.t.Helper()
	m.acceptAll()
	var err error
	for round := range 200 {
		open := m.open()
		if len(open) == 0 {
			if n, e := m.custody.Recheck(m.ctx(), main); n == 0 {
				require.NoError(m.t, e)
				return
			}
			continue
		}
		_, err = m.custody.Work(m.ctx(), main)
		m.signAny()
		m.node.Mine(1)
		if round%20 == 19 {
			m.later(5 * time.Minute)
			_, _ = m.custody.Recheck(m.ctx(), main) // as the loop does with each reconciliation
			for _, x := range open {
				if _, e := m.do(olga, commands.RaiseFee{Transfer: x.Transfer, HighestFee: dec("1"), Reason: "it is stuck"}); e == nil {
					m.must(paul, commands.ApproveTransfer{Transfer: x.Transfer, Hash: m.transfer(x.Transfer).Raise.Hash})
				}
			}
		}
	}
	for _, x := range m.open() {
		m.t.Logf("%s %s of %s %v, %d transactions, reopened %d", x.Transfer, x.Status, x.Wallet, x.Last(), len(x.Attempts), x.Reopened)
	}
	require.FailNow(m.t, "something is stuck", "%v", err)
}
