package httpapi

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore/memory"
)

// paired opens a portfolio of the second edition with an exclusive market, of which alpha
// holds 500 YES and 300 NO.
func paired(t *testing.T, o rigged) *rig {
	t.Helper()
	r := newRig(t, o).opened()
	r.must("admin", main+"/limits", `{"adopt":true,"reason":"risk lives in markets","max_daily_loss_pct":"0.99","breaker_stops":"bot"}`)
	r.must("operator", main+"/markets", `{"market":"rain","kind":"outcome","outcomes":["YES","NO"]}`)
	r.must("alpha", main+"/fills", `{"bot":"alpha","market":"rain","side":"buy","outcome":"YES","trade_id":"y","quantity":"50","price":"0.30"}`)
	r.must("alpha", main+"/fills", `{"bot":"alpha","market":"rain","side":"buy","outcome":"NO","trade_id":"n","quantity":"30","price":"0.49"}`)
	return r
}

type stateShown struct {
	Bots []struct {
		Bot   string           `json:"bot"`
		Halts []portfolio.Halt `json:"halts"`
	} `json:"bots"`
	Markets []json.RawMessage `json:"markets"`
}

// "`state` shows, per bot and market, payoff min and max, value, exposure (positions alone do
// not add up to equity)": to people of all bots, to a bot of its own.
func TestStateShowsMarkets(t *testing.T) {
	r := paired(t, rigged{})
	for who, rows := range map[string]int{"operator": 1, "alpha": 1, "beta": 0} {
		var v stateShown
		r.get(who, main+"/state").into(t, &v)
		require.Len(t, v.Markets, rows, who)
		if rows > 0 {
			require.JSONEq(t, `{"bot":"alpha","market":"rain","payoff_min":"30","payoff_max":"50","value":"36","cost":"29.7","exposure":"6","sets":"30"}`, string(v.Markets[0]))
		}
	}
}

// The table of halts in `state`, row by row, with what each leaves to a bot and to an operator.
func TestStateShowsHalts(t *testing.T) {
	r := paired(t, rigged{})
	shown := func(who string) []portfolio.Halt {
		var v stateShown
		r.get(who, main+"/state").into(t, &v)
		require.Equal(t, "alpha", v.Bots[0].Bot)
		return v.Bots[0].Halts
	}
	halts := func(all ...portfolio.Halt) {
		t.Helper()
		for _, who := range []string{"operator", "alpha"} {
			require.Equal(t, all, shown(who), who)
		}
	}
	halt := func(kind, of string, bot, operator portfolio.Leave) portfolio.Halt {
		return portfolio.Halt{Kind: kind, Of: of, Bot: bot, Operator: operator}
	}
	halts()
	r.must("operator", main+"/bots/alpha/stop", `{"reason":"a look"}`)
	halts(halt("bot_stopped", "stopped", "reduce", "reduce"))
	r.must("operator", main+"/bots/alpha/stop", `{"reason":"hands off","full":true}`)
	halts(halt("bot_stopped", "stopped", "nothing", "reduce"))
	r.must("operator", main+"/emergency-stop", `{"kind":"manual","reason":"to be sure"}`)
	halts(halt("emergency_stop", "manual", "nothing", "reduce"), halt("bot_stopped", "stopped", "nothing", "reduce"))
	r.must("operator", main+"/emergency-stop", `{"kind":"security_breach","reason":"a key is out"}`)
	halts(halt("emergency_stop", "security_breach", "nothing", "nothing"), halt("bot_stopped", "stopped", "nothing", "reduce"))
}

// A stop that is not recorded yet is among the halts, and leaves nothing until it is.
func TestAPendingStopIsAHalt(t *testing.T) {
	t.Parallel()
	down := &failing{Store: memory.New()}
	r := paired(t, rigged{store: down})
	down.down.Store(true)
	a := r.post("operator", main+"/bots/alpha/stop", `{}`)
	require.Equal(t, http.StatusAccepted, a.status, a.body)
	var v stateShown
	r.get("operator", main+"/state").into(t, &v)
	require.Equal(t, []portfolio.Halt{{Kind: portfolio.HaltBot, Of: "stopped", Bot: portfolio.LeaveNothing, Operator: portfolio.LeaveNothing}}, v.Bots[0].Halts)
	require.Empty(t, v.Bots[1].Halts)
	a = r.post("operator", main+"/emergency-stop", `{"kind":"manual","reason":"smoke"}`)
	require.Equal(t, http.StatusAccepted, a.status, a.body)
	r.get("operator", main+"/state").into(t, &v)
	require.Equal(t, []portfolio.Halt{{Kind: portfolio.HaltEmergency, Of: domain.StopManual, Bot: portfolio.LeaveNothing, Operator: portfolio.LeaveNothing}}, v.Bots[1].Halts)

	down.down.Store(false)
	require.Eventually(t, func() bool { return len(r.engine.Pending("main")) == 0 }, 10*time.Second, 5*time.Millisecond)
	v = stateShown{}
	r.get("operator", main+"/state").into(t, &v)
	require.Equal(t, portfolio.LeaveReduce, v.Bots[1].Halts[0].Operator, "recorded, it leaves what the table says")
}
