package serve

import "pets/internal/cli"

// SelfSigned creates the certificate of a server, or returns an existing one.
func SelfSigned(c *cli.App, dir string) (certFile, keyFile string, err error) {
	return (&app{c}).selfSigned(dir)
}
