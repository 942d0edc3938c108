package httpapi

import "net"

// sendBuffer limits what the system may buffer of an answer. By default it would
// buffer a whole page for every reader that does not read, outside of all limits
// here.
const sendBuffer = 256 << 10

// buffered is a listener whose connections have a send buffer of that size.
type buffered struct{ net.Listener }

// Accept implements net.Listener.
func (b buffered) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // where the system ignores the size, a slow reader is only detected later
	}
	return c, err
}
