package replay_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain/approval"
	"pets/domain/approval/approvaltest"
	"pets/internal/testenv"
)

// "An auditor who trusts no program of ours needs the event, what stood to be approved, and
// OpenSSL 3": the commands of the page verify a signature, and no other.
func TestAnApprovalCheckedByHand(t *testing.T) {
	testenv.Need(t, "bash", "openssl", "xxd", "base64")
	b, err := os.ReadFile("../docs/custody.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(b), "## 11. An approval checked by hand")
	require.True(t, found)
	_, rest, _ = strings.Cut(rest, "```sh\n")
	script, _, found := strings.Cut(rest, "```")
	require.True(t, found)
	require.Contains(t, script, "KEY="+approvaltest.Public("bob")+"\n", "the page has the test's key")
	subject := approval.Subject{Ledger: "ledger-841ca4a42731b586bcd9ba200f32733c", Portfolio: "main", Kind: approval.KindClear, Lines: []string{
		"clear: c7", "stop: manual", `reason of the stop: "smoke"`, "stopped since: 2026-03-01T09:00:00Z", `requested by: "olga"`,
		"requested: 2026-03-01T09:05:00Z", "expires: 2026-03-02T09:05:00Z",
	}}
	run := func(s approval.Subject, user string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "bash", "-euc", strings.Replace(script, "SIGNATURE=…", "SIGNATURE='"+approvaltest.Sign(t, s, user).Signature+"'", 1))
		cmd.Dir = t.TempDir()
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := run(subject, "bob")
	require.NoError(t, err, out)
	require.Contains(t, out, "Signature Verified Successfully")
	_, err = run(subject, "carl")
	require.Error(t, err)
	subject.Lines[0] = "clear: c8"
	_, err = run(subject, "bob")
	require.Error(t, err)
}
