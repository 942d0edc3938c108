package httpapi

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerOf asks the kernel whose process opened a connection.
func peerOf(c *net.UnixConn) (uid uint32, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var asked error
	err = raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); asked == nil {
			uid = cred.Uid
		}
	})
	if err == nil {
		err = asked
	}
	return uid, err
}
