package keys_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain/approval/approvaltest"
	"pets/internal/pets/petstest"
)

// robbed is a server whose admin key a thief has used: the thief's own keys are there, and the
// owner's is revoked.
type robbed struct {
	t       *testing.T
	store   string
	p       *petstest.Process
	s       *petstest.Shell
	admin   string // the new admin key
	stolen  string // the thief's
	running bool
}

func rob(t *testing.T) *robbed {
	t.Helper()
	r := &robbed{t: t, store: filepath.Join(t.TempDir(), "store"), s: &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context()}}
	r.start()
	r.p.OpenMain()
	r.stolen = petstest.SecretPattern.FindString(r.with(petstest.AdminKey, "apikey", "issue", "--user", "thief", "--role", "admin").Out)
	require.NotEmpty(t, r.stolen)
	require.Equal(t, 0, r.with(r.stolen, "approver", "add", "--user", "thief", approvaltest.Public("thief")).Code)
	require.Equal(t, 0, r.with(r.stolen, "apikey", "revoke", "k0").Code)
	require.NotEqual(t, 0, r.with(petstest.AdminKey, "apikey", "list").Code)
	return r
}

func (r *robbed) start(env ...string) {
	r.t.Helper()
	r.p, r.running = petstest.ServeFolder(r.t, r.store, env...), true
}

func (r *robbed) end() {
	r.t.Helper()
	require.NoError(r.t, r.p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(r.t, r.p.Cmd.Wait())
	r.running = false
}

// with runs a command with a key, or as the owner of the folder with none.
func (r *robbed) with(key string, args ...string) petstest.Ran {
	r.t.Helper()
	r.s.Env = nil
	if key != "" {
		r.s.Env = []string{"PETS_SERVER=" + r.p.URL, "PETS_KEY=" + key}
	}
	return r.s.Run(args...)
}

func (r *robbed) here() []string { return []string{"--store", "embedded:" + r.store} }

var consoleLine = regexp.MustCompile(`(?m)^(?:(owner|admin)\$ pets (.+)|<!-- run: (\w+) -->)$`)

// Every console block of the runbook is run, in order.
func TestStolenAdminKey(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/runbooks/stolen-admin-key.md")
	require.NoError(t, err)
	r := rob(t)
	ran := 0
	for _, line := range consoleLine.FindAllStringSubmatch(string(page), -1) {
		switch line[3] {
		case "end":
			r.end()
			continue
		case "start":
			r.start()
			continue
		}
		ran++
		var args []string
		for i, part := range strings.Split(strings.ReplaceAll(line[2], "DIR", r.store), `"`) {
			if i%2 == 1 {
				args = append(args, part)
			} else {
				args = append(args, strings.Fields(part)...)
			}
		}
		key := ""
		if line[1] == "admin" {
			key = r.admin
		}
		did := r.with(key, args...)
		require.Equal(t, 0, did.Code, "%s: %s", line[0], did.Err)
		if secret := petstest.SecretPattern.FindString(did.Out); secret != "" {
			r.admin = secret
		}
	}
	require.Equal(t, 8, ran)
	require.NotEqual(t, 0, r.with(r.stolen, "apikey", "list").Code, "the thief is out")
	list := r.with(r.admin, "apikey", "list").Out
	require.Regexp(t, `k1 +thief +admin .* revoked`, list)
	require.Contains(t, r.with(r.admin, "breakers", "-p", "main").Out, "EMERGENCY STOP  security_breach")
}

// "By the owner of the folder while no server runs, recorded as the local user", and by nobody
// while one runs: then everything goes through it, with a key.
func TestTheOwnerOfTheFolderIsAnAdmin(t *testing.T) {
	t.Parallel()
	r := rob(t)
	for _, args := range [][]string{{"apikey", "list"}, {"apikey", "issue", "--user", "alice", "--role", "admin"}, {"apikey", "revoke", "k1"}} {
		did := r.with("", append(args, r.here()...)...)
		require.NotEqual(t, 0, did.Code, "%v: %s", args, did.Out)
		require.Contains(t, did.Err, "PETS_KEY is needed", args)
	}
	r.end()
	require.NotEqual(t, 0, r.with("", append([]string{"apikey", "revoke", "k1"}, r.here()...)...).Code, "the last admin key")
	did := r.with("", append([]string{"apikey", "issue", "--user", "alice", "--role", "admin", "--days", "30"}, r.here()...)...)
	require.Equal(t, 0, did.Code, did.Err)
	require.Contains(t, did.Err, "acting on the folder "+r.store+", which no server holds")
	r.admin = petstest.SecretPattern.FindString(did.Out)
	require.NotEmpty(t, r.admin)
	did = r.with("", append([]string{"apikey", "revoke", "k1", "--reason", "stolen"}, r.here()...)...)
	require.Equal(t, 0, did.Code, did.Err)
	require.Contains(t, did.Out, "k1 is revoked")
	log, err := os.ReadFile(filepath.Join(r.store, "00000000000000000000.seg"))
	require.NoError(t, err)
	require.True(t, regexp.MustCompile(`"actor":"os:[^}]*"command":"revoke_api_key"|"command":"revoke_api_key"[^}]*"actor":"os:`).Match(log), "%s", regexp.MustCompile(`.{200}revoke_api_key.{100}`).FindAll(log, -1))

	// A folder that only the environment names is not changed in place of a server.
	r.s.Env = []string{"PETS_STORE=embedded:" + r.store}
	r.s.Fails(1, []string{"no server holds"}, "apikey", "list")

	r.start()
	require.Equal(t, 0, r.with(r.admin, "apikey", "list").Code)
	require.NotEqual(t, 0, r.with(r.stolen, "apikey", "list").Code)
}

// "A log line when PETS_ADMIN_KEY_FILE is set but ignored": a fresh key in the settings opens
// nothing while a thief's is accepted, and who set it is told so and where the way in is.
func TestAnAdminKeyThatIsIgnoredIsSaid(t *testing.T) {
	t.Parallel()
	r := rob(t)
	r.end()
	fresh := filepath.Join(t.TempDir(), "admin-key")
	require.NoError(t, os.WriteFile(fresh, []byte("vX9q2LmT7wRk4ZpB8nYc3HsD6fJg1Qe5\n"), 0o600))
	r.start("PETS_ADMIN_KEY=", "PETS_ADMIN_KEY_FILE="+fresh)
	said := r.p.Errs.String()
	require.Contains(t, said, "IGNORED")
	require.Contains(t, said, `"from":"PETS_ADMIN_KEY_FILE"`)
	require.Contains(t, said, "docs/runbooks/stolen-admin-key.md")
	require.NotContains(t, said, "vX9q2LmT7wRk4ZpB8nYc3HsD6fJg1Qe5")

	// The key that is accepted, left in the settings, is no fault.
	other := petstest.ServeFolder(t, filepath.Join(t.TempDir(), "store"))
	require.NotContains(t, other.Errs.String(), "IGNORED")
	require.NoError(t, other.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, other.Cmd.Wait())
}

// "Say it at revoke": the approver's key of a person who has no API key left is named.
func TestARevocationNamesTheApproversKeyThatIsLeft(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	p := petstest.ServeFolder(t, s.Store())
	s.Env = []string{"PETS_SERVER=" + p.URL, "PETS_KEY=" + petstest.AdminKey}
	for range 2 {
		s.Ok("apikey", "issue", "--user", "carl", "--role", "approver")
	}
	s.Ok("approver", "add", "--user", "carl", approvaltest.Public("carl"))
	require.NotContains(t, s.Ok("apikey", "revoke", "k1"), "approver")
	require.Contains(t, strings.Join(strings.Fields(s.Ok("apikey", "revoke", "k2")), " "), "carl has no API key left, and the approver's key a3 is not revoked")
	s.Ok("apikey", "issue", "--user", "carl", "--role", "approver")
	require.Contains(t, s.Ok("approver", "list"), "from ", "it waits for a day")
}
