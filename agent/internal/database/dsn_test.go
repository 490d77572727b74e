package database_test

import (
	"strings"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/database"
)

func TestAServerElsewhereIsVerifiedUnlessTheConnectionStringSaysOtherwise(t *testing.T) {
	for _, name := range []string{"PGSSLMODE", "PGSERVICE", "PGSSLROOTCERT", "PGHOST"} {
		t.Setenv(name, "")
	}
	const verified, encrypted, preferred, clear = "verified", "encrypted", "preferred", "clear"
	for dsn, want := range map[string]string{
		"postgres://u@db.example/d":                             verified,
		"postgresql://u@db.example/d?":                          verified,
		"postgres://u@db.example/d?connect_timeout=3":           verified,
		"postgres://u@10.0.0.1,127.0.0.1/d":                     verified,
		"postgres://u@127.0.0.1.example/d":                      verified,
		"host=db.example user=u dbname=d":                       verified,
		"postgres://u@db.example/d?sslmode=require":             encrypted,
		"host=db.example user=u sslmode = disable":              clear,
		"postgres://u@db.example/d?sslmode=disable":             clear,
		"postgres://u@localhost/d":                              preferred,
		"postgres://u@127.0.0.1:5433/d":                         preferred,
		"postgres://u@[::1]/d":                                  preferred,
		"host=/run/postgresql user=u":                           clear,
		"postgres://u@127.0.0.1/d?sslmode=verify-full":          verified,
		"postgres://u:sslmode@db.example/d?application_name=ab": verified,
	} {
		config, err := database.Parse(dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		got := clear
		switch tls := config.TLSConfig; {
		case tls == nil:
		case !tls.InsecureSkipVerify:
			got = verified
		default:
			got = encrypted
		}
		for _, other := range config.Fallbacks {
			if got != clear && other.TLSConfig == nil {
				got = preferred
			}
		}
		if got != want {
			t.Errorf("%s is %s, want %s", dsn, got, want)
		}
	}
	t.Setenv("PGSSLMODE", "require")
	if config, err := database.Parse("postgres://u@db.example/d"); err != nil || !config.TLSConfig.InsecureSkipVerify {
		t.Errorf("PGSSLMODE is not heard: %v", err)
	}
}

func TestAnInvalidConnectionStringIsNotQuoted(t *testing.T) {
	for _, dsn := range []string{
		"canary", "postgres://u:can@ary@db/d", "postgres://u:canary@db:port/d", "postgres://u:canary%zz@db/d",
		"postgres://u:canary@db/d?sslmode=perhaps", "postgres://u:p@ss/canary@db:5432/d", "postgres://u:p/canary@db/d",
	} {
		if _, err := database.Parse(dsn); err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "write postgres://") {
			t.Errorf("%s: %v", dsn, err)
		}
	}
	_, err := database.Parse("postgres://u:canary@db/d?sslrootcert=/nowhere")
	if err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "/nowhere: no such file") {
		t.Errorf("a missing file: %v", err)
	}
}
