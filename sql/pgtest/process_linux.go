package pgtest

import "syscall"

// processAttributes make the server end with us, whatever ends us, and keep a
// Ctrl-C at the terminal from reaching it first. SIGQUIT is PostgreSQL's
// immediate shutdown.
func (a account) processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: a.credential, Setpgid: true, Pdeathsig: syscall.SIGQUIT}
}
