package commands

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

// modelled is one call in the model of the queue: which of its requests were taken.
type modelled struct {
	job   *job
	stops bool
	taken int
}

// queueModel is the specification of the queue, with plain lists.
type queueModel struct {
	t     *rapid.T
	q     *queue
	calls []*modelled     // that wait, in the order of their arrival
	group map[turnKey]int // commands in the current group that are not stops
	stops map[turnKey]int // those that are
	total int
}

// "Stopping orders first, then fair turns by caller, at most 64 commands of one caller in
// a group"; "order of one caller's own commands stays".
func TestTheQueueAsAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &queueModel{t: t, q: newQueue(), group: map[turnKey]int{}, stops: map[turnKey]int{}}
		t.Repeat(map[string]func(*rapid.T){
			"put":    m.put,
			"stop":   func(*rapid.T) { m.takeStop() },
			"other":  func(*rapid.T) { m.takeOther() },
			"begin":  func(*rapid.T) { m.begin() },
			"remove": m.remove,
			"":       func(*rapid.T) { m.check() },
		})
		m.drain()
	})
}

func (m *queueModel) put(t *rapid.T) {
	who := botCaller(fmt.Sprint("b", rapid.IntRange(0, 3).Draw(t, "bot")))
	n := rapid.SampledFrom([]int{1, 1, 3, 70, 150}).Draw(t, "n")
	stops := rapid.IntRange(0, 4).Draw(t, "stops") == 0
	requests := make([]Request, n)
	for i := range requests {
		requests[i] = Request{Caller: who, Key: "k", Command: permit(who.Bot, "1")}
		if stops {
			requests[i] = Request{Caller: domain.Caller{User: who.Bot, Role: domain.RoleOperator}, Key: "k", Command: manual()}
		}
	}
	j := &job{requests: requests}
	require.NoError(m.t, m.q.put(context.Background(), context.Background(), j))
	m.calls = append(m.calls, &modelled{job: j, stops: stops})
}

// take finds the taken request: it is the next one of the first call of its caller.
func (m *queueModel) take(s *step, stops bool) {
	for i, c := range m.calls {
		if c.stops != stops || c.job.key != s.job.key {
			continue
		}
		require.Same(m.t, c.job, s.job, "his calls stay in their order")
		require.Equal(m.t, c.taken, s.i, "and so do its commands")
		if c.taken++; c.taken == len(c.job.requests) {
			m.calls = append(m.calls[:i:i], m.calls[i+1:]...)
		}
		return
	}
	m.t.Fatalf("something was taken that does not wait")
}

func (m *queueModel) waiting(stops bool) map[turnKey]bool {
	callers := map[turnKey]bool{}
	for _, c := range m.calls {
		if c.stops == stops {
			callers[c.job.key] = true
		}
	}
	return callers
}

func (m *queueModel) takeStop() {
	s := m.q.stop()
	if s == nil {
		for caller := range m.waiting(true) {
			require.GreaterOrEqual(m.t, m.stops[caller], fairShare, "a stop waits only where its caller has had his share")
		}
		return
	}
	m.stops[s.job.key]++
	m.take(s, true)
}

func (m *queueModel) takeOther() {
	waits := m.waiting(false)
	s := m.q.other(0, false)
	if s == nil {
		for caller := range waits {
			require.GreaterOrEqual(m.t, m.group[caller], fairShare, "who has not had his share is not kept waiting")
		}
		return
	}
	k := s.job.key
	alone := len(waits) == 1 && m.group[k] == m.total
	require.True(m.t, alone || m.group[k] < fairShare, "at most his share while others wait")
	m.take(s, false)
	m.group[k]++
	m.total++
}

func (m *queueModel) begin() {
	m.q.begin(0)
	clear(m.group)
	clear(m.stops)
	m.total = 0
}

func (m *queueModel) remove(t *rapid.T) {
	if len(m.calls) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.calls)-1).Draw(t, "which")
	m.q.remove(m.calls[i].job)
	m.q.remove(m.calls[i].job) // again does nothing
	m.calls = append(m.calls[:i:i], m.calls[i+1:]...)
}

func (m *queueModel) check() {
	require.Equal(m.t, len(m.calls), m.q.waiting())
	for i, stops := range []bool{true, false} {
		require.Len(m.t, m.q.lanes[i].ring, len(m.waiting(stops)))
	}
}

// drain takes everything: no call is kept for ever, and no caller is remembered.
func (m *queueModel) drain() {
	for len(m.calls) > 0 {
		m.begin()
		before := len(m.calls)
		taken := 0
		for s := m.q.stop(); s != nil; s = m.q.stop() {
			m.take(s, true)
			taken++
		}
		for s := m.q.other(0, false); s != nil; s = m.q.other(0, false) {
			m.take(s, false)
			taken++
		}
		require.True(m.t, taken > 0, "%d calls wait and none is taken", before)
	}
	m.begin()
	for i := range m.q.lanes {
		require.Empty(m.t, m.q.lanes[i].turns)
	}
}

// Callers are served in turn, one command at a time.
func TestTurnsAreTakenCommandByCommand(t *testing.T) {
	q := newQueue()
	for _, bot := range []string{"a", "b", "c"} {
		requests := make([]Request, 3)
		for i := range requests {
			requests[i] = Request{Caller: botCaller(bot), Key: "k", Command: permit(bot, "1")}
		}
		require.NoError(t, q.put(context.Background(), context.Background(), &job{requests: requests}))
	}
	var order string
	for s := q.other(0, false); s != nil; s = q.other(0, false) {
		order += s.request().Caller.Bot
	}
	require.Equal(t, "abcabcabc", order)
}
