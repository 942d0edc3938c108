package torture

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
	"pets/internal/testenv"
)

const reader = "../../docs/examples/read_log.py"

// readLog runs the reader that was written in another language, from the
// description of the format alone.
func readLog(args ...string) (out, failure string, err error) {
	var stdout, stderr bytes.Buffer
	c := exec.Command("python3", append([]string{reader}, args...)...)
	c.Stdout, c.Stderr = &stdout, &stderr
	err = c.Run()
	return stdout.String(), stderr.String(), err
}

// foreign is a record as the reader prints it.
type foreign struct {
	Stream   any    `json:"stream"`
	Revision uint64 `json:"revision"`
	ID       string `json:"id"`
	Type     any    `json:"type"`
	Time     string `json:"time"`
	Metadata any    `json:"metadata"`
	Data     any    `json:"data"`
}

func asForeign(r eventstore.Record) foreign {
	return foreign{
		Stream: foreignText([]byte(r.Stream)), Revision: r.Revision, ID: r.ID.String(), Type: foreignText([]byte(r.Type)),
		Time: r.Time.Format("2006-01-02T15:04:05.000000000Z"), Metadata: foreignText(r.Metadata), Data: foreignText(r.Data),
	}
}

func foreignText(b []byte) any {
	if utf8.Valid(b) {
		return string(b)
	}
	return map[string]any{"base64": base64.StdEncoding.EncodeToString(b)}
}

// foreignStore writes a store of several segments, awkward records included.
func foreignStore(t *testing.T) (folder string, records []eventstore.Record) {
	t.Helper()
	folder = t.TempDir()
	s, err := embedded.Open(folder, embedded.Options{SegmentBytes: 6 << 10})
	require.NoError(t, err)
	for i := range 60 {
		name := fmt.Sprintf("portfolio-%d", i%3)
		storetest.Must(t, s, name, eventstore.Expected(i/3*4-1), storetest.Propose(name, i/3*4, 4))
	}
	awkward := storetest.Propose("awkward", 0, 4)
	awkward[0].Data, awkward[0].Metadata = nil, nil
	awkward[1].Data, awkward[1].Type, awkward[1].Time = []byte("\xff\xfe no UTF-8 \x00"), "caf\u00e9.v1", time.Unix(0, 0)
	awkward[2].Data, awkward[2].Metadata = make([]byte, 3000), []byte("\u2028 \"quoted\" \n")
	awkward[3].Type, awkward[3].Time = "\xc3", time.Unix(0, 1<<63-2)
	storetest.Must(t, s, "a \u00fc/\x01", eventstore.NoStream, awkward)
	records = storetest.All(t, s.ReadAll(t.Context(), eventstore.Position{}))
	require.NoError(t, s.Close())
	return folder, records
}

// TestForeignReader: the format is described "exact enough to write a reader in
// another language from it": one that was sees the same records.
func TestForeignReader(t *testing.T) {
	testenv.Need(t, "python3")
	folder, records := foreignStore(t)
	out, failure, err := readLog(folder)
	require.NoError(t, err, failure)
	requireSameRecords(t, records, out)
	out, failure, err = readLog("--verify", folder)
	require.NoError(t, err, failure)
	require.Contains(t, out, fmt.Sprintf("sound: %d records in 4 streams", len(records)))

	// Beside a writer it shows what is durable.
	acked := newLedger()
	w := start(t, filepath.Join(folder, "live"), acked)
	w.waitUntil(100)
	promised := acked.total()
	out, failure, err = readLog(filepath.Join(folder, "live"))
	require.NoError(t, err, failure)
	require.GreaterOrEqual(t, strings.Count(out, "\n"), promised)
}

func requireSameRecords(t *testing.T, want []eventstore.Record, out string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	require.Len(t, lines, len(want))
	for i, line := range lines {
		var got foreign
		require.NoError(t, json.Unmarshal([]byte(line), &got))
		require.Equal(t, asForeign(want[i]), got)
	}
}

// TestForeignReaderRefuses: it believes neither a flipped bit nor what stands
// behind the mark.
func TestForeignReaderRefuses(t *testing.T) {
	testenv.Need(t, "python3")
	folder, records := foreignStore(t)
	segments, err := filepath.Glob(filepath.Join(folder, "*.seg"))
	require.NoError(t, err)
	require.Greater(t, len(segments), 3)
	content, err := os.ReadFile(segments[1])
	require.NoError(t, err)
	used := len(bytes.TrimRight(content, "\x00"))
	for bit := 0; bit < 8*used; bit += 8*used/12 + 1 {
		b := bytes.Clone(content)
		b[bit/8] ^= 1 << (bit % 8)
		require.NoError(t, os.WriteFile(segments[1], b, 0o600))
		_, failure, err := readLog("--verify", folder)
		require.Error(t, err, "bit %d", bit)
		require.Contains(t, failure, filepath.Base(segments[1])+" is damaged at byte")
	}
	require.NoError(t, os.WriteFile(segments[1], content, 0o600))

	before, err := os.ReadFile(filepath.Join(folder, "durable"))
	require.NoError(t, err)
	s, err := embedded.Open(folder, embedded.Options{})
	require.NoError(t, err)
	storetest.Must(t, s, "late", eventstore.NoStream, storetest.Propose("late", 0, 1))
	require.NoError(t, s.Close())
	out, _, err := readLog(folder)
	require.NoError(t, err)
	require.Equal(t, len(records)+1, strings.Count(out, "\n"))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "durable"), before, 0o600))
	out, _, err = readLog(folder)
	require.NoError(t, err)
	requireSameRecords(t, records, out)
}
