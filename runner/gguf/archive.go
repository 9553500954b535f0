package gguf

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mapModel maps the GGUF that path names: a file, or a member of a zip or
// wheel as archive.zip (which must hold one model) or archive.zip:member.
func mapModel(path string) (*part, error) {
	if archive, member, ok := splitMember(path); ok {
		return mapMember(archive, member)
	}
	p, err := mapFile(path)
	if err != nil || !looksLikeZip(p.data) {
		return p, err
	}
	p.close()
	return mapMember(path, "")
}

// splitMember cuts archive.zip:member apart. A file of that very name goes first.
func splitMember(path string) (archive, member string, ok bool) {
	if _, err := os.Stat(path); err == nil {
		return "", "", false
	}
	for _, ext := range []string{".zip:", ".whl:"} {
		if i := strings.Index(strings.ToLower(path), ext); i >= 0 {
			i += len(ext) - 1
			return path[:i], path[i+1:], true
		}
	}
	return "", "", false
}

func looksLikeZip(data []byte) bool {
	return bytes.HasPrefix(data, []byte("PK\x03\x04")) || bytes.HasPrefix(data, []byte("PK\x05\x06"))
}

// mapMember maps an archive and narrows it to a member: the named one, or with
// "" the only model there is.
func mapMember(archive, member string) (*part, error) {
	p, err := mapFile(archive)
	if err != nil {
		return nil, err
	}
	f, err := findMember(p, archive, member)
	if err == nil {
		err = p.narrow(archive, f)
	}
	if err != nil {
		p.close()
		return nil, fmt.Errorf("%s: %w", archive, err)
	}
	return p, nil
}

func findMember(p *part, archive, member string) (*zip.File, error) {
	z, err := zip.NewReader(io.NewSectionReader(p.file.File, 0, int64(len(p.data))), int64(len(p.data)))
	if err != nil {
		if n := missingFromZip(p.data); n > 0 {
			return nil, fmt.Errorf("the archive is cut off: at least %d bytes are missing; fetch it again", n)
		}
		return nil, fmt.Errorf("the archive cannot be read (%w); fetch it again", err)
	}
	var models []*zip.File
	var names []string
	for _, f := range z.File {
		if member != "" && f.Name == member {
			return f, nil
		}
		if strings.EqualFold(filepath.Ext(f.Name), ".gguf") {
			models, names = append(models, f), append(names, f.Name)
		}
	}
	slices.Sort(names)
	switch {
	case member != "" && len(models) == 0:
		return nil, fmt.Errorf("the archive has no member %q, and no .gguf file at all", member)
	case member != "":
		return nil, fmt.Errorf("the archive has no member %q; its models are %s", member, shortList(names))
	case len(models) == 0:
		return nil, fmt.Errorf("the archive holds no .gguf file; give a .gguf file or a Hugging Face folder")
	case len(models) == 1:
		return models[0], nil
	}
	if first, ok := parseSplitName(names[0]); ok && first.count == len(names) {
		for _, m := range models {
			if m.Name == first.name(1) {
				return m, nil
			}
		}
	}
	return nil, fmt.Errorf("the archive holds several models: %s; name one as %s:%s", shortList(names), archive, names[0])
}

// missingFromZip gives a lower bound of the bytes that an archive without its
// directory (the end of the file) has lost: what the member that the end lies in
// still needs, by its local header, and the smallest directory.
func missingFromZip(data []byte) int64 {
	const header, directory = 30, 22
	le := binary.LittleEndian
	at := int64(0)
	for int64(len(data))-at >= header && string(data[at:at+4]) == "PK\x03\x04" {
		h := data[at:]
		size := int64(le.Uint32(h[18:]))
		name, extra := int64(le.Uint16(h[26:])), int64(le.Uint16(h[28:]))
		if size == math.MaxUint32 { // zip64 keeps the size in the first extra field
			if int64(len(h)) < header+name+20 {
				break
			}
			if size = int64(le.Uint64(h[header+name+12:])); size < 0 || size > math.MaxInt64/2 {
				return 0
			}
		}
		at += header + name + extra + size
		if at > int64(len(data)) {
			break
		}
	}
	if at == 0 {
		return 0
	}
	return max(0, at-int64(len(data))) + directory
}

// narrow makes the part show one stored member only.
func (p *part) narrow(archive string, f *zip.File) error {
	const encrypted = 1
	switch {
	case f.Flags&encrypted != 0:
		return fmt.Errorf("%s in it is encrypted; unpack it first", f.Name)
	case f.Method != zip.Store:
		return fmt.Errorf("%s in it is compressed and cannot be mapped; unpack it first: unzip %q %q", f.Name, archive, f.Name)
	}
	offset, err := f.DataOffset()
	if err != nil {
		return fmt.Errorf("%s in it cannot be found (%w); fetch the archive again", f.Name, err)
	}
	size := uint64(len(p.data))
	if offset < 0 || uint64(offset) > size || f.UncompressedSize64 > size-uint64(offset) {
		return fmt.Errorf("%s in it reaches beyond the archive's end; fetch the archive again", f.Name)
	}
	end := offset + int64(f.UncompressedSize64)
	p.name, p.archive, p.member = archive+":"+f.Name, archive, f.Name
	p.data, p.offset = p.data[offset:end:end], offset
	return nil
}

// sibling maps another part of the same split model.
func (p *part) sibling(name string) (*part, error) {
	if p.archive == "" {
		return mapFile(name)
	}
	return mapMember(p.archive, strings.TrimPrefix(name, p.archive+":"))
}
