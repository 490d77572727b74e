package pgtest

import (
	"context"
	"fmt"
	"os"
)

// Main runs a package's tests with one cluster for all of them, and returns the
// exit code:
//
//	var cluster *pgtest.Cluster
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, &cluster)) }
//
// Without PostgreSQL on the machine it fails and says what to install.
func Main(m interface{ Run() int }, cluster **Cluster) int {
	c, err := Start(context.Background(), Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return 1
	}
	*cluster = c
	code := m.Run()
	if err := c.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return 1
	}
	return code
}
