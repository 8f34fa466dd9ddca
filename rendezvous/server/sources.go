// SPDX-License-Identifier: LGPL-2.1-or-later

package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/xp2p/xp2p/rendezvous"
)

// sources knows which sources a 1vN stream has and which of them leads. All of it is in a
// key-value bucket, one record for each stream, which is changed as a whole or not at all:
// so several servers of a cluster agree.
type sources struct {
	log    *slog.Logger
	bucket jetstream.KeyValue // "T.GROUP" -> sourceGroup
	began  time.Time
}

// sourceGroup is the sources of one stream.
type sourceGroup struct {
	Leader string        `json:"leader,omitempty"`
	Until  time.Time     `json:"until"` // the leader's lease
	List   []knownSource `json:"sources"`
}

type knownSource struct {
	rendezvous.Source
	At   int64     `json:"at"` // by its own clock, Unix ms
	Seen time.Time `json:"seen"`
}

const (
	sourcesBucket = "sources"
	// groupHolds is how long a stream is remembered of which nothing is heard.
	groupHolds = time.Minute
	// silence is for how long a rendezvous that has just begun makes nobody a leader who
	// does not say that it leads already: those who do may need this long to come back.
	silence = 5 * time.Second
	// maxWaitingNews bounds what waits to be read; more is dropped, and said again.
	maxWaitingNews = 4096
	// maxChanges is how often a record may be changed by others meanwhile.
	maxChanges = 8
)

func serveSources(ctx context.Context, nc *nats.Conn, log *slog.Logger) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	s := &sources{log: log.With("part", "sources"), began: time.Now()}
	if s.bucket, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: sourcesBucket, History: 1, TTL: groupHolds, Storage: jetstream.MemoryStorage, MaxBytes: keyValueSize}); err != nil {
		return err
	}
	sub, err := nc.QueueSubscribe(rendezvous.SubjectsOf("*").Sources(), sourcesBucket, s.onNews)
	if err != nil {
		return err
	}
	return sub.SetPendingLimits(maxWaitingNews, -1)
}

func (s *sources) onNews(m *nats.Msg) {
	var l rendezvous.SourceList
	n, group, err := rendezvous.ReadNews(m.Data)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		tenant := strings.TrimSuffix(strings.TrimPrefix(m.Subject, "xp2p."), ".sources")
		l, err = s.take(ctx, tenant+"."+group, n)
	}
	if err != nil {
		s.log.Debug("news of a source", "err", err)
		l = rendezvous.SourceList{Error: err.Error()}
	}
	if b, err := json.Marshal(l); err == nil {
		m.Respond(b)
	}
}

// take puts a source's news into the record of its stream.
func (s *sources) take(ctx context.Context, key string, n rendezvous.SourceNews) (rendezvous.SourceList, error) {
	for range maxChanges {
		var g sourceGroup
		var revision uint64
		e, err := s.bucket.Get(ctx, key)
		switch {
		case err == nil:
			revision, err = e.Revision(), json.Unmarshal(e.Value(), &g)
		case errors.Is(err, jetstream.ErrKeyNotFound):
			err = nil
		}
		if err != nil {
			return rendezvous.SourceList{}, err
		}
		before := g.Leader
		if err := g.take(n, time.Now(), time.Since(s.began) < silence); err != nil {
			return rendezvous.SourceList{}, err
		}
		b, err := json.Marshal(g)
		if err != nil {
			return rendezvous.SourceList{}, err
		}
		if revision == 0 {
			_, err = s.bucket.Create(ctx, key, b)
		} else {
			_, err = s.bucket.Update(ctx, key, b, revision)
		}
		var wrong *jetstream.APIError
		if errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &wrong) && wrong.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
			continue // another server of the cluster was first
		}
		if err != nil {
			return rendezvous.SourceList{}, err
		}
		if g.Leader != before {
			s.log.Info("another source leads", "stream", n.Stream, "leader", g.Leader, "before", before)
		}
		return g.list(), nil
	}
	return rendezvous.SourceList{}, errors.New("the stream's record changes all the time: try again")
}

var (
	errOldNews     = errors.New("the source's news are older than what it said last: does another run use its ID, or was its clock set back?")
	errManySources = errors.New("the stream has as many sources as it can have: end one")
)

// take changes the record by what a source says; quiet: nobody is made the leader who does
// not lead.
func (g *sourceGroup) take(n rendezvous.SourceNews, now time.Time, quiet bool) error {
	g.List = slices.DeleteFunc(g.List, func(k knownSource) bool { return now.Sub(k.Seen) > rendezvous.SourceHolds })
	if g.Leader != "" && !now.Before(g.Until) {
		g.Leader = ""
	}
	at := slices.IndexFunc(g.List, func(k knownSource) bool { return k.ID == n.ID })
	if at >= 0 && n.At < g.List[at].At {
		return errOldNews
	}
	if n.Want == rendezvous.Gone {
		if at >= 0 {
			g.List = slices.Delete(g.List, at, at+1)
		}
		if g.Leader == n.ID {
			g.Leader = ""
		}
		return nil
	}
	switch k := (knownSource{n.Source, n.At, now}); {
	case at >= 0:
		g.List[at] = k
	case len(g.List) >= rendezvous.MaxSources:
		return errManySources
	default:
		g.List = append(g.List, k)
	}
	wants := n.Want == rendezvous.Leading || n.Want == rendezvous.Lead && !quiet
	switch {
	case g.Leader == n.ID && n.Want == rendezvous.Follow: // it has begun anew, or gives it up
		g.Leader = ""
	case wants && (g.Leader == "" || g.Leader == n.ID):
		g.Leader, g.Until = n.ID, now.Add(rendezvous.LeaseHolds)
	}
	return nil
}

func (g *sourceGroup) list() rendezvous.SourceList {
	l := rendezvous.SourceList{Leader: g.Leader}
	for _, k := range g.List {
		l.Sources = append(l.Sources, k.Source)
	}
	return l
}
