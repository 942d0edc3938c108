package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"pets/internal/bench"
)

//go:embed schema.sql
var schema string

// connections is how many connections the ledger has: one for each caller.
const connections = 64

// trading is one call in one transaction of its own.
const trading = "select trade($1, $2, $3, 'YES', 0.01, 0.5, $4)"

// postgres is a server on a folder of its own, which only its socket reaches.
type postgres struct {
	dir    string
	server *exec.Cmd
	pool   *pgxpool.Pool
}

// openPostgres starts PostgreSQL with the durability that the product has, and makes the ledger.
func openPostgres(ctx context.Context, dir string, portfolios, bots int) (bench.LedgerRun, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	p := &postgres{}
	if p.dir, err = os.MkdirTemp(dir, "pets-bench-postgres-"); err != nil {
		return nil, err
	}
	if err = p.start(ctx, bin, as); err == nil {
		err = p.fill(ctx, portfolios, bots)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// binaries returns the folder with initdb and postgres: the newest of Debian's, or that of PATH.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		version := func(path string) int {
			n, _ := strconv.Atoi(strings.Split(path, "/")[4]) // 0 if it is no number
			return n
		}
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", &bench.MissingError{Why: "PostgreSQL is not installed (Debian: apt-get install postgresql)"}
	}
	return filepath.Dir(path), nil
}

// unprivileged returns the user that runs the server: initdb refuses root. nil is this user.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil //nolint:nilnil // no other user
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, &bench.MissingError{Why: "PostgreSQL refuses to run as root, and there is no user postgres or nobody"}
}

// settings give PostgreSQL what it needs for its best: memory for everything, checkpoints far
// apart, and a commit that waits a little for others to share its flush. fsync and
// synchronous_commit stay on.
var settings = []string{
	"listen_addresses=", "max_connections=100", "shared_buffers=512MB", "fsync=on", "synchronous_commit=on", "full_page_writes=on",
	"wal_buffers=64MB", "max_wal_size=8GB", "checkpoint_timeout=30min", "commit_delay=100", "commit_siblings=5", "wal_compression=off",
	"autovacuum_naptime=10s", "jit=off",
}

// start makes the cluster and starts the server.
func (p *postgres) start(ctx context.Context, bin string, as *syscall.Credential) error {
	if as != nil {
		if err := os.Chown(p.dir, int(as.Uid), int(as.Gid)); err != nil {
			return err
		}
	}
	data := filepath.Join(p.dir, "data")
	run := func(name string, args ...string) *exec.Cmd {
		c := exec.CommandContext(ctx, filepath.Join(bin, name), args...) //nolint:gosec // an installed program
		c.Dir, c.Env = p.dir, []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: as}
		return c
	}
	out, err := run("initdb", "--pgdata", data, "--auth", "trust", "--username", "pets", "--no-sync", "--encoding", "UTF8").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	args := []string{"-D", data, "-k", p.dir}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	p.server = run("postgres", args...)
	p.server.Cancel = func() error { return p.server.Process.Signal(syscall.SIGINT) } // a fast end
	p.server.WaitDelay = 30 * time.Second
	log, err := os.Create(filepath.Join(p.dir, "log"))
	if err != nil {
		return err
	}
	p.server.Stdout, p.server.Stderr = log, log
	err = p.server.Start()
	if err = errors.Join(err, log.Close()); err != nil {
		return err
	}
	return p.connect(ctx)
}

// connect waits until the server answers.
func (p *postgres) connect(ctx context.Context) error {
	c, err := pgxpool.ParseConfig("host=" + p.dir + " user=pets dbname=postgres")
	if err != nil {
		return err
	}
	c.MaxConns, c.MinConns = connections, connections
	if p.pool, err = pgxpool.NewWithConfig(ctx, c); err != nil {
		return err
	}
	for range 300 {
		if err = p.pool.Ping(ctx); err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(p.dir, "log")) // the error says enough without it
	return fmt.Errorf("PostgreSQL does not answer: %w: %s", err, log)
}

// fill makes the schema, the portfolios and their bots.
func (p *postgres) fill(ctx context.Context, portfolios, bots int) error {
	for _, text := range []string{
		schema,
		fmt.Sprintf("insert into portfolio (id, cash) select n, 1000000000 from generate_series(0, %d) n", portfolios-1),
		fmt.Sprintf("insert into bot (portfolio, id, capital) select p, b, 10000000 from generate_series(0, %d) p, generate_series(0, %d) b", portfolios-1, bots-1),
		"analyze",
	} {
		if _, err := p.pool.Exec(ctx, text); err != nil {
			return fmt.Errorf("make the ledger in PostgreSQL: %w", err)
		}
	}
	return nil
}

// Trade implements bench.LedgerRun. The prepared statement is one round trip, and a transaction.
func (p *postgres) Trade(ctx context.Context, t bench.LedgerTrade) error {
	var permit int64
	return p.pool.QueryRow(ctx, trading, t.Portfolio, t.Bot, "m"+strconv.Itoa(t.Bot), t.TradeID).Scan(&permit)
}

// Trades implements bench.LedgerRun.
func (p *postgres) Trades(ctx context.Context) (n int, err error) {
	err = p.pool.QueryRow(ctx, "select count(*) from fill join permit on permit.id = fill.permit").Scan(&n)
	return n, err
}

// Handler implements bench.LedgerRun: a service in front of the database, as small as one can be.
func (p *postgres) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var t bench.LedgerTrade
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&t); err != nil {
			http.Error(w, "invalid trade", http.StatusBadRequest)
			return
		}
		if err := p.Trade(r.Context(), t); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"allowed":true}`)) // a client that is gone does not read it
	})
}

// Close implements bench.LedgerRun.
func (p *postgres) Close() error {
	if p.pool != nil {
		p.pool.Close()
	}
	var err error
	if p.server != nil && p.server.Process != nil {
		_ = p.server.Process.Signal(syscall.SIGINT) // it may have ended
		var ended *exec.ExitError
		if err = p.server.Wait(); errors.As(err, &ended) || errors.Is(err, context.Canceled) {
			err = nil
		}
	}
	return errors.Join(err, os.RemoveAll(p.dir))
}
