package serve_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/client"
	"pets/eventstore/embedded"
	"pets/internal/cli"
	"pets/internal/open"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
)

// traded is a folder in which a server has traded with bot alpha in portfolio main.
type traded struct {
	t        *testing.T
	folder   string
	server   *petstest.Process
	operator string
	main     *client.Portfolio
}

func newTraded(t *testing.T) *traded {
	t.Helper()
	d := &traded{t: t, folder: filepath.Join(t.TempDir(), "store")}
	d.server = petstest.ServeFolder(t, d.folder)
	r := d.server.Pets(d.folder, petstest.AdminKey, "apikey", "issue", "--user", "olga", "--role", "operator")
	require.Equal(t, 0, r.Code, r.Err)
	d.operator = petstest.SecretPattern.FindString(r.Out)
	d.connect()
	d.send("/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"})
	d.post("/deposits", "deposit", map[string]any{"wallet": "hot", "amount": "1000"})
	d.post("/bots", "bot", map[string]any{"id": "alpha", "capital": "500"})
	d.post("/bots/alpha/start", "start", struct{}{})
	d.lose("t1")
	return d
}

func (d *traded) connect() { d.main = d.server.Client(d.operator).Portfolio("main") }

func (d *traded) send(path, key string, body any) {
	d.t.Helper()
	require.NoError(d.t, d.server.Client(d.operator).Send(d.t.Context(), http.MethodPost, path, key, body, nil))
}

func (d *traded) post(path, key string, body any) {
	d.t.Helper()
	require.NoError(d.t, d.main.Post(d.t.Context(), path, key, body, nil), path)
}

func (d *traded) lose(id string) {
	d.t.Helper()
	d.post("/trades", id, map[string]any{"bot": "alpha", "market": "m", "pnl": "-5", "trade_id": id})
}

// trip loses until consecutive_losses trips.
func (d *traded) trip() { d.lose("t2"); d.lose("t3") }

// allowed asks for a permit.
func (d *traded) allowed() bool {
	d.t.Helper()
	allowed, err := d.ask()
	require.NoError(d.t, err)
	return allowed
}

// ask asks for a permit; it returns an error while a stop waits to be recorded.
func (d *traded) ask() (bool, error) {
	var answer struct{ Allowed bool }
	err := d.main.Post(d.t.Context(), "/permits", "permit"+time.Now().String(), map[string]any{
		"bot": "alpha", "market": "m", "outcome": "YES", "side": "buy", "quantity": "1", "limit_price": "0.1",
	}, &answer)
	return answer.Allowed, err
}

// stop ends the server as an operator does.
func (d *traded) stop() {
	d.t.Helper()
	require.NoError(d.t, d.server.Cmd.Process.Signal(os.Interrupt))
	require.NoError(d.t, d.server.Cmd.Wait())
}

func (d *traded) start() {
	d.t.Helper()
	d.server = petstest.ServeFolder(d.t, d.folder)
	d.connect()
}

// copy copies the folder like cp -a.
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

// refuses runs pets serve on the folder, which has to exit at once with status 1 and an error that
// contains the words.
func (d *traded) refuses(words ...string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 30*time.Second)
	defer cancel()
	self, err := os.Executable()
	require.NoError(d.t, err)
	c := exec.CommandContext(ctx, self, "serve", "--store", "embedded:"+d.folder, "--listen", "127.0.0.1:0", "--metrics-listen", "off")
	c.Dir, c.Env = d.t.TempDir(), append(os.Environ(), petstest.AsCommand+"=1", petstest.EndsAtOnce)
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
	t.Parallel()
	d := newTraded(t)
	require.True(t, d.allowed())
	d.trip()
	require.False(t, d.allowed())
	d.stop()
	require.Positive(t, editSnapshots(t, d.folder))
	d.start()
	require.False(t, d.allowed(), "the breaker has tripped, whatever the snapshot says")
}

// editSnapshots sets bots to running and breakers to ok in the snapshots of states, and corrects
// their checksums where they have one. It returns how many it changed.
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
	t.Parallel()
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
	for range 2 { // a second attempt fails the same way
		d.refuses("was rolled back", "portfolio-main: ", "records were there", "Put back the newest copy", "--accept-rollback")
	}
	r := d.verify()
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Out, "DIFFERS")
	require.Contains(t, r.Out, "records were there")
	for _, words := range []string{"the history adds up", "was rolled back", "Put back the newest copy", "--accept-rollback"} {
		require.Contains(t, r.Err, words, "verify says what serve says")
	}
	require.NotContains(t, r.Err, "does not add up")
	d.putBack(newest)
	r = d.verify()
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Out, "all of it is there")
	d.start()
	require.False(t, d.allowed(), "with the newest copy all is as it was")
}

// verify runs pets verify on the folder of the settings.
func (d *traded) verify() petstest.Ran {
	d.t.Helper()
	s := petstest.New(d.t)
	s.Env = []string{"PETS_STORE=embedded:" + d.folder}
	return s.Run("verify")
}

// "… until a person says --accept-rollback REASON, recorded": then it starts, the record
// says what was missing, by whom and why, and what it touches is stopped.
func TestARollbackIsAcceptedByAPerson(t *testing.T) {
	t.Parallel()
	d := newTraded(t)
	older := filepath.Join(t.TempDir(), "older")
	d.stop()
	d.copy(older)
	d.start()
	d.trip()
	d.stop()
	d.putBack(older)
	d.refuses("was rolled back")

	d.server = serveFolderWith(t, d.folder, []string{"--accept-rollback", "the disk is gone, noon is the newest copy"})
	d.connect()
	require.False(t, d.allowed(), "the portfolio is stopped, although the breaker is untripped")
	r := d.server.Pets(d.folder, petstest.AdminKey, "events", "-p", "main", "--json")
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Out, `"kind":"system_error"`)
	require.Contains(t, systemEvents(t, d.folder), `"reason":"the disk is gone, noon is the newest copy","streams":[{"stream":"portfolio-main","witnessed":`)
	d.server.Says("the store was rolled back, and that was accepted")
	d.stop()
	d.start() // from here on it is a store like any other
	require.False(t, d.allowed())
}

// systemEvents returns the system stream as text.
func systemEvents(t *testing.T, folder string) string {
	t.Helper()
	store, err := embedded.OpenReadOnly(folder, embedded.Options{})
	require.NoError(t, err)
	defer store.Close()
	var b strings.Builder
	for rec, err := range store.ReadStream(t.Context(), commands.SystemStream, 0) {
		require.NoError(t, err)
		b.WriteString(rec.Type + " " + string(rec.Data) + " " + string(rec.Metadata) + "\n")
	}
	return b.String()
}

// "A folder rolled back and then grown beyond the head with other events": the leaf tells.
func TestARolledBackFolderThatGrewIsRefused(t *testing.T) {
	t.Parallel()
	d := newTraded(t)
	older := filepath.Join(t.TempDir(), "older")
	d.stop()
	d.copy(older)
	d.start()
	d.trip()
	d.stop()
	witness := d.folder + "-witness"
	kept := filepath.Join(t.TempDir(), "kept")
	require.NoError(t, os.Rename(witness, kept))
	d.putBack(older)
	d.start() // without its witness the rollback goes unnoticed
	for i := range 20 {
		d.post("/deposits", fmt.Sprint("more", i), map[string]any{"wallet": "hot", "amount": "1"})
	}
	d.stop()
	require.NoError(t, os.RemoveAll(witness))
	require.NoError(t, os.Rename(kept, witness))
	d.refuses("was rolled back", "is not the one that was there")
}

// "A stop must never be refused because of the witness", and it is there when the store
// is refused later; every other command that opens the folder is refused like a start.
func TestAStopOnARolledBackFolder(t *testing.T) {
	t.Parallel()
	d := newTraded(t)
	older := filepath.Join(t.TempDir(), "older")
	d.stop()
	d.copy(older)
	d.start()
	d.trip()
	d.stop()
	d.putBack(older)
	run := func(args ...string) petstest.Ran {
		var out, errs bytes.Buffer
		a := &cli.App{Place: open.Place{Err: &errs}, Out: &out, Environ: []string{"PETS_STORE=embedded:" + d.folder}, Dir: t.TempDir()}
		return petstest.Ran{Code: pets.Run(t.Context(), a, args), Out: out.String(), Err: errs.String()}
	}
	for _, args := range [][]string{{"start", "alpha"}, {"reset", "consecutive_losses", "--bot", "alpha", "--reason", "r"}} {
		r := run(args...)
		require.Equal(t, 1, r.Code, args)
		require.Contains(t, r.Err, "was rolled back", args)
	}
	r := run("stop", "--emergency", "--reason", "what is this folder?")
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Err, "warning")
	require.Contains(t, r.Err, "was rolled back")
	require.Contains(t, r.Err, "once another copy is put back, stop again")
	r = run("stop", "alpha")
	require.Equal(t, 0, r.Code, r.Err)
	r = run("state", "--json")
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Out, `"engaged": true`)
	// Reading the folder of the settings prints a warning; reading a copy named by --store does not.
	for _, args := range [][]string{{"state"}, {"events"}, {"breakers"}, {"trades"}, {"stats"}, {"equity"}, {"balances"}, {"positions"}, {"permits"}} {
		r = run(args...)
		require.Equal(t, 0, r.Code, r.Err)
		require.Contains(t, r.Err, "warning: what is shown may be out of date", args)
		require.Contains(t, r.Err, "records were there", args)
		require.Equal(t, 1, strings.Count(r.Err, "\n"), r.Err)
		r = run(append(args, "--store", "embedded:"+d.folder)...)
		require.Equal(t, 0, r.Code, r.Err)
		require.Empty(t, r.Err)
	}
	d.refuses("was rolled back")
}

// "Readers: the same rule; no witness, no snapshots": what a reader of the folder shows
// does not come from an edited snapshot.
func TestAReaderBelievesNoEditedSnapshot(t *testing.T) {
	t.Parallel()
	d := newTraded(t)
	d.trip()
	d.stop()
	state := func() string {
		var out, errs bytes.Buffer
		a := &cli.App{Place: open.Place{Err: &errs}, Out: &out, Environ: []string{"PETS_STORE=embedded:" + d.folder}, Dir: t.TempDir()}
		require.Equal(t, 0, pets.Run(t.Context(), a, []string{"state", "--json"}), errs.String())
		return out.String()
	}
	want := state()
	require.Contains(t, want, "tripped")
	require.Positive(t, editSnapshots(t, d.folder))
	require.Equal(t, want, state())
	require.NoError(t, os.RemoveAll(d.folder+"-witness"))
	require.Equal(t, want, state())
}

// "No witness at all for a store that has events: made anew, with a log line"; one of
// another store, as after rm -rf and a start, is refused.
func TestAWitnessThatIsMissingOrAnothers(t *testing.T) {
	t.Parallel()
	d := newTraded(t)
	require.NotContains(t, d.server.Errs.String(), "there is no witness", "a new store has had none")
	d.stop()
	require.NoError(t, os.RemoveAll(d.folder+"-witness"))
	d.start()
	d.server.Says("there is no witness")
	d.stop()
	require.FileExists(t, filepath.Join(d.folder+"-witness", "witness"))
	require.NoError(t, os.RemoveAll(d.folder))
	d.refuses("there is no store at", "Put it back", "--accept-rollback")
	require.NoDirExists(t, d.folder, "nothing was made in its place")
	other := filepath.Join(t.TempDir(), "other")
	p := petstest.ServeFolder(t, other)
	require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.Cmd.Wait())
	require.NoError(t, os.CopyFS(d.folder, os.DirFS(other)))
	d.refuses("belongs to another store", "--accept-rollback")
}

// "A refused start leaves no store behind", whichever command could make one.
func TestNoStoreIsMadeWhereOneWas(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	require.NoError(t, os.RemoveAll(s.Store()))
	for _, args := range [][]string{
		append([]string{"import", "--capital", "100"}, s.SmallFiles()...),
		{"serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off"},
	} { // the demo may be played again: its witness was in the removed folder
		s.Fails(1, []string{"there is no store at", "Put it back", "PETS_WITNESS"}, args...)
		require.NoDirExists(t, s.Store(), args)
	}
	s.Env = append(s.Env, "PETS_WITNESS="+filepath.Join(s.Dir, "another"))
	r := s.Run(append([]string{"import", "--capital", "100"}, s.SmallFiles()...)...)
	require.Equal(t, 0, r.Code, r.Err)
}

// "A salvaged store is accepted like a rollback": recorded, everything stopped, and the
// witness of the damaged one kept.
func TestASalvagedStoreIsAccepted(t *testing.T) {
	t.Parallel()
	d := newTraded(t)
	require.True(t, d.allowed())
	d.stop()
	rescued := filepath.Join(t.TempDir(), "rescued")
	s := petstest.New(t)
	s.Env = []string{"PETS_STORE=embedded:" + d.folder}
	r := s.Run("verify", "--salvage", rescued)
	require.Equal(t, 0, r.Code, r.Err)
	require.NoError(t, os.Rename(d.folder, d.folder+".damaged"))
	require.NoError(t, os.Rename(rescued, d.folder))
	d.refuses("belongs to another store", "salvaged", "--accept-rollback")

	d.server = serveFolderWith(t, d.folder, []string{"--accept-rollback", " salvaged after the disk failed "})
	d.connect()
	require.False(t, d.allowed(), "nobody knows what is missing: everything is stopped")
	require.Contains(t, systemEvents(t, d.folder), `rollback.accepted.v1 {"reason":"salvaged after the disk failed","witness":"it belongs to another store (`)
	events := d.server.Pets(d.folder, petstest.AdminKey, "events", "-p", "main", "--json")
	require.Contains(t, events.Out, `"kind":"system_error"`)
	d.stop()
	kept, err := filepath.Glob(filepath.Join(d.folder+"-witness", "witness.until-*"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
	d.start()
	require.False(t, d.allowed())
}

// A person can also accept a store whose witness is gone, by saying so; a blank reason does not
// count.
func TestAMissingWitnessIsAccepted(t *testing.T) {
	t.Parallel()
	d := newTraded(t)
	d.stop()
	require.NoError(t, os.RemoveAll(d.folder+"-witness"))
	s := petstest.New(t)
	for _, blank := range []string{"", "   ", "\t"} {
		s.Fails(2, []string{"--accept-rollback is missing"}, "serve", "--store", "embedded:"+d.folder, "--accept-rollback", blank)
	}
	d.server = serveFolderWith(t, d.folder, []string{"--accept-rollback", "the disk of the witness is gone"})
	d.connect()
	require.False(t, d.allowed())
	require.Contains(t, systemEvents(t, d.folder), "there is none, although the store has events")
}

// "A witness that cannot be written: the server goes on, but says so."
func TestAServerWithoutAPlaceForItsWitness(t *testing.T) {
	t.Parallel()
	p := petstest.ServeFolder(t, filepath.Join(t.TempDir(), "store"), "PETS_WITNESS=/proc/nobody-makes-a-folder-here")
	p.Says("cannot be written")
	require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.Cmd.Wait())
}
