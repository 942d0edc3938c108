// Package approval owns what an approver signs: the bytes, the keys and the
// signatures of signed approvals, and when a registered key counts.
//
// An approver's key is an Ed25519 key that its owner makes; the server and the
// admin see its public half only. A signature is over the lines that the owner was
// shown, so what was read is what was approved. The package refuses to know what the
// lines say, who may register a key, and where a private key is kept. Pure, like
// every package of the domain.
package approval

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"pets/domain"
)

// Format is the first line of every text that is signed. It keeps a signature from
// being used as one of another protocol or version.
const Format = "pets-approval-v1"

// keyPrefix begins the text of a public key.
const keyPrefix = "pets-approver-"

// Subject is what one signature approves.
type Subject struct {
	// Ledger is the id of the ledger, Portfolio that of the portfolio or "system".
	Ledger    string `json:"ledger"`
	Portfolio string `json:"portfolio"`
	// Kind says what is approved: transfer, clear, override, and so on.
	Kind string `json:"kind"`
	// Lines are what the approver is shown, without line breaks.
	Lines []string `json:"lines"`
}

// Text returns the bytes that are signed: Format, ledger, portfolio, kind, the
// number of lines and the lines, each ended by a line break. No two subjects have
// the same text. It refuses a part that is empty, holds control characters or
// invisible ones, or is not UTF-8: what is signed is what can be read.
func (s Subject) Text() ([]byte, error) {
	parts := append([]string{Format, s.Ledger, s.Portfolio, s.Kind, strconv.Itoa(len(s.Lines))}, s.Lines...)
	if len(s.Lines) == 0 {
		return nil, domain.Invalid("lines", "are missing")
	}
	var text bytes.Buffer
	for _, part := range parts {
		if part == "" || !legible(part) {
			return nil, domain.Invalid("lines", "hold an empty part, or characters that cannot be read: %q", part)
		}
		text.WriteString(part)
		text.WriteByte('\n')
	}
	return text.Bytes(), nil
}

// legible reports whether all of a text can be seen.
func legible(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return r != ' ' && !unicode.IsGraphic(r) }) < 0
}

// Sign signs a subject.
func Sign(s Subject, key ed25519.PrivateKey) (domain.ApprovalSignature, error) {
	text, err := s.Text()
	if err != nil {
		return domain.ApprovalSignature{}, err
	}
	public := PublicKey(key[ed25519.SeedSize:]) // as Public does
	return domain.ApprovalSignature{Key: public.String(), Signature: base64.StdEncoding.EncodeToString(ed25519.Sign(key, text))}, nil
}

// Verify refuses a signature that is not one over this subject by this key.
func Verify(g domain.ApprovalSignature, s Subject, key PublicKey) error {
	if g.Key != key.String() {
		return domain.Errorf(domain.CodeDenied, "the approval is signed with key %s, not with %s", Fingerprint(g.Key), key.Fingerprint())
	}
	text, err := s.Text()
	if err != nil {
		return err
	}
	signature, ok := decode(base64.StdEncoding, g.Signature)
	if !ok || len(signature) != ed25519.SignatureSize || !ed25519.Verify(ed25519.PublicKey(key), text, signature) {
		return domain.Errorf(domain.CodeDenied, "the signature is not one of key %s over what stands to be approved: it may have changed since it was shown; look at it again, and sign that", key.Fingerprint())
	}
	return nil
}

// decode reads the one spelling of some bytes; the library alone ignores line breaks
// and unused bits.
func decode(encoding *base64.Encoding, text string) ([]byte, bool) {
	raw, err := encoding.DecodeString(text)
	return raw, err == nil && encoding.EncodeToString(raw) == text
}

// PublicKey is the public half of an approver's key, 32 bytes.
type PublicKey ed25519.PublicKey

// ParsePublicKey reads the form of String: pets-approver- and 43 characters of
// URL-safe base64. It refuses every other spelling of the same key.
func ParsePublicKey(field, text string) (PublicKey, error) {
	raw, prefixed := strings.CutPrefix(text, keyPrefix)
	key, ok := decode(base64.RawURLEncoding, raw)
	if !prefixed || !ok || len(key) != ed25519.PublicKeySize {
		return nil, domain.Invalid(field, "must be a public key as pets apikey request prints it: %s and 43 characters", keyPrefix)
	}
	if weak(key) {
		return nil, domain.Invalid(field, "is a point of low order, with which anybody can sign; make a key with pets apikey request")
	}
	return key, nil
}

// weak reports whether a signature without the private half verifies with a key: the
// all-zero signature parts verify with points of low order for some texts.
func weak(key []byte) bool {
	y := bytes.Clone(key)
	y[31] &= 0x7f // the sign of x
	for _, low := range lowOrder {
		if hex.EncodeToString(y) == low {
			return true
		}
	}
	return false
}

// lowOrder lists the encodings of the y coordinates of all points of order 1, 2, 4
// and 8, canonical and not, without the sign of x.
var lowOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

// String returns the text that ParsePublicKey reads.
func (k PublicKey) String() string { return keyPrefix + base64.RawURLEncoding.EncodeToString(k) }

// Fingerprint returns a short name of the key, for people to compare.
func (k PublicKey) Fingerprint() string { return Fingerprint(k.String()) }

// Fingerprint returns the first 16 hex digits of the SHA-256 of a public key's text,
// in groups of four.
func Fingerprint(key string) string {
	sum := sha256.Sum256([]byte(key))
	digits := hex.EncodeToString(sum[:8])
	return digits[:4] + "-" + digits[4:8] + "-" + digits[8:12] + "-" + digits[12:]
}
