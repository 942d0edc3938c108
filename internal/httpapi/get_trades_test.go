package httpapi

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// A void between two pages of /trades moves no trade of the next page, and none from it.
func TestPagesOfTradesStayInPlaceAfterAVoid(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	last := uint64(0)
	fill := func(n int, side, id string) {
		last = r.must("alpha", main+"/fills", fmt.Sprintf(`{"bot":"alpha","market":"k%d","outcome":"YES","side":%q,"quantity":"1","price":"0.5","trade_id":%q,"status":"provisional"}`, n, side, id))
	}
	for n := range 6 {
		fill(n, "buy", fmt.Sprint("b", n))
		fill(n, "sell", fmt.Sprint("s", n))
	}
	var stats struct {
		Portfolio struct{ Trades int }
	}
	r.get("operator", main+fmt.Sprintf("/stats?min_revision=%d", last)).into(t, &stats)
	require.Equal(t, 6, stats.Portfolio.Trades)
	type page struct {
		Trades []struct {
			Number int
			Market string
		}
		Next *string
	}
	read := func(role, query string) (markets []string, numbers []int, next *string) {
		var p page
		a := r.get(role, main+"/trades?"+query)
		require.Equal(t, http.StatusOK, a.status, a.body)
		a.into(t, &p)
		for _, one := range p.Trades {
			markets, numbers = append(markets, one.Market), append(numbers, one.Number)
		}
		return markets, numbers, p.Next
	}
	markets, _, next := read("operator", "limit=2")
	require.Equal(t, []string{"k0", "k1"}, markets)
	require.NotNil(t, next)
	byNumber, _, _ := read("operator", "after=2&limit=2")
	require.Equal(t, []string{"k2", "k3"}, byNumber)

	r.must("alpha", main+"/fills/s0/void", `{"bot":"alpha","market":"k0"}`)
	revision := r.must("alpha", main+"/fills/s3/void", `{"bot":"alpha","market":"k3"}`)
	markets, numbers, end := read("alpha", fmt.Sprintf("limit=2&after=%s&min_revision=%d", *next, revision))
	require.Equal(t, []string{"k2", "k4"}, markets, "k2 is not skipped, k3 is gone")
	require.Equal(t, []int{2, 3}, numbers, "they count the trades that stand")
	markets, _, end = read("operator", "limit=2&after="+*end)
	require.Equal(t, []string{"k5"}, markets)
	require.Nil(t, end)

	for query, code := range map[string]domain.Code{
		"after=" + *next + "0":                 domain.CodeConflict,
		"after=1.":                             domain.CodeInvalid,
		"after=x":                              domain.CodeInvalid,
		fmt.Sprintf("after=%s&at=2", *next):    domain.CodeConflict,
		fmt.Sprintf("after=%s&bot=b9", *next):  domain.CodeConflict,
		fmt.Sprintf("after=%s&limit=0", *next): domain.CodeInvalid,
	} {
		require.Equal(t, code, r.get("operator", main+"/trades?"+query).code(t), query)
	}
}
