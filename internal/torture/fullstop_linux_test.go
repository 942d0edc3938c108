package torture

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pets/internal/testenv"
)

// TestStopOnAFullDisk: "a stop still holds then", and is there after kill -9 and a restart:
// the room of the marker is reserved, down to the last byte of the disk.
func TestStopOnAFullDisk(t *testing.T) {
	for _, kind := range []string{"ext4", "xfs"} {
		t.Run(kind, func(t *testing.T) {
			size := int64(64 << 20)
			if kind == "xfs" {
				size = 320 << 20
			}
			d := newDisk(t, kind, size)
			testenv.Need(t, "go")
			binary := product(t)
			folder := filepath.Join(d.point, "store")
			s := startServer(t, binary, folder)
			require.Less(t, s.post("/v1/portfolios", `{"id":"main","mode":"paper"}`, nil), 300)
			require.NoError(t, os.WriteFile(filepath.Join(d.point, "sand"), nil, 0o600)) // a full XFS may have no room for an inode
			d.fill()
			fillToTheEnd(t, filepath.Join(d.point, "sand"))
			note := `{"wallet":"hot","amount":"1"}`
			for n := 0; s.post("/v1/portfolios/main/deposits", note, nil) != http.StatusServiceUnavailable; n++ {
				require.Less(t, n, 2_000_000)
			}
			var answer struct {
				Recorded bool  `json:"recorded"`
				Kept     *bool `json:"kept"`
			}
			status := s.post("/v1/portfolios/main/emergency-stop", `{"kind":"security_breach","reason":"a key leaked"}`, &answer)
			require.Equal(t, http.StatusAccepted, status)
			require.False(t, answer.Recorded)
			require.NotNil(t, answer.Kept)
			require.True(t, *answer.Kept)
			require.NoError(t, s.cmd.Process.Kill())
			_ = s.cmd.Wait()

			for _, name := range []string{"filler", "sand"} {
				require.NoError(t, os.Remove(filepath.Join(d.point, name)))
			}
			s = startServer(t, binary, folder)
			require.Eventually(t, func() bool {
				out, err := exec.Command(binary, "events", "--json", "--store", "embedded:"+folder, "-p", "main", "--type", "emergency_stop").Output()
				return err == nil && bytes.Contains(out, []byte("security_breach")) && bytes.Contains(out, []byte("system_error"))
			}, 20*time.Second, 200*time.Millisecond)
			require.NoError(t, s.cmd.Process.Kill())
			_ = s.cmd.Wait()
		})
	}
}

// fillToTheEnd takes what is left, byte by byte in the end.
func fillToTheEnd(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			require.ErrorIs(t, err, unix.ENOSPC)
			size /= 2
		}
	}
	require.NoError(t, f.Sync())
}

type served struct {
	t   *testing.T
	cmd *exec.Cmd
	url string
}

const torturedKey = "pets_T3stK9vQ2mXw7RzL4bNcY8hJ6fDsA1gPuE5oWiVkZq0"

// startServer starts pets serve on a folder and waits until it is ready.
func startServer(t *testing.T, binary, folder string) *served {
	t.Helper()
	s := &served{t: t}
	s.cmd = exec.Command(binary, "serve", "--store", "embedded:"+folder, "--listen", "127.0.0.1:0", "--metrics-listen", "off")
	s.cmd.Dir = t.TempDir()
	s.cmd.Env = append(os.Environ(), "PETS_ADMIN_KEY="+torturedKey, "PETS_DISK_RESERVE=0", "PETS_RATE_LIMIT=1000000", "PETS_RATE_BURST=1000000")
	out, err := s.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait() })
	ready := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var l struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "ready" {
				ready <- l.Address
			}
		}
	}()
	select {
	case s.url = <-ready:
	case <-time.After(30 * time.Second):
		t.Fatal("the server is not ready")
	}
	return s
}

func (s *served) post(path, body string, into any) int {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+torturedKey)
	req.Header.Set("Idempotency-Key", uuid.NewString())
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	if into != nil {
		require.NoError(s.t, json.Unmarshal(b, into), "%s", b)
	}
	if resp.StatusCode >= 400 && resp.StatusCode != http.StatusServiceUnavailable {
		s.t.Fatalf("%s: %d %s", path, resp.StatusCode, b)
	}
	return resp.StatusCode
}
