package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands/client"
)

// traded is a folder in which a server has traded with bot alpha in portfolio main.
type traded struct {
	t        *testing.T
	folder   string
	server   *process
	operator string
	main     *client.Portfolio
}

func newTraded(t *testing.T) *traded {
	t.Helper()
	d := &traded{t: t, folder: filepath.Join(t.TempDir(), "store")}
	d.server = serveFolder(t, d.folder)
	r := d.server.pets(d.folder, adminKey, "apikey", "issue", "--user", "olga", "--role", "operator")
	require.Equal(t, 0, r.code, r.err)
	d.operator = secretPattern.FindString(r.out)
	d.connect()
	d.send("/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"})
	d.post("/deposits", "deposit", map[string]any{"wallet": "hot", "amount": "1000"})
	d.post("/bots", "bot", map[string]any{"id": "alpha", "capital": "500"})
	d.post("/bots/alpha/start", "start", struct{}{})
	d.lose("t1")
	return d
}

func (d *traded) connect() { d.main = d.server.client(d.operator).Portfolio("main") }

func (d *traded) send(path, key string, body any) {
	d.t.Helper()
	require.NoError(d.t, d.server.client(d.operator).Send(d.t.Context(), http.MethodPost, path, key, body, nil))
}

func (d *traded) post(path, key string, body any) {
	d.t.Helper()
	require.NoError(d.t, d.main.Post(d.t.Context(), path, key, body, nil), path)
}

func (d *traded) lose(id string) {
	d.t.Helper()
	d.post("/trades", id, map[string]any{"bot": "alpha", "market": "m", "pnl": "-5", "trade_id": id})
}

// trip loses until consecutive_losses has tripped.
func (d *traded) trip() { d.lose("t2"); d.lose("t3") }

// allowed asks for a permit.
func (d *traded) allowed() bool {
	d.t.Helper()
	var answer struct{ Allowed *bool }
	err := d.main.Post(d.t.Context(), "/permits", "permit"+time.Now().String(), map[string]any{
		"bot": "alpha", "market": "m", "outcome": "YES", "side": "buy", "quantity": "1", "limit_price": "0.1",
	}, &answer)
	require.NoError(d.t, err)
	require.NotNil(d.t, answer.Allowed)
	return *answer.Allowed
}

// stop ends the server as an operator does.
func (d *traded) stop() {
	d.t.Helper()
	require.NoError(d.t, d.server.cmd.Process.Signal(os.Interrupt))
	require.NoError(d.t, d.server.cmd.Wait())
}

func (d *traded) start() {
	d.t.Helper()
	d.server = serveFolder(d.t, d.folder)
	d.connect()
}

// copy is cp -a of the folder.
func (d *traded) copy(to string) {
	d.t.Helper()
	out, err := exec.Command("cp", "-a", d.folder, to).CombinedOutput()
	require.NoError(d.t, err, "%s", out)
}

// putBack renames an older copy over the folder, as a restore does.
func (d *traded) putBack(from string) {
	d.t.Helper()
	require.NoError(d.t, os.RemoveAll(d.folder))
	require.NoError(d.t, os.Rename(from, d.folder))
}

// refuses runs pets serve on the folder, which has to end at once with status 1 and
// these words.
func (d *traded) refuses(words ...string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 30*time.Second)
	defer cancel()
	self, err := os.Executable()
	require.NoError(d.t, err)
	c := exec.CommandContext(ctx, self, "serve", "--store", "embedded:"+d.folder, "--listen", "127.0.0.1:0", "--metrics-listen", "off")
	c.Dir, c.Env = d.t.TempDir(), append(os.Environ(), asCommand+"=1")
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(d.t, err, &exit, "%s", out)
	require.Equal(d.t, 1, exit.ExitCode(), "%s", out)
	require.NotContains(d.t, string(out), `"msg":"ready"`)
	for _, w := range words {
		require.Contains(d.t, string(out), w)
	}
}

// "Decisions trust a snapshot that nothing compares with the log: an edited one untrips
// a breaker for the writer only." It is not believed any more.
func TestAnEditedSnapshotUntripsNothing(t *testing.T) {
	d := newTraded(t)
	require.True(t, d.allowed())
	d.trip()
	require.False(t, d.allowed())
	d.stop()
	require.Positive(t, editSnapshots(t, d.folder))
	d.start()
	require.False(t, d.allowed(), "the breaker has tripped, whatever the snapshot says")
}

// editSnapshots lets bots run again and breakers be fine, in the snapshots of states, and
// makes their own checksums right where they have one. It returns how many it changed.
func editSnapshots(t *testing.T, folder string) (edited int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "snapshots", "state@*"))
	require.NoError(t, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		head, data, _ := bytes.Cut(b, []byte("\n"))
		was := string(data)
		for from, to := range map[string]string{`"tripped"`: `"ok"`, `"stopped","halted":true`: `"running"`, `"lll","losses":3`: `"","losses":0`} {
			data = bytes.ReplaceAll(data, []byte(from), []byte(to))
		}
		if string(data) == was {
			continue
		}
		if strings.HasPrefix(string(head), "pets snapshot 1 ") {
			sum := sha256.Sum256(data)
			head = append(head[:len(head)-64], hex.EncodeToString(sum[:])...)
		}
		require.NoError(t, os.WriteFile(file, append(append(head, '\n'), data...), 0o600))
		edited++
	}
	return edited
}

// "A folder rolled back to an older copy is unnoticed (breaker untripped)." A start on it
// is refused, says by how much and what to do, and changes nothing.
func TestARolledBackFolderIsRefused(t *testing.T) {
	d := newTraded(t)
	older := filepath.Join(t.TempDir(), "older")
	d.stop()
	d.copy(older)
	d.start()
	d.trip()
	require.False(t, d.allowed())
	d.stop()
	newest := filepath.Join(t.TempDir(), "newest")
	d.copy(newest)

	d.putBack(older)
	for range 2 { // a second attempt is no other
		d.refuses("was rolled back", "portfolio-main: ", "records were there", "Put back the newest copy", "--accept-rollback")
	}
	d.putBack(newest)
	d.start()
	require.False(t, d.allowed(), "with the newest copy all is as it was")
}
