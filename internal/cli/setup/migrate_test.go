package setup_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/esdbtest"
	"pets/internal/open"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
	"pets/replay"
)

// moved is the part of the answer of pets migrate --json that tests read.
type moved struct {
	There, Copied, Records, Behind int
	Written                        bool
	Streams                        []struct {
		Stream   string
		Records  int
		TreeHead string `json:"tree_head"`
	}
	Portfolios []struct {
		Portfolio string
		StateHash string `json:"state_hash"`
	}
	Tail *struct{ Records int }
}

func migrated(s *petstest.Shell, args ...string) (v moved) {
	s.T.Helper()
	ran := s.Run(append([]string{"migrate", "--json"}, args...)...)
	require.Equal(s.T, 0, ran.Code, ran.Err)
	petstest.ReadJSON(s.T, ran.Out, &v)
	return v
}

// A store moves to EventStoreDB and back into a folder: the same records, tree heads and states,
// as pets verify computes them. Another run has nothing to copy.
func TestMigrateThereAndBack(t *testing.T) {
	s := petstest.Small(t)
	database := esdbtest.Start(t, esdbtest.Options{}).URL()
	back := filepath.Join(s.Dir, "back")
	there := migrated(s, "--from", "embedded:"+s.Store(), "--to", database)
	require.Positive(t, there.Copied)
	require.Equal(t, there.Copied, there.Records)
	require.Len(t, there.Portfolios, 1)
	home := migrated(s, "--from", database, "--to", "embedded:"+back)
	require.Equal(t, there.Streams, home.Streams)
	require.Equal(t, there.Portfolios, home.Portfolios)
	for _, dir := range []string{s.Store(), back} {
		store, err := open.ReadFolder(dir)
		require.NoError(t, err)
		found, err := replay.Verify(t.Context(), store, commands.Stream("main"), nil)
		require.NoError(t, err)
		require.Empty(t, found.Problems)
		require.Equal(t, found.StateHash, there.Portfolios[0].StateHash)
		require.NoError(t, store.Close())
	}
	s.SetEnv("PETS_STORE", database)
	again := migrated(s, "--from", "embedded:"+back, "--to", "PETS_STORE")
	require.Zero(t, again.Copied)
	require.Equal(t, again.There, again.Records)
	require.Zero(t, again.Behind)
	require.Equal(t, there.Streams, again.Streams)

	ran := s.Run("migrate", "--from", database, "--to", "embedded:"+filepath.Join(s.Dir, "third"))
	require.Equal(t, 0, ran.Code, ran.Err)
	said := strings.Join(strings.Fields(ran.Out), " ")
	require.Contains(t, said, "stream portfolio-main: 20 records, tree head "+there.Streams[0].TreeHead)
	require.Contains(t, said, "portfolio main: state hash "+there.Portfolios[0].StateHash)
	require.Contains(t, ran.Out, "from       esdb://…")
}

// What is refused is refused before anything is written, and no message repeats a password.
func TestMigrateRefuses(t *testing.T) {
	s := petstest.Small(t)
	server := esdbtest.Start(t, esdbtest.Options{})
	database, missing := server.URL(), "embedded:"+filepath.Join(s.Dir, "missing")
	from, to := "embedded:"+s.Store(), "embedded:"+filepath.Join(s.Dir, "target")
	copied := filepath.Join(s.Dir, "copied")
	require.NoError(t, os.CopyFS(copied, os.DirFS(s.Store())))
	const secret = "esdb://admin:s3cret@127.0.0.1:1?tls=false"
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{2, "--to is needed", []string{"--from", from}},
		{2, "--from is needed", []string{"--to", to}},
		{2, "are the same store", []string{"--from", from, "--to", from + "/."}},
		{2, "have the same identity", []string{"--from", from, "--to", "embedded:" + copied}},
		{1, "there is no store at", []string{"--from", missing, "--to", to}},
		{1, "there is no store of pets in this database", []string{"--from", database, "--to", to}},
		{2, "must be embedded:DIR", []string{"--from", from, "--to", s.Store()}},
		{2, "credentials need TLS", []string{"--from", from, "--to", secret}},
		{2, "credentials need TLS", []string{"--from=" + secret, "--to", to}},
		{2, "takes no argument", []string{"--from", from, "--to", to, secret}},
		{2, "who writes to a database cannot be known", []string{"--from", database, "--to", to, "--follow"}},
		{2, "do not go with it", []string{"--from", from, "--to", to, "--store", from}},
		{2, "do not go with it", []string{"--from", from, "--to", to, "-p", "main"}},
		{2, "works on this machine", []string{"--from", from, "--to", to, "--server", "http://127.0.0.1:1"}},
	} {
		ran := s.Run(append([]string{"migrate"}, c.args...)...)
		require.Equal(t, c.code, ran.Code, "%v: %s", c.args, ran.Err)
		require.Contains(t, strings.Join(strings.Fields(ran.Err), " "), c.says)
		require.NotContains(t, ran.Err+ran.Out, "s3cret")
		require.NoDirExists(t, filepath.Join(s.Dir, "missing"))
		require.NoDirExists(t, filepath.Join(s.Dir, "target"))
	}
	require.Empty(t, server.Cluster().Events("pets-store"))

	migrated(s, "--from", from, "--to", database)
	require.NoError(t, os.RemoveAll(copied))
	other := petstest.Small(t) // the same rows, and other ids
	ran := other.Run("migrate", "--from", "embedded:"+other.Store(), "--to", database)
	require.Equal(t, 1, ran.Code)
	require.Contains(t, strings.Join(strings.Fields(ran.Err), " "), "the target is no copy of the source: stream portfolio-main, revision 0: its id is another one")
}

// A server holds the source: what it has recorded is copied beside it, and the rest later. A
// folder that a server holds is no target.
func TestMigrateBesideAServer(t *testing.T) {
	s := petstest.New(t)
	server := petstest.ServeFolder(t, s.Store())
	post := func(path string, body any) {
		t.Helper()
		require.NoError(t, server.Client(petstest.AdminKey).Send(t.Context(), http.MethodPost, path, uuid.NewString(), body, nil))
	}
	deposit := func() {
		t.Helper()
		post("/v1/portfolios/main/deposits", commands.RecordDeposit{Wallet: domain.WalletHot, Amount: domain.MustDecimal("1")})
	}
	post("/v1/portfolios", map[string]any{"id": "main", "mode": domain.ModePaper})
	deposit()
	from, database := "embedded:"+s.Store(), esdbtest.Start(t, esdbtest.Options{}).URL()
	first := migrated(s, "--from", from, "--to", database)
	require.True(t, first.Written)
	deposit()
	second := migrated(s, "--from", from, "--to", database)
	require.Equal(t, first.Records, second.There)
	require.Positive(t, second.Copied)

	other := petstest.Small(t)
	ran := other.Run("migrate", "--from", "embedded:"+other.Store(), "--to", from)
	require.Equal(t, 1, ran.Code)
	require.Contains(t, strings.Join(strings.Fields(ran.Err), " "), "Nothing is copied into a store in use")

	// With --follow, the end of the server ends the copy, too.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var out, errs clitest.Buffer
	code := make(chan int, 1)
	go func() {
		a := &cli.App{Place: open.Place{Err: &errs}, Out: &out, Dir: s.Dir}
		code <- pets.Run(ctx, a, []string{"migrate", "--json", "--follow", "--from", from, "--to", database})
	}()
	require.Eventually(t, func() bool { return strings.Contains(errs.String(), "Stop the server") }, 4*time.Minute, 5*time.Millisecond)
	deposit()
	deposit()
	require.NoError(t, server.Cmd.Process.Signal(syscall.SIGTERM))
	_, _ = server.Cmd.Process.Wait()
	require.Equal(t, 0, <-code, errs.String())
	var last moved
	petstest.ReadJSON(t, out.String(), &last)
	require.NotNil(t, last.Tail)
	require.Equal(t, second.Records+last.Copied, last.Records)
	require.False(t, last.Written)
	require.Zero(t, last.Behind)
	require.Zero(t, migrated(s, "--from", from, "--to", database).Copied)
	require.Equal(t, last.Portfolios, migrated(s, "--from", database, "--to", "embedded:"+filepath.Join(s.Dir, "back")).Portfolios)
}

// A stop that was answered and is in no stream yet must not be lost by a move: the records are
// copied, and the command fails and says what to do.
func TestMigrateTellsOfUnrecordedStops(t *testing.T) {
	s := petstest.Small(t)
	marker := commands.NewLatchFile(filepath.Join(s.Store(), open.LatchName))
	require.NoError(t, marker.Write([]commands.PendingStop{{Key: uuid.NewString(), Portfolio: "main", Kind: "manual", Caller: domain.Caller{User: "olga", Role: domain.RoleOperator}, Reason: "test", At: time.Now()}}))
	to := "embedded:" + filepath.Join(s.Dir, "target")
	for _, settings := range []string{"embedded:" + s.Store(), "embedded:" + filepath.Join(s.Dir, "elsewhere")} {
		s.SetEnv("PETS_STORE", settings)
		ran := s.Run("migrate", "--from", "embedded:"+s.Store(), "--to", to)
		require.Equal(t, 1, ran.Code)
		require.Contains(t, ran.Out, "verified   20 records")
		require.NotContains(t, ran.Out, "Start the server on the target")
		require.Contains(t, strings.Join(strings.Fields(ran.Err), " "), "1 stop is held by emergency-stop.json beside the source")
	}
}

// So does the marker in the PETS_DIR of the server that held the folder last, which is not that of
// these settings.
func TestMigrateLooksWhereTheServerKeptItsStops(t *testing.T) {
	s := petstest.Small(t)
	dir := filepath.Join(s.Dir, "run")
	p := petstest.ServeFolder(t, s.Store(), "PETS_DIR="+dir)
	require.NoError(t, p.Cmd.Process.Signal(syscall.SIGTERM))
	_, err := p.Cmd.Process.Wait()
	require.NoError(t, err)
	marker := commands.NewLatchFile(filepath.Join(dir, open.LatchName))
	require.NoError(t, marker.Write([]commands.PendingStop{{Key: uuid.NewString(), Portfolio: "main", Kind: "manual", Caller: domain.Caller{User: "olga", Role: domain.RoleOperator}, Reason: "test", At: time.Now()}}))
	s.SetEnv("PETS_STORE", "embedded:"+filepath.Join(s.Dir, "elsewhere"))
	ran := s.Run("migrate", "--from", "embedded:"+s.Store(), "--to", "embedded:"+filepath.Join(s.Dir, "target"))
	require.Equal(t, 1, ran.Code)
	require.Contains(t, strings.Join(strings.Fields(ran.Err), " "), "1 stop is held by emergency-stop.json beside the source")
}

// A process that is killed while it waits for the answer of an append, written or not, leaves
// what the next one goes on with.
func TestMigrateKilled(t *testing.T) {
	for _, kind := range []esdbtest.Kind{esdbtest.Hang, esdbtest.HangAfterWrite} {
		s := petstest.Small(t)
		server := esdbtest.Start(t, esdbtest.Options{})
		args := []string{"migrate", "--from", "embedded:" + s.Store(), "--to", server.URL()}
		hangs := server.Inject(esdbtest.Fault{Kind: kind, Stream: "portfolio-main"})
		killed := s.Process(args...)
		require.NoError(t, killed.Start())
		<-hangs.Hit()
		require.NoError(t, killed.Process.Kill())
		_ = killed.Wait() // it was killed
		hangs.Release()
		whole := migrated(s, args[1:]...)
		require.Zero(t, whole.Behind)
		require.Equal(t, whole.There+whole.Copied, whole.Records)
		require.Equal(t, whole.Records, len(server.Cluster().Events("portfolio-main")))
	}
}
