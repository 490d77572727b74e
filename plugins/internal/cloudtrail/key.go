package cloudtrail

import (
	"strings"
	"time"
	"unicode/utf8"
)

// A Key is what the key or path of a CloudTrail file tells. All of it may be
// missing: files are copied and renamed, and nothing here is needed to read one.
type Key struct {
	Account  string
	Category string // CloudTrail, CloudTrail-Insight, CloudTrail-Digest, …
	Region   string
	Day      time.Time // of the folder
	Label    time.Time // in the name: about when the file was delivered
}

// Time is the label, else the day, else the zero time.
func (k Key) Time() time.Time {
	if k.Label.IsZero() {
		return k.Day
	}
	return k.Label
}

// ParseKey reads a key of the form
//
//	[prefix/]AWSLogs/[o-…/]ACCOUNT/CATEGORY/REGION/YYYY/MM/DD/ACCOUNT_CATEGORY_REGION_YYYYMMDDTHHmmZ_….json.gz
//
// as far as it goes. What the folders do not say is taken from the name.
func ParseKey(key string) Key {
	parts := strings.Split(key, "/")
	name := parts[len(parts)-1]
	k := parseFolders(parts[:len(parts)-1])
	fields := strings.Split(name, "_")
	if len(fields) > 3 && isCategory(fields[1]) && k.Category == "" {
		k.Account, k.Category, k.Region = fields[0], fields[1], fields[2]
	}
	k.Label = parseLabel(name)
	return k
}

// Readable reports whether the file under key may hold events, by its name alone:
// .json or .json.gz, not a digest, and not the log of another service that writes
// below AWSLogs/ACCOUNT/ too.
func Readable(key string) bool {
	if !strings.HasSuffix(key, ".json.gz") && !strings.HasSuffix(key, ".json") {
		return false
	}
	if strings.Contains(key, "/CloudTrail-Digest/") || strings.HasPrefix(key, "CloudTrail-Digest/") {
		return false
	}
	k := ParseKey(key)
	return k.Category == "" || isCategory(k.Category) && k.Category != "CloudTrail-Digest"
}

// Recordable reports whether key can be part of a split's ID, which travels in
// protobuf and is stored in PostgreSQL: neither takes what is not UTF-8, nor the
// latter a NUL.
func Recordable(key string) bool {
	return utf8.ValidString(key) && strings.IndexByte(key, 0) < 0
}

// isCategory reports whether s is the folder of a CloudTrail log.
func isCategory(s string) bool { return s == "CloudTrail" || strings.HasPrefix(s, "CloudTrail-") }

// parseFolders reads what lies between AWSLogs/ and the name. An organization's ID
// may come first, and Control Tower has it in front of AWSLogs/ as well.
func parseFolders(folders []string) Key {
	var k Key
	for i, folder := range folders {
		if folder != "AWSLogs" {
			continue
		}
		rest := folders[i+1:]
		if len(rest) > 0 && strings.HasPrefix(rest[0], "o-") {
			rest = rest[1:]
		}
		if len(rest) < 2 || !isAccount(rest[0]) && !isCategory(rest[1]) {
			continue
		}
		k.Account, k.Category = rest[0], rest[1]
		if len(rest) > 2 {
			k.Region = rest[2]
		}
		if len(rest) > 5 {
			k.Day, _ = time.Parse("2006/01/02", strings.Join(rest[3:6], "/"))
		}
		return k
	}
	return k
}

func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

// parseLabel finds a time such as 20261101T1255Z anywhere in a name: not every
// name has an underscore after it.
func parseLabel(name string) time.Time {
	const layout = "20060102T1504Z"
	for i := 0; i+len(layout) <= len(name); i++ {
		if name[i] < '0' || name[i] > '9' || name[i+8] != 'T' {
			continue
		}
		if t, err := time.Parse(layout, name[i:i+len(layout)]); err == nil {
			return t
		}
	}
	return time.Time{}
}
