// Package proof lets a server show a client that it is the server whose lock the
// client has read, before the client sends it a key.
//
// It owns the two headers and their content. A server creates a secret at its
// start and writes it into its lock, which only its owner and root can read. A
// client that found the server's address there sends a challenge, and trusts the
// answer only if it was made with that secret, for the address that the client is
// connected to: another process may listen there, in this network namespace or
// after that server has ended, and could forward the challenge. It refuses to be
// more than that: it is not a login, and says nothing about later connections.
package proof

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
)

// The headers of GET /livez, and of its answer.
const (
	Challenge = "Pets-Challenge"
	Answer    = "Pets-Proof"
)

// maxChallenge limits the length of an answered challenge, in bytes.
const maxChallenge = 128

// domain separates these answers from any other use of a secret.
const domain = "pets-proof-v1\n"

// New returns a secret, or a challenge: 32 random bytes in hex.
func New() string {
	b := make([]byte, sha256.Size)
	_, _ = rand.Read(b) // it never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}

// Give answers the challenge of a request, if it has one and there is a secret.
func Give(w http.ResponseWriter, r *http.Request, secret string) {
	at, known := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if c := r.Header.Get(Challenge); secret != "" && c != "" && len(c) <= maxChallenge && known {
		w.Header().Set(Answer, of(secret, c, at.String()))
	}
}

// Holds reports whether the answer to a challenge was made with the secret, by
// the server connected at an address such as 127.0.0.1:7433.
func Holds(secret, challenge, address, answer string) bool {
	return secret != "" && hmac.Equal([]byte(of(secret, challenge, address)), []byte(answer))
}

func of(secret, challenge, address string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(domain + challenge + "\n" + address))
	return hex.EncodeToString(mac.Sum(nil))
}
