package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
)

const (
	literal  = `"hunter2hunter2"`
	fromEnv  = `env("PASSWORD")`
	fromFile = `file("secret")`
)

// guarded writes a configuration whose sink has a password, and reads it with its modes
// checked.
func guarded(t *testing.T, g *config.Guard, password string, mode, folder os.FileMode) config.Diagnostics {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "etc")
	file := filepath.Join(dir, "agent.hcl")
	text := fmt.Sprintf("pipeline \"a\" {\n  source \"s3\" {\n    bucket = \"b\"\n  }\n  sink \"rds_direct\" {\n    host = \"h\"\n    group_id = \"%s\"\n    password = %s\n  }\n}\n", groupID, password)
	for _, err := range []error{
		os.Mkdir(dir, 0o700), os.WriteFile(file, []byte(text), 0o600), os.WriteFile(filepath.Join(dir, "secret"), []byte("hunter2hunter2"), 0o600),
		os.Chmod(file, mode), os.Chmod(filepath.Join(dir, "secret"), 0o604), os.Chmod(dir, folder),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	o := options(file)
	o.Guard = g
	o.Env = func(string) (string, bool) { return "hunter2hunter2", true }
	c, diags := config.Load(file, o)
	if (c == nil) != diags.HasErrors() {
		t.Errorf("configuration %v with diagnostics %v", c, diags)
	}
	if strings.Contains(printed(diags), "hunter2") {
		t.Errorf("the secret is printed:\n%s", printed(diags))
	}
	return diags
}

func TestWhoCanReadAndWriteTheFileDecidesWhetherItIsUsed(t *testing.T) {
	const (
		none     = ""
		readable = `Secret that others can read; Every user of this machine can read this file, and so "password". Run chmod o-rwx `
		anybody  = "Anybody can write the file; "
		group    = "A group can write the file; "
	)
	for _, tc := range []struct {
		mode           os.FileMode
		literal, empty string // what is wrong with it, with and without a secret in it
	}{
		{0o400, none, none},
		{0o600, none, none},
		{0o700, none, none},
		{0o440, none, none},
		{0o640, none, none}, // root:service, as packages install it
		{0o444, readable, none},
		{0o604, readable, none},
		{0o644, readable, none},
		{0o620, group, group},
		{0o660, group, group},
		{0o664, group, group},
		{0o602, anybody, anybody},
		{0o646, anybody, anybody},
		{0o666, anybody, anybody},
		{0o777, anybody, anybody},
	} {
		for password, want := range map[string]string{literal: tc.literal, fromEnv: tc.empty} {
			t.Run(fmt.Sprintf("%04o with a secret %v", tc.mode, password == literal), func(t *testing.T) {
				diags := guarded(t, &config.Guard{}, password, tc.mode, 0o755)
				if got := printed(diags); diags.HasErrors() != (want != none) || !strings.Contains(got, want) {
					t.Errorf("want an error with %q, got\n%s", want, got)
				}
				if want != none && !strings.Contains(printed(diags), "Run chmod ") {
					t.Errorf("no way out:\n%s", printed(diags))
				}
			})
		}
	}
}

func TestAFolderThatAnybodyMayWriteToIsRefused(t *testing.T) {
	for folder, refused := range map[os.FileMode]bool{0o755: false, 0o775: false, 0o757: true, 0o777: true, 0o777 | os.ModeSticky: false} {
		diags := guarded(t, &config.Guard{}, literal, 0o600, folder)
		if diags.HasErrors() != refused || refused && !strings.Contains(printed(diags), "Anybody can replace the file; ") {
			t.Errorf("folder of mode %v: %s", folder, printed(diags))
		}
	}
}

func TestSecretsFromElsewhereThatOthersCanReadAreWarnedOf(t *testing.T) {
	for _, tc := range []struct {
		name, password string
		loose          map[string]string
		want           string
	}{
		{"a variable", fromEnv, nil, ""},
		{"a variable of a readable file", fromEnv, map[string]string{"PASSWORD": "/etc/agent.env"}, `"password" comes from /etc/agent.env, which every user`},
		{"another variable of it", fromEnv, map[string]string{"OTHER": "/etc/agent.env"}, ""},
		{"a file", fromFile, nil, "etc/secret, which every user of this machine can read. Run chmod o-rwx "},
	} {
		diags := guarded(t, &config.Guard{Loose: tc.loose}, tc.password, 0o644, 0o755)
		if got := printed(diags); diags.HasErrors() || (tc.want != "") != (len(diags) == 1) || !strings.Contains(got, tc.want) {
			t.Errorf("%s: want a warning %q, got %s", tc.name, tc.want, got)
		}
	}
}

func TestAnEnvironmentFileThatOthersCanWriteIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agent.env")
	for mode, refused := range map[os.FileMode]bool{0o600: false, 0o644: false, 0o660: true, 0o606: true} {
		if err := os.WriteFile(file, []byte("A=1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		g := &config.Guard{}
		if err := g.CheckEnvFile(file); (err != nil) != refused {
			t.Errorf("mode %04o: %v", mode, err)
		}
		g.AddLoose(file, map[string]string{"A": "1"})
		if loose := g.Loose["A"] == file; loose != (mode&0o006 != 0) {
			t.Errorf("mode %04o: loose = %v", mode, loose)
		}
	}
	if err := (&config.Guard{}).CheckEnvFile(file + ".none"); err != nil {
		t.Errorf("a file that is not there: %v", err) // reading it says so
	}
}

func TestAPersonMayOwnWhatTheyRunAndAServiceMayNot(t *testing.T) {
	t.Run("as an ordinary user", func(t *testing.T) {
		becomeOrdinary(t)
		if diags := guarded(t, &config.Guard{}, literal, 0o400, 0o700); diags.HasErrors() {
			t.Error(printed(diags))
		}
		diags := guarded(t, &config.Guard{Service: true}, literal, 0o400, 0o700)
		if got := printed(diags); !diags.HasErrors() || !strings.Contains(got, "The service can write the file; ") || !strings.Contains(got, "Run chown root:") {
			t.Error(got)
		}
	})
}

// becomeOrdinary takes the rights of root from the thread of the calling test, which ends
// with it. The others keep them: setresuid(2) is about one thread.
func becomeOrdinary(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	runtime.LockOSThread() // never unlocked, so that nothing else runs on it
	const nobody = 65534
	if _, _, err := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); err != 0 {
		t.Fatal(err)
	}
}
