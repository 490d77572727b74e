package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/s-developer-team-inu/inu-logsmith/"

// may lists what a file or folder, with all below it, may import of this module. The
// longest name that fits a file counts. A name that ends in "..." stands for all below.
type may struct {
	from    string
	imports []string
	why     string
}

func arrows() []may {
	return []may{
		{"sdk", []string{"sdk/..."}, "the contract must not know who uses it: authors get no more than they need"},
		{"sql", []string{"sql/..."}, "the schema stands alone"},
		{"internal", nil, "what both sides use knows neither"},
		{"plugins", []string{"sdk/...", "plugins/internal/...", "internal/..."}, "a plugin is what a third party could write: it knows neither the agent nor another plugin"},
		{"plugins/rdsdirect", []string{"sdk/...", "plugins/internal/...", "internal/...", "sql"}, "the schema's version is all that this plugin knows beyond others"},
		{"plugins/s3/s3test", nil, "a server for anybody's tests depends on nobody"},
		{"agent", []string{"agent/internal/..."}, "main only hands over"},
		{"agent/bench", []string{"sdk", "sdk/plugin", "plugins/s3/s3test", "plugins/s3/sqstest", "sql/pgtest"}, "it measures the program from outside, as a user would run it"},
		{"agent/builtin.go", []string{"agent/internal/catalog", "plugins/...", "sdk/plugin"}, "a table of built-in plugins, and nothing else"},
		{"agent/internal", []string{"agent/internal/...", "sdk", "sdk/schema"}, "the agent knows plugins only as processes"},
		{"agent/internal/catalog", []string{"agent/internal/config", "sdk", "sdk/host", "sdk/plugin", "sdk/schema"}, "it starts plugins, and knows nothing of what they are started for"},
		{"agent/internal/cli", []string{"agent/internal/...", "sdk", "sdk/schema", "sdk/sdktest/conformance"}, "commands hand over; plugins are processes to them too"},
		{"agent/internal/filter", []string{"sdk", "sdk/schema", "agent/internal/...", "internal/jsonscan"}, "it looks into records, which others only pass on"},
		{"agent/internal/database", []string{"sql"}, "it needs no more than the schema's version"},
		{"agent/internal/migrate", []string{"agent/internal/database", "sql"}, "it applies the schema and needs no more than a connection"},
		{"agent/internal/scaffold", []string{"sdk/python"}, "it copies files and needs no more"},
		{"agent/internal/logging", []string{"agent/internal/plain"}, "a log knows nothing of what is logged"},
		{"agent/internal/status", []string{"agent/internal/catalog", "agent/internal/pipeline", "agent/internal/plain"}, "it looks at what runs, and changes nothing"},
		{"examples", []string{"sdk/...", "plugins/s3/s3test", "sql/pgtest"}, "examples show what others can do"},
	}
}

// testKits are what any test may import as well.
func testKits() []string {
	return []string{"plugins/s3/s3test", "plugins/s3/sqstest", "plugins/cloudtrailapi/lookuptest", "plugins/internal/cloudtrailtest", "sql/pgtest", "sdk", "sdk/schema", "sdk/sdktest/...", "sdk/plugin"}
}

// only lists who may import something from elsewhere, with all below it. Tests may
// too where tests says so.
type only struct {
	imports []string
	from    []string
	tests   bool
	why     string
}

func outside() []only {
	return []only{
		{
			[]string{"github.com/hashicorp/go-plugin", "google.golang.org/grpc", "google.golang.org/protobuf"},
			[]string{"sdk/internal", "sdk/plugin", "sdk/host"},
			false, "the wire can be replaced without touching a plugin",
		},
		{
			[]string{"github.com/jackc"},
			[]string{
				"plugins/rdsdirect", "sql/pgtest", "examples", "agent/internal/migrate",
				"agent/bench", "agent/internal/database", "agent/internal/audit", "agent/internal/quarantine",
			},
			true, "events reach a database through a sink alone; only commands about what is stored speak to it",
		},
		{
			[]string{"github.com/aws"},
			[]string{"plugins/s3", "plugins/cloudtrailapi", "plugins/rdsdirect", "plugins/internal/awsconfig"},
			false, "the agent itself knows no cloud",
		},
		{
			[]string{"github.com/hashicorp/hcl", "github.com/zclconf"},
			[]string{"agent/internal/config"},
			false, "plugins get JSON, and the rest of the agent gets types",
		},
	}
}

func TestImportsFollowTheArrows(t *testing.T) {
	files := goFiles(t)
	if len(files) < 100 {
		t.Fatalf("found only %d files", len(files))
	}
	for name, file := range files {
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why := forbidden(name, imported); why != "" {
				t.Errorf("%s imports %s: %s", name, imported, why)
			}
		}
	}
}

// An init would change behaviour by import; what is wired is wired in sight. Nobody imports main.
func TestNoFileHasAnInit(t *testing.T) {
	for name, file := range goFiles(t) {
		if name == "agent/main.go" {
			continue
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if ok && f.Recv == nil && f.Name.Name == "init" && !ast.IsGenerated(file) {
				t.Errorf("%s has an init: behaviour is wired in sight, by a call", name)
			}
		}
	}
}

func TestForbiddenImportsAreNoticed(t *testing.T) {
	for _, tc := range []struct {
		file, imported string
		forbidden      bool
	}{
		{"sdk/sdk.go", "time", false},
		{"sdk/sdk.go", "github.com/google/uuid", true},
		{"sdk/sdk_test.go", "github.com/google/go-cmp/cmp", false},
		{"sdk/sdk.go", module + "plugins/s3", true},
		{"sdk/host/host.go", module + "sdk/internal/wire", false},
		{"sdk/schema/of.go", "google.golang.org/grpc", true},
		{"plugins/s3/s3.go", module + "plugins/file", true},
		{"plugins/s3/s3_test.go", module + "plugins/file", true},
		{"plugins/s3/s3_test.go", module + "plugins/s3", false},
		{"plugins/s3/s3_test.go", module + "plugins/s3/sqstest", false},
		{"plugins/file/file_test.go", module + "plugins/s3/sqstest", false},
		{"plugins/s3/s3.go", module + "plugins/s3/s3test", true},
		{"plugins/file/file_test.go", module + "plugins/s3/s3test", false},
		{"plugins/file/file.go", module + "sql", true},
		{"plugins/rdsdirect/schema.go", module + "sql", false},
		{"plugins/rdsdirect/sink.go", module + "agent/internal/migrate", true},
		{"plugins/another/new.go", "github.com/aws/aws-sdk-go-v2/config", true},
		{"agent/builtin.go", module + "plugins/s3", false},
		{"agent/main.go", module + "plugins/s3", true},
		{"agent/internal/cli/run.go", module + "plugins/s3", true},
		{"agent/internal/daemon/daemon.go", module + "sdk/host", true},
		{"agent/internal/catalog/catalog.go", module + "sdk/host", false},
		{"agent/internal/cli/run.go", "github.com/hashicorp/hcl/v2", true},
		{"agent/internal/cli/run.go", "github.com/jackc/pgx/v5", true},
		{"agent/internal/cli/run_test.go", "github.com/jackc/pgx/v5", false},
		{"agent/internal/cli/run.go", "github.com/hashicorp/go-plugin/runner", true},
		{"somewhere/new.go", module + "sdk", true},
	} {
		if why := forbidden(tc.file, tc.imported); (why != "") != tc.forbidden {
			t.Errorf("%s imports %s: forbidden = %q, want %v", tc.file, tc.imported, why, tc.forbidden)
		}
	}
}

// forbidden says why a file must not import something, or "".
func forbidden(file, imported string) string {
	isTest := strings.HasSuffix(file, "_test.go")
	ours, isOurs := strings.CutPrefix(imported, module)
	if !isOurs {
		return forbiddenOutside(file, imported, isTest)
	}
	if isTest && (below(ours, path.Dir(file)) || within(ours, testKits())) {
		return ""
	}
	var rule may
	for _, m := range arrows() {
		if below(file, m.from) && len(m.from) > len(rule.from) {
			rule = m
		}
	}
	switch {
	case rule.from == "":
		return "no rule says what this folder may import"
	case within(ours, rule.imports):
		return ""
	}
	return rule.why
}

func forbiddenOutside(file, imported string, isTest bool) string {
	if first, _, _ := strings.Cut(imported, "/"); path.Dir(file) == "sdk" && !isTest && strings.Contains(first, ".") {
		return "the contract needs the standard library only"
	}
	for _, o := range outside() {
		belongs := slices.ContainsFunc(o.imports, func(p string) bool { return below(imported, p) })
		allowed := slices.ContainsFunc(o.from, func(f string) bool { return below(file, f) })
		if belongs && !allowed && (!isTest || !o.tests) {
			return o.why
		}
	}
	return ""
}

// within reports whether a package is one of those listed.
func within(pkg string, list []string) bool {
	return slices.ContainsFunc(list, func(name string) bool {
		parent, all := strings.CutSuffix(name, "/...")
		return pkg == parent || (all && below(pkg, parent))
	})
}

func below(name, parent string) bool {
	return name == parent || strings.HasPrefix(name, parent+"/")
}

// goFiles are the repository's Go files by name. They are read, for the answers of the
// go tool are not what go test's cache goes by.
func goFiles(t *testing.T) map[string]*ast.File {
	t.Helper()
	root := os.DirFS("..")
	files := make(map[string]*ast.File)
	set := token.NewFileSet()
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && ignored(root, name):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		files[name], err = parser.ParseFile(set, filepath.Join("..", name), nil, parser.SkipObjectResolution|parser.ParseComments)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// ignored reports whether a folder holds no package of this module, as the go tool
// sees it.
func ignored(root fs.FS, name string) bool {
	if name == "." {
		return false
	}
	if base := path.Base(name); base[0] == '.' || base[0] == '_' || base == "testdata" {
		return true
	}
	_, err := fs.Stat(root, path.Join(name, "go.mod"))
	return err == nil
}
