package tokenizer

import "time"

// SetMatchTime bounds matches of files' patterns otherwise until restore is called.
func SetMatchTime(d time.Duration) (restore func()) {
	before := matchTime
	matchTime = d
	return func() { matchTime = before }
}
