// SPDX-License-Identifier: LGPL-2.1-or-later

package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// KV is a Store in a bucket of NATS: the rendezvous', or a cluster's, where it outlives
// the process and serves several of them. The bucket's own time to live, which must be
// longer than a code's, is what forgets.
type KV struct{ bucket jetstream.KeyValue }

// NewKV makes one.
func NewKV(bucket jetstream.KeyValue) *KV { return &KV{bucket} }

// Get implements Store.
func (k *KV) Get(ctx context.Context, code string) (Record, uint64, error) {
	e, err := k.bucket.Get(ctx, code)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrInvalidKey):
		return Record{}, 0, ErrNoCode
	case err != nil:
		return Record{}, 0, fmt.Errorf("read the code: %w", err)
	}
	var r Record
	if err := json.Unmarshal(e.Value(), &r); err != nil {
		return Record{}, 0, fmt.Errorf("read the code: %w", err)
	}
	return r, e.Revision(), nil
}

// Put implements Store.
func (k *KV) Put(ctx context.Context, r Record, revision uint64) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if revision == 0 {
		_, err = k.bucket.Create(ctx, r.Code, b)
	} else {
		_, err = k.bucket.Update(ctx, r.Code, b, revision)
	}
	var wrong *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrKeyExists),
		errors.As(err, &wrong) && wrong.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence:
		return ErrChanged
	case err != nil:
		return fmt.Errorf("store the code: %w", err)
	}
	return nil
}
