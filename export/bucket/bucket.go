// Package bucket copies folders of artifacts to and from object stores: S3,
// Google Cloud Storage, Azure Blob Storage, or a folder by a file URL.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // file://
	"gocloud.dev/gcerrors"

	"headprof/export/atomicfile"
)

// IsURL tells a place in an object store from a folder's path.
func IsURL(s string) bool { return strings.Contains(s, "://") }

// Schemes are the URL schemes that this build knows.
func Schemes() []string {
	var known []string
	for _, s := range []string{"s3", "gs", "azblob", "file"} {
		if blob.DefaultURLMux().ValidBucketScheme(s) {
			known = append(known, s)
		}
	}
	return known
}

// Place is a folder in an object store.
type Place struct {
	URL    string // as given, without query
	bucket string // as blob.OpenBucket takes it
	prefix string // of all keys: "" or "a/b"
}

// Parse reads a URL such as s3://bucket/runs/a?region=eu-central-1. What stands
// behind the question mark is for the store: see gocloud.dev/blob's packages.
func Parse(text string) (*Place, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no URL: %w", text, errors.Unwrap(err))
	}
	if !slices.Contains(Schemes(), u.Scheme) {
		return nil, fmt.Errorf("%q: this build stores in %s://, not in %s://", text, strings.Join(Schemes(), "://, "), u.Scheme)
	}
	p := &Place{URL: u.Scheme + "://" + u.Host + u.Path, prefix: strings.Trim(u.Path, "/")}
	u.RawPath = ""
	if u.Scheme == "file" {
		if u.Host != "" || u.Path == "" || u.Path == "/" {
			return nil, fmt.Errorf("%q: a file URL has three slashes and an absolute path, as in file:///shared/runs", text)
		}
		clean := path.Clean(u.Path)
		u.Path, p.prefix = path.Dir(clean), path.Base(clean)
		q := u.Query()
		for key, value := range map[string]string{"create_dir": "true", "metadata": "skip", "no_tmp_dir": "true"} {
			q.Set(key, value)
		}
		u.RawQuery = q.Encode()
	} else {
		if u.Host == "" {
			return nil, fmt.Errorf("%q lacks the bucket: %s://BUCKET/FOLDER", text, u.Scheme)
		}
		u.Path = ""
	}
	p.bucket = u.String()
	return p, nil
}

// In is a place below p, named by slashes.
func (p *Place) In(name string) *Place {
	return &Place{URL: strings.TrimSuffix(p.URL, "/") + "/" + name, bucket: p.bucket, prefix: path.Join(p.prefix, name)}
}

func (p *Place) open(ctx context.Context) (*blob.Bucket, error) {
	b, err := blob.OpenBucket(ctx, p.bucket)
	if err != nil {
		return nil, p.explain(err)
	}
	if p.prefix == "" {
		return b, nil
	}
	return blob.PrefixedBucket(b, p.prefix+"/"), nil
}

// Publish copies dir's files to p, run.json last, so that a reader who sees it
// sees all. Hidden files (locks, files being written) stay. It gives the number
// of files.
func Publish(ctx context.Context, dir string, p *Place) (int, error) {
	names, err := filesIn(dir)
	if err != nil {
		return 0, err
	}
	b, err := p.open(ctx)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	for _, name := range names {
		if err := upload(ctx, b, name, filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			return 0, p.In(name).explain(err)
		}
	}
	return len(names), nil
}

// last is the file of a run's folder that is copied after all others.
const last = "run.json"

// filesIn lists a folder's files, by slashes, in the order of their copying.
func filesIn(dir string) (names []string, err error) {
	err = filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(e.Name(), ".") && file != dir:
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !e.Type().IsRegular():
			return nil
		}
		name, err := filepath.Rel(dir, file)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if i := slices.Index(names, last); i >= 0 {
		names = append(slices.Delete(names, i, i+1), last)
	}
	return names, err
}

func upload(ctx context.Context, b *blob.Bucket, key, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return b.Upload(ctx, key, f, &blob.WriterOptions{ContentType: contentType(key)})
}

// contentType lets a browser show what it can; the rest is bytes.
func contentType(name string) string {
	types := map[string]string{
		".png": "image/png", ".svg": "image/svg+xml", ".pdf": "application/pdf", ".html": "text/html; charset=utf-8",
		".json": "application/json", ".jsonl": "application/x-ndjson", ".csv": "text/csv; charset=utf-8", ".md": "text/markdown; charset=utf-8",
	}
	if t, ok := types[path.Ext(name)]; ok {
		return t
	}
	return "application/octet-stream"
}

// Read gives one file of p. Where there is none, the error is [fs.ErrNotExist].
func Read(ctx context.Context, p *Place, name string) ([]byte, error) {
	b, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	data, err := b.ReadAll(ctx, name)
	if err != nil {
		return nil, p.In(name).explain(err)
	}
	return data, nil
}

// Fetch copies the files of p that want accepts into dir, which appears with
// the first. Without any the error is [fs.ErrNotExist].
func Fetch(ctx context.Context, p *Place, dir string, want func(name string) bool) error {
	b, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	found := false
	for list := b.List(nil); ; {
		o, err := list.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return p.explain(err)
		}
		name := filepath.FromSlash(o.Key)
		if !want(o.Key) {
			continue
		}
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%s: a file named %q cannot be copied into a folder", p.URL, o.Key)
		}
		found = true
		if err := download(ctx, b, o.Key, filepath.Join(dir, name)); err != nil {
			return p.In(o.Key).explain(err)
		}
	}
	if !found {
		return fmt.Errorf("%s: nothing is stored there: %w", p.URL, fs.ErrNotExist)
	}
	return nil
}

func download(ctx context.Context, b *blob.Bucket, key, file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	return atomicfile.Write(file, func(w io.Writer) error { return b.Download(ctx, key, w, nil) })
}

// Match gives the folders that match p's last element, a pattern of
// [path.Match], in order of their names; p itself where it is no pattern.
func Match(ctx context.Context, p *Place) ([]*Place, error) {
	dir, pattern := path.Split(p.prefix)
	if !strings.ContainsAny(pattern, "*?[") {
		return []*Place{p}, nil
	}
	up := &Place{URL: strings.TrimSuffix(strings.TrimSuffix(p.URL, "/"), "/"+pattern), bucket: p.bucket, prefix: strings.Trim(dir, "/")}
	b, err := up.open(ctx)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	var all []*Place
	for list := b.List(&blob.ListOptions{Delimiter: "/"}); ; {
		o, err := list.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, up.explain(err)
		}
		name := strings.TrimSuffix(o.Key, "/")
		fits, err := path.Match(pattern, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is no pattern: %w", p.URL, pattern, err)
		}
		if o.IsDir && fits {
			all = append(all, up.In(name))
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no folder there matches: %w", p.URL, fs.ErrNotExist)
	}
	return all, nil
}

// explain says what a store's error means and what to do.
func (p *Place) explain(err error) error {
	text := err.Error()
	code := ""
	var said interface{ ErrorCode() string }
	if errors.As(err, &said) {
		code = said.ErrorCode()
		text = code
		var more interface{ ErrorMessage() string }
		if errors.As(err, &more) && more.ErrorMessage() != "" {
			text = strings.TrimSuffix(more.ErrorMessage(), ".") + " (" + code + ")"
		}
	}
	var network *net.OpError
	if errors.As(err, &network) {
		text = network.Error()
	}
	advice := ""
	kind := gcerrors.Code(err)
	switch {
	case code == "NoSuchBucket":
		advice = "check the bucket's name, or make it"
	case code == "InvalidAccessKeyId" || code == "SignatureDoesNotMatch" || code == "AccessDenied" || code == "ExpiredToken" ||
		kind == gcerrors.PermissionDenied:
		advice = "check the store's credentials and what they permit"
	case kind == gcerrors.NotFound:
		return fmt.Errorf("%s: %w", p.URL, fs.ErrNotExist)
	case code == "XMinioStorageFull" || code == "InsufficientStorage" || kind == gcerrors.ResourceExhausted:
		advice = "the store is full; free some space there"
	case strings.Contains(text, "credential"):
		advice = "give the store's credentials in the environment (docs/cluster)"
	}
	if advice != "" {
		return fmt.Errorf("%s: %s; %s", p.URL, text, advice)
	}
	return fmt.Errorf("%s: %s", p.URL, text)
}
