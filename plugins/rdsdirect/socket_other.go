//go:build !linux

package rdsdirect

import "syscall"

// controlSocket is for [net.Dialer.Control]. TCP_USER_TIMEOUT is Linux's own.
func controlSocket(string, string, syscall.RawConn) error { return nil }
