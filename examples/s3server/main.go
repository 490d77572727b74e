// The s3server is an S3-compatible server on loopback with a generated CloudTrail trail in
// the bucket "trail": something to point an agent at without AWS. It writes its URL to the
// file that it is given, and serves until it is stopped.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "s3server:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: s3server FILE, which its URL is written to")
	}
	server, err := s3test.Start(s3test.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	if err := server.CreateBucket("trail"); err != nil {
		return err
	}
	trail := s3test.Trail{Start: time.Now().Add(-3 * time.Hour), Events: 4000, EventsPerObject: 100, Seed: 1}
	manifest, err := server.Load("trail", trail.Objects())
	if err != nil {
		return err
	}
	if err := os.WriteFile(args[0]+".new", []byte(server.URL+"\n"), 0o600); err != nil {
		return err
	}
	if err := os.Rename(args[0]+".new", args[0]); err != nil {
		return err
	}
	fmt.Printf("%s serves bucket trail: %+v\n", server.URL, manifest)
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM, syscall.SIGINT)
	<-stopped
	return nil
}
