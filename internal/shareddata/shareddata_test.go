package shareddata

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFindLooksBesideAndAboveTheWorkingDirectory(t *testing.T) {
	root := t.TempDir()
	data := filepath.Join(root, "shared", "data")
	work := filepath.Join(root, "repo", "internal", "deep")
	for _, dir := range []string{data, work} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	if dir, ok := find("", work); ok && dir == data {
		t.Fatalf("found %s without the landmark in it", dir)
	}
	if err := os.WriteFile(filepath.Join(data, landmark), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, start := range []string{root, filepath.Join(root, "repo"), work} {
		if dir, ok := find("", start); !ok || dir != data {
			t.Errorf("from %s: %q, %v; want %s", start, dir, ok, data)
		}
	}
}

func TestFindTakesANamedFolderOnly(t *testing.T) {
	empty := t.TempDir()
	if _, ok := find(empty, "."); ok {
		t.Error("a named folder without the landmark must not be taken, nor another one instead")
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, landmark), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if dir, ok := find(full, empty); !ok || dir != full {
		t.Errorf("%q, %v; want the named folder", dir, ok)
	}
}
