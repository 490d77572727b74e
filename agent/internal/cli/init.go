package cli

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/term"
)

const initText = `
agent init asks for what differs between installations, checks the answers, and
writes agent.hcl, and the password into a file of its own.

  agent init                                      ask
  agent init -yes -bucket logs -host db.example   ask nothing
  agent init -import config/sender_config.json -service inu-detector.service

Answers are flags or variables; the password is RDS_PASSWORD alone:

  -group-id GROUP_ID          -host RDS_HOST   -database RDS_DATABASE
  -bucket S3_BUCKET           -port RDS_PORT   -sslmode RDS_SSLMODE
  -prefix S3_PREFIX           -user RDS_USER   -sslrootcert RDS_SSLROOTCERT
  -region AWS_DEFAULT_REGION  -auth RDS_AUTH   -endpoint S3_ENDPOINT
`

// answers are what init needs to know.
type answers struct {
	group, bucket, prefix, region, endpoint      string
	host, port, database, user, auth, password   string
	sslmode, sslrootcert                         string
	file, importFile, serviceFile, importEnvFile string
	yes, force, check                            bool
}

func (a *answers) define(f *flag.FlagSet) {
	def := installedConfig
	if os.Geteuid() != 0 {
		def = localConfig
	}
	f.StringVar(&a.file, "config", def, "the `file` to write")
	for _, q := range a.questions() {
		f.StringVar(q.to, q.flag, "", "")
	}
	f.StringVar(&a.endpoint, "endpoint", "", "")
	f.StringVar(&a.sslmode, "sslmode", "", "")
	f.StringVar(&a.sslrootcert, "sslrootcert", "", "")
	f.StringVar(&a.importFile, "import", "", "take over INU-Detector's sender_config.json, this `file`")
	f.StringVar(&a.serviceFile, "service", "", "with -import: and the variables of this systemd unit `file`")
	f.StringVar(&a.importEnvFile, "import-env", "", "with -import: and those of this .env `file`")
	f.BoolVar(&a.yes, "yes", false, "ask nothing")
	f.BoolVar(&a.force, "force", false, "replace a configuration, and keep it with .old at its end")
	f.BoolVar(&a.check, "check", false, "with -yes: run agent check afterwards")
}

// A question is one answer's flag, variable, default, and what is right.
type question struct {
	to                       *string
	flag, variable, ask, def string
	wrong                    func(string) string
}

func (a *answers) questions() []question {
	return []question{
		{&a.group, "group-id", "GROUP_ID", "Group ID, a UUID, or new", "new", wrongGroup},
		{&a.bucket, "bucket", "S3_BUCKET", "S3 bucket with the CloudTrail logs", "", required},
		{&a.prefix, "prefix", "S3_PREFIX", "Prefix in it, empty to find all accounts and Regions", "", anything},
		{&a.region, "region", "AWS_DEFAULT_REGION", "AWS Region of the bucket", "ap-northeast-2", required},
		{&a.host, "host", "RDS_HOST", "Database host, such as an RDS endpoint", "", required},
		{&a.port, "port", "RDS_PORT", "Database port", "5432", wrongPort},
		{&a.database, "database", "RDS_DATABASE", "Database name", "postgres", required},
		{&a.user, "user", "RDS_USER", "Database user that writes", "inu_writer", required},
		{&a.auth, "auth", "RDS_AUTH", "How it logs in: password or iam", "password", wrongAuth},
	}
}

func anything(string) string { return "" }

func required(s string) string {
	if s == "" {
		return "an answer is needed"
	}
	return ""
}

func wrongGroup(s string) string {
	if _, err := uuid.Parse(s); err != nil && s != "new" {
		return "a group is a UUID, such as 3f1c6f0e-9d0c-4b7e-8a52-0d6f3b1f2c11, or the word new"
	}
	return ""
}

func wrongPort(s string) string {
	if n, err := strconv.Atoi(s); err != nil || n < 1 || n > 65535 {
		return "a port is a number from 1 to 65535"
	}
	return ""
}

func wrongAuth(s string) string {
	if s != "password" && s != "iam" {
		return "write password or iam"
	}
	return ""
}

func (p *Program) init(args []string) int {
	var a answers
	f := p.flags("init", initText)
	a.define(f)
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	if f.NArg() > 0 {
		p.failf("unexpected argument %q; agent init -h shows the flags", f.Arg(0))
		return exitUsage
	}
	if _, err := os.Lstat(a.file); err == nil && !a.force {
		p.failf("%s is there already: change it by hand, or replace it with -force, which keeps the old one", a.file)
		return exitUsage
	}
	in := &asker{out: p.Stdout, in: bufio.NewReader(os.Stdin), silent: a.yes}
	text, err := a.compose(in)
	if err != nil {
		p.failf("init: %v", err)
		return exitUsage
	}
	if code := p.writeConfig(&a, text); code != exitOK {
		return code
	}
	return p.afterInit(&a, in)
}

// compose asks what is not known yet and makes the file.
func (a *answers) compose(in *asker) (string, error) {
	var imported *predecessor
	if a.importFile != "" {
		var err error
		if imported, err = importPredecessor(a.importFile, a.serviceFile, a.importEnvFile); err != nil {
			return "", err
		}
		in.notes(imported.notes)
	} else if a.serviceFile != "" || a.importEnvFile != "" {
		return "", errors.New("-service and -import-env go with -import")
	}
	get := func(name string) string {
		if v := os.Getenv(name); v != "" {
			return v
		}
		return imported.variable(name)
	}
	for _, extra := range []struct {
		to       *string
		variable string
	}{{&a.endpoint, "S3_ENDPOINT"}, {&a.sslmode, "RDS_SSLMODE"}, {&a.sslrootcert, "RDS_SSLROOTCERT"}} {
		if *extra.to == "" {
			*extra.to = get(extra.variable)
		}
	}
	for _, q := range a.questions() {
		if imported != nil && (q.flag == "bucket" || q.flag == "prefix" || q.flag == "region") {
			continue // each bucket has its own
		}
		if err := in.ask(q, get(q.variable)); err != nil {
			return "", err
		}
	}
	if a.group == "new" {
		a.group = uuid.NewString()
		fmt.Fprintf(in.out, "new group %s\n", a.group)
	}
	if a.auth == "password" {
		if a.password = get("RDS_PASSWORD"); a.password == "" {
			var err error
			if a.password, err = in.secret("Password of " + a.user); err != nil {
				return "", err
			}
		}
	}
	return a.render(imported), nil
}

// An asker asks on the terminal, or takes answers line by line from a script.
type asker struct {
	out    io.Writer
	in     *bufio.Reader
	silent bool
}

func (in *asker) notes(lines []string) {
	for _, l := range lines {
		fmt.Fprintln(in.out, "note: "+l)
	}
}

// ask fills in one answer: what the flag says, or else the user, who is offered what is
// known. A wrong answer is asked for again; without a user it is an error.
func (in *asker) ask(q question, known string) error {
	if *q.to != "" {
		if wrong := q.wrong(*q.to); wrong != "" {
			return fmt.Errorf("-%s %q: %s", q.flag, *q.to, wrong)
		}
		return nil
	}
	def := known
	if def == "" {
		def = q.def
	}
	if in.silent {
		if *q.to = def; q.wrong(def) != "" {
			return fmt.Errorf("%s: %s; give -%s or set %s", q.ask, q.wrong(def), q.flag, q.variable)
		}
		return nil
	}
	for {
		offered := ""
		if def != "" {
			offered = " [" + def + "]"
		}
		fmt.Fprintf(in.out, "%s%s: ", q.ask, offered)
		line, err := in.line()
		if err != nil {
			return fmt.Errorf("%s: no answer: give -%s or set %s", q.ask, q.flag, q.variable)
		}
		if line == "" {
			line = def
		}
		wrong := q.wrong(line)
		if wrong == "" {
			*q.to = line
			return nil
		}
		fmt.Fprintln(in.out, "  "+wrong)
	}
}

func (in *asker) line() (string, error) {
	line, err := in.in.ReadString('\n')
	if err != nil && line == "" {
		return "", err
	}
	return strings.TrimSpace(line), nil
}

// secret asks without showing what is typed.
func (in *asker) secret(what string) (string, error) {
	if in.silent {
		return "", errors.New("no password: set RDS_PASSWORD, or log in with -auth iam")
	}
	fmt.Fprintf(in.out, "%s (not shown): ", what)
	var s string
	if fd := int(os.Stdin.Fd()); term.IsTerminal(fd) {
		typed, err := term.ReadPassword(fd)
		fmt.Fprintln(in.out)
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		s = string(typed)
	} else {
		line, err := in.in.ReadString('\n')
		if err != nil && line == "" {
			return "", errors.New("no password: set RDS_PASSWORD, or log in with -auth iam")
		}
		fmt.Fprintln(in.out)
		s = strings.TrimRight(line, "\r\n")
	}
	if s == "" {
		return "", errors.New("the password is empty: set RDS_PASSWORD, or log in with -auth iam")
	}
	return s, nil
}

// rdsBundle is where the documentation has Amazon's certificates put.
const rdsBundle = "/etc/ssl/certs/rds-global-bundle.pem"

// render is the file.
func (a *answers) render(imported *predecessor) string {
	var b strings.Builder
	set := func(indent, name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s%s = %s\n", indent, name, hclString(value))
		}
	}
	b.WriteString("# Written by agent init. Every setting: agent.hcl.example\n\npipeline \"audit\" {\n")
	buckets := []bucket{{Name: a.bucket, Prefix: a.prefix, Region: a.region}}
	if imported != nil {
		buckets = imported.Buckets
	}
	for _, k := range buckets {
		b.WriteString("  source \"s3\" {\n")
		set("    ", "description", k.Description)
		if k.Enabled != nil && !*k.Enabled {
			b.WriteString("    enabled = false\n")
		}
		set("    ", "bucket", k.Name)
		set("    ", "prefix", strings.TrimLeft(k.Prefix, "/"))
		set("    ", "region", k.Region)
		if k.MaxFiles > 0 {
			fmt.Fprintf(&b, "    max_files = %d\n", k.MaxFiles)
		}
		if imported != nil && imported.interval > 0 {
			fmt.Fprintf(&b, "    interval = \"%ds\"\n", imported.interval)
		}
		if a.endpoint != "" {
			set("    ", "endpoint", a.endpoint)
			b.WriteString("    force_path_style = true\n")
		}
		b.WriteString("  }\n\n")
	}
	if imported != nil && len(imported.events) > 0 {
		var names []string
		for _, e := range imported.events {
			names = append(names, hclString(e))
		}
		fmt.Fprintf(&b, "  filter {\n    event_names = [%s]\n  }\n\n", strings.Join(names, ", "))
	}
	b.WriteString("  sink \"rds_direct\" {\n")
	set("    ", "host", a.host)
	fmt.Fprintf(&b, "    port = %s\n", a.port)
	set("    ", "database", a.database)
	set("    ", "user", a.user)
	if a.auth == "iam" {
		b.WriteString("    auth = \"iam\"\n")
	} else {
		b.WriteString("    password = credential(\"rds_password\")\n")
	}
	set("    ", "sslmode", a.sslmode)
	root := a.sslrootcert
	if _, err := os.Stat(rdsBundle); root == "" && err == nil && strings.HasSuffix(a.host, ".rds.amazonaws.com") {
		root = rdsBundle
	}
	set("    ", "sslrootcert", root)
	set("    ", "group_id", a.group)
	b.WriteString("  }\n}\n\nagent {\n  log {\n    level = env(\"LOG_LEVEL\", \"info\")\n  }\n}\n")
	return b.String()
}

// hclString is s as HCL writes it: what would begin a template is escaped.
func hclString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case (r == '$' || r == '%') && strings.HasPrefix(s[i+1:], "{"):
			b.WriteRune(r)
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// writeConfig puts the credential and then the configuration in place, if it is valid.
func (p *Program) writeConfig(a *answers, text string) int {
	dir := filepath.Dir(a.file)
	credentials := filepath.Join(dir, "credentials")
	made := os.MkdirAll(dir, 0o750)
	if a.auth == "password" {
		made = errors.Join(made, os.MkdirAll(credentials, 0o700), os.Chmod(credentials, 0o700))
	}
	if made != nil {
		p.failf("init: %v", made)
		return exitFailed
	}
	secret := filepath.Join(credentials, "rds_password")
	if a.auth == "password" {
		if err := writePrivately(secret, a.password+"\n", 0o600, 0); err != nil {
			p.failf("init: %v", err)
			return exitFailed
		}
	}
	draft := filepath.Join(dir, ".agent.hcl.new.hcl")
	defer os.Remove(draft)
	group := serviceGroup()
	if err := writePrivately(draft, text, 0o640, group); err != nil {
		p.failf("init: %v", err)
		return exitFailed
	}
	cfg := configFlags{file: draft}
	_, diags, err := p.read(cfg, true)
	for i := range diags {
		diags[i].File = a.file
	}
	diags.Print(p.Stderr, isTerminal(p.Stderr))
	if err != nil || diags.HasErrors() {
		p.failf("init: the answers make no valid configuration, nothing was written to %s", a.file)
		return exitUsage
	}
	if _, err := os.Lstat(a.file); err == nil {
		if err := os.Rename(a.file, a.file+".old"); err != nil {
			p.failf("init: %v", err)
			return exitFailed
		}
		fmt.Fprintf(p.Stdout, "kept the old one as %s.old\n", a.file)
	}
	if err := os.Rename(draft, a.file); err != nil {
		p.failf("init: %v", err)
		return exitFailed
	}
	fmt.Fprintf(p.Stdout, "wrote %s\n", a.file)
	if a.auth == "password" {
		fmt.Fprintf(p.Stdout, "wrote %s, which only its owner can read\n", secret)
	}
	return exitOK
}

// serviceGroup is the id of the group that may read the configuration; 0 if there is none,
// or this is not root.
func serviceGroup() int {
	if os.Geteuid() != 0 {
		return 0
	}
	g, err := user.LookupGroup("inu-detector")
	if err != nil {
		return 0
	}
	id, err := strconv.Atoi(g.Gid)
	if err != nil {
		return 0
	}
	return id
}

// writePrivately writes a file that nobody could read before it had its mode, in one step.
// Root gives it to a group, unless that is 0.
func writePrivately(path, text string, mode os.FileMode, group int) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			os.Remove(f.Name())
		}
	}()
	if group != 0 {
		if err := f.Chown(0, group); err != nil {
			return err
		}
	}
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// afterInit says what comes next, and offers agent check.
func (p *Program) afterInit(a *answers, in *asker) int {
	if strings.HasSuffix(a.host, ".rds.amazonaws.com") && a.sslrootcert == "" {
		if _, err := os.Stat(rdsBundle); err != nil {
			fmt.Fprintf(p.Stdout, "note: fetch Amazon's certificates, and write sslrootcert = %q into the sink:\n"+
				"  curl -o %s https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem\n", rdsBundle, rdsBundle)
		}
	}
	fmt.Fprintf(p.Stdout, "next: make the tables and the database user, as the owner of the database:\n"+
		"  agent migrate -config %s -create-role -dsn 'postgres://OWNER@%s:%s/%s'\n", a.file, a.host, a.port, a.database)
	check := a.check
	if !a.yes {
		fmt.Fprint(in.out, "Check it now, live? [Y/n]: ")
		line, err := in.line()
		check = err == nil && (line == "" || strings.EqualFold(line[:1], "y"))
		if err != nil {
			fmt.Fprintln(in.out)
		}
	}
	if !check {
		fmt.Fprintf(p.Stdout, "later: agent check -config %s\n", a.file)
		return exitOK
	}
	if p.checkAccess([]string{"-config", a.file}) != exitOK {
		fmt.Fprintln(p.Stdout, "the configuration is written; mend what is marked, and run agent check again")
	}
	return exitOK
}
