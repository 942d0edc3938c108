package serve

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"pets/internal/open"
	"pets/internal/owner"
)

// selfYears is the validity of a self-made certificate, in years.
const selfYears = 10

// serverTLS returns the TLS settings of the API; nil for plain HTTP.
func (a *app) serverTLS() (*tls.Config, error) {
	cert, key := a.Config.TLSCert, a.Config.TLSKey
	switch {
	case a.Config.TLSSelf:
		var err error
		if cert, key, err = a.selfSigned(filepath.Join(a.Config.ServerDir(), open.TLSName)); err != nil {
			return nil, fmt.Errorf("make a certificate: %w", err)
		}
	case cert == "":
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("load the certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// selfSigned creates a self-signed certificate, or returns the one it created before, which
// clients may have pinned. It prints the fingerprint at every start.
func (a *app) selfSigned(dir string) (certFile, keyFile string, err error) {
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if _, err := os.Lstat(certFile); errors.Is(err, fs.ErrNotExist) {
		if err := a.formerCertificate(dir, certFile, keyFile); err != nil {
			return "", "", err
		}
	}
	if _, err := os.Lstat(certFile); errors.Is(err, fs.ErrNotExist) {
		if err := makeCertificate(dir, certFile, keyFile, a.Config.Listen); err != nil {
			return "", "", err
		}
	}
	raw, err := readOwned(certFile)
	if err == nil {
		_, err = readOwned(keyFile) // checks that the key is a plain file
	}
	if err != nil {
		return "", "", err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return "", "", fmt.Errorf("%s holds no certificate", certFile)
	}
	_, _ = fmt.Fprintf(a.Out, "Certificate of our own: %s\nSHA-256 fingerprint:    %X\n", certFile, sha256.Sum256(block.Bytes))
	return certFile, keyFile, nil
}

func makeCertificate(dir, certFile, keyFile, listen string) error {
	if err := owner.MkdirAll(dir); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "pets"}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(selfYears, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	addHost(template, listen)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	rawKey, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	// Write the key first, so that a certificate on disk always has its key.
	if err := writeOwned(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: rawKey})); err != nil {
		return err
	}
	return writeOwned(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// writeOwned writes a file that gets the owner of its folder.
func writeOwned(path string, content []byte) error {
	root, err := owner.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(owner.Replace(root, filepath.Base(path), content), root.Close())
}

// readOwned reads a regular file.
func readOwned(path string) ([]byte, error) {
	root, err := owner.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	return owner.ReadFile(root, filepath.Base(path))
}

// formerCertificate copies the certificate from the store's folder, where earlier versions kept
// it, because clients may have pinned it.
func (a *app) formerCertificate(dir, certFile, keyFile string) error {
	store, err := a.Config.StoreDir()
	if err != nil || open.SameFolder(store, a.Config.ServerDir()) {
		return err
	}
	key, err1 := readOwned(filepath.Join(store, open.TLSName, filepath.Base(keyFile)))
	cert, err2 := readOwned(filepath.Join(store, open.TLSName, filepath.Base(certFile)))
	if err1 != nil || err2 != nil {
		return nil // there is none
	}
	if err := owner.MkdirAll(dir); err != nil {
		return err
	}
	return errors.Join(writeOwned(keyFile, key), writeOwned(certFile, cert))
}

// addHost adds the names that clients on other machines use.
func addHost(c *x509.Certificate, listen string) {
	host, _, err := net.SplitHostPort(listen)
	if err != nil || host == "" {
		return
	}
	if ip := net.ParseIP(host); ip == nil {
		c.DNSNames = append(c.DNSNames, host)
	} else if !ip.IsUnspecified() && !ip.IsLoopback() {
		c.IPAddresses = append(c.IPAddresses, ip)
	}
	if name, err := os.Hostname(); err == nil {
		c.DNSNames = append(c.DNSNames, name)
	}
}
