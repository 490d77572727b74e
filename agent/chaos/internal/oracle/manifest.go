// Package oracle knows what was sent and checks what was stored. It keeps a manifest of
// every record, on disk before anything is uploaded, and compares it with the tables as
// their owner. It shares no code with the agent: what it expects never comes from the
// system that it checks.
package oracle

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

// A Class says what has to become of a record.
type Class string

// The classes.
const (
	Kept     Class = "kept"     // one row, equal to the record
	Filtered Class = "filtered" // no row: the pipeline's filter leaves it out
	Copy     Class = "copy"     // equal to a record issued before: no row of its own
	Poison   Class = "poison"   // a row, or an entry in quarantine: never nothing
	// Optional is a record of an object that was replaced before anybody had to read it.
	Optional Class = "optional"
)

// An Issued record is one line of the manifest.
type Issued struct {
	ID      string `json:"id,omitempty"` // its eventID; empty: it has none that is a text
	Class   Class  `json:"class"`
	Content string `json:"content,omitempty"` // SHA-256 of the record in canonical form; empty if it is not JSON
	Raw     string `json:"raw"`               // SHA-256 of its bytes
	Object  string `json:"object"`
}

// Key is what makes the record one of its own: its eventID, else its content.
func (r Issued) Key() string {
	if r.ID != "" {
		return r.ID
	}
	return "content:" + r.Content
}

// A Manifest is what was issued. Its methods may be called concurrently.
type Manifest struct {
	mu      sync.Mutex
	file    *os.File
	records []Issued
	objects map[string]map[int]bool // key: how many records a version of it has
}

// NewManifest makes an empty one, whose file must not be there.
func NewManifest(path string) (*Manifest, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make manifest: %w", err)
	}
	return &Manifest{file: f, objects: make(map[string]map[int]bool)}, nil
}

// Issue adds the records of an object. Once it returns they are on disk, so that the
// object may be uploaded. An empty name is for records that are in no object.
func (m *Manifest) Issue(object string, records []Issued) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := bufio.NewWriter(m.file)
	enc := json.NewEncoder(w)
	for i := range records {
		records[i].Object = object
		if err := enc.Encode(records[i]); err != nil {
			return fmt.Errorf("write manifest: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	if err := m.file.Sync(); err != nil {
		return fmt.Errorf("sync manifest: %w", err)
	}
	m.records = append(m.records, records...)
	if object == "" {
		return nil
	}
	if m.objects[object] == nil {
		m.objects[object] = make(map[int]bool)
	}
	m.objects[object][len(records)] = true
	return nil
}

// Objects is how many objects were issued.
func (m *Manifest) Objects() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.objects)
}

// Records is how many records were issued.
func (m *Manifest) Records() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.records)
}

// Close closes the file, which stays.
func (m *Manifest) Close() error { return m.file.Close() }

// Load reads the manifest back from its file: a check goes by what is on disk.
func (m *Manifest) load() ([]Issued, error) {
	f, err := os.Open(m.file.Name())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var records []Issued
	dec := json.NewDecoder(bufio.NewReaderSize(f, 1<<20))
	for dec.More() {
		var r Issued
		if err := dec.Decode(&r); err != nil {
			return nil, fmt.Errorf("read manifest: %w", err)
		}
		records = append(records, r)
	}
	return records, nil
}
