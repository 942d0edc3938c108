package main

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

// files are all names below a folder.
func files(t *testing.T, dir string) []string {
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

func (l *listener) heard() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.asked
	l.asked = nil
	return all
}

func newListener(t *testing.T) *listener {
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

// reached are all commands with arguments they can be run with. A new one that is not here
// fails the test below.
var reached = []struct {
	command string
	how     reach
	more    string
}{
	{"bench", atHome, "--rounds 0"},
	{"keys generate", atHome, ""},
	{"cold sign", atHome, "x1.cold.json"},
	{"serve", atHome, ""},
	{"verify", atHome, ""},
	{"version", atHome, ""},

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

	{"start", acts, "alpha"},
	{"stop", acts, "--emergency --reason x"},
	{"reset", acts, "daily_loss --reason x"},
	{"import", acts, "--capital 5 FILE"},
	{"keys rotate", acts, ""},
	{"wallet verify", looks, ""},
	{"wallet record", looks, "vault --tested --address 0x8ba1f109551bD432803012645Ac136ddd64DBA72"},

	{"clear", through, "--reason x"},
	{"apikey issue", through, "--user alice --role operator"},
	{"apikey revoke", through, "k1"},
	{"apikey list", peeks, ""},
	{"transfer", through, "--from hot --to cold --amount 1 --reason x"},
	{"approve", through, "x1"},
	{"reject", through, "x1 --reason x"},
	{"rebalance", through, ""},
	{"reconcile", through, ""},
	{"treasury set", through, "approval_ttl=1h --reason x"},
	{"address-book add", through, "--address 0x1 --label x"},
	{"address-book remove", through, "--address 0x1 --reason x"},
	{"wallet register", through, "hot-1 --place hot --address 0x1"},
	{"wallet sweep", through, "--to cold --reason x"},
	{"cold export", peeks, "x1"},

	{"cold import", seated, ""},
	{"wallet create", seated, ""},
	{"wallet recover", seated, ""},
	{"wallet list", seated, ""}, // what it cannot ask about, it warns of
}

const (
	atHome  reach = "works on this machine by its nature"
	reads   reach = "reads"
	acts    reach = "acts, in a folder or at a server"
	looks   reach = "reads, and acts on what it found"
	through reach = "acts, through a server only"
	peeks   reach = "reads, through a server only"
	seated  reach = "needs a terminal, or the files of another machine; its tests are its own"
)

// line is the command line of a row.
func (s *shell) line(command, more string) []string {
	more = strings.ReplaceAll(more, "FILE", filepath.Join(s.dir, "fills.csv"))
	return append(strings.Fields(command), strings.Fields(more)...)
}

const someKey = "some-key-0123456789-0123456789-0123456789"
