package parquetfile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Compression codecs, numbered as in the format. LZO (3) is written by no
// current tool.
const (
	codecNone   = 0
	codecSnappy = 1
	codecGzip   = 2
	codecBrotli = 4
	codecLZ4    = 5 // with Hadoop's framing, or without
	codecZstd   = 6
	codecLZ4Raw = 7
)

// decompress gives a page's full bytes. full is bounded by the caller.
func decompress(codec int, body []byte, full int) ([]byte, error) {
	if full == 0 && len(body) == 0 {
		return body, nil // a page whose values are all missing
	}
	switch codec {
	case codecNone:
		if len(body) != full {
			return nil, fmt.Errorf("%w: %d bytes instead of %d", errPage, len(body), full)
		}
		return body, nil
	case codecSnappy:
		n, err := snappy.DecodedLen(body)
		if err != nil || n != full {
			return nil, errPage
		}
		out, err := snappy.Decode(nil, body)
		if err != nil {
			return nil, errPage
		}
		return out, nil
	case codecGzip:
		r, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, errPage
		}
		return readExactly(r, full)
	case codecBrotli:
		return readExactly(brotli.NewReader(bytes.NewReader(body)), full)
	case codecZstd:
		r, err := zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(full)+1<<20), zstd.WithDecoderMaxWindow(32<<20))
		if err != nil {
			return nil, errPage
		}
		defer r.Close()
		return readExactly(r, full)
	case codecLZ4Raw:
		return lz4Block(body, full)
	case codecLZ4:
		if out, err := lz4Hadoop(body, full); err == nil {
			return out, nil
		}
		return lz4Block(body, full)
	}
	return nil, fmt.Errorf("its compression (codec %d) is not known; save it uncompressed or with Snappy, gzip, Brotli, Zstandard or LZ4", codec)
}

func lz4Block(body []byte, full int) ([]byte, error) {
	out := make([]byte, full)
	n, err := lz4.UncompressBlock(body, out)
	if err != nil || n != full {
		return nil, errPage
	}
	return out, nil
}

// lz4Hadoop reads blocks that each carry their two sizes, decompressed and
// compressed, as big-endian numbers (Hadoop's Lz4Codec, parquet-mr).
func lz4Hadoop(body []byte, full int) ([]byte, error) {
	var out []byte
	for len(body) > 0 {
		if len(body) < 8 {
			return nil, errPage
		}
		size, packed := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
		body = body[8:]
		if uint64(packed) > uint64(len(body)) || uint64(size) > uint64(full-len(out)) {
			return nil, errPage
		}
		block, err := lz4Block(body[:packed], int(size))
		if err != nil {
			return nil, err
		}
		out, body = append(out, block...), body[packed:]
	}
	if len(out) != full {
		return nil, errPage
	}
	return out, nil
}

func readExactly(r io.Reader, full int) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, int64(full)+1))
	if err != nil || len(out) != full {
		return nil, errPage
	}
	return out, nil
}
