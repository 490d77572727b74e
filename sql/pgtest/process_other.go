//go:build unix && !linux

package pgtest

import "syscall"

// processAttributes keep a Ctrl-C at the terminal from reaching the server before
// us. Without Linux's parent death signal, a test that is killed leaves it behind.
func (a account) processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: a.credential, Setpgid: true}
}
