// SPDX-License-Identifier: LGPL-2.1-or-later

// Package objectstore keeps a recorder's segments in a bucket of an S3-compatible
// store: it is a recorder.RemoteStore.
package objectstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/xp2p/xp2p/recorder"
)

// Config is the argument of New.
type Config struct {
	Endpoint string // https://HOST[:PORT]; http:// is not encrypted
	Bucket   string // it must be there
	Prefix   string // of every key, such as "home/"
	Region   string // "": the store is asked
	// AccessKey and SecretKey; empty: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, then
	// the shared credentials file, then the machine's role.
	AccessKey, SecretKey string
	// Rate is the most that is sent, in bytes per second; 0: no limit.
	Rate int64
}

// Store is a bucket.
type Store struct {
	client *minio.Client
	bucket string
	prefix string
	rate   int64         // Config's
	stall  time.Duration // stallTimeout, but in tests
	http   *http.Transport
}

const (
	// quickTimeout bounds requests that carry little.
	quickTimeout = 30 * time.Second
	// stallTimeout bounds the wait for an answer. Sending a file has as much time more as
	// it would take at slowest bytes per second, or at an eighth of the rate if there is one.
	stallTimeout = time.Minute
	slowest      = 16 << 10
	// sumHeader is the metadata with a file's SHA-256, for whoever looks into the bucket.
	sumHeader = "Xp2p-Sha256"
)

// New makes a store; it connects nowhere yet.
func New(cfg Config) (*Store, error) {
	u, err := url.Parse(cfg.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("endpoint %q: wanted https://HOST[:PORT]", cfg.Endpoint)
	}
	t, err := minio.DefaultTransport(u.Scheme == "https")
	if err != nil {
		return nil, err
	}
	t.ResponseHeaderTimeout = stallTimeout
	creds := credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{Client: &http.Client{Transport: t}},
	})
	if cfg.AccessKey != "" {
		creds = credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, "")
	}
	c, err := minio.New(u.Host, &minio.Options{Creds: creds, Secure: u.Scheme == "https", Region: cfg.Region, Transport: throttle(t, cfg.Rate), MaxRetries: 3})
	if err != nil {
		return nil, fmt.Errorf("object store: %w", err)
	}
	return &Store{client: c, bucket: cfg.Bucket, prefix: strings.TrimSuffix(cfg.Prefix, "/"), rate: cfg.Rate, stall: stallTimeout, http: t}, nil
}

// Close closes idle connections.
func (s *Store) Close() error {
	s.http.CloseIdleConnections()
	return nil
}

func (s *Store) key(k string) string { return path.Join(s.prefix, k) }

// Put implements recorder.RemoteStore. The store checks the MD5 of what it was sent
// (RFC 1864) before it says yes, and is asked again for the size of what it has.
func (s *Store) Put(ctx context.Context, key string, file io.ReaderAt, size int64) error {
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(file, 0, size)); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	sending, cancel := context.WithTimeout(ctx, s.putTimeout(size))
	defer cancel()
	_, err := s.client.PutObject(sending, s.bucket, s.key(key), io.NewSectionReader(file, 0, size), size, minio.PutObjectOptions{
		ContentType: "video/mp4", SendContentMd5: true, DisableMultipart: true,
		UserMetadata: map[string]string{sumHeader: hex.EncodeToString(sum.Sum(nil))},
	})
	if err != nil {
		return s.failed("put", err)
	}
	quick, cancelQuick := context.WithTimeout(ctx, quickTimeout)
	defer cancelQuick()
	st, err := s.client.StatObject(quick, s.bucket, s.key(key), minio.StatObjectOptions{})
	if err != nil {
		return s.failed("look at what was put", err)
	}
	if st.Size != size {
		return fmt.Errorf("object store %s: it has %d bytes of %d", s.bucket, st.Size, size)
	}
	return nil
}

func (s *Store) putTimeout(size int64) time.Duration {
	least := int64(slowest)
	if s.rate > 0 {
		least = max(1, min(least, s.rate/8))
	}
	return s.stall + time.Duration(size/least)*time.Second
}

// Open implements recorder.RemoteStore.
func (s *Store) Open(ctx context.Context, key string) (recorder.ReadFile, error) {
	ctx, cancel := context.WithTimeout(ctx, quickTimeout)
	defer cancel()
	st, err := s.client.StatObject(ctx, s.bucket, s.key(key), minio.StatObjectOptions{})
	if err != nil {
		return nil, s.failed("open", err)
	}
	o := &object{s: s, key: s.key(key), size: st.Size, etag: st.ETag}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	return o, nil
}

// List implements recorder.RemoteStore.
func (s *Store) List(ctx context.Context, prefix string, f func(key string, size int64) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the listing where f did
	below := ""
	if s.prefix != "" {
		below = s.prefix + "/"
	}
	objects := s.client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: below + prefix, Recursive: true})
	var err error
	for o := range objects {
		switch {
		case err != nil: // the channel is emptied, so that who fills it ends
		case o.Err != nil:
			err = s.failed("list", o.Err)
		default:
			err = f(strings.TrimPrefix(o.Key, below), o.Size)
		}
		if err != nil {
			cancel()
		}
	}
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}

// Fetch implements recorder.RemoteStore.
func (s *Store) Fetch(ctx context.Context, key string, w io.Writer) (sum string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	core := minio.Core{Client: s.client}
	body, info, header, err := core.GetObject(ctx, s.bucket, s.key(key), minio.GetObjectOptions{})
	if err != nil {
		return "", s.failed("fetch", err)
	}
	defer body.Close()
	// A store that stalls is left; what comes keeps it going, however long it takes in all.
	stalled := time.AfterFunc(s.stall, func() { cancel(fmt.Errorf("it sent nothing for %v", s.stall)) })
	defer stalled.Stop()
	n, err := io.Copy(w, readerFunc(func(b []byte) (int, error) {
		n, err := body.Read(b)
		stalled.Reset(s.stall)
		return n, err
	}))
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err == nil && n != info.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return "", s.failed("fetch", err)
	}
	return header.Get("X-Amz-Meta-" + sumHeader), nil
}

// readerFunc is a reader that is a function.
type readerFunc func(b []byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// Remove implements recorder.RemoteStore.
func (s *Store) Remove(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, quickTimeout)
	defer cancel()
	err := s.client.RemoveObject(ctx, s.bucket, s.key(key), minio.RemoveObjectOptions{})
	if err = s.failed("remove", err); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// failed names the bucket in an error, and makes what is not there fs.ErrNotExist.
func (s *Store) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	switch code := minio.ToErrorResponse(err).Code; code {
	case minio.NoSuchKey:
		return fmt.Errorf("object store %s: %s: %w", s.bucket, what, fs.ErrNotExist)
	case minio.NoSuchBucket:
		return fmt.Errorf("object store: there is no bucket %q: make it there, or mend the configuration: %w", s.bucket, err)
	}
	return fmt.Errorf("object store %s: %s: %w", s.bucket, what, err)
}

// object is a file of the store being read.
type object struct {
	s      *Store
	key    string
	etag   string
	size   int64
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
}

func (o *object) Size() (int64, error) { return o.size, nil }

func (o *object) Close() error {
	o.cancel()
	return nil
}

// ReadAt is one request for a range.
func (o *object) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read before the beginning")
	}
	if off >= o.size {
		return 0, io.EOF
	}
	n := min(int64(len(b)), o.size-off)
	if n == 0 {
		return 0, nil
	}
	var opts minio.GetObjectOptions
	if err := opts.SetRange(off, off+n-1); err != nil {
		return 0, err
	}
	if o.etag != "" { // of the same object all the time
		if err := opts.SetMatchETag(o.etag); err != nil {
			return 0, err
		}
	}
	core := minio.Core{Client: o.s.client}
	body, _, _, err := core.GetObject(o.ctx, o.s.bucket, o.key, opts)
	if err != nil {
		return 0, o.s.failed("read", err)
	}
	defer body.Close()
	stop := time.AfterFunc(o.s.stall, o.cancel)
	defer stop.Stop()
	got, err := io.ReadFull(body, b[:n])
	if err != nil {
		return got, o.s.failed("read", err)
	}
	if n < int64(len(b)) {
		return got, io.EOF
	}
	return got, nil
}
