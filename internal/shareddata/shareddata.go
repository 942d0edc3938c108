// Package shareddata finds the folder of real trade data that tests compare
// with. The data is not part of the repository, so it is looked for beside it.
//
// It owns the search and the decision to skip; it reads no file and is for tests
// only.
package shareddata

import (
	"os"
	"path/filepath"
	"testing"
)

const (
	dirEnv     = "PETS_DATA"         // the folder itself
	requireEnv = "PETS_REQUIRE_DATA" // "1": fail instead of skipping, so that a gate cannot pass by accident

	// landmark is a file that tells the folder from others of its name.
	landmark = "polymarket-wallet.csv"
)

// Dir returns the folder: PETS_DATA, or shared/data in or beside the working
// directory or one of its parents. Without one it skips the test, or fails it
// when PETS_REQUIRE_DATA is 1.
func Dir(t testing.TB) string {
	t.Helper()
	if dir, ok := find(os.Getenv(dirEnv), workingDir(t)); ok {
		return dir
	}
	reason := "no folder shared/data with " + landmark + " in or beside a parent of this test; " + dirEnv + " can name one"
	if named := os.Getenv(dirEnv); named != "" {
		reason = dirEnv + " names " + named + ", which has no " + landmark
	}
	if os.Getenv(requireEnv) == "1" {
		t.Fatal(reason + ", and " + requireEnv + "=1")
	}
	t.Skip(reason)
	return ""
}

func workingDir(t testing.TB) string {
	t.Helper()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatalf("working directory: %v", err)
	}
	return wd
}

// find looks in the named folder, or where none is named, upwards from start.
func find(named, start string) (string, bool) {
	if named != "" {
		return named, holdsData(named)
	}
	for parent := start; ; parent = filepath.Dir(parent) {
		for _, dir := range []string{
			filepath.Join(parent, "..", "shared", "data"),
			filepath.Join(parent, "shared", "data"),
		} {
			if holdsData(dir) {
				return dir, true
			}
		}
		if parent == filepath.Dir(parent) {
			return "", false
		}
	}
}

func holdsData(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, landmark))
	return err == nil && info.Mode().IsRegular()
}
