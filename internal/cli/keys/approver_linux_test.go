package keys_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
	"pets/projections"
)

var publicHalf = regexp.MustCompile(`pets-approver-[\w-]{43}`)

const phrase = "correct horse battery"

// signingWorld is a server, and people with folders of their own.
type signingWorld struct {
	*petstest.Process
	folder string
	people map[string]*petstest.Shell
}

func newSigningWorld(t *testing.T) *signingWorld {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "store")
	w := &signingWorld{Process: petstest.ServeFolder(t, folder), folder: folder, people: map[string]*petstest.Shell{}}
	w.person("ada", petstest.AdminKey)
	for _, p := range []struct{ user, role string }{{"olga", "operator"}, {"bob", "approver"}, {"carol", "approver"}} {
		w.person(p.user, petstest.SecretPattern.FindString(w.people["ada"].Ok("apikey", "issue", "--user", p.user, "--role", p.role)))
	}
	return w
}

func (w *signingWorld) person(user, key string) {
	home := w.T.TempDir()
	w.people[user] = &petstest.Shell{T: w.T, Dir: home, Ctx: context.Background(), Env: []string{"HOME=" + home, "TERM=xterm", "PETS_SERVER=" + w.URL, "PETS_KEY=" + key}}
}

// requests has a person make a key, and returns its public half.
func (w *signingWorld) requests(user string) string {
	w.T.Helper()
	out := w.people[user].Sit("apikey", "request", "--user", user).WaitFor("A passphrase for the key").Types(phrase + "\r").WaitFor("again: ").Types(phrase + "\r").
		WaitFor("fingerprint").Ends(0)
	return publicHalf.FindString(out)
}

// keyFile is where a key is if nothing names it.
func keyFile(s *petstest.Shell) string {
	return filepath.Join(s.Dir, ".config", "pets", "approver.key")
}

// "pets apikey request makes an Ed25519 key (file 0600, passphrase) and prints its public
// half": never over a file, never in the store's folder, and nothing is read from a pipe.
func TestRequestAKey(t *testing.T) {
	s := petstest.New(t)
	s.SetEnv("HOME", s.Dir)
	file := keyFile(s)
	s.Fails(2, []string{"typed by a person at a terminal"}, "apikey", "request")
	s.Sit("apikey", "request").WaitFor("characters or more").Types("elevenchars\r").WaitFor("from 12 to").Ends(1)
	s.Sit("apikey", "request").WaitFor("characters or more").Types(phrase + "\r").WaitFor("again: ").Types(phrase + "x\r").WaitFor("two different passphrases").Ends(1)
	require.NoFileExists(t, file)

	out := s.Sit("apikey", "request", "--user", "bob").WaitFor("characters or more").Types(phrase + "\r").WaitFor("again: ").Types(phrase + "\r").WaitFor("public half").Ends(0)
	require.NotContains(t, out, "horse")
	public := publicHalf.FindString(out)
	require.Contains(t, out, "pets approver add --user bob "+public)
	info, err := os.Lstat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(before), public)

	s.Sit("apikey", "request").WaitFor("is there already").Ends(1)
	planted := filepath.Join(s.Dir, "planted")
	require.NoError(t, os.Symlink(filepath.Join(s.Dir, "elsewhere"), planted))
	s.Sit("apikey", "request", "--with", planted).WaitFor("is there already").Ends(1)
	require.NoFileExists(t, filepath.Join(s.Dir, "elsewhere"))
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, before, after)

	// A key that is not where approvals look for it is found by --with or the setting: it says so.
	require.NotContains(t, out, "Approvals do not find it")
	s.Sit("apikey", "request", "--with", filepath.Join(s.Dir, "new.key")).WaitFor("characters or more").Types(phrase + "\r").WaitFor("again: ").Types(phrase + "\r").
		WaitFor("name it with --with, or set PETS_APPROVER_KEY to it").Ends(0)

	linked := filepath.Join(s.Dir, "linked")
	require.NoError(t, os.MkdirAll(s.Store(), 0o700))
	require.NoError(t, os.Symlink(s.Store(), linked))
	for _, with := range []string{filepath.Join(s.Store(), "approver.key"), filepath.Join(linked, "new", "approver.key")} {
		s.Sit("apikey", "request", "--store", "embedded:"+s.Store(), "--with", with).WaitFor("a folder of the server").Ends(2)
	}
}

// "The admin registers only that. The first approver counts at once, later ones after 24 h or
// by an approver's word": the list says when each counts.
func TestApprovers(t *testing.T) {
	w := newSigningWorld(t)
	ada, bob := w.people["ada"], w.people["bob"]
	require.Contains(t, ada.Ok("approver", "list"), "pets apikey request")
	first, second := w.requests("bob"), w.requests("carol")
	require.Contains(t, ada.Ok("approver", "add", "--user", "bob", first), "Compare the fingerprint with bob")
	out := ada.Ok("approver", "add", "--user", "carol", second)
	require.Contains(t, out, "or as soon as an approver gives a word for it: pets approver vouch a")
	id := regexp.MustCompile(`vouch (a\d+)`).FindStringSubmatch(out)[1]
	list := ada.Ok("approver", "list")
	require.Regexp(t, `bob .* since `, list)
	require.Regexp(t, `carol .* from .* on`, list)
	ada.Fails(2, []string{"PUBLIC-KEY"}, "approver", "add", "--user", "dan", "pets-approver-x")
	ada.Fails(1, []string{"registered once"}, "approver", "add", "--user", "carol", first)
	// A mistyped name is refused: the key would be used up by it.
	ada.Fails(1, []string{"nobody of that name has an API key", "bob, carol, olga", "pets apikey issue --user bobb --role approver"}, "approver", "add", "--user", "bobb", first)

	bob.Sit("approver", "vouch", id).WaitFor("user: carol").WaitFor("public key: " + second).WaitFor("fingerprint: ").WaitFor("Passphrase of key ").
		Types(phrase + "\r").WaitFor(id + " counts from now on").Ends(0)
	require.Regexp(t, `carol .* by the word of bob`, ada.Ok("approver", "list"))
	bob.Fails(1, []string{"waits for no word"}, "approver", "vouch", id)
	r := ada.Run("approver", "revoke", id, "--reason", "lost")
	require.Contains(t, r.Out, "is revoked")
	require.Contains(t, r.Err, "the key of bob is the only one that counts")
	require.Regexp(t, `carol .* revoked `, ada.Ok("approver", "list"))
	// Revoking the last key that counts says that nobody can approve; so does status.
	require.NotContains(t, ada.Run("status").Out, "no approver's key counts")
	bobs := regexp.MustCompile(`(?m)^(a\d+)\s+bob`).FindStringSubmatch(ada.Ok("approver", "list"))[1]
	require.Contains(t, ada.Run("approver", "revoke", bobs, "--reason", "lost").Err, "no approver's key is left: nobody approves, confirms or clears")
	require.Contains(t, strings.Join(strings.Fields(ada.Run("status").Out), " "), "no approver's key counts: nobody approves, confirms or clears. Register one now, it counts after 24 h")
}

// confirmable asks for an override that is signed, and returns its id.
func (w *signingWorld) confirmable() string {
	w.T.Helper()
	olga := w.people["olga"]
	_ = olga.Run("portfolio", "open", "main", "--mode", "paper")
	return regexp.MustCompile(`\bo\d+\b`).FindString(olga.Ok("override", "request", "go_live", "--for", "real", "--reason", "a month on paper"))
}

// "It prints exactly the lines, asks for the passphrase at the terminal, and signs exactly
// what was printed": with a wrong passphrase, key or file nothing is sent.
func TestConfirmSigned(t *testing.T) {
	w := newSigningWorld(t)
	ada, bob, carol, olga := w.people["ada"], w.people["bob"], w.people["carol"], w.people["olga"]
	ada.Ok("approver", "add", "--user", "bob", w.requests("bob"))
	id := w.confirmable()
	bob.Fails(2, []string{"at a terminal", "pets approvals"}, "override", "confirm", id)
	var v projections.Approval
	require.NoError(t, w.Client(petstest.AdminKey).Portfolio("main").Get(t.Context(), "/approvals/override/"+id, &v))
	seat := bob.Sit("override", "confirm", id).WaitFor("of " + v.Subject.Ledger + " (override):")
	for _, line := range v.Subject.Lines {
		seat.WaitFor("  " + line + "\r\n")
	}
	seat.WaitFor("Passphrase").Types("wrong\r").WaitFor("not the passphrase of the key. Try again").
		Types("wrong\r").WaitFor("Passphrase").Types("wrong again\r").WaitFor("nothing was signed: this is not the passphrase").Ends(1)

	carol.Sit("override", "confirm", id).WaitFor("there is no approver's key at").Ends(1)
	w.requests("carol")
	carol.Sit("override", "confirm", id).WaitFor("Passphrase").Types(phrase + "\r").WaitFor("is not registered").Ends(1)
	require.NoError(t, os.Chmod(keyFile(carol), 0o644))
	carol.Sit("override", "confirm", id).WaitFor("chmod 600").Ends(1)
	require.NoError(t, os.Chmod(keyFile(carol), 0o600))
	require.NoError(t, os.Symlink(keyFile(carol), filepath.Join(carol.Dir, "link")))
	carol.Sit("override", "confirm", id, "--with", filepath.Join(carol.Dir, "link")).WaitFor("through no link").Ends(1)
	carol.Sit("override", "confirm", id, "--with", keyFile(bob)).WaitFor("Passphrase").Types(phrase + "\r").WaitFor("belongs to another user").Ends(1)
	require.Empty(t, w.confirmed())

	out := bob.Sit("override", "confirm", id).WaitFor("Passphrase").Types(phrase + "\r").WaitFor(id + " is confirmed").Ends(0)
	require.NotContains(t, out, "horse")
	require.Len(t, w.confirmed(), 1)

	// A stop of the live portfolio is cleared by a signature too.
	gate := regexp.MustCompile(`main@\d+`).FindString(out)
	olga.Ok("portfolio", "open", "real", "--mode", "live", "--gate", gate, "--asset", "pUSD")
	olga.Fails(1, []string{"signed already; there is no way back"}, "-p", "real", "override", "request", "signed_approvals", "--reason", "an older build")
	olga.Ok("-p", "real", "stop", "--emergency", "--reason", "a drill")
	asked := regexp.MustCompile(`\bc\d+\b`).FindString(olga.Ok("-p", "real", "clear", "--reason", "it was a drill"))
	require.Contains(t, olga.Ok("-p", "real", "approvals"), "reason of the stop: \"a drill\"")
	bob.Fails(2, []string{"at a terminal"}, "-p", "real", "clear", "--confirm", asked)
	bob.Sit("-p", "real", "clear", "--confirm", asked).WaitFor("reason of the stop: \"a drill\"").WaitFor("Passphrase").Types(phrase + "\r").WaitFor("is cleared").Ends(0)
}

// confirmed lists the overrides that were recorded.
func (w *signingWorld) confirmed() []string {
	w.T.Helper()
	return regexp.MustCompile(`(?m)^.*override\.recorded.*$`).FindAllString(w.people["olga"].Ok("events"), -1)
}

// "The CLI refuses if the subject names another portfolio, kind or id than was typed (a lying
// server)": nobody is asked for a passphrase. Lines that were changed on the way are signed as
// they were shown, and that is refused by the ledger.
func TestALyingServer(t *testing.T) {
	w := newSigningWorld(t)
	bob := w.people["bob"]
	w.people["ada"].Ok("approver", "add", "--user", "bob", w.requests("bob"))
	id := w.confirmable()
	var lie func(*projections.Approval)
	to, err := url.Parse(w.URL)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(r *http.Response) error {
		if !strings.Contains(r.Request.URL.Path, "/approvals/") {
			return nil
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		var v projections.Approval
		if err := json.Unmarshal(b, &v); err != nil {
			return err
		}
		lie(&v)
		if b, err = json.Marshal(v); err != nil {
			return err
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
		r.Header.Set("Content-Length", strconv.Itoa(len(b)))
		return nil
	}
	l := petstest.NewListener(t)
	l.Config.Handler = proxy
	bob.SetEnv("PETS_SERVER", l.URL)
	for want, change := range map[string]func(*projections.Approval){
		`of portfolio "real", not of main`:      func(v *projections.Approval) { v.Subject.Portfolio = "real" },
		`of kind "transfer", not override`:      func(v *projections.Approval) { v.Subject.Kind = "transfer" },
		`not of "override: ` + id + `"`:         func(v *projections.Approval) { v.Subject.Lines[0] = "override: o999" },
		"characters that cannot be read":        func(v *projections.Approval) { v.Subject.Lines[1] += "\u202e" },
		"hold an empty part":                    func(v *projections.Approval) { v.Subject.Ledger = "" },
		`not of "override: ` + id + "\"" + ". ": func(v *projections.Approval) { v.Subject.Lines = nil },
	} {
		lie = change
		out := bob.Sit("override", "confirm", id).WaitFor(strings.TrimSuffix(want, ". ")).Ends(1)
		require.NotContains(t, out, "Passphrase", want)
	}
	for i := range 3 {
		lie = func(v *projections.Approval) {
			last := len(v.Subject.Lines) - 1
			switch i {
			case 0:
				v.Subject.Lines[last] = `reason: "something harmless"`
			case 1:
				v.Subject.Lines = v.Subject.Lines[:last]
			case 2:
				v.Subject.Ledger = "ledger-00"
			}
		}
		bob.Sit("override", "confirm", id).WaitFor("Passphrase").Types(phrase + "\r").WaitFor("it may have changed since it was shown").Ends(1)
	}
	lie = func(v *projections.Approval) { v.Signed = false } // then nothing is signed, which is refused
	bob.Fails(1, []string{"has to be signed"}, "override", "confirm", id)
	require.Empty(t, w.confirmed())
}
