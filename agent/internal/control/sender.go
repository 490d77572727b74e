package control

import (
	"context"
	"fmt"
	"net"
	"syscall"
)

// A Sender is the process at the other end of a connection, as the kernel knows it
// (SO_PEERCRED of unix(7)). The zero value is one that is not known.
type Sender struct {
	PID, UID int
	known    bool
}

func (s Sender) String() string {
	if !s.known {
		return "unknown"
	}
	return fmt.Sprintf("uid %d, pid %d", s.UID, s.PID)
}

type senderKey struct{}

// SenderOf tells who sent the request of a handler's context.
func SenderOf(ctx context.Context) Sender {
	s, _ := ctx.Value(senderKey{}).(Sender)
	return s
}

func withSender(ctx context.Context, c net.Conn) context.Context {
	unix, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return ctx
	}
	var s Sender
	_ = raw.Control(func(fd uintptr) {
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			s = Sender{PID: int(cred.Pid), UID: int(cred.Uid), known: true}
		}
	})
	return context.WithValue(ctx, senderKey{}, s)
}
