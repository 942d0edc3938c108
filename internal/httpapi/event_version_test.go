package httpapi

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// fillByLots is fill.recorded.v1 as it is stored today, in a build whose v2 counts in
// shares where v1 counted in lots of ten.
type fillByLots domain.FillRecorded

func inShares(old *fillByLots) *domain.FillRecorded {
	e := domain.FillRecorded(*old)
	ten := domain.MustDecimal("10")
	e.Quantity, e.Price = old.Quantity.Mul(ten), old.Price.Div(ten)
	return &e
}

// upgraded is a server whose store has a fill of each bot that is stored as v1, of a build
// with an upcaster to v2, and a third fill that this build recorded.
func upgraded(t *testing.T, up func(*fillByLots) *domain.FillRecorded) (*rig, []eventAnswer) {
	t.Helper()
	old := newRig(t, rigged{}).opened()
	old.must("alpha", main+"/fills", fillBodyOf("alpha", "f1", "2", "0.5"))
	old.must("beta", main+"/fills", fillBodyOf("beta", "f2", "3", "0.5"))
	old.close()
	domain.PretendVersion(t, "fill.recorded.v2", up)
	r := newRig(t, rigged{store: old.store, keys: old.keys})
	var stored []eventAnswer
	for _, rec := range r.records("portfolio-main") {
		stored = append(stored, eventAnswer{Revision: rec.Revision, Type: rec.Type, Data: rec.Data, Metadata: rec.Metadata})
	}
	return r, stored
}

// eventsOf are the events of a page.
func (r *rig) eventsOf(who, query string) []eventAnswer {
	r.t.Helper()
	a := r.get(who, main+"/events"+query)
	require.Equal(r.t, 200, a.status, a.body)
	var v eventsAnswer
	a.into(r.t, &v)
	return v.Events
}

// "A v2 goes through up for every reader." What operator and auditor are shown of an event
// that is stored as v1 is the v2 it became, and beside it what is stored, to the byte.
func TestAnOldEventIsShownAsTheCurrentOne(t *testing.T) {
	r, stored := upgraded(t, inShares)
	r.must("alpha", main+"/fills", fillBodyOf("alpha", "f3", "7", "0.5"))
	for _, who := range []string{"operator", "auditor"} {
		fills := r.eventsOf(who, "?types=fill.recorded")
		require.Len(t, fills, 3)
		for i, quantity := range []string{"20", "30", "7"} {
			require.Equal(t, "fill.recorded.v2", fills[i].Type)
			require.Contains(t, string(fills[i].Data), `"quantity":"`+quantity+`"`)
			require.NotEmpty(t, fills[i].Metadata)
		}
		for _, old := range fills[:2] {
			require.NotNil(t, old.Stored)
			require.Equal(t, "fill.recorded.v1", old.Stored.Type)
			require.Equal(t, string(stored[old.Revision].Data), string(old.Stored.Data))
		}
		require.Nil(t, fills[2].Stored, "nothing became of it: it is stored as it is shown")
		for _, literal := range []string{"fill.recorded.v1", "fill.recorded.v2"} {
			require.Equal(t, fills, r.eventsOf(who, "?types="+literal), "whoever filters by the old literal goes on")
		}
		for _, e := range r.eventsOf(who, "?limit=7") {
			require.Nil(t, e.Stored)
			require.Equal(t, stored[e.Revision].Type, e.Type)
			require.Equal(t, string(stored[e.Revision].Data), string(e.Data))
		}
	}
	var v struct {
		Positions []struct{ Bot, Quantity string }
	}
	r.get("operator", main+"/positions").into(t, &v)
	require.Equal(t, []struct{ Bot, Quantity string }{{"alpha", "27"}, {"beta", "30"}}, v.Positions)
}

// "The event view for bots never re-encodes a decoded event under the stored type's name":
// who decodes what a bot is shown by its name gets the event, and not the upcaster's work
// twice.
func TestABotIsShownAnOldEventUnderItsNewName(t *testing.T) {
	r, _ := upgraded(t, inShares)
	fills := r.eventsOf("alpha", "?types=fill.recorded")
	require.Len(t, fills, 1)
	require.Equal(t, "fill.recorded.v2", fills[0].Type)
	require.Nil(t, fills[0].Stored)
	require.Nil(t, fills[0].Metadata)
	e, err := domain.Decode(fills[0].Type, fills[0].Data)
	require.NoError(t, err)
	fill, is := e.(*domain.FillRecorded)
	require.True(t, is)
	require.Equal(t, "20", fill.Quantity.String())
}

// The stream shows what the pages show.
func TestAnOldEventIsStreamedAsTheCurrentOne(t *testing.T) {
	r, _ := upgraded(t, inShares)
	for who, count := range map[string]int{"operator": 2, "alpha": 1} {
		ctx, cancel := context.WithCancel(t.Context())
		messages, _ := r.listen(ctx, who, "?after=0&types=fill.recorded", "")
		require.Equal(t, "hello", next(t, messages).event)
		for _, page := range r.eventsOf(who, "?types=fill.recorded")[:count] {
			var e eventAnswer
			require.NoError(t, json.Unmarshal([]byte(next(t, messages).data), &e))
			require.Equal(t, page, e)
			require.Equal(t, "fill.recorded.v2", e.Type)
		}
		cancel()
	}
}

// Without the upcaster a bot is told nothing, rather than a history without its fills.
func TestAnOldEventWithoutItsUpcasterIsNotLeftOut(t *testing.T) {
	old := newRig(t, rigged{}).opened()
	old.must("alpha", main+"/fills", fillBodyOf("alpha", "f1", "2", "0.5"))
	all := old.records("portfolio-main")
	rec := all[len(all)-1]
	old.close()
	require.Equal(t, "fill.recorded.v1", rec.Type)
	var deleted func(*fillByLots) *domain.FillRecorded
	domain.PretendVersion(t, "fill.recorded.v2", deleted)
	bot := &filter{store: old.store, stream: "portfolio-main", bot: "alpha", owners: map[string]string{}}
	_, err := bot.show(t.Context(), rec)
	require.ErrorContains(t, err, "the history cannot be read now")
	var unknown *domain.UnknownTypeError
	require.ErrorAs(t, err, &unknown)
	operator := &filter{store: old.store, stream: "portfolio-main", owners: map[string]string{}}
	shown, err := operator.show(t.Context(), rec)
	require.NoError(t, err)
	require.Len(t, shown, 1)
	require.Equal(t, "fill.recorded.v1", shown[0].Type, "who sees everything is shown what is stored")
}
