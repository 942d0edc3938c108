package config

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"pets/domain"
	"pets/internal/loopback"
)

// minAdminKey is the smallest length of a key that was generated elsewhere: 32
// characters of base64 are 192 bits.
const (
	minAdminKey = 32
	maxAdminKey = 256
)

// maxBytes limits budgets and reserves: 1 TiB.
const maxBytes = 1 << 40

// ValidateServer checks the variables of pets serve and its clients.
func (c Config) ValidateServer() error {
	if err := checkListen("PETS_LISTEN", c.Listen); err != nil {
		return err
	}
	if c.MetricsListen != "off" {
		if err := checkListen("PETS_METRICS_LISTEN", c.MetricsListen); err != nil {
			return err
		}
	}
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return domain.Invalid("PETS_TLS_CERT", "and PETS_TLS_KEY must be set together")
	case c.TLSSelf && c.TLSCert != "":
		return domain.Invalid("PETS_TLS_SELF", "and PETS_TLS_CERT cannot both be set")
	case c.RateLimit < 0 || c.RateLimit > 1_000_000:
		return domain.Invalid("PETS_RATE_LIMIT", "must be %s", lookup("RateLimit").rule)
	case c.RateBurst < 1 || c.RateBurst > 1_000_000:
		return domain.Invalid("PETS_RATE_BURST", "must be %s", lookup("RateBurst").rule)
	case c.BytesPerDay < 0 || c.BytesPerDay > maxBytes:
		return domain.Invalid("PETS_BYTES_PER_DAY", "must be %s", lookup("BytesPerDay").rule)
	case c.DiskReserve < 0 || c.DiskReserve > maxBytes:
		return domain.Invalid("PETS_DISK_RESERVE", "must be %s", lookup("DiskReserve").rule)
	case len(c.Key.Reveal()) > 256 || strings.ContainsFunc(c.Key.Reveal(), unprintable):
		return domain.Invalid("PETS_KEY", "must be an API key, such as pets_ and 43 letters")
	case c.AdminKey.Reveal() != "" && !goodAdminKey(c.AdminKey.Reveal()):
		return domain.Invalid("PETS_ADMIN_KEY", "must be %s", lookup("AdminKey").rule)
	case c.AdminKey.Reveal() != "" && c.AdminKeyFile != "":
		return domain.Invalid("PETS_ADMIN_KEY_FILE", "and PETS_ADMIN_KEY cannot both be set")
	case strings.ContainsFunc(c.AdminKeyFile, control):
		return domain.Invalid("PETS_ADMIN_KEY_FILE", "must be %s", lookup("AdminKeyFile").rule)
	}
	for _, host := range c.HostNames() {
		if !hostName.MatchString(host) {
			return domain.Invalid("PETS_ALLOWED_HOSTS", "must be %s", lookup("Hosts").rule)
		}
	}
	if why := checkCA(c.CAFile); why != "" {
		return domain.Invalid("PETS_CA", "must be a PEM file that can be read: %s. It is needed only for https:// and a server that made its own certificate; set it to a copy of tls/cert.pem in the PETS_DIR of its machine, or leave it empty", why)
	}
	return CheckServer("PETS_SERVER", c.Server)
}

var hostName = regexp.MustCompile(`^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})$`)

// HostNames lists the names of PETS_ALLOWED_HOSTS.
func (c Config) HostNames() []string {
	if c.Hosts == "" {
		return nil
	}
	var all []string
	for name := range strings.SplitSeq(c.Hosts, ",") {
		all = append(all, strings.TrimSpace(name))
	}
	return all
}

// checkCA returns what is wrong with a file of certificates, or "". It does not
// open a pipe, because that would block until a writer opens it.
func checkCA(path string) string {
	if path == "" {
		return ""
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case err == nil && !info.Mode().IsRegular():
		return "it is not a plain file"
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "it cannot be read"
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return "it holds no PEM certificate"
	}
	return ""
}

func goodAdminKey(k string) bool {
	return len(k) >= minAdminKey && len(k) <= maxAdminKey && !strings.ContainsFunc(k, unprintable)
}

func unprintable(r rune) bool { return r <= ' ' || r > '~' }

func checkListen(name, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return domain.Invalid(name, "must be host:port, such as 127.0.0.1:7433")
	}
	return nil
}

// CheckServer checks the address of a server, given by the named variable or
// flag. It does not repeat the address, which may hold a password.
func CheckServer(name, address string) error {
	if address == "" {
		return nil // none is named
	}
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || (u.Path != "" && u.Path != "/") {
		return domain.Invalid(name, "must be http://host:port or https://host:port")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return domain.Invalid(name, "must be http://host:port or https://host:port, with a port from 1 to 65535")
		}
	}
	return nil
}

// IsLoopback reports whether a listen address can be reached from this machine
// only.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && loopback.Host(host)
}

// ServerDir returns the folder for what a server keeps beside events: PETS_DIR,
// or the folder of an embedded store, or ./pets-data.
func (c Config) ServerDir() string {
	if c.Dir != "" {
		return filepath.Clean(c.Dir)
	}
	if dir, err := c.StoreDir(); err == nil {
		return filepath.Clean(dir)
	}
	return "pets-data"
}
