package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

const domainDir = "../../domain"

// “go generate leaves a clean tree.”
func TestTheGeneratedFileIsUpToDate(t *testing.T) {
	want, err := generate(os.DirFS(domainDir))
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(domainDir, output))
	require.NoError(t, err)
	require.True(t, string(want) == string(got), "domain/%s is not what the structs give: run go generate ./domain", output)
}

// What is generated depends on nothing but the source: a second run changes nothing.
func TestRunWritesWhatItGenerates(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, sourceOnly(t)))
	for range 2 {
		require.NoError(t, run(dir))
		want, err := os.ReadFile(filepath.Join(domainDir, output))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(dir, output))
		require.NoError(t, err)
		require.True(t, string(want) == string(got))
	}
	require.Error(t, run(filepath.Join(dir, "nowhere")))
}

// sourceOnly is package domain without its tests and without the generated file.
func sourceOnly(t *testing.T) fstest.MapFS {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(domainDir, "*.go"))
	require.NoError(t, err)
	files := fstest.MapFS{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || filepath.Base(name) == output {
			continue
		}
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		files[filepath.Base(name)] = &fstest.MapFile{Data: text, Mode: 0o644}
	}
	return files
}

// “A new event stays one room: a struct, a row and go generate.” It is compiled and tried in
// a copy of package domain that the build overlays, with every form of field. Beside it is an
// old version of it.
func TestANewEventIsAStructAndARow(t *testing.T) {
	t.Parallel()
	files := sourceOnly(t)
	registry := string(files["registry.go"].Data)
	rows := "var registry = []row{\n\thidden[everything](everythingType),\n\tformerly(\"all.forms.v1\", upEverything),\n"
	changed := strings.Replace(registry, "var registry = []row{\n", rows, 1)
	require.NotEqual(t, registry, changed)
	files["registry.go"] = &fstest.MapFile{Data: []byte(changed)}
	for _, name := range []string{"everything.go", "everything_test.go"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		files[name] = &fstest.MapFile{Data: text}
	}
	generated, err := generate(files)
	require.NoError(t, err)
	files[output] = &fstest.MapFile{Data: generated}

	dir, overlay := t.TempDir(), map[string]map[string]string{"Replace": {}}
	for _, name := range []string{"registry.go", "everything.go", output, "everything_test.go"} {
		copied := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(copied, files[name].Data, 0o600))
		overlay["Replace"][abs(t, name)] = copied
	}
	list, err := json.Marshal(overlay)
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, list, 0o600))
	said, err := exec.CommandContext(t.Context(), "go", "test", "-overlay", file, "-count", "1", "-run", "^(TestEverything|TestEveryRowHasGeneratedCode)$", "pets/domain").CombinedOutput()
	require.NoError(t, err, "%s", said)

	// A struct that has changed since does not build: what is new in it would not be stored.
	more := strings.Replace(string(files["everything.go"].Data), "type everything struct {\n", "type everything struct {\n\tForgotten string\n", 1)
	require.NoError(t, os.WriteFile(overlay["Replace"][abs(t, "everything.go")], []byte(more), 0o600))
	said, err = exec.CommandContext(t.Context(), "go", "build", "-overlay", file, "pets/domain").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(said), "cannot convert everything{}")
}

func abs(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(domainDir, name))
	require.NoError(t, err)
	return path
}

// What the generator would not write exactly as encoding/json does, it refuses.
func TestRefuses(t *testing.T) {
	for want, body := range map[string]string{
		"no variable named registry":                           `var other = []row{}`,
		"a row of the registry is not a call":                  `var registry = []row{{}}`,
		"does not show its struct":                             `var registry = []row{hidden("a.v1")}`,
		"a row for E, which is no struct":                      `var registry = []row{hidden[E]("a.v1")}; type E int`,
		"two rows for E":                                       `var registry = []row{hidden[E]("a.v1"), hidden[E]("b.v1")}; type E struct{}`,
		"E.a is not exported":                                  `var registry = []row{hidden[E]("a.v1")}; type E struct{ a int }`,
		"E.A has the type float64":                             `var registry = []row{hidden[E]("a.v1")}; type E struct{ A float64 }`,
		"E.A has the type any":                                 `var registry = []row{hidden[E]("a.v1")}; type E struct{ A any }`,
		"E.A has the type byte":                                `var registry = []row{hidden[E]("a.v1")}; type E struct{ A []byte }`,
		"E.A has the type **int":                               `var registry = []row{hidden[E]("a.v1")}; type E struct{ A **int }`,
		"E.A has the type [2]int":                              `var registry = []row{hidden[E]("a.v1")}; type E struct{ A [2]int }`,
		"E.A has the type map[int]string":                      `var registry = []row{hidden[E]("a.v1")}; type E struct{ A map[int]string }`,
		"E.A has the type big.Int":                             `var registry = []row{hidden[E]("a.v1")}; type E struct{ A big.Int }`,
		"the type T with MarshalText":                          `var registry = []row{hidden[E]("a.v1")}; type E struct{ A T }; type T string; func (T) MarshalText() ([]byte, error) { return nil, nil }`,
		"E has MarshalJSON":                                    `var registry = []row{hidden[E]("a.v1")}; type E struct{ A int }; func (*E) MarshalJSON() ([]byte, error) { return nil, nil }`,
		"E has UnmarshalJSON":                                  `var registry = []row{hidden[E]("a.v1")}; type E struct{ D }; type D struct{}; func (*D) UnmarshalJSON([]byte) error { return nil }`,
		`the option "string"`:                                  "var registry = []row{hidden[E](\"a.v1\")}; type E struct{ A int `json:\"a,string\"` }",
		`the key "a b"`:                                        "var registry = []row{hidden[E](\"a.v1\")}; type E struct{ A int `json:\"a b\"` }",
		`two fields "A"`:                                       "var registry = []row{hidden[E](\"a.v1\")}; type E struct{ B int `json:\"a\"`; A int }",
		"embeds a pointer":                                     `var registry = []row{hidden[E]("a.v1")}; type E struct{ *D }; type D struct{}`,
		"T is embedded, and is no struct":                      `var registry = []row{hidden[E]("a.v1")}; type E struct{ T }; type T int`,
		"E holds itself":                                       `var registry = []row{hidden[E]("a.v1")}; type E struct{ A []E }`,
		"E.A is omitzero of a struct that == does not compare": "var registry = []row{hidden[E](\"a.v1\")}; type E struct{ A D `json:\",omitzero\"` }; type D struct{ B []int }",
		"Metadata is embedded, and is no struct":               `var registry = []row{}`,
		"expected":                                             `var registry = `,
	} {
		_, err := generate(fstest.MapFS{"domain.go": {Data: []byte("package domain\n" + strings.ReplaceAll(body, "; ", "\n"))}})
		require.ErrorContains(t, err, want)
	}
	_, err := readSource(unreadable{})
	require.ErrorIs(t, err, fs.ErrPermission)
}

// unreadable has a file that cannot be read.
type unreadable struct{}

func (unreadable) Open(string) (fs.File, error)          { return nil, fs.ErrPermission }
func (unreadable) ReadDir(string) ([]fs.DirEntry, error) { return nil, fs.ErrPermission }
func (unreadable) Glob(string) ([]string, error)         { return []string{"a.go"}, nil }
