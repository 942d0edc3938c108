package petstest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Files returns all paths below a folder.
func Files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	}))
	return all
}

// listener is a server that refuses every request and records it.
type listener struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func (l *listener) Heard() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.asked
	l.asked = nil
	return all
}

// NewListener starts a listener.
func NewListener(t *testing.T) *listener {
	t.Helper()
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.asked = append(l.asked, r.Method+" "+r.URL.Path)
		l.mu.Unlock()
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(map[string]any{"type": "urn:pets:problem:conflict", "detail": "not now"})
	}))
	t.Cleanup(l.Close)
	return l
}

// reach says which targets a command works on.
type reach string

// Reached lists every command, with arguments that it can run with. A test fails if a command
// is missing here.
var Reached = []struct {
	Command string
	How     reach
	More    string
}{
	{"bench", AtHome, "--rounds 0"},
	{"keys generate", AtHome, ""},
	{"cold sign", AtHome, "x1.cold.json"},
	{"apikey request", AtHome, ""},
	{"serve", AtHome, ""},
	{"verify", AtHome, ""},
	{"version", AtHome, ""},
	{"init", AtHome, "--yes"},
	{"migrate", AtHome, "--from embedded:nowhere/from --to embedded:nowhere/to"},

	{"state", reads, ""},
	{"stats", reads, ""},
	{"balances", reads, ""},
	{"positions", reads, ""},
	{"trades", reads, ""},
	{"equity", reads, ""},
	{"events", reads, ""},
	{"permits", reads, ""},
	{"breakers", reads, ""},
	{"transfers", reads, ""},
	{"approvals", reads, ""},
	{"treasury", reads, ""},
	{"address-book", reads, ""},
	{"address-book list", reads, ""},
	{"keys status", reads, ""},
	{"limits", reads, ""},
	{"portfolio list", reads, ""},
	{"bot list", reads, ""},
	{"market list", reads, ""},

	{"start", Acts, "alpha"},
	{"stop", Acts, "--emergency --reason x"},
	{"reset", Acts, "daily_loss --reason x"},
	{"import", Acts, "--capital 5 FILE"},
	{"keys rotate", Acts, ""},
	{"wallet verify", looks, ""},
	{"wallet record", looks, "vault --tested --address 0x8ba1f109551bD432803012645Ac136ddd64DBA72"},

	{"clear", Through, "--reason x"},
	{"apikey issue", Through, "--user alice --role operator"},
	{"apikey rotate", Through, "k1"},
	{"apikey revoke", Through, "k1"},
	{"apikey list", Peeks, ""},
	{"approver add", Through, "--user alice pets-approver-iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w"},
	{"approver revoke", Through, "a1"},
	{"approver vouch", Through, "a1"},
	{"approver list", Peeks, ""},
	{"transfer", Through, "--from hot --to cold --amount 1 --reason x"},
	{"transfer raise", Through, "x1 --highest-fee 1 --reason x"},
	{"transfer cancel", Through, "x1 --reason x"},
	{"transfer prepare", Through, "x1"},
	{"approve", Through, "x1"},
	{"reject", Through, "x1 --reason x"},
	{"rebalance", Through, ""},
	{"reconcile", Through, ""},
	{"treasury set", Through, "approval_ttl=1h --reason x"},
	{"address-book add", Through, "--address 0x1 --label x"},
	{"address-book remove", Through, "--address 0x1 --reason x"},
	{"wallet register", Through, "hot-1 --place hot --address 0x1"},
	{"wallet sweep", Through, "--to cold --reason x"},
	{"wallet retire", Through, "hot-1 --reason x --yes"},
	{"cold evacuate", Through, "--to 0x1 --reason x"},
	{"cold export", Peeks, "x1"},

	{"portfolio open", Through, "new"},
	{"limits set", Through, "fee_bps=1 --reason x"},
	{"limits adopt", Through, "--reason x --yes"},
	{"override request", Through, "clock --reason x"},
	{"override confirm", Through, "o1"},
	{"deposit", Through, "1"},
	{"withdraw", Through, "1"},
	{"fee", Through, "1 --kind gas"},
	{"adjust", Through, "hot:treasury --add 1 --reason x"},
	{"bot add", Through, "new --capital 1"},
	{"bot allocate", Through, "alpha 1"},
	{"market add", Through, "m"},
	{"mark", Through, "m YES 0.5"},
	{"settle", Through, "m YES 1"},
	{"correct", Through, "m --payouts YES=1,NO=0 --reason x"},
	{"sets split", Through, "--bot alpha --market m --quantity 1 --set-id s-1"},
	{"sets merge", Through, "--bot alpha --market m --quantity 1 --set-id s-2"},
	{"permit ask", Through, "--bot alpha --market m --outcome YES --side buy --quantity 1 --limit-price 0.4"},
	{"permit place", Through, "p1"},
	{"permit release", Through, "p1"},
	{"fill", Through, "--bot alpha --market m --outcome YES --side buy --quantity 1 --price 0.4 --trade-id v-1"},
	{"fill confirm", Through, "v-1 --bot alpha"},
	{"fill void", Through, "v-1 --bot alpha"},
	{"funding", Through, "1 --bot alpha --market m --outcome YES --funding-id f-1"},
	{"trade", Through, "--bot alpha --market m --pnl=-1 --trade-id v-1"},
	{"sign", Through, "--transfer x1"},
	{"batch", Through, "BATCH"},
	{"status", Peeks, ""},

	{"cold import", Seated, ""},
	{"wallet create", Seated, ""},
	{"wallet recover", Seated, ""},
	{"wallet list", Seated, ""}, // it only warns of what it cannot ask the server
}

// The kinds of reach.
const (
	AtHome  reach = "works on this machine by its nature"
	reads   reach = "reads"
	Acts    reach = "acts, in a folder or at a server"
	looks   reach = "reads, and acts on what it found"
	Through reach = "acts, through a server only"
	Peeks   reach = "reads, through a server only"
	Seated  reach = "needs a terminal, or the files of another machine; its tests are its own"
)

// Line returns the command line of a row.
func (s *Shell) Line(command, more string) []string {
	more = strings.ReplaceAll(more, "FILE", filepath.Join(s.Dir, "fills.csv"))
	if strings.Contains(more, "BATCH") {
		more = strings.ReplaceAll(more, "BATCH", BatchFile(s.T, `{"commands":[{"command":"mark_prices","body":{"marks":[{"market":"m","outcome":"YES","price":"0.5"}]}}]}`))
	}
	return append(strings.Fields(command), strings.Fields(more)...)
}

// BatchFile writes a file for pets batch into a new folder.
func BatchFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "batch.json")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// SomeKey has the form of an API key; no server knows it.
const SomeKey = "some-key-0123456789-0123456789-0123456789"
