package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
)

// predecessor is what INU-Detector was configured with.
type predecessor struct {
	Buckets  []bucket `json:"s3_buckets"`
	vars     map[string]string
	events   []string
	interval int // seconds; 0 if it is not written
	notes    []string
}

// bucket is one entry of s3_buckets.
type bucket struct {
	Name        string `json:"bucket_name"`
	Prefix      string `json:"prefix"`
	Region      string `json:"region"`
	Description string `json:"description"`
	Enabled     *bool  `json:"enabled"`
	MaxFiles    int    `json:"max_files"`
}

// variable is what the predecessor's service had in its environment.
func (d *predecessor) variable(name string) string {
	if d == nil {
		return ""
	}
	return d.vars[name]
}

// importPredecessor reads sender_config.json, the unit and the .env file, of which the last
// two may be absent. What has no home is noted, never dropped silently.
func importPredecessor(file, unit, env string) (*predecessor, error) {
	d := &predecessor{vars: map[string]string{}}
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("-import: %w", err)
	}
	if err := json.Unmarshal(src, d); err != nil {
		return nil, fmt.Errorf("-import: %s is not the JSON of a sender_config.json: %w", file, err)
	}
	if len(d.Buckets) == 0 {
		return nil, fmt.Errorf("-import: %s has no s3_buckets", file)
	}
	for i, b := range d.Buckets {
		if b.Name == "" {
			return nil, fmt.Errorf("-import: entry %d of s3_buckets in %s has no bucket_name", i+1, file)
		}
	}
	d.noteUnknown(src, file)
	if unit != "" {
		if err := d.readUnit(unit); err != nil {
			return nil, fmt.Errorf("-service: %w", err)
		}
	}
	if env != "" {
		vars, err := config.ReadEnvFile(env)
		if err != nil {
			return nil, fmt.Errorf("-import-env: %w", err)
		}
		maps.Copy(d.vars, vars)
	}
	return d, d.judgeVariables()
}

// noteUnknown notes settings of the file that nothing here stands for.
func (d *predecessor) noteUnknown(src []byte, file string) {
	var top map[string]json.RawMessage
	if json.Unmarshal(src, &top) != nil {
		return
	}
	note := func(names []string, known ...string) {
		for _, n := range names {
			if !slices.Contains(known, n) {
				d.notes = append(d.notes, fmt.Sprintf("%s: %q has no counterpart and is left out", filepath.Base(file), n))
			}
		}
	}
	note(slices.Sorted(maps.Keys(top)), "s3_buckets")
	var entries []map[string]json.RawMessage
	if json.Unmarshal(top["s3_buckets"], &entries) != nil {
		return
	}
	for _, e := range entries {
		note(slices.Sorted(maps.Keys(e)), "bucket_name", "prefix", "region", "description", "enabled", "max_files")
	}
}

// readUnit reads the variables of a unit, those of its EnvironmentFile= as well, and the
// words of ExecStart= that chose events. The lines are those of systemd.syntax(7).
func (d *predecessor) readUnit(path string) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := string(bytes.ReplaceAll(src, []byte("\\\n"), []byte(" ")))
	for line := range strings.Lines(text) {
		name, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if !found {
			continue
		}
		switch strings.TrimSpace(name) {
		case "Environment":
			for _, word := range unitWords(value) {
				if k, v, ok := strings.Cut(word, "="); ok {
					d.vars[k] = v
				}
			}
		case "EnvironmentFile":
			from, optional := strings.CutPrefix(strings.TrimSpace(value), "-")
			vars, err := config.ReadEnvFile(from)
			if err != nil && (!optional || !os.IsNotExist(err)) {
				return err
			}
			maps.Copy(d.vars, vars)
		case "ExecStart":
			words := unitWords(value)
			if i := slices.Index(words, "--events"); i >= 0 {
				for _, w := range words[i+1:] {
					if strings.HasPrefix(w, "-") {
						break
					}
					d.events = append(d.events, w)
				}
			}
		}
	}
	return nil
}

// unitWords splits a value at blanks outside of quotes, and takes the quotes and the
// backslashes away.
func unitWords(s string) []string {
	var words []string
	var b strings.Builder
	var quote rune
	inWord, escaped := false, false
	for _, r := range s {
		switch {
		case escaped:
			b.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, inWord = r, true
		case quote == 0 && (r == ' ' || r == '\t'):
			if inWord {
				words = append(words, b.String())
				b.Reset()
				inWord = false
			}
		default:
			b.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		words = append(words, b.String())
	}
	return words
}

// judgeVariables takes over what is not asked for, and notes what has to be looked at.
func (d *predecessor) judgeVariables() error {
	if v := d.vars["COLLECTION_INTERVAL"]; v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return fmt.Errorf("-import: COLLECTION_INTERVAL %q is no number of seconds", v)
		}
		d.interval = n
	}
	if d.vars["BATCH_SIZE"] != "" {
		d.notes = append(d.notes, "BATCH_SIZE is left out: the default of 2000 is about twice as fast as 100")
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		if d.vars[name] != "" {
			d.notes = append(d.notes, name+" is not copied: put it into /etc/inu-detector/inu-detector.env, mode 0600, or better give the instance a role")
		}
	}
	return nil
}
