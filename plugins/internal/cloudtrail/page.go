package cloudtrail

import (
	"bytes"
	"fmt"

	"github.com/s-developer-team-inu/inu-logsmith/internal/jsonscan"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// pager makes events of records and collects them into pages. Never more than one
// page waits.
type pager struct {
	emit    func([]sdk.Event) error
	limits  Limits
	account string
	memory  *memory

	names *interner

	bytes int // in memory.page
	ids   unnamed
}

func newPager(account string, l Limits, r *readers, emit func([]sdk.Event) error) *pager {
	return &pager{emit: emit, limits: l, account: account, memory: &r.memory, names: &r.names, ids: unnamed{max: l.Unnamed}}
}

// addValue takes one member of a list of records, which is valid JSON but for bad UTF-8
// and repeated names. raw is the caller's.
func (p *pager) addValue(raw []byte) error {
	raw = bytes.Clone(raw)
	if kind := jsonKind(raw); kind != '{' {
		id, err := p.ids.id(raw)
		if err != nil {
			return err
		}
		return p.append(sdk.Event{
			ID: id, Account: p.account, Raw: raw,
			Reject: fmt.Sprintf("the record is %s, not an object", kindName(kind)),
		})
	}
	var env envelope
	env.read(raw)
	return p.add(raw, &env)
}

// add takes one record, a JSON object, and what its envelope is made of. It keeps raw until
// the page is emitted that the record is in.
func (p *pager) add(raw []byte, env *envelope) error {
	e, err := p.event(raw, env)
	if err != nil {
		return err
	}
	return p.append(e)
}

func (p *pager) append(e sdk.Event) error {
	raw := e.Raw
	if p.bytes > 0 && p.bytes+len(raw) > p.limits.PageBytes {
		if err := p.flush(); err != nil {
			return err
		}
	}
	if m := p.memory; m.page == nil {
		m.page = make([]sdk.Event, 0, min(p.limits.PageEvents, 1+p.limits.PageBytes/max(len(raw), 1)))
	}
	p.memory.page = append(p.memory.page, e)
	p.bytes += len(raw)
	if len(p.memory.page) >= p.limits.PageEvents {
		return p.flush()
	}
	return nil
}

func (p *pager) flush() error {
	m := p.memory
	if len(m.page) == 0 {
		return nil
	}
	if err := p.emit(m.page); err != nil {
		return &passedOn{err}
	}
	m.page, p.bytes = m.page[:0], 0
	m.emitted++
	return nil
}

func (p *pager) event(raw []byte, env *envelope) (sdk.Event, error) {
	e := sdk.Event{
		ID:        eventID(env.eventID, env.eventIDLower),
		Time:      env.time(),
		Name:      p.names.text(env.eventName),
		Source:    p.names.text(env.eventSource),
		Region:    p.names.text(env.awsRegion),
		Account:   p.names.first(env.recipientAccountID, env.identity.accountID, env.identity.issuerAccountID, env.accountID),
		Principal: p.names.first(env.identity.arn, env.identity.principalID, env.identity.invokedBy),
		ErrorCode: p.names.text(env.errorCode),
		ReadOnly:  env.readOnly,
		Raw:       raw,
	}
	if e.Account == "" {
		e.Account = p.account
	}
	if env.depth > p.limits.Depth {
		e.Reject = fmt.Sprintf("nested deeper than the limit of %d", p.limits.Depth)
	}
	if e.ID != "" && e.Reject == "" {
		return e, nil
	}
	// Equal records that go to quarantine must be told apart there: each is counted.
	var err error
	e.ID, err = p.ids.id(raw)
	return e, err
}

// interner gives equal texts the same string: a file repeats a few names thousands of times,
// and so do the files of a trail.
type interner struct {
	seen map[string]string
	size int // of the texts in seen
}

// internMax bounds the number of strings kept, and their length; internKept is how much
// text may be kept for the next file.
const (
	internMax  = 1024
	internKept = 64 << 10
)

// text is the value of a JSON string, or empty if v is something else.
func (in *interner) text(v []byte) string {
	if len(v) < 2 || v[0] != '"' {
		return ""
	}
	if s, ok := in.seen[string(v)]; ok {
		return s
	}
	s := jsonscan.Unquote(v)
	if len(in.seen) < internMax && len(v) < internMax {
		if in.seen == nil {
			in.seen = make(map[string]string)
		}
		in.seen[string(v)] = s
		in.size += len(v) + len(s)
	}
	return s
}

// reset ends the use for one file.
func (in *interner) reset() {
	if in.size > internKept || len(in.seen) >= internMax {
		clear(in.seen)
		in.size = 0
	}
}

// first is the first value that is a string and not empty.
func (in *interner) first(values ...[]byte) string {
	for _, v := range values {
		if s := in.text(v); s != "" {
			return s
		}
	}
	return ""
}
