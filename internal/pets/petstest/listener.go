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

// Files are all names below a folder.
func Files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	}))
	return all
}

// listener is a server that answers nothing, and counts what it is asked.
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

// NewListener listens and keeps what it hears.
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

// What a command does with the rule for targets.
type reach string

// Reached are all commands with arguments they can be run with. A new one that is not here
// fails the test below.
var Reached = []struct {
	Command string
	How     reach
	More    string
}{
	{"bench", AtHome, "--rounds 0"},
	{"keys generate", AtHome, ""},
	{"cold sign", AtHome, "x1.cold.json"},
	{"serve", AtHome, ""},
	{"verify", AtHome, ""},
	{"version", AtHome, ""},

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

	{"start", Acts, "alpha"},
	{"stop", Acts, "--emergency --reason x"},
	{"reset", Acts, "daily_loss --reason x"},
	{"import", Acts, "--capital 5 FILE"},
	{"keys rotate", Acts, ""},
	{"wallet verify", looks, ""},
	{"wallet record", looks, "vault --tested --address 0x8ba1f109551bD432803012645Ac136ddd64DBA72"},

	{"clear", Through, "--reason x"},
	{"apikey issue", Through, "--user alice --role operator"},
	{"apikey revoke", Through, "k1"},
	{"apikey list", Peeks, ""},
	{"transfer", Through, "--from hot --to cold --amount 1 --reason x"},
	{"approve", Through, "x1"},
	{"reject", Through, "x1 --reason x"},
	{"rebalance", Through, ""},
	{"reconcile", Through, ""},
	{"treasury set", Through, "approval_ttl=1h --reason x"},
	{"address-book add", Through, "--address 0x1 --label x"},
	{"address-book remove", Through, "--address 0x1 --reason x"},
	{"wallet register", Through, "hot-1 --place hot --address 0x1"},
	{"wallet sweep", Through, "--to cold --reason x"},
	{"cold export", Peeks, "x1"},

	{"cold import", Seated, ""},
	{"wallet create", Seated, ""},
	{"wallet recover", Seated, ""},
	{"wallet list", Seated, ""}, // what it cannot ask about, it warns of
}

// What a command reaches.
const (
	AtHome  reach = "works on this machine by its nature"
	reads   reach = "reads"
	Acts    reach = "acts, in a folder or at a server"
	looks   reach = "reads, and acts on what it found"
	Through reach = "acts, through a server only"
	Peeks   reach = "reads, through a server only"
	Seated  reach = "needs a terminal, or the files of another machine; its tests are its own"
)

// Line is the command line of a row.
func (s *Shell) Line(command, more string) []string {
	more = strings.ReplaceAll(more, "FILE", filepath.Join(s.Dir, "fills.csv"))
	return append(strings.Fields(command), strings.Fields(more)...)
}

// SomeKey is the form of an API key, and none of any server.
const SomeKey = "some-key-0123456789-0123456789-0123456789"
