package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const (
	unitFile    = "packaging/inu-detector.service"
	installFile = "packaging/install.sh"
)

// tool is a program that a test needs. Where it is missing the test says so and is skipped,
// unless this is CI on a machine that should have it.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("%s is not on this machine", name)
	default:
		t.Skipf("%s is not on this machine, so that this was not checked", name)
	}
	return path
}

// The packaged unit is as hardened as it says, and systemd understands all of it.
func TestTheUnitIsHardened(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	out, err := exec.Command(analyze, "security", "--no-pager", "--offline=true", "--threshold=15", unitFile).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("Overall exposure level")) {
		t.Errorf("security: %v\n%s", err, out)
	}
	// verify looks for the programs too, and there is none yet.
	text, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "inu-detector.service")
	if err := os.WriteFile(unit, bytes.ReplaceAll(text, []byte("/usr/bin/agent"), []byte(self)), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err = exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("verify: %v\n%s", err, out)
	}
	for _, line := range []string{
		"ExecStart=/usr/bin/agent -config /etc/inu-detector/agent.hcl", "Type=notify", "KillMode=mixed", "User=inu-detector",
		"EnvironmentFile=-/etc/inu-detector/inu-detector.env", "StateDirectory=inu-detector", "RuntimeDirectory=inu-detector",
	} {
		if !strings.Contains(string(text), "\n"+line+"\n") {
			t.Errorf("the unit has no line %s", line)
		}
	}
}

func TestShellScriptsPassShellcheck(t *testing.T) {
	check := tool(t, "shellcheck")
	scripts, err := filepath.Glob("packaging/*.sh")
	if err != nil || len(scripts) < 5 {
		t.Fatalf("%v, %v", scripts, err)
	}
	if out, err := exec.Command(check, scripts...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// A release is a folder as agent/packaging/build.sh makes it, with a program that stands for
// the agent.
func release(t *testing.T, version string) (dir, tarball string) {
	t.Helper()
	dir = t.TempDir()
	name := fmt.Sprintf("inu-logsmith_%s_linux_%s", version, runtime.GOARCH)
	files := filepath.Join(dir, name)
	if err := os.Mkdir(files, 0o755); err != nil {
		t.Fatal(err)
	}
	agent := "#!/bin/sh\ncase $1 in\nversion) echo agent " + version + ";;\n" +
		"init) shift; printf '%s ' \"$@\" >\"$INIT_LOG\"; [ -n \"$RDS_PASSWORD\" ] && echo with password >>\"$INIT_LOG\"\n" +
		"  while [ \"$1\" != -config ]; do shift; done; echo '# configured' >\"$2\";;\nesac\n"
	for file, text := range map[string]string{"agent": agent, "agent.hcl.example": "#", "LICENSE": "MIT"} {
		if err := os.WriteFile(filepath.Join(files, file), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"inu-detector.service", "postinstall.sh"} {
		text, err := os.ReadFile("packaging/" + file)
		if err == nil {
			err = os.WriteFile(filepath.Join(files, file), text, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	tarball = filepath.Join(dir, name+".tar.gz")
	if out, err := exec.Command("tar", "-C", dir, "-czf", tarball, name).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v %s", err, out)
	}
	text, err := os.ReadFile(tarball)
	if err != nil {
		t.Fatal(err)
	}
	sums := fmt.Sprintf("%x  %s.tar.gz\n", sha256.Sum256(text), name)
	if err := os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, tarball
}

// install runs install.sh below root and returns what it printed.
func install(t *testing.T, root string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("sh", append([]string{installFile, "--root", root}, args...)...)
	cmd.Env = append(os.Environ(), "RDS_PASSWORD=canary-password", "INIT_LOG="+filepath.Join(root, "init.log"))
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "canary-password") {
		t.Errorf("the password is printed: %s", out)
	}
	return string(out), err
}

func TestInstallFromAReleaseATarballAndOffline(t *testing.T) {
	tool(t, "curl")
	dir, tarball := release(t, "1.0.0")
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	for name, from := range map[string]string{
		"a release's URL": server.URL, "a tarball's URL": server.URL + "/" + filepath.Base(tarball), "a tarball": tarball,
	} {
		root := t.TempDir()
		for i, want := range []string{"installed: agent 1.0.0", "upgraded: agent 1.0.0 -> agent 1.0.0"} {
			out, err := install(t, root, "--from", from, "--yes")
			if err != nil || !strings.Contains(out, want) {
				t.Errorf("%s, run %d: %v\n%s", name, i+1, err, out)
			}
		}
		for file, mode := range map[string]os.FileMode{
			"usr/bin/agent": 0o755, "usr/lib/systemd/system/inu-detector.service": 0o644,
			"etc/inu-detector": 0o750, "etc/inu-detector/credentials": 0o700, "etc/inu-detector/agent.hcl": 0o640,
		} {
			info, err := os.Stat(filepath.Join(root, file))
			if err != nil || info.Mode().Perm() != mode {
				t.Errorf("%s: %s: %v, %v", name, file, info, err)
			}
		}
		log, err := os.ReadFile(filepath.Join(root, "init.log"))
		if err != nil || !strings.HasPrefix(string(log), "-yes ") || !strings.Contains(string(log), "with password") {
			t.Errorf("%s: agent init got %q, %v", name, log, err)
		}
	}
}

func TestAnUpgradeLeavesTheConfigurationAlone(t *testing.T) {
	root := t.TempDir()
	_, first := release(t, "1.0.0")
	_, second := release(t, "2.0.0")
	if out, err := install(t, root, "--from", first, "--yes"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file := filepath.Join(root, "etc/inu-detector/agent.hcl")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := install(t, root, "--from", second, "--yes")
	if err != nil || !strings.Contains(out, "upgraded: agent 1.0.0 -> agent 2.0.0") {
		t.Errorf("%v\n%s", err, out)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine" {
		t.Errorf("the configuration is %q, %v", text, err)
	}
}

// Nothing is installed that is not what the sums say.
func TestADamagedTarballIsRefused(t *testing.T) {
	dir, tarball := release(t, "1.0.0")
	text, err := os.ReadFile(tarball)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(tarball, text, 0o644); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	out, err := install(t, root, "--from", tarball, "--yes")
	if err == nil || !strings.Contains(out, "nothing was installed") {
		t.Errorf("%v\n%s", err, out)
	}
	if err := os.Remove(filepath.Join(dir, "SHA256SUMS")); err != nil {
		t.Fatal(err)
	}
	if out, err := install(t, root, "--from", tarball, "--yes"); err == nil || !strings.Contains(out, "SHA256SUMS") {
		t.Errorf("without sums: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(root, "usr")); !os.IsNotExist(err) {
		t.Error("something was installed")
	}
}

func TestUninstallLeavesOnlyWhatItSays(t *testing.T) {
	root := t.TempDir()
	_, tarball := release(t, "1.0.0")
	if out, err := install(t, root, "--from", tarball, "--yes"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for range 2 { // it may be repeated
		out, err := install(t, root, "--uninstall")
		if err != nil || !strings.Contains(out, "Left in place: "+root+"/etc/inu-detector") {
			t.Errorf("%v\n%s", err, out)
		}
	}
	var left []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left = append(left, strings.TrimPrefix(path, root))
		}
		return err
	})
	if got := strings.Join(left, " "); err != nil || got != "/etc/inu-detector/agent.hcl /init.log" {
		t.Errorf("left: %s, %v", got, err)
	}
	if out, err := install(t, root, "--uninstall", "--purge"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(root, "etc/inu-detector")); !os.IsNotExist(err) {
		t.Error("the configuration is left")
	}
}

func TestInstallNamesWhatIsWrong(t *testing.T) {
	root := t.TempDir()
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--frm", "x"}, "unknown flag --frm"},
		{[]string{"--from"}, "--from needs a value"},
		{[]string{"--from", "nowhere.tar.gz"}, "there is no file nowhere.tar.gz"},
		{[]string{"--from", "http://127.0.0.1:1"}, "cannot fetch http://127.0.0.1:1/SHA256SUMS"},
	} {
		if out, err := install(t, root, tc.args...); err == nil || !strings.Contains(out, tc.want) {
			t.Errorf("%v: %v\n%s", tc.args, err, out)
		}
	}
}
