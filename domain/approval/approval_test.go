package approval_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/approval"
)

func key(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func public(t *testing.T, k ed25519.PrivateKey) approval.PublicKey {
	t.Helper()
	return approval.PublicKey(k.Public().(ed25519.PublicKey))
}

var subject = approval.Subject{Ledger: "9f86d081", Portfolio: "main", Kind: "transfer", Lines: []string{"pays: 100 USDC", "to: 0x00…01"}}

// "A signature is over the lines that the owner was shown": the bytes are fixed.
func TestText(t *testing.T) {
	text, err := subject.Text()
	require.NoError(t, err)
	require.Equal(t, "pets-approval-v1\n9f86d081\nmain\ntransfer\n2\npays: 100 USDC\nto: 0x00…01\n", string(text))
	signed, err := approval.Sign(subject, key(1))
	require.NoError(t, err)
	require.Equal(t, "pets-approver-iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w", signed.Key)
	require.NoError(t, approval.Verify(signed, subject, public(t, key(1))))
}

// "One approval mutated in every field and signed by every wrong key."
func TestNothingElseIsApproved(t *testing.T) {
	signed, err := approval.Sign(subject, key(1))
	require.NoError(t, err)
	others := map[string]approval.Subject{
		"ledger":         {Ledger: "9f86d082", Portfolio: subject.Portfolio, Kind: subject.Kind, Lines: subject.Lines},
		"portfolio":      {Ledger: subject.Ledger, Portfolio: "main2", Kind: subject.Kind, Lines: subject.Lines},
		"kind":           {Ledger: subject.Ledger, Portfolio: subject.Portfolio, Kind: "clear", Lines: subject.Lines},
		"a line":         {Ledger: subject.Ledger, Portfolio: subject.Portfolio, Kind: subject.Kind, Lines: []string{"pays: 900 USDC", "to: 0x00…01"}},
		"order of lines": {Ledger: subject.Ledger, Portfolio: subject.Portfolio, Kind: subject.Kind, Lines: []string{"to: 0x00…01", "pays: 100 USDC"}},
		"fewer lines":    {Ledger: subject.Ledger, Portfolio: subject.Portfolio, Kind: subject.Kind, Lines: subject.Lines[:1]},
		"lines joined":   {Ledger: subject.Ledger, Portfolio: subject.Portfolio, Kind: subject.Kind, Lines: []string{"pays: 100 USDC to: 0x00…01"}},
		"parts moved":    {Ledger: "9f86d081", Portfolio: "main", Kind: "transfer", Lines: []string{"pays: 100 USDC", "to: 0x00…01", "more"}},
	}
	for name, other := range others {
		require.Error(t, approval.Verify(signed, other, public(t, key(1))), name)
	}
	for seed := byte(2); seed < 10; seed++ {
		require.Error(t, approval.Verify(signed, subject, public(t, key(seed))))
		forged := signed
		forged.Key = public(t, key(seed)).String()
		require.Error(t, approval.Verify(forged, subject, public(t, key(seed))), "the name of another key")
	}
	raw, err := base64.StdEncoding.DecodeString(signed.Signature)
	require.NoError(t, err)
	for bit := range len(raw) * 8 {
		changed := bytes.Clone(raw)
		changed[bit/8] ^= 1 << (bit % 8)
		require.Error(t, approval.Verify(domain.ApprovalSignature{Key: signed.Key, Signature: base64.StdEncoding.EncodeToString(changed)}, subject, public(t, key(1))), "bit %d", bit)
	}
	for _, text := range []string{"", "=", strings.TrimRight(signed.Signature, "="), signed.Signature + "\n", " " + signed.Signature} {
		require.Error(t, approval.Verify(domain.ApprovalSignature{Key: signed.Key, Signature: text}, subject, public(t, key(1))), "%q", text)
	}
}

// "What is signed is what can be read": a part that hides something is refused.
func TestWhatCannotBeReadIsNotSigned(t *testing.T) {
	for name, line := range map[string]string{
		"empty": "", "line break": "a\nb", "carriage return": "a\rb", "escape": "a\x1b[2Kb", "right to left": "a\u202eb",
		"zero width": "a\u200bb", "not UTF-8": "a\xffb", "tab": "a\tb", "line separator": "a\u2028b", "soft hyphen": "a\u00adb",
	} {
		for i := range 4 {
			s := approval.Subject{Ledger: "l", Portfolio: "p", Kind: "k", Lines: []string{"x"}}
			*[]*string{&s.Ledger, &s.Portfolio, &s.Kind, &s.Lines[0]}[i] = line
			_, err := approval.Sign(s, key(1))
			require.Error(t, err, "%s in part %d", name, i)
		}
	}
	_, err := approval.Sign(approval.Subject{Ledger: "l", Portfolio: "p", Kind: "k"}, key(1))
	require.ErrorContains(t, err, "missing")
}

// A public key has one spelling, and one that anybody can sign for is refused.
func TestPublicKeys(t *testing.T) {
	k := public(t, key(1))
	parsed, err := approval.ParsePublicKey("public_key", k.String())
	require.NoError(t, err)
	require.Equal(t, k, parsed)
	require.Regexp(t, `^[0-9a-f]{4}(-[0-9a-f]{4}){3}$`, k.Fingerprint())
	text := k.String()
	for _, wrong := range []string{"", text[:len(text)-1], text + "A", text + "=", text + "\n", " " + text, strings.ToUpper(text), strings.TrimPrefix(text, "pets-approver-"), text[:len(text)-1] + "x", "pets_" + text} {
		_, err := approval.ParsePublicKey("public_key", wrong)
		require.ErrorContains(t, err, "public_key", "%q", wrong)
	}
	for _, point := range [][]byte{make([]byte, 32), append([]byte{1}, make([]byte, 31)...), append(make([]byte, 31), 0x80)} {
		_, err := approval.ParsePublicKey("public_key", approval.PublicKey(point).String())
		require.ErrorContains(t, err, "low order")
	}
}
