package serve_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/open"
	"pets/internal/pets"
)

// "A witness folder (and PETS_DIR, and any file in them) owned by neither the server's user
// nor the owner of the store's folder, or reached by a link that one of those did not make, is
// refused with a clear message; a folder writable by group/others likewise. But a stop must
// not fail because of it: it goes on without the witness and says so."
func TestAFolderOfSomebodyElseIsNotTaken(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root makes the folders of others")
	}
	const nobody = 65534
	d := newTraded(t)
	d.stop()
	witness := d.folder + "-witness"
	stops := func(words string) {
		t.Helper()
		var out, errs bytes.Buffer
		a := &cli.App{Place: open.Place{Err: &errs}, Out: &out, Environ: []string{"PETS_STORE=embedded:" + d.folder}, Dir: t.TempDir()}
		require.Equal(t, 0, pets.Run(t.Context(), a, []string{"stop", "--emergency", "--reason", "smoke"}), errs.String())
		require.Contains(t, errs.String(), words)
		require.Contains(t, errs.String(), "The stop goes on")
	}
	away := witness + "-away"
	for name, c := range map[string]struct {
		with  func() error
		words string
		mend  func() error
	}{
		"made by somebody else": {
			func() error { return os.Chown(witness, nobody, nobody) }, "user 65534 owns it",
			func() error { return os.Chown(witness, 0, 0) },
		},
		"with a lock of somebody else": {
			func() error { return os.Chown(filepath.Join(witness, "LOCK"), nobody, nobody) }, "user 65534 owns it",
			func() error { return os.Chown(filepath.Join(witness, "LOCK"), 0, 0) },
		},
		"open to others": {
			func() error { return os.Chmod(witness, 0o777) }, "chmod go-w",
			func() error { return os.Chmod(witness, 0o700) },
		},
		"by a link of somebody else": {
			func() error {
				require.NoError(t, os.Rename(witness, away))
				require.NoError(t, os.Symlink(away, witness))
				return os.Lchown(witness, nobody, nobody)
			}, "a link made by user 65534",
			func() error { require.NoError(t, os.Remove(witness)); return os.Rename(away, witness) },
		},
		"PETS_DIR open to others": {
			func() error { return os.Chmod(d.folder, 0o770) }, "chmod go-w",
			func() error { return os.Chmod(d.folder, 0o700) },
		},
	} {
		require.NoError(t, c.with(), name)
		d.refuses(c.words)
		stops(c.words)
		require.NoError(t, c.mend(), name)
	}
	d.start() // with correct owners again
}

// The attack: the folder of the witness is created before the server starts, with a stop in it that
// no one requested.
func TestAWitnessMadeBeforehand(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root makes the folders of others")
	}
	const nobody = 65534
	d := &traded{t: t, folder: filepath.Join(t.TempDir(), "store")}
	witness := d.folder + "-witness"
	require.NoError(t, os.Mkdir(witness, 0o755))
	marker := filepath.Join(witness, open.LatchName)
	require.NoError(t, commands.NewLatchFile(marker).Write([]commands.PendingStop{{
		Portfolio: "*", Caller: domain.Caller{User: "olga", Role: domain.RoleOperator}, Key: "k", Kind: domain.StopSecurityBreach, Reason: "forged",
	}}))
	require.NoError(t, os.Chown(witness, nobody, nobody))
	require.NoError(t, os.Chown(marker, nobody, nobody))
	d.refuses(witness+" is not used", "user 65534 owns it")
	files, err := os.ReadDir(witness)
	require.NoError(t, err)
	require.Len(t, files, 1, "nothing was made in it")
}
