package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/memory"
)

// faltering is a store of which nothing that is recorded can be read for a time.
type faltering struct {
	eventstore.Store
	past atomic.Bool
}

func (u *faltering) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	if !u.past.Load() {
		return u.Store.ReadStream(ctx, stream, from)
	}
	return func(yield func(eventstore.Record, error) bool) { yield(eventstore.Record{}, io.ErrUnexpectedEOF) }
}

// resting is a rig in which an order of each bot rests; its third loss in a row stops them.
func resting(t *testing.T, store eventstore.Store) (r *rig, orders map[string]string) {
	t.Helper()
	r = newRig(t, rigged{store: store}).opened()
	orders = map[string]string{}
	for _, bot := range []string{"alpha", "beta"} {
		var working permitAnswered
		r.post(bot, main+"/permits", permitBody(bot, "1")).into(t, &working)
		r.must(bot, main+"/permits/"+working.PermitID+"/placed", "{}")
		orders[bot] = working.PermitID
	}
	return r, orders
}

func (r *rig) loses(trade int) answered {
	r.t.Helper()
	return r.post("alpha", main+"/trades", fmt.Sprintf(`{"bot":"alpha","market":"x","pnl":"-1","trade_id":"t%d"}`, trade))
}

// An answer tells a bot of its own orders, also where nobody has looked at the portfolio before, and
// of no other bot's. Where it cannot be read whose they are, it is told of none.
func TestAnAnswerHasNoOrdersWhoseOwnerIsNotRead(t *testing.T) {
	t.Parallel()
	for _, broken := range []bool{false, true} {
		store := &faltering{Store: memory.New()}
		r, orders := resting(t, store)
		r.loses(1)
		r.loses(2)
		store.past.Store(broken)
		a := r.loses(3)
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.Contains(t, a.body, `{"action":"stop","bots":["alpha"]`)
		require.NotContains(t, a.body, `"`+orders["beta"]+`"`)
		if broken {
			require.NotContains(t, a.body, "cancel_orders")
			continue
		}
		require.Contains(t, a.body, `"permits":["`+orders["alpha"]+`"]`)
	}
}

// "A person can always stop": a bot that is to cancel an order is told so. Where it cannot be read
// whose an order is, its stream ends before that record, and once it is resumed it has all of it.
func TestAStreamGoesOnOnlyOnceAnOwnerIsRead(t *testing.T) {
	t.Parallel()
	store := &faltering{Store: memory.New()}
	r, orders := resting(t, store)
	r.loses(1)
	r.loses(2)
	messages, _ := r.listen(t.Context(), "beta", "", "")
	at := next(t, messages)
	var h hello
	require.NoError(t, json.Unmarshal([]byte(at.data), &h))
	store.past.Store(true)
	require.Equal(t, http.StatusOK, r.loses(3).status)
	for m := range messages {
		require.Failf(t, "nothing of the record is told", "%+v", m)
	}
	store.past.Store(false)
	list := r.get("beta", fmt.Sprintf("%s/events?after=%d", main, h.Revision))
	require.Contains(t, list.body, orders["beta"])
	require.NotContains(t, list.body, orders["alpha"])

	messages, _ = r.listen(t.Context(), "beta", "", fmt.Sprint(h.Revision))
	for m := next(t, messages); ; m = next(t, messages) {
		require.NotContains(t, m.data, orders["alpha"])
		if m.event != "directive" {
			continue
		}
		var d directiveMessage
		require.NoError(t, json.Unmarshal([]byte(m.data), &d))
		if len(d.Permits) > 0 {
			require.Equal(t, []string{orders["beta"]}, d.Permits)
			return
		}
	}
}
