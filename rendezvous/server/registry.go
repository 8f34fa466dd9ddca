// SPDX-License-Identifier: LGPL-2.1-or-later

package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/xp2p/xp2p/rendezvous"
)

// registry knows which key speaks for which device and which devices are
// present. Both are in JetStream key-value buckets; what is asked on the way of
// a connection is answered from memory.
type registry struct {
	log      *slog.Logger
	keys     jetstream.KeyValue // "T.P.D" -> the device's public key
	presence jetstream.KeyValue // "T.P.D" -> rendezvous.Presence; written when it changes, not with every keep-alive

	mu      sync.Mutex
	owner   map[string]string
	present map[string]*presentDevice
	closed  bool

	cancel context.CancelFunc
	wg     sync.WaitGroup
}

type presentDevice struct {
	rendezvous.Presence
	seen time.Time
}

const (
	keysBucket     = "device_keys"
	presenceBucket = "presence"
	// A device that was silent for three keep-alives is gone (reference/xp2p.md §5).
	aliveTimeout = 3*rendezvous.AliveEvery + 2*time.Second
	storeTimeout = 5 * time.Second
)

func startRegistry(ctx context.Context, nc *nats.Conn, log *slog.Logger) (*registry, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	r := &registry{log: log.With("part", "registry"), owner: map[string]string{}, present: map[string]*presentDevice{}}
	if r.keys, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: keysBucket, History: 1}); err != nil {
		return nil, err
	}
	if r.presence, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: presenceBucket, History: 1, Storage: jetstream.MemoryStorage}); err != nil {
		return nil, err
	}
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	all := rendezvous.SubjectsOf("*")
	_, err1 := nc.Subscribe(all.Device("*", "*", rendezvous.VerbAlive), r.onAlive)
	_, err2 := nc.Subscribe(all.Devices(), r.onList)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.wg.Add(1)
	go r.expire(run)
	return r, nil
}

func (r *registry) load(ctx context.Context) error {
	l, err := r.keys.ListKeys(ctx)
	if err != nil {
		return err
	}
	defer l.Stop()
	for k := range l.Keys() {
		e, err := r.keys.Get(ctx, k)
		if err != nil {
			return err
		}
		r.owner[k] = string(e.Value())
	}
	return nil
}

// claim lets key speak for a device, if it is the first to do so or the one that did before.
func (r *registry) claim(tenant, product, device, key string) error {
	k := strings.Join([]string{tenant, product, device}, ".")
	r.mu.Lock()
	owner := r.owner[k]
	r.mu.Unlock()
	if owner == "" {
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		_, err := r.keys.Create(ctx, k, []byte(key)) // fails if another server of a cluster was first
		switch {
		case errors.Is(err, jetstream.ErrKeyExists):
			e, err := r.keys.Get(ctx, k)
			if err != nil {
				return err
			}
			owner = string(e.Value())
		case err != nil:
			return err
		default:
			owner = key
		}
		r.mu.Lock()
		r.owner[k] = owner
		r.mu.Unlock()
	}
	if owner != key {
		return fmt.Errorf("%s/%s is another key's", product, device)
	}
	return nil
}

func (r *registry) onAlive(m *nats.Msg) {
	tenant, product, device, _, ok := rendezvous.DeviceOf(m.Subject)
	var a rendezvous.Alive
	if !ok || json.Unmarshal(m.Data, &a) != nil {
		return
	}
	k := strings.Join([]string{tenant, product, device}, ".")
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.present[k]
	if d == nil {
		d = &presentDevice{Presence: rendezvous.Presence{Product: product, Device: device}}
		r.present[k] = d
	}
	d.seen, d.Version = time.Now(), a.Version
	r.set(k, d, !a.Gone)
}

// set notes that a device came or went. Called with mu held.
func (r *registry) set(k string, d *presentDevice, online bool) {
	if d.Online == online && !d.Since.IsZero() {
		return
	}
	d.Online, d.Since = online, time.Now()
	p := d.Presence
	r.log.Info("device", "device", p.Product+"/"+p.Device, "online", online)
	if r.closed {
		return // a goodbye that came behind close
	}
	r.wg.Add(1)
	go func() { // nothing waits for the store
		defer r.wg.Done()
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		b, err := json.Marshal(p)
		if err == nil {
			_, err = r.presence.Put(ctx, k, b)
		}
		if err != nil {
			r.log.Debug("store presence", "err", err)
		}
	}()
}

func (r *registry) expire(ctx context.Context) {
	defer r.wg.Done()
	t := time.NewTicker(rendezvous.AliveEvery / 2)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		r.mu.Lock()
		for k, d := range r.present {
			if d.Online && time.Since(d.seen) > aliveTimeout {
				r.set(k, d, false)
			}
		}
		r.mu.Unlock()
	}
}

func (r *registry) onList(m *nats.Msg) {
	prefix := strings.TrimSuffix(strings.TrimPrefix(m.Subject, "xp2p."), ".devices") + "."
	l := []rendezvous.Presence{}
	r.mu.Lock()
	for k, d := range r.present {
		if strings.HasPrefix(k, prefix) {
			l = append(l, d.Presence)
		}
	}
	r.mu.Unlock()
	sort.Slice(l, func(i, j int) bool {
		return l[i].Product+"/"+l[i].Device < l[j].Product+"/"+l[j].Device
	})
	if b, err := json.Marshal(l); err == nil {
		m.Respond(b)
	}
}

func (r *registry) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.mu.Lock()
	r.closed = true // what still arrives starts nothing that wg would have to wait for
	r.mu.Unlock()
	r.wg.Wait()
}
