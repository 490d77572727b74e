package catalog

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestFoldersOfAgentsThatAreGoneAreRemoved(t *testing.T) {
	parent := t.TempDir()
	for _, name := range []string{
		"inu-logsmith-999999999.5-a",                               // no such process
		fmt.Sprintf("inu-logsmith-%d.1-b", os.Getpid()),            // an earlier process with this one's pid
		"inu-logsmith-" + processName(os.Getpid()) + "-c",          // another of this process
		"inu-logsmith-demo-d", "inu-logsmith-quota-0", "elsewhere", // not folders of sockets
	} {
		if err := os.Mkdir(filepath.Join(parent, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	made, err := makeDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 5 {
		t.Errorf("left: %v; want the new one, %s, and the four that are not of the dead", left, made)
	}
}
