package httpapi

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// A reader who joins the parts of a state has every element of every list once: marks that wait,
// accounts in doubt and markets as a whole are parts of it like bots and positions.
func TestEveryListOfAStateComesInParts(t *testing.T) {
	r := secondRig(t, `,"mark_collar":"0.25"`)
	for _, outcome := range []string{"A", "B"} {
		r.must("alpha", main+"/fills", `{"bot":"alpha","market":"cup","outcome":"`+outcome+`","side":"buy","quantity":"10","price":"0.4","trade_id":"`+outcome+`"}`)
		r.must("feed", main+"/marks", `{"marks":[{"market":"cup","outcome":"`+outcome+`","price":"0.4"}]}`)
		r.must("feed", main+"/marks", `{"marks":[{"market":"cup","outcome":"`+outcome+`","price":"0.9"}]}`)
	}
	for _, asset := range []string{"UDSC", "EURC"} {
		r.must("operator", main+"/deposits", `{"wallet":"hot","asset":"`+asset+`","amount":"1"}`)
	}
	lists := map[string]int{"markets": 1, "waiting_marks": 2, "doubts": 2, "partly_marked": 1}
	seen, after, parts := map[string]int{}, "", 0
	for {
		var v map[string]any
		r.get("operator", main+"/state?limit=1"+after).into(t, &v)
		parts++
		for name := range lists {
			list, _ := v[name].([]any)
			seen[name] += len(list)
		}
		next, more := v["next"].(string)
		if !more {
			break
		}
		after = "&after=" + url.QueryEscape(next)
	}
	require.Equal(t, lists, seen)
	require.Greater(t, parts, 5)
}
