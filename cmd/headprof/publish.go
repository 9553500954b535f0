package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headprof/export/bucket"
	"headprof/probe/journal"
)

// afterSignal is how long an interrupted run may take to publish its journal:
// schedulers give half a minute from SIGTERM to SIGKILL.
const afterSignal = 20 * time.Second

// publishable gives a command that fills the folder --out the flag --publish.
func publishable(c *cobra.Command) *cobra.Command {
	var to string
	c.Flags().StringVar(&to, "publish", "", "also copy the finished folder to this `URL`: "+strings.Join(bucket.Schemes(), "://, ")+"://; a run that this URL has begun or finished continues from there")
	run := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if to == "" {
			return run(cmd, args)
		}
		p, err := newPublication(cmd, to)
		if err != nil {
			return err
		}
		p.restore(cmd.Context())
		return p.publish(run(cmd, args))
	}
	return c
}

// publication is a folder and where it is copied to.
type publication struct {
	dir  string
	to   *bucket.Place
	err  io.Writer
	mute bool // say nothing but warnings
}

func newPublication(cmd *cobra.Command, url string) (*publication, error) {
	fs := cmd.Flags()
	dir, err := fs.GetString("out")
	if err != nil {
		return nil, err
	}
	if f := fs.Lookup("shard"); f != nil {
		for _, text := range []*string{&dir, &url} {
			if _, _, err := resolveShard(f.Value.String(), text); err != nil {
				return nil, err
			}
		}
	}
	place, err := bucket.Parse(url)
	if err != nil {
		return nil, usagef("--publish: %w", err)
	}
	p := &publication{dir: dir, to: place, err: cmd.ErrOrStderr()}
	for _, quieter := range []string{"quiet", "json"} {
		if on, err := fs.GetBool(quieter); err == nil && on {
			p.mute = true
		}
	}
	return p, nil
}

// restore copies a run that is at the place into a folder that has none.
// Problems with the store do not stop a run: what it makes is on disk first.
func (p *publication) restore(ctx context.Context) {
	if _, err := os.Stat(filepath.Join(p.dir, journal.ManifestName)); err == nil {
		return
	}
	err := bucket.Fetch(ctx, p.to, p.dir, isRecord)
	switch {
	case err == nil:
		p.say("continues what is at %s", p.to.URL)
	case !errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(p.err, "warning: nothing can be read from where the result is to be published (%v); the run goes on, its result will be in %s\n", err, p.dir)
	}
}

// publish copies the folder after a run that ended with err.
func (p *publication) publish(err error) error {
	ctx := context.Background()
	var e *exit
	switch {
	case err == nil:
	case errors.As(err, &e) && e.code == exitNoScore:
	case errors.As(err, &e) && e.code == exitInterrupted:
		short, cancel := context.WithTimeout(ctx, afterSignal)
		defer cancel()
		if n, err := p.copy(short); err != nil {
			fmt.Fprintf(p.err, "warning: what there is could not be published: %v\n", err)
		} else if n > 0 {
			p.say("published what there is to %s", p.to.URL)
		}
		return err
	default:
		return err
	}
	n, failed := p.copy(ctx)
	if failed != nil {
		text := fmt.Sprintf("the result in %s is complete, but was not published: %v\nrun the same command again; it measures nothing twice", p.dir, failed)
		if err != nil {
			text = err.Error() + "; " + text
		}
		return &exit{exitFailed, errors.New(text)}
	}
	p.say("published: %s, %d files", p.to.URL, n)
	return err
}

// copy does not overwrite what another run has published.
func (p *publication) copy(ctx context.Context) (int, error) {
	here, err := journal.ReadManifest(p.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	data, err := bucket.Read(ctx, p.to, journal.ManifestName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	var there journal.Manifest
	if err == nil && json.Unmarshal(data, &there) == nil && (there.Model.SHA256 != here.Model.SHA256 || there.Plan.Hash != here.Plan.Hash) {
		return 0, fmt.Errorf("%s holds another run, of %s with plan %s; publish to another URL, or delete that one", p.to.URL, there.Model.Name, there.Plan.Hash)
	}
	return bucket.Publish(ctx, p.dir, p.to)
}

func (p *publication) say(format string, args ...any) {
	if !p.mute {
		fmt.Fprintf(p.err, format+"\n", args...)
	}
}

// isRecord tells a run's records from the tables and figures made of them.
func isRecord(name string) bool {
	switch path.Ext(name) {
	case ".json", ".jsonl":
		return true
	}
	return path.Base(path.Dir(name)) == stepsFolder
}

// published copies shards that are named by URLs into a temporary folder. done
// removes it; named puts the URLs in place of its paths.
func published(ctx context.Context, args []string) (dirs []string, done func(), named func(error) error, err error) {
	tmp := ""
	done = func() {
		if tmp != "" {
			os.RemoveAll(tmp)
		}
	}
	defer func() {
		if err != nil {
			done()
		}
	}()
	var renames []string
	for _, a := range args {
		if !bucket.IsURL(a) {
			dirs = append(dirs, matching([]string{a})...)
			continue
		}
		place, err := bucket.Parse(a)
		if err != nil {
			return nil, done, nil, usagef("%w", err)
		}
		found, err := bucket.Match(ctx, place)
		if err != nil {
			return nil, done, nil, err
		}
		if tmp == "" {
			if tmp, err = os.MkdirTemp("", "headprof-merge-"); err != nil {
				return nil, done, nil, err
			}
		}
		for _, f := range found {
			from := filepath.Join(tmp, fmt.Sprint(len(dirs)), path.Base(f.URL))
			if err := bucket.Fetch(ctx, f, from, isRecord); err != nil {
				return nil, done, nil, err
			}
			dirs = append(dirs, from)
			renames = append(renames, from, f.URL)
		}
	}
	url := strings.NewReplacer(renames...)
	named = func(err error) error {
		if err == nil || url.Replace(err.Error()) == err.Error() {
			return err
		}
		text := errors.New(url.Replace(err.Error()))
		var e *exit
		if errors.As(err, &e) {
			return &exit{e.code, text}
		}
		return text
	}
	return dirs, done, named, nil
}
