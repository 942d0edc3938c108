package httpapi

import "net"

// sendBuffer is what the system may keep of an answer on its way. By itself it would grow
// to a whole page for every reader that does not read, out of sight of every bound here.
const sendBuffer = 256 << 10

// buffered is a listener whose connections have a send buffer of that size.
type buffered struct{ net.Listener }

// Accept implements net.Listener.
func (b buffered) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // a system that keeps its own is slower to notice, nothing else
	}
	return c, err
}
