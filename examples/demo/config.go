package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
)

const (
	bucket = "demo-cloudtrail"
	group  = "7d0c6a52-44b5-4c0e-9f3a-6f8f2f0d1a11"
)

const agentHCL = `pipeline "audit" {
  source "s3" {
    bucket           = %q
    region           = "us-east-1"
    endpoint         = %q
    force_path_style = true
    interval         = "2s"
  }
  filter {
    exclude_event_names = ["Describe*", "List*"]
  }
  sink "rds_direct" {
    host     = %q
    port     = %d
    user     = "inu_writer"
    password = env("RDS_PASSWORD")
    sslmode  = "disable" # loopback only; the default is verify-full
    group_id = %q
  }
}
`

// configure writes the configuration and shows it.
func (d *demo) configure() error {
	d.writer = rand.Text()
	text := fmt.Sprintf(agentHCL, bucket, d.s3.URL, d.pg.Host, d.pg.Port, group)
	fmt.Printf("agent.hcl:\n\n%s\n", text)
	return os.WriteFile(filepath.Join(d.dir, "agent.hcl"), []byte(text), 0o600)
}
