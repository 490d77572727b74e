package catalog

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const dirPrefix = "inu-logsmith-"

// makeDir makes a folder for sockets of this agent, named after its process so that the
// next agent can tell the folders of agents that were killed, and remove them.
func makeDir(parent string) (string, error) {
	old, _ := filepath.Glob(filepath.Join(parent, dirPrefix+"*"))
	for _, dir := range old {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		n, err := strconv.Atoi(pid)
		if err == nil && syscall.Kill(n, 0) == syscall.ESRCH {
			_ = os.RemoveAll(dir)
		}
	}
	dir, err := os.MkdirTemp(parent, fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	if err != nil {
		return "", fmt.Errorf("make folder for plugin sockets: %w", err)
	}
	return dir, nil
}
