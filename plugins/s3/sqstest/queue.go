package sqstest

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Queue says how a queue behaves.
type Queue struct {
	Visibility time.Duration // of messages received without one; 0: they stay visible
	Retention  time.Duration // 0 keeps messages for ever
	// DeadLetter is the name of the queue that gets what was received MaxReceives times
	// and not deleted; empty for none.
	DeadLetter  string
	MaxReceives int
}

type queue struct {
	Queue
	name     string
	messages []*message // in the order in which they were sent
	deleted  int
}

type message struct {
	id, body string
	sent     time.Time
	visible  time.Time // from when on it is
	received time.Time // latest
	receives int
}

// CreateQueue makes an empty queue and returns its URL. One of that name is replaced.
func (s *Server) CreateQueue(name string, q Queue) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queues[name] = &queue{Queue: q, name: name}
	return s.URL + "/000000000000/" + name
}

// Send puts a message into a queue, which must be there, and returns its ID.
func (s *Server) Send(queue, body string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(s.queues[queue], body).id
}

func (s *Server) put(q *queue, body string) *message {
	s.last++
	now := s.now()
	m := &message{id: fmt.Sprintf("00000000-0000-4000-8000-%012d", s.last), body: body, sent: now, visible: now}
	q.messages = append(q.messages, m)
	s.wake()
	return m
}

// wake lets long polls look again.
func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// State is what a queue holds.
type State struct {
	Visible, Hidden int
	Deleted         int // since it was created
}

// State tells what a queue holds, which must be there.
func (s *Server) State(queue string) State {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[queue]
	s.expire(q, s.now())
	visible, hidden := q.count(s.now())
	return State{Visible: visible, Hidden: hidden, Deleted: q.deleted}
}

// Bodies are the bodies of all messages of a queue, hidden ones too.
func (s *Server) Bodies(queue string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var bodies []string
	for _, m := range s.queues[queue].messages {
		bodies = append(bodies, m.body)
	}
	return bodies
}

// expire drops what is too old, and moves what was received too often.
func (s *Server) expire(q *queue, now time.Time) {
	for _, m := range slices.Clone(q.messages) {
		dead := s.queues[q.DeadLetter]
		switch {
		case q.Retention > 0 && now.Sub(m.sent) > q.Retention:
			q.messages = without(q.messages, m)
		case dead != nil && m.receives >= q.MaxReceives && !m.visible.After(now):
			q.messages = without(q.messages, m)
			m.receives = 0
			dead.messages = append(dead.messages, m)
		}
	}
}

func without(list []*message, m *message) []*message {
	return slices.DeleteFunc(list, func(x *message) bool { return x == m })
}

func (q *queue) count(now time.Time) (visible, hidden int) {
	for _, m := range q.messages {
		if m.visible.After(now) {
			hidden++
		} else {
			visible++
		}
	}
	return visible, hidden
}

func (q *queue) find(id string) *message {
	for _, m := range q.messages {
		if m.id == id {
			return m
		}
	}
	return nil
}

func (q *queue) drop(m *message) {
	q.messages = without(q.messages, m)
	q.deleted++
}

// receipt names the message and the time it was handed out: a later one has another.
func (m *message) receipt() string {
	return base64.RawURLEncoding.EncodeToString([]byte(m.id + " " + strconv.Itoa(m.receives)))
}

func parseReceipt(receipt string) (id string, receives int, ok bool) {
	plain, err := base64.RawURLEncoding.DecodeString(receipt)
	if err != nil {
		return "", 0, false
	}
	id, count, _ := strings.Cut(string(plain), " ")
	receives, err = strconv.Atoi(count)
	return id, receives, err == nil
}

func md5Of(body string) string {
	sum := md5.Sum([]byte(body))
	return hex.EncodeToString(sum[:])
}
