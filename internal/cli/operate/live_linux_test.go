package operate_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

var overrideID = regexp.MustCompile(`\bo\d+\b`)

// "A mismatch is refused when the portfolio opens": a live portfolio whose base asset no known
// order is paid in. A paper one may count in what it likes.
func TestALivePortfolioCountsInWhatOrdersArePaidIn(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	w := p.TwoPeople(folder) // its paper portfolio main is in USDC
	w.Ok(w.Olga, "override", "request", "go_live", "--for", "real", "--reason", "a month on paper")
	asked := w.Ok(w.Bob, "events", "--type", "override", "--json")
	require.Contains(t, asked, "override.requested")
	id := overrideID.FindString(asked)
	gate := fmt.Sprintf("main@%d", w.Confirms(id))

	r := p.Pets(folder, w.Olga, "portfolio", "open", "real", "--mode", "live", "--gate", gate)
	require.Equal(t, 1, r.Code)
	require.Regexp(t, `base_asset is USDC, and no known order on\s+eip155:137 is paid in that`, r.Err)
	require.Contains(t, w.Ok(w.Olga, "portfolio", "open", "real", "--mode", "live", "--gate", gate, "--asset", "pUSD"), "portfolio real is open, mode live")

	// "pets adjust in a live portfolio makes the request and prints the second person's command."
	adjust := []string{"-p", "real", "adjust", "hot:treasury", "--add", "1.5", "--reason", "found it", "--key", "0190c3f2-7d7c-7cc3-98c4-dc0c0c07398f"}
	said := w.Ok(petstest.AdminKey, adjust...)
	id = overrideID.FindString(said)
	require.NotEmpty(t, id, said)
	require.Regexp(t, `asked for, so that hot:treasury has 1.5 more; nothing is corrected before\s+another user confirms it, within 24 h`, said)
	require.Contains(t, said, "pets override confirm "+id+" -p real\n")
	require.Contains(t, w.Ok(petstest.AdminKey, adjust...), id, "the repeat of a request is answered with the first answer")
	require.NotContains(t, w.Ok(w.Bob, "-p", "real", "events", "--json"), "adjustment.posted")
	r = p.Pets(folder, petstest.AdminKey, "-p", "real", "adjust", "hot:treasury", "--take", "1", "--reason", "x")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Err, "holds 0 pUSD in the books")
	r = p.Pets(folder, w.Olga, "-p", "real", "adjust", "hot:treasury", "--add", "1", "--reason", "x")
	require.Equal(t, 1, r.Code, "an admin asks")

	// "An adjustment with flow:true names the record of the deposit or withdrawal it corrects": in a
	// live portfolio two people make it, and the second one reads what it corrects.
	w.Ok(petstest.AdminKey, "-p", "real", "limits", "set", "rules=2", "--reason", "adopted")
	said = w.Ok(w.Olga, "-p", "real", "deposit", "9000")
	deposit := regexp.MustCompile(`revision (\d+)`).FindStringSubmatch(said)[1]
	r = p.Pets(folder, petstest.AdminKey, "-p", "real", "adjust", "hot:treasury", "--take", "8100", "--flow", "--of", "1", "--reason", "x")
	require.Equal(t, 1, r.Code)
	require.Regexp(t, `--of\s+is\s+no\s+deposit\s+or\s+withdrawal`, r.Err)
	said = w.Ok(petstest.AdminKey, "-p", "real", "adjust", "hot:treasury", "--take", "8100", "--flow", "--of", deposit, "--reason", "9,000 typed for 900")
	require.Regexp(t, `hot:treasury has 8100 less, which\s+corrects revision `+deposit+` and\s+is\s+no\s+profit\s+or\s+loss`, said)
	require.Contains(t, w.Ok(w.Bob, "-p", "real", "events", "--type", "override", "--json"), `"flow":true,"of":`+deposit)

	// "Correction: … (operator; live: two people)": it prints what the second one types.
	w.Ok(w.Olga, "-p", "real", "bot", "add", "alpha", "--capital", "500")
	w.Ok(w.Olga, "-p", "real", "market", "add", "rain", "--outcomes", "YES,NO")
	w.Ok(w.Olga, "-p", "real", "fill", "--bot", "alpha", "--market", "rain", "--outcome", "YES", "--side", "buy", "--quantity", "10", "--price", "0.4", "--trade-id", "v-1")
	w.Ok(w.Olga, "-p", "real", "settle", "rain", "--payouts", "YES=1,NO=0")
	said = w.Ok(w.Olga, "-p", "real", "correct", "rain", "--payouts", "YES=0,NO=1", "--rebase", "--reason", "the venue changed its answer")
	id = overrideID.FindString(said)
	require.Contains(t, said, id+": override settlement is asked for; it waits for 24 h")
	require.Contains(t, said, "pets override confirm "+id+" -p real\n")
	require.NotContains(t, w.Ok(w.Bob, "-p", "real", "events", "--json"), "market.corrected", "nobody has confirmed it")
	require.Contains(t, w.Ok(w.Bob, "-p", "real", "events", "--json"), `{"market":"rain","payouts":{"NO":"1","YES":"0"},"rebase":true}`)
}

// "Tokens of one market on a second one are refused; a mapping is mended by two people."
func TestTwoPeopleMendATokenMapping(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	w := p.TwoPeople(folder)
	w.Ok(w.Olga, "market", "add", "rain", "--outcomes", "YES,NO", "--token", "YES=71", "--token", "NO=72")
	r := p.Pets(folder, w.Olga, "market", "add", "snow", "--outcomes", "YES", "--token", "YES=71")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Err, "market rain")
	for _, wrong := range [][]string{{"YES=71"}, {"market="}, {"market=rain", "YES"}, {"market=rain", "YES=1", "YES=2"}, nil} {
		r := p.Pets(folder, w.Olga, append([]string{"override", "request", "market_tokens", "--reason", "x"}, wrong...)...)
		require.Equal(t, 2, r.Code, wrong)
	}
	w.Ok(w.Olga, "override", "request", "market_tokens", "market=rain", "YES=72", "NO=71", "--reason", "the wrong way round")
	id := overrideID.FindString(w.Ok(w.Bob, "events", "--type", "override", "--json"))
	r = p.Pets(folder, w.Olga, "override", "confirm", id)
	require.Equal(t, 1, r.Code)
	w.Ok(w.Bob, "override", "confirm", id)
	require.Regexp(t, `"YES": ?"72"`, w.Ok(w.Bob, "events", "--type", "market.registered", "--json"))
}
