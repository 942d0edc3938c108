package serve

import "pets/internal/cli"

// SelfSigned makes the certificate of a server, or finds it.
func SelfSigned(c *cli.App, dir string) (certFile, keyFile string, err error) {
	return (&app{c}).selfSigned(dir)
}
