package esdbtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// certificates makes an authority, and a certificate of it for this machine.
func certificates(wanted bool) (authority []byte, config *tls.Config, err error) {
	if !wanted {
		return nil, nil, nil
	}
	template := func(name string, serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
			BasicConstraintsValid: true,
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	ca := template("esdbtest authority", 1)
	ca.IsCA, ca.KeyUsage = true, x509.KeyUsageCertSign
	caBytes, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate authority of the test server: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	own := template("eventstoredb-node", 2)
	own.KeyUsage, own.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	own.DNSNames, own.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	ownBytes, err := x509.CreateCertificate(rand.Reader, own, ca, key.Public(), caKey)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate of the test server: %w", err)
	}
	authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caBytes})
	return authority, &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{ownBytes}, PrivateKey: key}},
	}, nil
}

// authorize checks the credentials of a call: a wrong one is no user, and none is a user who may
// do nothing.
func (n *node) authorize(ctx context.Context) error {
	o := n.cluster.options
	if o.User == "" {
		return nil
	}
	md, _ := metadata.FromIncomingContext(ctx)
	given := md.Get("authorization")
	if len(given) == 0 {
		return errAccessDenied(ctx)
	}
	coded, isBasic := strings.CutPrefix(given[0], "Basic ")
	plain, err := base64.StdEncoding.DecodeString(coded)
	if !isBasic || err != nil || string(plain) != o.User+":"+o.Password {
		return fail(ctx, codes.Unauthenticated, "Bad gRPC response. HTTP status code: 401")
	}
	return nil
}
