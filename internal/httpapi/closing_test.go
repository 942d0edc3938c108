package httpapi

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func closeBody(bot, market, quantity string) string {
	return fmt.Sprintf(`{"bot":%q,"market":%q,"outcome":"YES","side":"sell","quantity":%q,"limit_price":"0.5","reduce_only":true}`, bot, market, quantity)
}

// "A person can always get out": a bot whose bytes somebody used up sees what it holds
// and closes it, by a request of its own and in a batch; and so does an operator. What
// would be denied is no way around the bound.
func TestClosingWithoutBytes(t *testing.T) {
	for _, who := range []string{"alpha", "operator"} {
		t.Run(who, func(t *testing.T) {
			clock := newHands()
			r := newRig(t, rigged{now: clock.now, perDay: 20_000, rate: 1_000, burst: 1_000}).opened()
			r.must("alpha", main+"/fills", fillBodyOf("alpha", "f1", "10", "0.5"))
			for n := 0; r.get(who, main+"/events?limit=1000").status == http.StatusOK; n++ {
				require.Less(t, n, 1000)
			}
			require.Equal(t, http.StatusTooManyRequests, r.post(who, main+"/permits", permitBody("alpha", "1")).status)

			for range lookBurst {
				require.Equal(t, http.StatusOK, r.get(who, main+"/positions").status)
			}
			require.Equal(t, http.StatusTooManyRequests, r.get(who, main+"/positions").status)
			clock.pass(time.Second)
			require.Equal(t, http.StatusTooManyRequests, r.get(who, main+"/state?at=1").status, "the past is not what is held")
			require.Equal(t, http.StatusOK, r.get(who, main+"/state").status)

			before := len(r.records("portfolio-main"))
			require.Equal(t, http.StatusTooManyRequests, r.post(who, main+"/permits", closeBody("alpha", "none", "1")).status)
			require.Equal(t, http.StatusTooManyRequests, r.post(who, main+"/permits", closeBody("alpha", "m", "11")).status)
			require.Len(t, r.records("portfolio-main"), before, "no denial is recorded")

			a := r.post(who, main+"/permits", closeBody("alpha", "m", "4"))
			require.Equal(t, http.StatusOK, a.status, a.body)
			require.Contains(t, a.body, `"allowed":true`)
			a = r.post(who, main+"/batch", batchOf(item("ask_permit", closeBody("alpha", "m", "4"))))
			require.Equal(t, http.StatusOK, a.status, a.body)
			require.Contains(t, a.body, `"allowed":true`)
			a = r.post(who, main+"/batch", batchOf(item("ask_permit", permitBody("alpha", "1")), item("ask_permit", closeBody("alpha", "m", "2"))))
			var v batchAnswer
			a.into(t, &v)
			require.Equal(t, []int{429, 200}, []int{v.Results[0].Status, v.Results[1].Status}, a.body)
		})
	}
}
