package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
)

func envFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "inu.env")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The expected values of lines that systemd also takes are those of systemd 252.
func TestReadEnvFile(t *testing.T) {
	tests := []struct {
		name, text string
		want       map[string]string
	}{
		{"nothing", "", map[string]string{}},
		{"comments and blank lines", "# a\n\n  ; b\n\t# c=d\nA=1", map[string]string{"A": "1"}},
		{"the last of two", "A=1\nA=2\n", map[string]string{"A": "2"}},
		{"export", "export A=1\nexport\tB=2\nexported=3\n", map[string]string{"A": "1", "B": "2", "exported": "3"}},
		{"blanks around", "  A = b c  \n", map[string]string{"A": "b c"}},
		{"empty", "A=\nB=''\nC=\"\"\n", map[string]string{"A": "", "B": "", "C": ""}},
		{"equals signs", "A=b=c=\n", map[string]string{"A": "b=c="}},
		{"no comment after a value", "A=b # c\nB=b#c\n", map[string]string{"A": "b # c", "B": "b#c"}},
		{"single quotes", `A='b "c" \n $d'`, map[string]string{"A": `b "c" \n $d`}},
		{"double quotes", `A="b 'c' \" \\ \$ \` + "`" + ` \n"`, map[string]string{"A": `b 'c' " \ $ ` + "`" + ` \n`}},
		{"quotes over lines", "A='b\nc'\nB=\"d\ne\"\nC=f", map[string]string{"A": "b\nc", "B": "d\ne", "C": "f"}},
		{"quoted parts", `A="b"'c' "d"e`, map[string]string{"A": "bcde"}},
		{"quote within a word", `A=b"c"d`, map[string]string{"A": `b"c"d`}},
		{"escapes in a word", `A=b\ \\\"c\ `, map[string]string{"A": `b \"c `}},
		{"continued line", "A=b\\\nc\nB=\"d\\\ne\"\n", map[string]string{"A": "bc", "B": "de"}},
		{"line ends of Windows", "A=1\r\nB=\"2\"\r\n", map[string]string{"A": "1", "B": "2"}},
		{"not ASCII", "A=감사\n", map[string]string{"A": "감사"}},
		{"dollar signs", "A=$B${C}\n", map[string]string{"A": "$B${C}"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got, err := config.ReadEnvFile(envFile(t, tc.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("variables (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadEnvFileNamesTheLineAndNotTheSecret(t *testing.T) {
	for text, want := range map[string]string{
		"A=1\nhunter2\nB=2\n":           ":2: no NAME=value",
		"A='x\ny'\nhunter2":             ":3: no NAME=value",
		"A=1\n\nhunter2 x=1\n":          ":3: what stands before the =",
		"1A=hunter2\n":                  ":1: what stands before the =",
		"=hunter2\n":                    ":1: what stands before the =",
		"# x\nPASSWORD=\"hunter2\nB=2":  ":2: the quotes of PASSWORD are not closed",
		"PASSWORD='hunter2\n":           ":1: the quotes of PASSWORD are not closed",
		"A=1\nPASSWORD=\"hunter2\\":     ":2: the quotes of PASSWORD are not closed",
		"A=1\n# x\\\nhunter2\nB=hunter": ":3: no NAME=value",
	} {
		_, err := config.ReadEnvFile(envFile(t, text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

func TestReadEnvFileThatIsNotThere(t *testing.T) {
	if _, err := config.ReadEnvFile(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error = %v, want one about a file that does not exist", err)
	}
}
