package schema_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "300": 5 * time.Minute, "0.5": time.Second / 2,
		"90d": 90 * 24 * time.Hour, " 1s ": time.Second, "0": 0, "-1s": -time.Second,
	} {
		if got, err := schema.ParseDuration(s); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "five", "5 m", "d", "1.5d", "-1d", "1e30", "NaN", "inf", "106752d", "9999999h"} {
		if got, err := schema.ParseDuration(s); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", s, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "4096": 4096, "64KiB": 64 << 10, "32MiB": 32 << 20, "32 MiB": 32 << 20, "1.5GiB": 3 << 29,
		"10MB": 1e7, "1kB": 1000, "7B": 7, "2TiB": 2 << 40,
	} {
		if got, err := schema.ParseSize(s); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "MiB", "ten", "1.5", "1.00001KiB", "1e30", "NaN", "Inf", "32M", "9000000TiB"} {
		if got, err := schema.ParseSize(s); err == nil {
			t.Errorf("ParseSize(%q) = %v, want an error", s, got)
		}
	}
}

func TestFormatReadsBackTheSame(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 5 * time.Minute: "5m", time.Hour: "1h", 20 * time.Hour: "20h", 10 * time.Minute: "10m",
		90 * time.Second: "1m30s", time.Hour + time.Second: "1h0m1s", time.Millisecond: "1ms",
	} {
		got := schema.FormatDuration(d)
		if back, err := schema.ParseDuration(got); got != want || err != nil || back != d {
			t.Errorf("FormatDuration(%d) = %q, want %q; read back %v, %v", d, got, want, back, err)
		}
	}
	for n, want := range map[int64]string{
		0: "0", 1: "1", 1000: "1000", 1024: "1KiB", 32 << 20: "32MiB", 1<<20 + 1: "1048577", 1 << 40: "1TiB",
	} {
		got := schema.FormatSize(n)
		if back, err := schema.ParseSize(got); got != want || err != nil || back != n {
			t.Errorf("FormatSize(%d) = %q, want %q; read back %v, %v", n, got, want, back, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"5m", "90d", "300", "32MiB", "1.5GiB", "-1", "1e300"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := schema.ParseDuration(s); err == nil {
			if back, err := schema.ParseDuration(schema.FormatDuration(d)); err != nil || back != d {
				t.Errorf("%q: %d reads back as %d, %v", s, d, back, err)
			}
		}
		if n, err := schema.ParseSize(s); err == nil {
			if back, err := schema.ParseSize(schema.FormatSize(n)); n < 1<<53 && (err != nil || back != n) {
				t.Errorf("%q: %d reads back as %d, %v", s, n, back, err)
			}
		}
	})
}

func TestSecretsAreFoundWhereverTheyStand(t *testing.T) {
	type inner struct {
		Token string `agent:"token" sensitive:"true"`
		Open  string `agent:"open" optional:"true"`
	}
	b, err := schema.Of(struct {
		Pin     int               `agent:"pin" sensitive:"true"`
		On      bool              `agent:"on" sensitive:"true"`
		Headers map[string]string `agent:"headers" sensitive:"true"`
		Keys    []string          `agent:"keys" sensitive:"true"`
		Path    string            `agent:"path"`
		One     *inner            `agent:"one,block"`
		Many    []inner           `agent:"many,block"`
		Named   map[string]inner  `agent:"named,block"`
	}{})
	if err != nil {
		t.Fatal(err)
	}
	got := b.Secrets([]byte(`{"pin":123456,"on":true,"headers":{"a":"h1"},"keys":["k1","k\"2"],"path":"p","one":{"token":"t1","open":"o"},
		"many":[{"token":"t2"},{"token":"t3"}],"named":{"x":{"token":"t4"}},"unknown":"u"}`))
	want := []string{"123456", "h1", "k1", `k"2`, "t1", "t2", "t3", "t4"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	for _, odd := range []string{"", "null", "[]", `{"headers":5,"one":[],"many":{},"named":7}`} {
		_ = b.Secrets([]byte(odd)) // does not panic
	}
}
