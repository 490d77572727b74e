package rdsdirect

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unackedTimeout is how long sent data may stay without acknowledgement. After a
// failover or behind a NAT that forgot the connection nothing else would notice for
// a quarter of an hour: keep-alives are only sent while there is nothing to resend.
const unackedTimeout = 15 * time.Second

// controlSocket is for [net.Dialer.Control].
func controlSocket(network, _ string, socket syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	var failed error
	if err := socket.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unackedTimeout.Milliseconds()))
	}); err != nil {
		return err
	}
	return failed
}
