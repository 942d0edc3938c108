package notice

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// heard are the notices that an Once passed on, and the clock that it reads.
type heard struct {
	now  time.Time
	said []Notice
	once *Once
}

func newHeard() *heard {
	h := &heard{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	h.once = NewOnce(func() time.Time { return h.now }, func(n Notice) { h.said = append(h.said, n) })
	return h
}

func (h *heard) tell(n Notice) int {
	h.once.Tell(n)
	return len(h.said)
}

func stuck(transfer string, err error) Notice {
	return Notice{Kind: TransferStuck, Portfolio: "main", Subject: transfer, Err: err}
}

// "Each once, until it has not been met for ten minutes."
func TestAProblemIsToldOnce(t *testing.T) {
	h, err := newHeard(), domain.Errorf(domain.CodeUnavailable, "the chain does not answer")
	require.Equal(t, 1, h.tell(stuck("t1", err)))
	for range 100 {
		h.now = h.now.Add(forgetAfter - time.Second)
		require.Equal(t, 1, h.tell(stuck("t1", err)), "it is met all the time")
	}
	h.now = h.now.Add(forgetAfter)
	require.Equal(t, 2, h.tell(stuck("t1", err)), "it was gone for ten minutes")
	require.Len(t, h.once.told, 1)
}

// "The same problem is one of the same kind, subject and error code."
func TestWhatIsAnotherProblem(t *testing.T) {
	base := stuck("t1", domain.Errorf(domain.CodeUnavailable, "fee 10"))
	others := map[string]func(*Notice){
		"kind":      func(n *Notice) { n.Kind = ChainUnread },
		"portfolio": func(n *Notice) { n.Portfolio = "other" },
		"subject":   func(n *Notice) { n.Subject = "t2" },
		"code":      func(n *Notice) { n.Err = domain.Errorf(domain.CodeDenied, "fee 10") },
		"no error":  func(n *Notice) { n.Err = nil },
	}
	for name, change := range others {
		t.Run(name, func(t *testing.T) {
			h, other := newHeard(), base
			change(&other)
			h.tell(base)
			require.Equal(t, 2, h.tell(other))
			require.Equal(t, 2, h.tell(base))
		})
	}
}

// "If its cause is worded differently after ten minutes, it is told again": figures that
// change with every try are not news, another cause is.
func TestACauseThatChanges(t *testing.T) {
	h := newHeard()
	h.tell(stuck("t1", errors.New("block 1")))
	for i := range 19 {
		h.now = h.now.Add(30 * time.Second)
		require.Equal(t, 1, h.tell(stuck("t1", errors.New("block "+string(rune('b'+i))))))
	}
	h.now = h.now.Add(30 * time.Second)
	require.Equal(t, 2, h.tell(stuck("t1", errors.New("no signer"))))
}

// A new kind needs its text.
func TestEveryKindHasWords(t *testing.T) {
	for _, k := range []Kind{BalanceDiffers, SecurityBreach, TransferFailed, TransferReopened, TransferStuck, Unchecked, HotTooLong, ChainUnread, PortfolioUnread, KeystoreUnread, KeyUnusable, ChannelFailed, Defect, LeftUnfinished} {
		require.NotEmpty(t, Notice{Kind: k}.Text(), k)
	}
	require.Len(t, kinds, 14)
	require.Equal(t, "a transfer does not progress: t1: later", Notice{Kind: TransferStuck, Subject: "t1", Detail: "later"}.Text())
}

// "One that panics does not keep the others from it: they get a notice of that, too."
func TestAllReceiversGetANotice(t *testing.T) {
	var first, last []string
	say := func(into *[]string) Notify {
		return func(n Notice) { *into = append(*into, n.Text()) }
	}
	broken := 0
	all := All(say(&first), func(Notice) {
		broken++
		panic("no line")
	}, say(&last))
	all(stuck("t1", nil))
	want := []string{"a transfer does not progress: t1", "a channel of notices failed; what it was to pass on is lost: transfer_stuck"}
	require.Equal(t, want, first)
	require.Equal(t, want, last)
	require.Equal(t, 1, broken, "it is not told that it failed")

	var got Notice
	All(func(n Notice) { got = n }, func(Notice) { panic("no line") })(stuck("t1", nil))
	require.Equal(t, "main", got.Portfolio)
	require.ErrorContains(t, got.Err, "no line")

	require.NotPanics(t, func() {
		All()(stuck("t1", nil))
		All(func(Notice) { panic(1) }, func(Notice) { panic(2) })(stuck("t1", nil))
	}, "the sender is none of their business")
}
